//! A file of the `Disk` trait as the Parquet library reads it.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError as LibraryError, Result as LibraryResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::disk::RandomRead;

/// Bytes that are read ahead where the library reads a stream: it asks for page headers that way.
const READ_AHEAD_BYTES: usize = 4 << 10;
/// Bytes that one piece may have: no page and no index of ours comes near it.
const PIECE_BYTES_MAX: usize = 1 << 28;

/// A file that the Parquet library reads from.
#[derive(Clone)]
pub(super) struct Source {
    file: Arc<dyn RandomRead>,
}

impl Source {
    /// Reads from `file`.
    pub(super) fn new(file: Arc<dyn RandomRead>) -> Self {
        Source { file }
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.file.file_bytes()
    }
}

impl ChunkReader for Source {
    type T = Stream;

    fn get_read(&self, start: u64) -> LibraryResult<Stream> {
        Ok(Stream { file: self.file.clone(), at: start, ahead: Vec::new(), used: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> LibraryResult<Bytes> {
        // Checked before it is allocated: the length comes from the file.
        let end = start.checked_add(length as u64);
        if length > PIECE_BYTES_MAX || end.is_none_or(|end| end > self.file.file_bytes()) {
            let bytes = self.file.file_bytes();
            let reason = format!("{length} bytes at {start} of a file of {bytes}: expected {PIECE_BYTES_MAX} at most");
            return Err(LibraryError::General(reason));
        }
        let mut buffer = vec![0; length];
        self.file.read_at(start, &mut buffer).map_err(|error| LibraryError::External(Box::new(error)))?;
        Ok(buffer.into())
    }
}

/// The file from a place on.
pub(super) struct Stream {
    file: Arc<dyn RandomRead>,
    at: u64,
    ahead: Vec<u8>,
    used: usize,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.ahead.len() {
            let left = self.file.file_bytes().saturating_sub(self.at);
            // As much as was asked for: whoever asks for a lot knows what is there.
            let len = left.min(buffer.len().clamp(READ_AHEAD_BYTES, PIECE_BYTES_MAX) as u64) as usize;
            self.ahead.resize(len, 0);
            self.file.read_at(self.at, &mut self.ahead)?;
            self.at += len as u64;
            self.used = 0;
        }
        let len = buffer.len().min(self.ahead.len() - self.used);
        buffer[..len].copy_from_slice(&self.ahead[self.used..self.used + len]);
        self.used += len;
        Ok(len)
    }
}
