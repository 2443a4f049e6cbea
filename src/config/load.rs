//! Loading: all stages in order, all problems of all stages in one list.

use std::path::Path;

use serde_json::Value;

use super::environment::Environment;
use super::error::{Errors, Problem};
use super::file::ConfigFile;
use super::resolve::resolve;
use super::schema::{Violation, violations};
use super::sections::Document;
use super::settings::Config;

/// Reads, completes and checks a config file.
///
/// # Errors
///
/// Everything that is wrong with it, not only the first thing.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, Errors> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let mut document = Document::read(path, &mut problems, &mut warnings);
    // A file that can't be read, or the file of a section, hides everything behind it: complaints about missing keys
    // would only bury the reason.
    let whole = problems.is_empty();
    environment.apply(&mut document, &mut problems);
    check(document, whole, problems, warnings)
}

/// Checks a document; `whole` says whether all of it could be read.
pub(super) fn check(
    document: Document,
    whole: bool,
    mut problems: Vec<Problem>,
    mut warnings: Vec<String>,
) -> Result<Config, Errors> {
    let mut value = document.value.clone();
    let mut found = violations(&value);
    if !whole {
        found.retain(|violation| violation.pointer.matches('/').count() > 1);
    }
    for violation in &found {
        take_out(&mut value, &violation.pointer);
    }
    let file: ConfigFile = match serde_json::from_value(value) {
        Ok(file) => file,
        Err(error) => {
            // The schema is stricter than the types, so this is a gap in the schema, and still an error to show.
            problems.push(Problem { location: document.location(""), text: error.to_string() });
            return Err(Errors(problems));
        }
    };
    let (mut config, mut checked) = resolve(file, document.value.clone());
    // Values that were taken out look absent to the checks: what these say about the same place is no news.
    checked.retain(|violation| !found.iter().any(|other| related(&violation.pointer, &other.pointer)));
    for Violation { pointer, text } in found.into_iter().chain(checked) {
        problems.push(Problem { location: document.location(&pointer), text });
    }
    if !problems.is_empty() {
        return Err(Errors(problems));
    }
    warnings.append(&mut config.warnings);
    config.warnings = warnings;
    Ok(config)
}

/// Removes the value at a pointer, so that the rest can be read. In a list, the whole list goes: with one item less,
/// the pointers to the others would be wrong.
fn take_out(value: &mut Value, pointer: &str) {
    let Some((parent, token)) = pointer.rsplit_once('/') else {
        *value = Value::Object(serde_json::Map::new());
        return;
    };
    let inside_list = matches!(value.pointer(parent), Some(Value::Array(_)));
    if inside_list {
        take_out(value, parent);
    } else if let Some(Value::Object(members)) = value.pointer_mut(parent) {
        members.remove(&token.replace("~1", "/").replace("~0", "~"));
    }
}

/// Whether one of two pointers leads to the other.
fn related(a: &str, b: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    inside(a, b) || inside(b, a)
}
