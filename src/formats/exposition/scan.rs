//! Walks over one line: names, quoted texts, labels.

use std::borrow::Cow;

use super::error::ExpositionError;
use super::parse::Syntax;

/// A place in a line.
pub(super) struct Scan<'a> {
    rest: &'a str,
    syntax: Syntax,
}

/// The name that stands in the braces, if one does, and the labels.
pub(super) type Braces<'a> = (Option<Cow<'a, str>>, Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Scan<'a> {
    pub fn new(line: &'a str, syntax: Syntax) -> Scan<'a> {
        Scan { rest: line, syntax }
    }

    pub fn rest(&self) -> &'a str {
        self.rest
    }

    pub fn is_at(&self, start: &str) -> bool {
        self.rest.starts_with(start)
    }

    /// Passes over a text, if it stands here.
    pub fn take(&mut self, text: &str) -> bool {
        let found = self.rest.strip_prefix(text);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// Passes over blanks where the format has no opinion about them.
    pub fn blanks(&mut self) {
        if self.syntax == Syntax::Text {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
        }
    }

    /// The blank before a value or a time: one in OpenMetrics, any number in the other format.
    pub fn separator(&mut self) -> bool {
        match self.syntax {
            Syntax::OpenMetrics => self.take(" "),
            Syntax::Text => {
                self.blanks();
                true
            }
        }
    }

    /// Everything up to a blank.
    pub fn word(&mut self) -> &'a str {
        let stops: &[char] = if self.syntax == Syntax::Text { &[' ', '\t', '{'] } else { &[' '] };
        let end = self.rest.find(stops).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// A name without quotes; empty if none stands here. Colons are for metrics only.
    pub fn name(&mut self, colons: bool) -> &'a str {
        let fits = |(at, byte): (usize, u8)| {
            byte.is_ascii_alphabetic() || byte == b'_' || colons && byte == b':' || at > 0 && byte.is_ascii_digit()
        };
        let end = self.rest.bytes().enumerate().position(|byte| !fits(byte)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name
    }

    /// A text in quotes, without them and without what escapes.
    pub fn quoted(&mut self) -> Result<Cow<'a, str>, ExpositionError> {
        let expected = |found| ExpositionError::expected("a text in quotes", found);
        let text = self.rest.strip_prefix('"').ok_or_else(|| expected(self.rest))?;
        let (mut at, mut escaped) = (0, false);
        loop {
            match text.as_bytes().get(at) {
                None => return Err(expected(self.rest)),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(_) => at += 1,
            }
        }
        // A quote stands at this place, so it is no part of a longer character.
        let (inner, rest) = text.split_at(at);
        self.rest = &rest[1..];
        Ok(if escaped { Cow::Owned(unescaped(inner, true)) } else { Cow::Borrowed(inner) })
    }

    /// Labels up to the closing brace; the opening one was passed. A name may stand among them where it is not known
    /// yet; exemplars have none.
    pub fn labels(&mut self, mut wants_name: bool) -> Result<Braces<'a>, ExpositionError> {
        let (mut metric, mut labels) = (None, Vec::new());
        let exemplar = !wants_name;
        loop {
            self.blanks();
            if self.take("}") {
                return Ok((metric, labels));
            }
            let quoted = self.is_at("\"");
            let start = self.rest;
            let name = if quoted { self.quoted()? } else { Cow::Borrowed(self.name(false)) };
            if !quoted && name.is_empty() {
                return Err(ExpositionError::expected("a label's name", start));
            }
            self.blanks();
            if quoted && !self.is_at("=") {
                if exemplar || !(self.is_at(",") || self.is_at("}")) {
                    return Err(ExpositionError::expected("an equals sign behind a label's name", self.rest));
                }
                if !wants_name || metric.is_some() {
                    return Err(ExpositionError::TwoNames);
                }
                (metric, wants_name) = (Some(name), false);
                self.take(",");
                continue;
            }
            if !self.take("=") {
                return Err(ExpositionError::expected("an equals sign behind a label's name", self.rest));
            }
            self.blanks();
            labels.push((name, self.quoted()?));
            self.blanks();
            if !self.take(",") && self.syntax == Syntax::OpenMetrics && !self.is_at("}") {
                return Err(ExpositionError::expected("a comma or a closing brace", self.rest));
            }
        }
    }
}

/// The text that escapes stand for; those that are unknown stand for themselves.
pub(super) fn unescaped(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let (character, length) = match behind.as_bytes().first() {
            Some(b'n') => ('\n', 1),
            Some(b'\\') => ('\\', 1),
            Some(b'"') if quotes => ('"', 1),
            _ => ('\\', 0),
        };
        out.push(character);
        rest = &behind[length..];
    }
    out.push_str(rest);
    out
}
