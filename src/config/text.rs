//! A config file's text: JSON or YAML, told by the file's name and its first character.

use std::path::Path;

use serde_json::Value;

use crate::formats::yaml::{self, Lines};

/// What a text means.
pub(super) struct Text {
    pub value: Value,
    /// The lines of its values; JSON's are not known.
    pub lines: Option<Lines>,
}

/// Whether a file's name says that it is YAML.
pub(super) fn is_yaml(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["yaml", "yml"].iter().any(|yaml| extension.eq_ignore_ascii_case(yaml))
}

/// Reads a text: YAML if its name says so, or else if it begins as no JSON does that could be a config or a section.
pub(super) fn read_text(text: &str, is_yaml: bool) -> Result<Text, String> {
    let first = text.trim_start().chars().next();
    if !is_yaml && matches!(first, None | Some('{' | '[')) {
        return match serde_json::from_str(text) {
            Ok(value) => Ok(Text { value, lines: None }),
            // The message ends with the line and the column.
            Err(error) => Err(format!("no valid JSON: {error}")),
        };
    }
    match yaml::parse(text) {
        Ok(yaml) => Ok(Text { value: yaml.value, lines: Some(yaml.lines) }),
        Err(error) if is_yaml => Err(format!("no valid YAML: {error}")),
        Err(error) => Err(format!("no JSON, which begins with {{, and no valid YAML: {error}")),
    }
}
