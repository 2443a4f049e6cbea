//! Secrets from the environment: variables that override settings, so that no secret needs to lie in the config file.
//!
//! Invariant: a variable that is set but empty counts as not set. Otherwise an empty `TREERING_JWT_PUBLIC_KEY`, left
//! by a failed substitution in a unit file, would switch all tokens off.

use std::collections::HashMap;

use serde_json::Value;

use super::error::{Location, Problem};
use super::sections::{Document, read_bounded};

/// The variables that override settings, with the settings' JSON pointers. Each has a twin with `_FILE` behind its
/// name that names a file with the value.
pub(super) const OVERRIDES: [(&str, &str); 5] = [
    ("TREERING_JWT_PUBLIC_KEY", "/main/jwt-public-key"),
    ("TREERING_BACKEND_TOKEN", "/main/backend-token"),
    ("TREERING_NATS_USERNAME", "/nats/username"),
    ("TREERING_NATS_PASSWORD", "/nats/password"),
    ("TREERING_NATS_CREDS_FILE_PATH", "/nats/creds-file-path"),
];

/// Environment variables; a value of its own, so that tests need not touch the process's.
#[derive(Clone, Default)]
pub struct Environment {
    variables: HashMap<String, String>,
}

impl Environment {
    /// No variables at all.
    pub fn empty() -> Self {
        Environment::default()
    }

    /// The process's variables as they are now. Those that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Environment { variables }
    }

    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Puts the overrides into a document and notes where they came from.
    pub(super) fn apply(&self, document: &mut Document, problems: &mut Vec<Problem>) {
        for (name, pointer) in OVERRIDES {
            let file_name = format!("{name}_FILE");
            let (origin, value) = match (self.get(name), self.get(&file_name)) {
                (None, None) => continue,
                (Some(_), Some(_)) => {
                    let text = format!("found both it and ${name}, expected one of them");
                    problems.push(Problem { location: Location::Variable(file_name), text });
                    continue;
                }
                (Some(value), None) => (name.to_owned(), value.to_owned()),
                (None, Some(path)) => match read_bounded(path.as_ref()) {
                    // An editor ends a file with a newline that is no part of the secret.
                    Ok(text) => (file_name, text.trim_end_matches(['\r', '\n']).to_owned()),
                    Err(error) => {
                        let text = format!("found {path:?}, expected a file that can be read: {error}");
                        problems.push(Problem { location: Location::Variable(file_name), text });
                        continue;
                    }
                },
            };
            document.set(pointer, Value::String(value), origin);
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Environment { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: the values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.variables.keys()).finish()
    }
}
