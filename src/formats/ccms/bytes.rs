//! A source of bytes that knows where it is and how much must still come.

use std::io::Read;

use super::error::CcmsError;

/// Reads little-endian numbers. Invariant: `remaining` is what the file's length leaves, so a count that promises
/// more is found out before anything is allocated for it.
#[derive(Debug)]
pub(super) struct Source<R> {
    source: R,
    offset: u64,
    len: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(source: R, len: u64) -> Self {
        Source { source, offset: 0, len }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn remaining(&self) -> u64 {
        self.len - self.offset
    }

    /// Fills `target`, or says that `what` is cut off.
    pub(super) fn read(&mut self, target: &mut [u8], what: &str) -> Result<(), CcmsError> {
        self.promise(target.len() as u64, 1, what)?;
        match self.source.read_exact(target) {
            Ok(()) => {
                self.offset += target.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(CcmsError::corrupt(self.offset, format!("the file ends inside {what}")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Fails when `count` things of at least `bytes_each` cannot fit into the rest.
    pub(super) fn promise(&self, count: u64, bytes_each: u64, what: &str) -> Result<(), CcmsError> {
        if count.saturating_mul(bytes_each) > self.remaining() {
            let reason =
                format!("{what}: {count} × {bytes_each} bytes, but the file has only {} more", self.remaining());
            return Err(CcmsError::corrupt(self.offset, reason));
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], CcmsError> {
        let mut bytes = [0; N];
        self.read(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn u16(&mut self, what: &str) -> Result<u16, CcmsError> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, CcmsError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn i64(&mut self, what: &str) -> Result<i64, CcmsError> {
        self.array(what).map(i64::from_le_bytes)
    }
}
