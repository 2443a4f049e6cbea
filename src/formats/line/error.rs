//! Why a line is refused.
//!
//! Every reason names what was found, shortened and escaped so that it is safe in a log or an HTTP answer whatever the
//! bytes were, and what was expected in its place.

use std::fmt::{self, Write};

use super::LINE_BYTES_MAX;

/// Why a line is refused. Holds a few dozen bytes of the line at most.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The line is longer than [`LINE_BYTES_MAX`].
    #[error("line of {length} bytes: expected at most {LINE_BYTES_MAX}")]
    TooLong {
        /// The line's length in bytes.
        length: usize,
    },
    /// The name of the metric or a tag is not UTF-8.
    #[error("{found}: expected UTF-8")]
    NotUtf8 {
        /// The bytes from the first wrong one on.
        found: Excerpt,
    },
    /// The line does not begin with a metric's name.
    #[error("{found}: expected {expected}")]
    Metric {
        /// The bytes in its place.
        found: Excerpt,
        /// What belongs there.
        expected: &'static str,
    },
    /// A tag is incomplete or malformed.
    #[error("tag {found}: expected {expected}")]
    Tag {
        /// The tag.
        found: Excerpt,
        /// What belongs there.
        expected: &'static str,
    },
    /// Nothing follows the metric and the tags.
    #[error("no field after {found}: expected the field \"value\"")]
    NoField {
        /// The metric and the tags.
        found: Excerpt,
    },
    /// A field has another name than `value`, or none.
    #[error("field {found}: expected the field \"value\"")]
    Field {
        /// The field's name.
        found: Excerpt,
    },
    /// The value is no number.
    #[error("value {found}: expected {expected}")]
    Value {
        /// The value.
        found: Excerpt,
        /// What belongs there.
        expected: &'static str,
    },
    /// The value is a number that its type cannot hold, or none that is finite.
    #[error("value {found} is out of range: expected {expected}")]
    Range {
        /// The value.
        found: Excerpt,
        /// What its type can hold.
        expected: &'static str,
    },
    /// The time is no whole number of 64 bits, or something follows it.
    #[error("time {found}: expected a whole number of seconds, milli-, micro- or nanoseconds since 1970")]
    Time {
        /// What stands in the time's place.
        found: Excerpt,
    },
}

/// A part of a refused line, cut to [`EXCERPT_BYTES_MAX`] and escaped; prints in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    /// What a message may repeat of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut end = bytes.len().min(EXCERPT_BYTES_MAX);
        if end < bytes.len() {
            // A character that the cut would halve is left out; four bytes are the longest one.
            end -= (0..4).find(|&back| bytes[end - back] & 0xc0 != 0x80).unwrap_or(0);
        }
        let mut text = String::with_capacity(end + 8);
        text.push('"');
        for chunk in bytes[..end].utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\'' => text.push(c),
                    _ => text.extend(c.escape_debug()),
                }
            }
            for byte in chunk.invalid() {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        if end < bytes.len() {
            text.push('…');
        }
        text.push('"');
        Excerpt(text.into())
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As much of a bad line as a reason repeats: enough to find it, too little to flood a log.
const EXCERPT_BYTES_MAX: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::line::{parse_key, split};

    #[test]
    fn excerpts_are_safe_to_print() {
        assert_eq!(Excerpt::of(b"load").to_string(), r#""load""#);
        assert_eq!(Excerpt::of(b"a\"b\\c\0\n\x1b[31m").to_string(), r#""a\"b\\c\0\n\u{1b}[31m""#);
        assert_eq!(Excerpt::of("wärme's".as_bytes()).to_string(), "\"wärme's\"");
        assert_eq!(Excerpt::of(b"a\xff\xc3").to_string(), r#""a\xff\xc3""#);
    }

    #[test]
    fn excerpts_are_short_and_keep_characters_whole() {
        assert_eq!(Excerpt::of(&[b'x'; 48]).to_string().len(), 50);
        let cut = Excerpt::of("ä".repeat(1000).as_bytes()).to_string();
        assert_eq!(cut, format!("\"{}…\"", "ä".repeat(24)));
        let cut = Excerpt::of(format!("x{}", "ä".repeat(1000)).as_bytes()).to_string();
        assert_eq!(cut, format!("\"x{}…\"", "ä".repeat(23)));
        // Continuation bytes alone are no character to keep whole.
        assert!(Excerpt::of(&[0x80; 100]).to_string().starts_with("\"\\x80"));
    }

    #[test]
    fn the_documented_reasons_are_the_real_ones() {
        let page = include_str!("../../../docs/formats/line-protocol.md");
        let rows = page.lines().filter_map(|row| row.strip_prefix("| `load")?.strip_suffix("` |")?.split_once("` | `"));
        let mut count = 0;
        for (line, reason) in rows {
            let line = format!("load{line}");
            let error = split(line.as_bytes()).and_then(|split| split.map(|split| parse_key(split.key)).transpose());
            assert_eq!(error.unwrap_err().to_string(), reason, "{line}");
            count += 1;
        }
        assert_eq!(count, 9, "rows of the table");
    }
}
