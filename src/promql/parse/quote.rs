//! Quotes: texts and characters as errors show them, and what stands between the quotes of a query.

use crate::model::write_quoted;

/// A text in double quotes, as Go shows it.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    // Writing to a String cannot fail.
    let _ = write_quoted(&mut quoted, text);
    quoted
}

/// A character in single quotes, as Go shows it; the end of the text shows as the replacement character.
pub(super) fn quote_char(character: Option<char>) -> String {
    match character {
        None => "'\u{fffd}'".to_owned(),
        Some('\'') => r"'\''".to_owned(),
        Some('"') => "'\"'".to_owned(),
        Some(other) => {
            let quoted = quote(other.encode_utf8(&mut [0; 4]));
            // `quote` puts one ASCII byte at either end.
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

/// What stands between the quotes of `quoted`, a string whose escapes the lexer has found good.
///
/// Escapes of bytes (`\xff`) may make a text that is no UTF-8; such a text is refused, since labels hold UTF-8 alone.
pub(super) fn unquote(quoted: &str) -> Result<String, &'static str> {
    let Some(inner) = quoted.len().checked_sub(1).and_then(|end| quoted.get(1..end)) else {
        return Err("invalid syntax");
    };
    if quoted.starts_with('`') || !inner.contains('\\') {
        return Ok(inner.to_owned());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let kind = escape.chars().next().ok_or("invalid syntax")?;
        let (digits, radix) = match kind {
            'x' => (1..3, 16),
            'u' => (1..5, 16),
            'U' => (1..9, 16),
            '0'..='7' => (0..3, 8),
            _ => (0..0, 0),
        };
        if radix == 0 {
            bytes.push(match kind {
                'a' => 7,
                'b' => 8,
                'f' => 12,
                'n' => b'\n',
                'r' => b'\r',
                't' => b'\t',
                'v' => 11,
                '\\' | '"' | '\'' => kind as u8,
                _ => return Err("invalid syntax"),
            });
            rest = &escape[1..];
            continue;
        }
        let text = escape.get(digits.clone()).ok_or("invalid syntax")?;
        let code = u32::from_str_radix(text, radix).map_err(|_| "invalid syntax")?;
        if matches!(kind, 'u' | 'U') {
            let character = char::from_u32(code).ok_or("invalid syntax")?;
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            bytes.push(u8::try_from(code).map_err(|_| "invalid syntax")?);
        }
        rest = &escape[digits.end..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| "invalid UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(unquote(r#""a\n\t\\\"\x41\101\u00e9\U0001F600""#).unwrap(), "a\n\t\\\"AAé😀");
        assert_eq!(unquote(r"'it\'s \xc3\xa9'").unwrap(), "it's é");
        assert_eq!(unquote(r"`a\n`").unwrap(), "a\\n");
        assert_eq!(unquote("''").unwrap(), "");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        assert_eq!(unquote(r#""\xff""#), Err("invalid UTF-8"));
    }

    #[test]
    fn characters_show_as_in_go() {
        assert_eq!(quote_char(Some('\'')), r"'\''");
        assert_eq!(quote_char(Some('"')), "'\"'");
        assert_eq!(quote_char(Some('\n')), r"'\n'");
        assert_eq!(quote_char(Some('é')), "'é'");
        assert_eq!(quote_char(None), "'\u{fffd}'");
    }
}
