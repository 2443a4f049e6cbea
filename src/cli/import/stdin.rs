//! Standard input that a Ctrl-C ends: a thread waits for the input, the import for the thread or the user.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::cli::stop::Stop;

use super::inputs::PARQUET_MAGIC;
use super::text::{Text, peek};

/// Bytes of a read.
const CHUNK_BYTES: usize = 1 << 16;
/// Between two looks at the user's wish.
const LOOK: Duration = Duration::from_millis(100);

/// Reads standard input; a wish to end is an error of the kind [`io::ErrorKind::TimedOut`].
pub(super) struct Stdin {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
    stop: Stop,
}

impl Stdin {
    /// Begins to read.
    pub(super) fn open(stop: Stop) -> Self {
        let (send, chunks) = sync_channel(4);
        // Nobody waits for its end: it may never come.
        std::thread::spawn(move || {
            let mut stdin = io::stdin();
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let read = stdin.read(&mut chunk).map(|bytes| {
                    chunk.truncate(bytes);
                    chunk
                });
                let is_last = read.as_ref().map_or(true, Vec::is_empty);
                if send.send(read).is_err() || is_last {
                    return;
                }
            }
        });
        Stdin { chunks, chunk: Vec::new(), at: 0, stop }
    }
}

/// The lines of standard input.
///
/// # Errors
///
/// It can't be read, or it is a Parquet file, which can only be read from its end.
pub(super) fn lines(source: Box<dyn Read + Send>) -> io::Result<Text> {
    let (head, source) = peek(source)?;
    if head.starts_with(PARQUET_MAGIC) {
        let reason = "a Parquet file: expected lines; give a Parquet file by its path";
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Text::new(source)
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            if self.stop.is_asked() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "stopped"));
            }
            match self.chunks.recv_timeout(LOOK) {
                Ok(chunk) => (self.chunk, self.at) = (chunk?, 0),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
            if self.chunk.is_empty() {
                return Ok(0);
            }
        }
        let bytes = buffer.len().min(self.chunk.len() - self.at);
        buffer[..bytes].copy_from_slice(&self.chunk[self.at..self.at + bytes]);
        self.at += bytes;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::Next;
    use super::*;

    fn given(bytes: &[u8]) -> io::Result<Text> {
        lines(Box::new(io::Cursor::new(bytes.to_vec())))
    }

    /// `treering import - < archive.parquet` took a file of rows for lines, and told of thousands of bad ones.
    #[test]
    fn a_parquet_file_is_refused() {
        let error = given(b"PAR1\x15\x04\x15\n\x00").err().unwrap();
        assert!(error.to_string().starts_with("a Parquet file: expected lines"), "{error}");
        for text in [&b"PAR"[..], b"PAR value=1\n", b"load value=1\n", b"\n"] {
            let mut lines = given(text).unwrap();
            let Ok(Some(Next::Piece(piece))) = lines.next() else { panic!("no lines of {text:?}") };
            assert!(piece.text.starts_with(text));
        }
        assert_eq!(given(b"").unwrap().next().unwrap(), None);
    }
}
