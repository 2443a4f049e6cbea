//! What a reload (SIGHUP) can change and what needs a restart.

use std::collections::BTreeSet;

use serde_json::Value;

use super::sections::{escape, shown};
use super::settings::Config;

/// Settings below these pointers take effect at a reload. The files that certificates lie in are read again at every
/// reload, but under the names of the start.
const RELOADABLE: [&str; 3] = ["/metrics", "/remote-write", "/rules"];

/// The JSON pointers of settings that differ between two configs and that a running server can't change, sorted.
pub fn restart_needed(running: &Config, loaded: &Config) -> Vec<String> {
    let mut changed = BTreeSet::new();
    differences(&running.effective.0, &loaded.effective.0, String::new(), &mut changed);
    changed.retain(|pointer| {
        !RELOADABLE
            .iter()
            .any(|prefix| pointer.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    });
    changed.into_iter().map(|pointer| shown(&pointer).to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Collects the deepest pointers at which two values differ; lists are compared whole.
fn differences(a: &Value, b: &Value, pointer: String, changed: &mut BTreeSet<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let pointer = format!("{pointer}/{}", escape(key));
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => differences(a, b, pointer, changed),
                    _ => {
                        changed.insert(pointer);
                    }
                }
            }
        }
        (a, b) if a != b => {
            changed.insert(pointer);
        }
        _ => {}
    }
}
