//! Values of attributes as the texts of labels: what OpenTelemetry's Go library makes of them.

use std::fmt::Write;

use base64::Engine as _;

use super::message::AnyValue;
use crate::model::histogram::{general_text, json_number};

impl AnyValue<'_> {
    /// The text of a label: texts as they are, lists and maps as JSON.
    pub(super) fn to_text(&self) -> String {
        let mut out = String::new();
        match self {
            AnyValue::Empty => {}
            AnyValue::Text(text) => out.push_str(text),
            AnyValue::Bytes(bytes) => base64::engine::general_purpose::STANDARD.encode_string(bytes, &mut out),
            AnyValue::Double(number) if !number.is_finite() => {
                return format!("json: unsupported value: {}", general_text(*number));
            }
            // A number that JSON has no word for spoils the whole text, as in Go.
            other if other.put_json(&mut out).is_none() => out.clear(),
            _ => {}
        }
        out
    }

    fn put_json(&self, out: &mut String) -> Option<()> {
        match self {
            AnyValue::Empty => out.push_str("null"),
            AnyValue::Text(text) => put_quoted(out, text),
            AnyValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            AnyValue::Int(number) => out.push_str(&number.to_string()),
            AnyValue::Double(number) if !number.is_finite() => return None,
            AnyValue::Double(number) => out.push_str(&json_number(*number).replace("e-0", "e-")),
            AnyValue::Bytes(bytes) => {
                out.push('"');
                base64::engine::general_purpose::STANDARD.encode_string(bytes, out);
                out.push('"');
            }
            AnyValue::Array(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    value.put_json(out)?;
                }
                out.push(']');
            }
            AnyValue::Map(entries) => {
                // Sorted by key; of equal keys the last one counts.
                let entries: std::collections::BTreeMap<_, _> =
                    entries.iter().map(|entry| (&*entry.key, &entry.value)).collect();
                out.push('{');
                for (at, (key, value)) in entries.into_iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    put_quoted(out, key);
                    out.push(':');
                    value.put_json(out)?;
                }
                out.push('}');
            }
        }
        Some(())
    }
}

/// As Go writes texts in JSON, safe inside of HTML.
fn put_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
