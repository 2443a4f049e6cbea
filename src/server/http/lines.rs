//! Cutting a stream of bytes into pieces of whole lines. Pure.
//!
//! Invariant: the buffer never holds more than a piece and a line, whatever comes in, and no piece holds a line longer
//! than the limit.

/// What is cut off the stream, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Whole lines, each with its newline.
    Lines(Vec<u8>),
    /// In place of a line that is longer than the limit.
    TooLong,
}

/// Cuts lines.
#[derive(Debug)]
pub(super) struct LineCutter {
    line_bytes_max: usize,
    /// Whole lines up to `whole`, then the beginning of one, at most `line_bytes_max` long.
    buffer: Vec<u8>,
    whole: usize,
    /// Inside a line that is too long and was reported already: what comes is dropped up to the next newline.
    dropping: bool,
    /// The memory of a piece that is stored, for the next one.
    spare: Vec<u8>,
}

impl LineCutter {
    pub(super) fn new(line_bytes_max: usize) -> Self {
        LineCutter { line_bytes_max, buffer: Vec::new(), whole: 0, dropping: false, spare: Vec::new() }
    }

    /// Takes from the front of `input` until it has `piece_bytes` of whole lines or a line that is too long; `None`
    /// when the input is used up before. To be called until then.
    pub(super) fn next(&mut self, input: &mut &[u8], piece_bytes: usize) -> Option<Cut> {
        loop {
            if self.dropping {
                let Some(newline) = memchr::memchr(b'\n', input) else {
                    *input = &[];
                    return None;
                };
                *input = &input[newline + 1..];
                self.dropping = false;
            }
            let room = (piece_bytes + self.line_bytes_max).saturating_sub(self.buffer.len());
            let (taken, left) = input.split_at(room.min(input.len()));
            self.buffer.extend_from_slice(taken);
            *input = left;
            if self.finds_long_line() {
                return Some(if self.whole > 0 { self.cut() } else { self.drop_line() });
            }
            if self.whole >= piece_bytes.max(1) {
                return Some(self.cut());
            }
            if input.is_empty() {
                return None;
            }
        }
    }

    /// What is left after the last byte; the last line needs no newline, unless only whole lines are wanted.
    pub(super) fn finish(&mut self, whole_only: bool) -> Option<Cut> {
        if whole_only {
            self.buffer.truncate(self.whole);
        } else if self.buffer.len() > self.whole {
            self.buffer.push(b'\n');
            self.whole = self.buffer.len();
        }
        if self.whole == 0 { None } else { Some(self.cut()) }
    }

    /// Gives back the memory of a piece.
    pub(super) fn reuse(&mut self, piece: Vec<u8>) {
        if piece.capacity() > self.spare.capacity() {
            self.spare = piece;
        }
    }

    /// Moves `whole` to the end of the last whole line before a line that is too long; answers whether there is one.
    /// Jumps from limit to limit, so it looks at few bytes.
    fn finds_long_line(&mut self) -> bool {
        loop {
            let rest = &self.buffer[self.whole..];
            // One more for the newline, which doesn't count.
            let window = &rest[..rest.len().min(self.line_bytes_max + 1)];
            match memchr::memrchr(b'\n', window) {
                Some(newline) => self.whole += newline + 1,
                None => return rest.len() > self.line_bytes_max,
            }
        }
    }

    fn cut(&mut self) -> Cut {
        let mut tail = std::mem::take(&mut self.spare);
        tail.clear();
        tail.extend_from_slice(&self.buffer[self.whole..]);
        let mut piece = std::mem::replace(&mut self.buffer, tail);
        piece.truncate(self.whole);
        self.whole = 0;
        Cut::Lines(piece)
    }

    /// Drops the line at the beginning of the buffer.
    fn drop_line(&mut self) -> Cut {
        match memchr::memchr(b'\n', &self.buffer) {
            Some(newline) => drop(self.buffer.drain(..=newline)),
            None => {
                self.buffer.clear();
                self.dropping = true;
            }
        }
        Cut::TooLong
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE_MAX: usize = 8;

    fn cut_all(chunks: &[&[u8]], piece_bytes: usize) -> Vec<Cut> {
        let mut cutter = LineCutter::new(LINE_MAX);
        let mut cuts = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while let Some(cut) = cutter.next(&mut rest, piece_bytes) {
                assert!(cutter.buffer.len() <= piece_bytes + LINE_MAX);
                cuts.push(cut);
            }
            assert!(rest.is_empty());
            assert!(cutter.buffer.len() <= piece_bytes + LINE_MAX);
        }
        cuts.extend(cutter.finish(false));
        cuts
    }

    /// The lines, with `None` in place of those that are too long.
    fn flat(cuts: &[Cut]) -> Vec<Option<Vec<u8>>> {
        let lines = |cut: &Cut| match cut {
            Cut::TooLong => vec![None],
            Cut::Lines(piece) => {
                assert_eq!(piece.last(), Some(&b'\n'));
                piece[..piece.len() - 1].split(|&byte| byte == b'\n').map(|line| Some(line.to_vec())).collect()
            }
        };
        cuts.iter().flat_map(lines).collect()
    }

    #[test]
    fn the_last_line_needs_no_newline() {
        assert_eq!(cut_all(&[b"a\nb"], 100), [Cut::Lines(b"a\nb\n".to_vec())]);
        assert_eq!(cut_all(&[b"a\nb\n"], 100), [Cut::Lines(b"a\nb\n".to_vec())]);
        assert_eq!(cut_all(&[b""], 100), []);
    }

    #[test]
    fn a_broken_body_gives_whole_lines_only() {
        let mut cutter = LineCutter::new(LINE_MAX);
        assert_eq!(cutter.next(&mut &b"a\nbcd"[..], 100), None);
        assert_eq!(cutter.finish(true), Some(Cut::Lines(b"a\n".to_vec())));
        assert_eq!(cutter.finish(true), None);
    }

    #[test]
    fn a_line_of_the_limit_is_a_line_and_a_longer_one_is_not() {
        let cuts = cut_all(&[b"12345678\n123456789\nx\n"], 100);
        assert_eq!(flat(&cuts), [Some(b"12345678".to_vec()), None, Some(b"x".to_vec())]);
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let chunk = [b'x'; 1000];
        let chunks: Vec<&[u8]> = std::iter::repeat_n(&chunk[..], 1000).chain([&b"\nok\n"[..]]).collect();
        assert_eq!(flat(&cut_all(&chunks, 16)), [None, Some(b"ok".to_vec())]);
    }

    proptest! {
        /// However the bytes come, the lines are the same.
        #[test]
        fn lines_do_not_depend_on_chunks(
            lines in proptest::collection::vec("[a-z]{0,12}", 0..40),
            ends_with_newline: bool,
            sizes in proptest::collection::vec(1usize..30, 1..20),
            piece_bytes in 1usize..50,
        ) {
            let mut bytes = lines.join("\n").into_bytes();
            if ends_with_newline && !lines.is_empty() {
                bytes.push(b'\n');
            }
            let mut chunks = Vec::new();
            let mut rest = &bytes[..];
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, left) = rest.split_at((*size).min(rest.len()));
                chunks.push(chunk);
                rest = left;
            }
            let mut expected: Vec<_> = bytes.split(|&byte| byte == b'\n').collect();
            if expected.last().is_some_and(|line| line.is_empty()) {
                expected.pop();
            }
            let expected: Vec<_> =
                expected.into_iter().map(|line| (line.len() <= LINE_MAX).then(|| line.to_vec())).collect();
            prop_assert_eq!(flat(&cut_all(&chunks, piece_bytes)), expected);
        }
    }
}
