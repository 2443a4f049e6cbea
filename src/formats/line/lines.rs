//! The lines of a buffer.
//!
//! A newline always ends a line, in a quoted string as well. The line protocol allows newlines in strings, but a string
//! is never a value for us, and this way neither a forgotten quote swallows the good lines behind it nor does the
//! result depend on how a body was cut into buffers.

use memchr::{memchr, memrchr};

/// The lines of `buffer` without their newlines. What follows the last newline counts as a line unless it is empty.
pub fn lines(buffer: &[u8]) -> Lines<'_> {
    Lines { rest: buffer }
}

/// The length of the whole lines at the start of `buffer`, the last newline included: 0 if there is none. What lies
/// behind it waits for more bytes.
pub fn whole_lines_len(buffer: &[u8]) -> usize {
    memrchr(b'\n', buffer).map_or(0, |at| at + 1)
}

/// See [`lines`].
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(end) = memchr(b'\n', self.rest) else {
            return Some(std::mem::take(&mut self.rest));
        };
        let (line, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_newlines_and_at_the_end() {
        let all = |text: &'static str| lines(text.as_bytes()).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(all(""), Vec::<Vec<u8>>::new());
        assert_eq!(all("a"), [b"a"]);
        assert_eq!(all("a\n"), [b"a"]);
        assert_eq!(all("a\r\n\nb"), [&b"a\r"[..], b"", b"b"]);
        assert_eq!(all("\n\n"), [b"", b""]);
        assert_eq!(all("m v=\"x\ny\" 1"), [&b"m v=\"x"[..], b"y\" 1"]);
    }

    #[test]
    fn whole_lines_end_behind_the_last_newline() {
        assert_eq!(whole_lines_len(b""), 0);
        assert_eq!(whole_lines_len(b"abc"), 0);
        assert_eq!(whole_lines_len(b"a\nbc\nd"), 5);
        assert_eq!(whole_lines_len(b"a\n"), 2);
    }
}
