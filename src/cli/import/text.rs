//! Files of lines: decompressed, cut into pieces of whole lines, each with the number of its first line.
//!
//! Invariant: a piece and a line bound the memory, whatever the file holds.

use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::disk::{Disk, SystemDisk};
use crate::formats::line::whole_lines_len;

/// Bytes of a piece.
const PIECE_BYTES: usize = 2 << 20;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Whole lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'t> {
    /// The lines, each with its newline.
    pub(super) text: &'t [u8],
    /// The number of the first one, from 1.
    pub(super) first_line: u64,
    /// How many there are.
    pub(super) lines: u64,
}

/// A file of lines.
pub(super) struct Text {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were given out.
    given: usize,
    next_line: u64,
    at_end: bool,
}

/// What is next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'t> {
    /// Whole lines.
    Piece(Piece<'t>),
    /// A line, by its number, that is longer than a piece.
    Endless(u64),
}

impl Text {
    /// Opens a file; `counting` sees what is read of it.
    pub(super) fn open(
        path: &Path,
        counting: impl FnOnce(Box<dyn Read + Send>) -> Box<dyn Read + Send>,
    ) -> io::Result<Self> {
        Text::new(counting(SystemDisk.open(path)?))
    }

    /// A source that may be compressed.
    pub(super) fn new(source: Box<dyn Read + Send>) -> io::Result<Self> {
        let (head, source) = peek(source)?;
        let is = |magic: &[u8]| head.starts_with(magic);
        let (gzip, zstd) = (is(GZIP_MAGIC), is(ZSTD_MAGIC));
        let source = BufReader::with_capacity(1 << 18, source);
        let source: Box<dyn Read + Send> = match (gzip, zstd) {
            (true, _) => Box::new(flate2::read::MultiGzDecoder::new(source)),
            (_, true) => Box::new(zstd::stream::read::Decoder::with_buffer(source)?),
            _ => Box::new(source),
        };
        Ok(Text { source, buffer: Vec::new(), given: 0, next_line: 1, at_end: false })
    }

    /// The next lines; `None` at the end.
    ///
    /// # Errors
    ///
    /// The file can't be read on; every whole line before the error was given out.
    pub(super) fn next(&mut self) -> io::Result<Option<Next<'_>>> {
        self.buffer.drain(..self.given);
        self.given = 0;
        let mut failure = None;
        if !self.at_end && self.buffer.len() < PIECE_BYTES {
            let room = PIECE_BYTES - self.buffer.len();
            if let Err(error) = self.source.by_ref().take(room as u64).read_to_end(&mut self.buffer) {
                failure = Some(error);
            }
            self.at_end = self.buffer.len() < PIECE_BYTES;
        }
        let mut whole = whole_lines_len(&self.buffer);
        if whole == 0
            && let Some(error) = failure
        {
            return Err(error);
        }
        if failure.is_some() {
            // The next call meets the error again, with an empty buffer.
            self.buffer.truncate(whole);
            self.at_end = false;
        } else if self.at_end && whole < self.buffer.len() {
            self.buffer.push(b'\n');
            whole = self.buffer.len();
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let first_line = self.next_line;
        if whole == 0 {
            self.skip_line()?;
            self.next_line += 1;
            return Ok(Some(Next::Endless(first_line)));
        }
        self.given = whole;
        let text = &self.buffer[..whole];
        let lines = memchr::memchr_iter(b'\n', text).count() as u64;
        self.next_line += lines;
        Ok(Some(Next::Piece(Piece { text, first_line, lines })))
    }

    /// Reads over the rest of the line that fills the buffer.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            self.buffer.clear();
            self.source.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut self.buffer)?;
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                self.buffer.drain(..=end);
                return Ok(());
            }
            if self.buffer.len() < PIECE_BYTES {
                self.buffer.clear();
                self.at_end = true;
                return Ok(());
            }
        }
    }
}

/// The first bytes of a source, as many as tell what it is, and the whole source again.
pub(super) fn peek(mut source: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut head = Vec::new();
    source.by_ref().take(ZSTD_MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(io::Cursor::new(head).chain(source))))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn all(source: Vec<u8>) -> (Vec<(u64, Vec<u8>)>, Option<String>) {
        let mut text = Text::new(Box::new(io::Cursor::new(source))).unwrap();
        let mut found = Vec::new();
        loop {
            match text.next() {
                Ok(Some(Next::Piece(piece))) => {
                    let lines = piece.text.split_inclusive(|byte| *byte == b'\n');
                    assert_eq!(lines.clone().count() as u64, piece.lines);
                    found.extend((piece.first_line..).zip(lines.map(<[u8]>::to_vec)));
                }
                Ok(Some(Next::Endless(line))) => found.push((line, b"endless".to_vec())),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error.to_string())),
            }
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn lines_come_out_of_any_wrapping_with_their_numbers() {
        let mut text = Vec::new();
        for line in 0..200_000 {
            writeln!(text, "load,hostname=a{} value={line} 1770000000", line % 7).unwrap();
        }
        assert!(text.len() > 2 * PIECE_BYTES, "several pieces");
        text.extend_from_slice(b"last value=1");
        let (plain, error) = all(text.clone());
        assert_eq!((plain.len(), error), (200_001, None));
        assert!(plain.iter().map(|(line, _)| *line).eq(1..=200_001));
        assert_eq!(plain[200_000].1, b"last value=1\n");
        let (head, tail) = text.split_at(text.len() / 2);
        let members = [gzip(head), gzip(tail)].concat();
        for wrapped in [gzip(&text), members, zstd::encode_all(&text[..], 1).unwrap()] {
            assert_eq!(all(wrapped), (plain.clone(), None));
        }
        assert_eq!(all(Vec::new()), (Vec::new(), None));
    }

    #[test]
    fn a_torn_file_gives_its_whole_lines_and_an_error() {
        let text: Vec<u8> = (0..100_000).flat_map(|line| format!("load value={line}\n").into_bytes()).collect();
        let mut torn = gzip(&text);
        torn.truncate(torn.len() / 2);
        let (found, error) = all(torn);
        assert!(error.is_some());
        assert!(!found.is_empty());
        for (line, bytes) in &found {
            assert_eq!(*bytes, format!("load value={}\n", line - 1).into_bytes());
        }
    }

    #[test]
    fn an_endless_line_takes_no_memory_and_stops_nothing() {
        let mut text = b"a value=1\n".to_vec();
        text.resize(3 * PIECE_BYTES, b'x');
        text.extend_from_slice(b"\nb value=2\n");
        let (found, error) = all(text);
        let expected = [(1, &b"a value=1\n"[..]), (2, b"endless"), (3, b"b value=2\n")];
        assert_eq!(found, expected.map(|(line, bytes)| (line, bytes.to_vec())));
        assert_eq!(error, None);
        assert_eq!(all(vec![b'x'; 2 * PIECE_BYTES]).0, [(1, b"endless".to_vec())]);
    }
}
