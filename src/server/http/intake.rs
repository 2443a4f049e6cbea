//! From the bytes of a body to pieces of lines: inflated, limited, cut. Pure.

use std::io;

use super::inflate::{ContentEncoding, Damaged, Inflater};
use super::lines::{Cut, LineCutter};

/// Why a body isn't read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum IntakeError {
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
}

/// Takes in the body of a write.
pub(super) struct Intake {
    inflater: Inflater,
    cutter: LineCutter,
    /// Inflated bytes that aren't cut yet, from `at` on.
    inflated: Vec<u8>,
    at: usize,
    bytes_max: u64,
    bytes: u64,
}

impl Intake {
    pub(super) fn new(encoding: ContentEncoding, line_bytes_max: usize, bytes_max: u64) -> io::Result<Self> {
        let inflater = Inflater::new(encoding)?;
        let cutter = LineCutter::new(line_bytes_max);
        Ok(Intake { inflater, cutter, inflated: Vec::new(), at: 0, bytes_max, bytes: 0 })
    }

    /// Takes from the front of `chunk` until there is a piece; `None` when the chunk is used up before.
    pub(super) fn next(&mut self, chunk: &mut &[u8], piece_bytes: usize) -> Result<Option<Cut>, IntakeError> {
        loop {
            if let Some(cut) = self.cut(piece_bytes) {
                return Ok(Some(cut));
            }
            if self.bytes > self.bytes_max {
                return Err(IntakeError::TooLarge(self.bytes_max));
            }
            if chunk.is_empty() {
                return Ok(None);
            }
            let stepped = self.inflater.step(chunk, &mut self.inflated);
            self.limit();
            stepped?;
        }
    }

    /// Notes that the body has ended.
    pub(super) fn finish(&mut self) -> Result<(), IntakeError> {
        let finished = self.inflater.finish(&mut self.inflated);
        self.limit();
        finished?;
        if self.bytes > self.bytes_max { Err(IntakeError::TooLarge(self.bytes_max)) } else { Ok(()) }
    }

    /// What is left, piece by piece; only whole lines after an error.
    pub(super) fn drain(&mut self, piece_bytes: usize, whole_only: bool) -> Option<Cut> {
        self.cut(piece_bytes).or_else(|| self.cutter.finish(whole_only))
    }

    /// Gives back the memory of a piece.
    pub(super) fn reuse(&mut self, piece: Vec<u8>) {
        self.cutter.reuse(piece);
    }

    fn cut(&mut self, piece_bytes: usize) -> Option<Cut> {
        let mut rest = &self.inflated[self.at..];
        let cut = self.cutter.next(&mut rest, piece_bytes);
        self.at = self.inflated.len() - rest.len();
        if self.at == self.inflated.len() {
            self.inflated.clear();
            self.at = 0;
        }
        cut
    }

    /// Counts what was inflated by the last step, and cuts off what lies beyond the limit.
    fn limit(&mut self) {
        // Nothing is left of the step before, so all of it is new.
        let new = (self.inflated.len() - self.at) as u64;
        self.bytes = self.bytes.saturating_add(new);
        let excess = self.bytes.saturating_sub(self.bytes_max).min(new);
        self.inflated.truncate(self.inflated.len() - excess as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::super::inflate::tests::{gzip, zlib, zstd};
    use super::*;

    const PIECE: usize = 1 << 10;

    fn take(encoding: ContentEncoding, body: &[u8], bytes_max: u64) -> (Vec<u8>, Result<(), IntakeError>) {
        let mut intake = Intake::new(encoding, 100, bytes_max).unwrap();
        let mut lines = Vec::new();
        let mut keep = |cut| match cut {
            Cut::Lines(piece) => {
                assert!(piece.len() <= PIECE + 100);
                lines.extend_from_slice(&piece);
            }
            Cut::TooLong => lines.extend_from_slice(b"(too long)\n"),
        };
        let mut outcome = Ok(());
        'body: for chunk in body.chunks(333) {
            let mut rest = chunk;
            loop {
                match intake.next(&mut rest, PIECE) {
                    Ok(Some(cut)) => keep(cut),
                    Ok(None) => break,
                    Err(error) => {
                        outcome = Err(error);
                        break 'body;
                    }
                }
            }
        }
        if outcome.is_ok() {
            outcome = intake.finish();
        }
        while let Some(cut) = intake.drain(PIECE, outcome.is_err()) {
            keep(cut);
        }
        (lines, outcome)
    }

    fn bodies(plain: &[u8]) -> [(ContentEncoding, Vec<u8>); 4] {
        [
            (ContentEncoding::Identity, plain.to_vec()),
            (ContentEncoding::Gzip, gzip(plain)),
            (ContentEncoding::Zstd, zstd(plain)),
            (ContentEncoding::Deflate, zlib(plain)),
        ]
    }

    #[test]
    fn a_body_up_to_the_limit_is_taken_whole() {
        let plain: Vec<u8> = (0..5000).flat_map(|n| format!("m,hostname=h{n} value={n}\n").into_bytes()).collect();
        for (encoding, body) in bodies(&plain) {
            let (lines, outcome) = take(encoding, &body, plain.len() as u64);
            assert_eq!(outcome, Ok(()), "{encoding:?}");
            assert!(lines == plain, "{encoding:?}");
        }
    }

    #[test]
    fn beyond_the_limit_the_whole_lines_before_it_are_taken() {
        let plain = b"123456789\n".repeat(10_000);
        for (encoding, body) in bodies(&plain) {
            let (lines, outcome) = take(encoding, &body, 50_005);
            assert_eq!(outcome, Err(IntakeError::TooLarge(50_005)), "{encoding:?}");
            assert_eq!(lines.len(), 50_000, "{encoding:?}");
        }
    }

    #[test]
    fn long_lines_are_named_in_their_place() {
        let plain = [b"a\n".to_vec(), vec![b'x'; 5000], b"\nb".to_vec()].concat();
        for (encoding, body) in bodies(&plain) {
            assert_eq!(take(encoding, &body, 1 << 20), (b"a\n(too long)\nb\n".to_vec(), Ok(())), "{encoding:?}");
        }
    }

    #[test]
    fn a_damaged_body_gives_the_whole_lines_before_the_damage() {
        let plain: Vec<u8> = (0..5000).flat_map(|n| format!("m,hostname=h{n} value={n}\n").into_bytes()).collect();
        let body = gzip(&plain);
        let (lines, outcome) = take(ContentEncoding::Gzip, &body[..body.len() / 2], 1 << 20);
        assert!(matches!(outcome, Err(IntakeError::Damaged(_))));
        assert!(plain.starts_with(&lines) && lines.ends_with(b"\n") && lines.len() > 10_000, "{}", lines.len());
    }
}
