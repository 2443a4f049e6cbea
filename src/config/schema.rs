//! The JSON schema of the config file, and validation that names every error.

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::follows::follows;
use super::sections::escape;
use super::suggest::nearest;

/// One value that breaks the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    /// The JSON pointer of the value, or of the key that is unknown or missing.
    pub pointer: String,
    /// What was found and what was expected.
    pub text: String,
}

/// The schema (draft 2020-12) as printed by `treering schema`, for editors and checks.
///
/// It is a file beside the configs, so that a start reads it instead of deriving it; a test compares it with what the
/// types say (`schema_of_types`).
pub const SCHEMA_TEXT: &str = include_str!("../../configs/treering.schema.json");

/// The schema itself, for the tests of the documentation too.
pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

fn schema() -> Value {
    // The text is a constant, and a test reads it.
    serde_json::from_str(SCHEMA_TEXT).unwrap_or_default()
}

static VALIDATOR: LazyLock<Option<Validator>> = LazyLock::new(|| jsonschema::validator_for(&SCHEMA).ok());

/// Every way in which a document breaks the schema, in the document's order.
pub(super) fn violations(document: &Value) -> Vec<Violation> {
    // Kept by nobody: the next time is a reload, or never.
    if follows(document, &schema()) == Some(true) {
        return Vec::new();
    }
    // The schema is a constant, and a test compiles it.
    let Some(validator) = VALIDATOR.as_ref() else { return Vec::new() };
    validator.iter_errors(document).flat_map(|error| describe(&error)).collect()
}

fn describe(error: &ValidationError<'_>) -> Vec<Violation> {
    let pointer = error.instance_path().as_str().to_owned();
    let keyword = SCHEMA.pointer(error.schema_path().as_str());
    let found = found(error.instance(), &pointer);
    let one = |expected: String| {
        vec![Violation { text: format!("found {found}, expected {expected}"), pointer: pointer.clone() }]
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = siblings(error.schema_path().as_str());
            unexpected
                .iter()
                .map(|key| Violation { pointer: format!("{pointer}/{}", escape(key)), text: unknown_key(key, &known) })
                .collect()
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            // What the file as a whole needs is said under a condition.
            let at = parent(error.schema_path().as_str()).trim_end_matches("/then");
            let schema = SCHEMA.pointer(&format!("{at}/properties/{}", escape(key)));
            let expected = schema.and_then(|schema| schema.get("type")).map_or("it".to_owned(), types);
            let text = format!("missing, expected {expected}");
            vec![Violation { pointer: format!("{pointer}/{}", escape(key)), text }]
        }
        ValidationErrorKind::Type { .. } => one(keyword.map_or_else(|| "another type".to_owned(), types)),
        ValidationErrorKind::Enum { options } => one(choices(options)),
        ValidationErrorKind::Minimum { limit } => one(format!("at least {limit}")),
        ValidationErrorKind::Maximum { limit } => one(format!("at most {limit}")),
        // No other keyword is in the schema today; the crate's own words will do should one come.
        _ => vec![Violation { text: error.masked().to_string(), pointer }],
    }
}

/// A value as messages show it: short, and no secrets.
pub(super) fn found(value: &Value, pointer: &str) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(_) | Value::Number(_) if SECRETS.iter().any(|secret| pointer.ends_with(secret)) => {
            "a value".to_owned()
        }
        Value::String(text) if text.chars().count() > SHOWN_CHARS_MAX => {
            let beginning: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            format!("{beginning:?}… ({} bytes)", text.len())
        }
        other => other.to_string(),
    }
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("unknown key, did you mean {near:?}?"),
        None => format!("unknown key, expected one of {}", known.join(", ")),
    }
}

/// The properties beside the keyword at a path in the schema.
fn siblings(path: &str) -> Vec<&'static str> {
    match SCHEMA.pointer(&format!("{}/properties", parent(path))) {
        Some(Value::Object(properties)) => properties.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The value of the keyword `type` in words. Null is left out: it means absent, which needs no advice.
fn types(keyword: &Value) -> String {
    let names: Vec<&str> = match keyword {
        Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        name => name.as_str().into_iter().collect(),
    };
    let articled: Vec<String> = names
        .into_iter()
        .map(|name| match name {
            "array" | "integer" | "object" => format!("an {name}"),
            other => format!("a {other}"),
        })
        .collect();
    articled.join(" or ")
}

/// The value of the keyword `enum` in words.
fn choices(options: &Value) -> String {
    let all: Vec<String> = options
        .as_array()
        .into_iter()
        .flatten()
        .filter(|option| option.as_str() != Some(""))
        .map(Value::to_string)
        .collect();
    match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => all.join(""),
    }
}

/// Ends of pointers whose values are not shown.
const SECRETS: [&str; 2] = ["/password", "/backend-token"];
/// Longer texts are cut in messages.
const SHOWN_CHARS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sections::SECTIONS;
    use super::*;

    #[test]
    fn the_schema_compiles_and_knows_every_section() {
        assert!(VALIDATOR.is_some());
        for section in SECTIONS {
            assert!(SCHEMA.pointer(&format!("/properties/{section}")).is_some(), "{section}");
        }
        assert!(!SCHEMA_TEXT.contains("$ref"), "messages are made from keywords in place");
    }

    #[test]
    fn secrets_and_long_texts_are_not_shown() {
        assert_eq!(found(&json!("abc"), "/nats/password"), "a value");
        assert_eq!(found(&json!(7), "/main/backend-token"), "a value");
        assert_eq!(found(&json!("abc"), "/main/addr"), "\"abc\"");
        assert!(found(&json!("x".repeat(1000)), "/main/addr").len() < 100);
    }
}
