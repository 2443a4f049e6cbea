//! The JSON that snapshots need, read piece by piece.
//!
//! serde_json reads a stream too, but holds a string of any length, and without its `float_roundtrip` feature it
//! misses the last bit of some numbers; a snapshot promises all of them. So the scanning is done here, with every
//! token bounded, and numbers go through the standard library, which rounds correctly; strings are unescaped by
//! serde_json.

use std::io::Read;

use super::error::CcmsError;

/// Bytes of an escaped string, enough for a name of 65535 bytes that is all `\u00XX`.
const STRING_BYTES_MAX: usize = 6 * (1 << 16);
/// Bytes of a number; even 1e-308 written out has fewer.
const NUMBER_BYTES_MAX: usize = 1 << 11;
/// How deep values may nest that are skipped.
const SKIP_DEPTH_MAX: usize = 64;
const READ_BYTES: usize = 1 << 15;

/// A cursor over JSON text. Its methods take what they name off the text, or fail with the place.
#[derive(Debug)]
pub(super) struct Lexer<R> {
    source: R,
    buffer: Box<[u8]>,
    at: usize,
    end: usize,
    /// Where `buffer[0]` lies in the file.
    buffer_offset: u64,
    token: Vec<u8>,
}

impl<R: Read> Lexer<R> {
    pub(super) fn new(source: R) -> Self {
        let buffer = vec![0; READ_BYTES].into_boxed_slice();
        Lexer { source, buffer, at: 0, end: 0, buffer_offset: 0, token: Vec::new() }
    }

    pub(super) fn offset(&self) -> u64 {
        self.buffer_offset + self.at as u64
    }

    pub(super) fn fail<T>(&self, reason: impl Into<String>) -> Result<T, CcmsError> {
        Err(CcmsError::corrupt(self.offset(), reason))
    }

    /// The next byte that is no white space, without taking it; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, CcmsError> {
        while let Some(byte) = self.peek_raw()? {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Ok(Some(byte));
            }
            self.at += 1;
        }
        Ok(None)
    }

    /// Takes this byte.
    pub(super) fn expect(&mut self, expected: u8) -> Result<(), CcmsError> {
        if self.peek()? == Some(expected) {
            self.at += 1;
            return Ok(());
        }
        self.unexpected(&format!("`{}`", char::from(expected)))
    }

    /// Takes `null` if it is next.
    pub(super) fn null(&mut self) -> Result<bool, CcmsError> {
        if self.peek()? != Some(b'n') {
            return Ok(false);
        }
        self.word(b"null").map(|()| true)
    }

    /// Takes a key and its colon, or the end of the object. `first` is true before the first key.
    pub(super) fn key(&mut self, first: &mut bool) -> Result<Option<String>, CcmsError> {
        if !self.item(first, b'}')? {
            return Ok(None);
        }
        let key = self.string()?;
        self.expect(b':')?;
        Ok(Some(key))
    }

    /// Takes the comma before an element, or the end of the array. `first` is true before the first element.
    pub(super) fn element(&mut self, first: &mut bool) -> Result<bool, CcmsError> {
        self.item(first, b']')
    }

    fn item(&mut self, first: &mut bool, end: u8) -> Result<bool, CcmsError> {
        let was_first = std::mem::take(first);
        if self.peek()? == Some(end) {
            self.at += 1;
            return Ok(false);
        }
        if !was_first {
            self.expect(b',')?;
        }
        Ok(true)
    }

    /// Takes a whole number.
    pub(super) fn integer(&mut self) -> Result<i64, CcmsError> {
        let offset = self.offset();
        let text = self.number_text()?;
        text.parse().map_err(|_| CcmsError::corrupt(offset, format!("{text:?}: expected a whole number of 64 bits")))
    }

    /// Takes a number. One beyond the range of an f64 is an error.
    pub(super) fn number(&mut self) -> Result<f64, CcmsError> {
        let offset = self.offset();
        let text = self.number_text()?;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(CcmsError::corrupt(offset, format!("{text:?}: expected a number of 64 bits"))),
        }
    }

    fn number_text(&mut self) -> Result<&str, CcmsError> {
        if !matches!(self.peek()?, Some(b'-' | b'0'..=b'9')) {
            return self.unexpected("a number");
        }
        self.token.clear();
        self.take_while(NUMBER_BYTES_MAX, "a number", |byte| {
            matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
        })?;
        // The bytes above are ASCII; an empty text would be no number either.
        Ok(std::str::from_utf8(&self.token).unwrap_or_default())
    }

    /// Takes a string.
    pub(super) fn string(&mut self) -> Result<String, CcmsError> {
        if self.peek()? != Some(b'"') {
            return self.unexpected("a string");
        }
        let offset = self.offset();
        self.token.clear();
        self.token.push(b'"');
        self.at += 1;
        loop {
            self.take_while(STRING_BYTES_MAX, "a string", |byte| !matches!(byte, b'"' | b'\\'))?;
            let Some(byte) = self.peek_raw()? else {
                return self.fail("the file ends inside a string");
            };
            self.at += 1;
            self.token.push(byte);
            if byte == b'"' {
                break;
            }
            // Behind a backslash the next byte ends nothing.
            if let Some(escaped) = self.peek_raw()? {
                self.at += 1;
                self.token.push(escaped);
            }
        }
        serde_json::from_slice(&self.token).map_err(|error| CcmsError::corrupt(offset, format!("a string: {error}")))
    }

    /// Takes any value.
    pub(super) fn skip(&mut self) -> Result<(), CcmsError> {
        self.skip_at(1)
    }

    fn skip_at(&mut self, depth: usize) -> Result<(), CcmsError> {
        if depth > SKIP_DEPTH_MAX {
            return self.fail(format!("values nest deeper than {SKIP_DEPTH_MAX}"));
        }
        let mut first = true;
        match self.peek()? {
            Some(b'{') => {
                self.at += 1;
                while self.key(&mut first)?.is_some() {
                    self.skip_at(depth + 1)?;
                }
                Ok(())
            }
            Some(b'[') => {
                self.at += 1;
                while self.element(&mut first)? {
                    self.skip_at(depth + 1)?;
                }
                Ok(())
            }
            Some(b'"') => self.string().map(drop),
            Some(b'n') => self.word(b"null"),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            _ => self.number().map(drop),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), CcmsError> {
        for &byte in word {
            if self.peek_raw()? != Some(byte) {
                return self.unexpected(&String::from_utf8_lossy(word));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn unexpected<T>(&mut self, expected: &str) -> Result<T, CcmsError> {
        match self.peek_raw()? {
            Some(byte) => self.fail(format!("found `{}`, expected {expected}", byte.escape_ascii())),
            None => self.fail(format!("the file ends, expected {expected}")),
        }
    }

    /// Takes bytes into the token while `belongs` says so, up to `max` bytes of token.
    fn take_while(&mut self, max: usize, what: &str, belongs: impl Fn(u8) -> bool) -> Result<(), CcmsError> {
        while self.peek_raw()?.is_some() {
            let bytes = &self.buffer[self.at..self.end];
            let len = bytes.iter().position(|&byte| !belongs(byte)).unwrap_or(bytes.len());
            if self.token.len() + len > max {
                return self.fail(format!("{what} of more than {max} bytes"));
            }
            self.token.extend_from_slice(&bytes[..len]);
            self.at += len;
            if self.at < self.end {
                break;
            }
        }
        Ok(())
    }

    fn peek_raw(&mut self) -> Result<Option<u8>, CcmsError> {
        if self.at == self.end {
            self.buffer_offset += self.end as u64;
            (self.at, self.end) = (0, 0);
            loop {
                match self.source.read(&mut self.buffer) {
                    Ok(0) => return Ok(None),
                    Ok(read) => break self.end = read,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(Some(self.buffer[self.at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lexer(text: &str) -> Lexer<&[u8]> {
        Lexer::new(text.as_bytes())
    }

    #[test]
    fn strings_are_unescaped_and_bounded() {
        assert_eq!(lexer(r#" "a\"\\\u00e9\n" "#).string().unwrap(), "a\"\\é\n");
        assert_eq!(lexer(r#""""#).string().unwrap(), "");
        for (text, reason) in [
            ("\"abc", "byte 4, top level: the file ends inside a string"),
            ("abc", "byte 0, top level: found `a`, expected a string"),
        ] {
            assert_eq!(lexer(text).string().unwrap_err().to_string(), reason);
        }
        assert!(lexer("\"\\ud800\"").string().is_err());
        let long = format!("\"{}\"", "x".repeat(STRING_BYTES_MAX));
        assert!(lexer(&long).string().unwrap_err().to_string().contains("more than"));
    }

    #[test]
    fn numbers_are_exact_and_bounded() {
        assert_eq!(lexer("-12").integer().unwrap(), -12);
        assert!(lexer("1.5").integer().is_err());
        assert!(lexer("1e999").number().is_err());
        assert!(lexer("--1").number().is_err());
        assert!(lexer("NaN").number().is_err());
        let long = "1".repeat(NUMBER_BYTES_MAX + 1);
        assert!(lexer(&long).number().unwrap_err().to_string().contains("a number of more than"));
    }

    #[test]
    fn anything_is_skipped_but_not_at_any_depth() {
        let mut text = lexer(r#"{"a":[1,{"b":null},"]"],"c":true,"d":false} 7"#);
        text.skip().unwrap();
        assert_eq!(text.integer().unwrap(), 7);
        assert!(lexer(&"[".repeat(1_000_000)).skip().unwrap_err().to_string().contains("nest deeper"));
        for bad in ["[1 2]", "{1:2}", "{\"a\"}", "tru", "[", "nul", ","] {
            assert!(lexer(bad).skip().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(lexer(&text).number().unwrap().to_bits(), value.to_bits());
        }
    }
}
