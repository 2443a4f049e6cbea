//! What can be wrong with a native file.

use std::{fmt, io};

/// Why bytes could not be read, or a value could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// The content contradicts the format, though its checksum is right: `at` counts from the payload's first byte.
    #[error("byte {at} of the payload: expected {expected}")]
    Malformed {
        /// Where, in bytes from the beginning of the record's or section's payload.
        at: u64,
        /// What should have been there.
        expected: &'static str,
    },
    /// The payload is not what was written.
    #[error("checksum of the payload is {found:08x}, expected {expected:08x}")]
    Checksum {
        /// The checksum in the file.
        expected: u32,
        /// The checksum of the bytes that are there.
        found: u32,
    },
    /// Something else lies where a header has to be.
    #[error("no valid header of a {expected}")]
    NoHeader {
        /// Of what.
        expected: &'static str,
    },
    /// The file ends too early.
    #[error("cut off: {found} bytes of {expected}")]
    CutOff {
        /// Bytes that should have been there.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A snapshot's trailer is missing, or it does not fit what lies before it.
    #[error("the trailer {0}")]
    Trailer(&'static str),
    /// The header is sound, but it is one of another kind of file.
    #[error("this is no {expected}: its first bytes are {found:02x?}")]
    WrongFile {
        /// What was asked for.
        expected: &'static str,
        /// The magic that was found.
        found: [u8; 8],
    },
    /// The file was written by a newer Treering. It must not be changed.
    #[error("{what} of format version {version}: this Treering reads version {newest} only; the file is left as it is")]
    UnsupportedVersion {
        /// Which kind of file.
        what: &'static str,
        /// The version in its header.
        version: u32,
        /// The version that is read here.
        newest: u32,
    },
    /// A value can't be written, for it passes a limit of the format.
    #[error("{found} {what} pass the limit of {limit}")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many there may be.
        limit: u64,
    },
    /// An image contradicts itself and can't be written.
    #[error("host {host:?} of cluster {cluster:?} can't be written: {reason}")]
    InvalidImage {
        /// The image's cluster.
        cluster: Box<str>,
        /// The image's host.
        host: Box<str>,
        /// What is wrong.
        reason: &'static str,
    },
    /// The reader or writer below failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// So that a snapshot can be written inside [`Disk::replace`](crate::disk::Disk::replace).
impl From<NativeError> for io::Error {
    fn from(error: NativeError) -> Self {
        match error {
            NativeError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// A stretch of a file that could not be used.
#[derive(Debug)]
pub struct Damage {
    /// Where it begins, in bytes from the beginning of the file.
    pub offset: u64,
    /// How many bytes were skipped.
    pub len: u64,
    /// Why.
    pub reason: NativeError,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}, {} bytes: {}", self.offset, self.len, self.reason)
    }
}
