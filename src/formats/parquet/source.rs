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

/// Bytes that a page may have, decompressed. Ours have 512 KiB, those of cc-metric-store 256 KiB.
const PAGE_BYTES_MAX: u64 = 16 << 20;

/// A file that the Parquet library reads from.
#[derive(Clone)]
pub(super) struct Source {
    file: Arc<dyn RandomRead>,
    pages: Option<Arc<[u64]>>,
}

impl Source {
    /// Reads from `file`.
    pub(super) fn new(file: Arc<dyn RandomRead>) -> Self {
        Source { file, pages: None }
    }

    /// The same file for reading pages alone: refuses those that claim to be large once they are decompressed, for the
    /// library allocates what they claim. `starts` are the known places of pages, ascending; it reads these in one
    /// piece, and all others as a stream first.
    pub(super) fn of_pages(&self, starts: Vec<u64>) -> Self {
        Source { file: self.file.clone(), pages: Some(starts.into()) }
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
        let is_page = self.pages.is_some();
        Ok(Stream { file: self.file.clone(), at: start, ahead: Vec::new(), used: 0, is_page })
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
        if self.pages.as_ref().is_some_and(|starts| starts.binary_search(&start).is_ok()) {
            check_page(&buffer).map_err(|reason| LibraryError::General(format!("page at {start}: {reason}")))?;
        }
        Ok(buffer.into())
    }
}

/// The file from a place on.
pub(super) struct Stream {
    file: Arc<dyn RandomRead>,
    at: u64,
    ahead: Vec<u8>,
    used: usize,
    /// Whether the next byte begins a page.
    is_page: bool,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.ahead.len() {
            let left = self.file.file_bytes().saturating_sub(self.at);
            // As much as was asked for: whoever asks for a lot knows what is there.
            let len = left.min(buffer.len().clamp(READ_AHEAD_BYTES, PIECE_BYTES_MAX) as u64) as usize;
            self.ahead.resize(len, 0);
            self.file.read_at(self.at, &mut self.ahead)?;
            if std::mem::take(&mut self.is_page) {
                check_page(&self.ahead).map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))?;
            }
            self.at += len as u64;
            self.used = 0;
        }
        let len = buffer.len().min(self.ahead.len() - self.used);
        buffer[..len].copy_from_slice(&self.ahead[self.used..self.used + len]);
        self.used += len;
        Ok(len)
    }
}

/// Reads as much of a page's header as it takes to know its size: the fields 1 (type) and 2 (decompressed bytes) of a
/// structure in Thrift's compact protocol, which every writer puts in this order.
fn check_page(header: &[u8]) -> Result<(), String> {
    let mut bytes = header.iter().copied();
    for name in ["type", "size"] {
        // The next field, a 32-bit integer.
        if bytes.next() != Some(0x15) {
            return Err(format!("a header without its {name}"));
        }
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = bytes.next().ok_or("a header that is cut off")?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        // Zigzag: even numbers are the positive ones, doubled.
        if number % 2 != 0 || number / 2 > PAGE_BYTES_MAX {
            return Err(format!("a {name} of {}: expected {PAGE_BYTES_MAX} bytes at most", number / 2));
        }
    }
    Ok(())
}
