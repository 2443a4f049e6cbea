//! Stage 1: a line comes apart into key, value and time.
//!
//! This is the hottest loop of the product, so the line that collectors really send (`KEY value=NUMBER TIME`) is read
//! in one pass without a branch for anything odd; whatever does not look like that goes to [`careful`], which knows the
//! whole grammar. Invariant: where the common way gives an answer, the careful one gives the same.

use memchr::memchr;

use super::error::{Excerpt, LineError};
use super::{number, time};

/// The longest line in bytes, its newline not counted.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// A line, its metric and tags not yet looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split<'a> {
    /// Metric and tags as they stand in the line, never empty. Equal keys mean the same series (different ones may
    /// too); [`parse_key`](super::parse_key) tells which, or that the key is malformed.
    pub key: &'a [u8],
    /// The field `value`, finite; the last one if there are several.
    pub value: f64,
    /// The timestamp as it stands in the line, in a unit that [`seconds`](super::seconds) finds out.
    pub time: Option<i64>,
}

/// Takes a line apart that is given without its newline; a carriage return at its end is no part of it. Gives nothing
/// for an empty line and for a comment (`#`, blanks before it or not).
///
/// # Errors
///
/// A line that is too long, has no field or another one than `value`, a value that is no finite number, or a time that
/// is no whole number.
#[inline]
pub fn split(line: &[u8]) -> Result<Option<Split<'_>>, LineError> {
    match common(line) {
        Some(split) => Ok(Some(split)),
        None => careful(line),
    }
}

/// The line that needs no thought; nothing for any other one.
#[inline]
pub(super) fn common(line: &[u8]) -> Option<Split<'_>> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let (key, rest) = line.split_at(memchr(b' ', line)?);
    if matches!(key.first()?, b'#') || matches!(key.last()?, b'\\') {
        return None;
    }
    let rest = rest.strip_prefix(FIELD)?;
    let (value, length) = number::scan(rest)?;
    let time = match rest.get(length..)? {
        [] | b"\r" => None,
        [b' ', digits @ ..] => Some(time::scan(digits.strip_suffix(b"\r").unwrap_or(digits))?),
        _ => return None,
    };
    Some(Split { key, value, time })
}

/// The whole grammar, and the reasons.
#[cold]
pub(super) fn careful(line: &[u8]) -> Result<Option<Split<'_>>, LineError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineError::TooLong { length: line.len() });
    }
    let line = skip_blanks(line.strip_suffix(b"\r").unwrap_or(line));
    if matches!(line.first(), None | Some(b'#')) {
        return Ok(None);
    }
    let (key, rest) = line.split_at(key_len(line));
    let mut rest = skip_blanks(rest);
    if rest.is_empty() {
        return Err(LineError::NoField { found: Excerpt::of(key) });
    }
    loop {
        let Some(behind) = rest.strip_prefix(&FIELD[1..]) else {
            return Err(match &rest[..end(rest, b"=, ")] {
                b"value" => LineError::Value { found: Excerpt::of(b""), expected: "a number behind \"value=\"" },
                name => LineError::Field { found: Excerpt::of(name) },
            });
        };
        let value = if behind.first() == Some(&b'"') {
            // A string may hold blanks and commas. It is no number whatever it holds.
            number::parse(behind)?
        } else {
            number::parse(&behind[..end(behind, b", ")])?
        };
        let behind = &behind[end(behind, b", ")..];
        if let Some(next) = behind.strip_prefix(b",") {
            rest = next;
            continue;
        }
        let time = match trim_blanks(behind) {
            [] => None,
            text => Some(time::parse(text).ok_or_else(|| LineError::Time { found: Excerpt::of(text) })?),
        };
        return Ok(Some(Split { key, value, time }));
    }
}

/// The length of metric and tags at the start of a line: up to the first blank that no backslash escapes. A backslash
/// escapes a blank however many stand before it: it never escapes another backslash there.
pub(super) fn key_len(line: &[u8]) -> usize {
    memchr::memchr_iter(b' ', line).find(|&at| at == 0 || line[at - 1] != b'\\').unwrap_or(line.len())
}

/// The place of the first of `stops`, or the end.
fn end(text: &[u8], stops: &[u8]) -> usize {
    text.iter().position(|byte| stops.contains(byte)).unwrap_or(text.len())
}

/// The text without the blanks at its start. Tabs are no blanks, as in the reference.
pub(super) fn skip_blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|&&byte| byte == b' ').count()..]
}

fn trim_blanks(text: &[u8]) -> &[u8] {
    let text = skip_blanks(text);
    &text[..text.len() - text.iter().rev().take_while(|&&byte| byte == b' ').count()]
}

const FIELD: &[u8] = b" value=";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_is(line: &str, key: &str, value: f64, time: Option<i64>) {
        let split = split(line.as_bytes()).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        assert_eq!(split, Some(Split { key: key.as_bytes(), value, time }), "{line:?}");
    }

    #[track_caller]
    fn assert_reason(line: &str, reason: &str) {
        assert_eq!(split(line.as_bytes()).unwrap_err().to_string(), reason, "{line:?}");
    }

    #[test]
    fn the_collectors_lines_take_the_common_way() {
        for line in [
            "cpu_load,cluster=alex,hostname=a0001,type=node value=1.5 1770245220",
            "cpu_load,cluster=alex,hostname=a0001,type=node value=1.2345675e+06 1770245220\r",
            "mem_used,cluster=alex,hostname=k1 value=7i 1770245220000000000",
            "mem_used,cluster=alex,hostname=k1 value=9u",
            "mem_used value=190.0124077152176\r",
        ] {
            let common = common(line.as_bytes());
            assert!(common.is_some(), "{line}");
            assert_eq!(common, careful(line.as_bytes()).unwrap());
        }
    }

    #[test]
    fn a_line_has_a_key_a_value_and_maybe_a_time() {
        assert_is("load,host=a value=1.5 1770245220", "load,host=a", 1.5, Some(1_770_245_220));
        assert_is("load,host=a value=1.5", "load,host=a", 1.5, None);
        assert_is("load value=-3i 5", "load", -3.0, Some(5));
        assert_is("load value=1 -5", "load", 1.0, Some(-5));
    }

    #[test]
    fn blanks_and_carriage_returns_are_taken_where_the_reference_takes_them() {
        assert_is("  load,host=a   value=1   17  ", "load,host=a", 1.0, Some(17));
        assert_is("load value=1 ", "load", 1.0, None);
        assert_is("load value=1 \r", "load", 1.0, None);
        assert_is("load value=1\r", "load", 1.0, None);
        assert_is("load value=1 1770245220 \r", "load", 1.0, Some(1_770_245_220));
        assert_reason("load value=1\r 17", r#"value "1\r": expected a number"#);
        assert_reason("load value=1 17\r\r", &time_reason(r"17\r"));
        assert_reason("load value=1\t17", r#"value "1\t17": expected a number"#);
        assert_reason("load value= 1", r#"value "": expected a number behind "value=""#);
        assert_reason("load value=1, value=2", r#"field "": expected the field "value""#);
        assert_reason("load\tvalue=1", r#"no field after "load\tvalue=1": expected the field "value""#);
    }

    #[test]
    fn empty_lines_and_comments_are_nothing() {
        for line in ["", "\r", "   ", "  \r", "#", "# value=1", "  # a\tcomment \u{1}", "#load value=x y"] {
            assert_eq!(split(line.as_bytes()), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn the_last_of_several_values_wins() {
        assert_is("load value=1,value=2 17", "load", 2.0, Some(17));
        assert_is("load value=1,value=2i", "load", 2.0, None);
        assert_reason("load value=1,value=x 17", r#"value "x": expected a number"#);
        assert_reason("load value=1,load=2 17", r#"field "load": expected the field "value""#);
        assert_reason("load value=1,", r#"field "": expected the field "value""#);
        assert_reason("load value=1,,value=2", r#"field "": expected the field "value""#);
    }

    #[test]
    fn escaped_blanks_belong_to_the_key() {
        assert_is(r"my\ load,host=a\ b value=1 17", r"my\ load,host=a\ b", 1.0, Some(17));
        assert_is(r"load,host=a\\\ b value=1", r"load,host=a\\\ b", 1.0, None);
        assert_is(r"load,host=a\\b value=1", r"load,host=a\\b", 1.0, None);
        assert_reason(r"load,host=a\ value=1", r#"no field after "load,host=a\\ value=1": expected the field "value""#);
    }

    #[test]
    fn bad_lines_get_a_reason() {
        assert_reason("load,host=a 1770245220", r#"field "1770245220": expected the field "value""#);
        assert_reason("load,host=a load=1 17", r#"field "load": expected the field "value""#);
        assert_reason("load,host=a val\\ ue=1 17", r#"field "val\\": expected the field "value""#);
        assert_reason("load,host=a =1 17", r#"field "": expected the field "value""#);
        assert_reason("load,host=a value 17", r#"value "": expected a number behind "value=""#);
        assert_reason("load,host=a", r#"no field after "load,host=a": expected the field "value""#);
        assert_reason("load,host=a ", r#"no field after "load,host=a": expected the field "value""#);
        assert_reason("load value=\"a, b\" 17", r#"value "\"a, b\" 17": expected a number, not a string"#);
        assert_reason("load value=true 17", r#"value "true": expected a number, not a boolean"#);
        assert_reason("load value=1.2.3 17", r#"value "1.2.3": expected a number"#);
        assert_reason("load value=1e400 17", r#"value "1e400" is out of range: expected a finite number"#);
        assert_reason("load value=1 12x4", &time_reason("12x4"));
        assert_reason("load value=1 17 18", &time_reason("17 18"));
        assert_reason("load value=1 +17", &time_reason("+17"));
        assert_reason("load value=1 9223372036854775808", &time_reason("9223372036854775808"));
    }

    fn time_reason(found: &str) -> String {
        format!("time \"{found}\": expected a whole number of seconds, milli-, micro- or nanoseconds since 1970")
    }

    #[test]
    fn lines_have_a_longest_length() {
        let mut line = b"load,x=".to_vec();
        line.resize(LINE_BYTES_MAX - 8, b'y');
        line.extend(b" value=1");
        assert!(matches!(split(&line), Ok(Some(_))));
        line.extend(b"0");
        assert_eq!(split(&line), Err(LineError::TooLong { length: 65_537 }));
        assert_eq!(split(&line).unwrap_err().to_string(), "line of 65537 bytes: expected at most 65536");
    }
}
