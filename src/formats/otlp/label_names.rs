//! Names of attributes as names of labels.

use super::error::OtlpError;
use super::metric_names::quoted;
use super::options::OtlpOptions;

/// The name of an attribute's label.
pub(super) fn label_name(name: &str, options: &OtlpOptions) -> Result<String, OtlpError> {
    if name.is_empty() {
        return Err(OtlpError::EmptyLabel);
    }
    let mut built = name.to_owned();
    if options.strategy.escapes() {
        built = if options.keep_underscores { replaced(name) } else { collapsed(name) };
        if built.starts_with(|first: char| first.is_ascii_digit()) {
            built.insert_str(0, "key_");
        } else if options.underscores_get_key && built.starts_with('_') && !built.starts_with("__") {
            built.insert_str(0, "key");
        }
    }
    if built.bytes().all(|byte| byte == b'_') {
        return Err(OtlpError::InvalidLabel { label: quoted(name), name: quoted(&built) });
    }
    Ok(built)
}

fn replaced(name: &str) -> String {
    name.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect()
}

/// Underscores in a row become one, but for those around a reserved name.
fn collapsed(name: &str) -> String {
    let reserved = name.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"));
    let mut out = String::with_capacity(name.len());
    for character in replaced(reserved.unwrap_or(name)).chars() {
        if !(character == '_' && out.ends_with('_')) {
            out.push(character);
        }
    }
    if reserved.is_some() { format!("__{out}__") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::otlp::TranslationStrategy;

    #[test]
    fn names_have_old_characters_only() {
        let plain = OtlpOptions::default();
        let collapsing = OtlpOptions { keep_underscores: false, underscores_get_key: false, ..OtlpOptions::default() };
        for (name, expected, collapsed) in [
            ("http.method", "http_method", "http_method"),
            ("1a", "key_1a", "key_1a"),
            ("_private", "key_private", "_private"),
            ("__reserved__", "__reserved__", "__reserved__"),
            ("a..b__c", "a__b__c", "a_b_c"),
            ("ä:b", "__b", "_b"),
        ] {
            assert_eq!(label_name(name, &plain).as_deref(), Ok(expected));
            assert_eq!(label_name(name, &collapsing).as_deref(), Ok(collapsed));
        }
        let free = OtlpOptions { strategy: TranslationStrategy::NoTranslation, ..OtlpOptions::default() };
        assert_eq!(label_name("http.method", &free).as_deref(), Ok("http.method"));
        assert_eq!(label_name("", &free), Err(OtlpError::EmptyLabel));
        assert!(label_name("__", &free).is_err());
        assert_eq!(
            label_name("ä", &collapsing).unwrap_err().to_string(),
            r#"normalization for label name "ä" resulted in invalid name "_""#
        );
    }
}
