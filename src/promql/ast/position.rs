//! Places in the text of a query.

use std::fmt;

/// A range of bytes of the query's text, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
}

impl Span {
    /// From one byte to before another.
    pub fn new(start: u32, end: u32) -> Span {
        Span { start, end }
    }

    /// From the start of `first` to the end of `last`.
    #[must_use]
    pub fn merge(first: Span, last: Span) -> Span {
        Span { start: first.start, end: last.end }
    }

    /// Where the range starts in `query`, as `line:column`, both counted from 1, columns in bytes.
    pub fn start_in<'a>(&self, query: &'a str) -> impl fmt::Display + use<'a> {
        StartIn { query, start: self.start as usize }
    }
}

struct StartIn<'a> {
    query: &'a str,
    start: usize,
}

impl fmt::Display for StartIn<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.query.is_empty() {
            return out.write_str("unknown position");
        }
        let Some(before) = self.query.as_bytes().get(..self.start) else {
            return out.write_str("invalid position");
        };
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(last_break) => self.start - last_break,
            None => self.start + 1,
        };
        write!(out, "{line}:{column}")
    }
}
