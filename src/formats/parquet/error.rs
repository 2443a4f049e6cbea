//! What can be wrong with an archive file, and with rows that shall become one.

use std::any::Any;
use std::io;

/// Why an archive file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParquetError {
    /// The source or the target failed; says nothing about the content.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Rows came in another order than hostname, metric, scope, scope id, timestamp. What the writer has written by
    /// then is no file.
    #[error("rows out of order: {found} after {previous}; expected ascending hostname, metric, scope, scope_id, time")]
    Unsorted {
        /// The last row before.
        previous: String,
        /// The row that belongs before it.
        found: String,
    },
    /// Rows or options that no file can hold.
    #[error("{what} of {size} does not fit: expected {expected}")]
    DoesNotFit {
        /// The thing, with its unit.
        what: &'static str,
        /// Its size.
        size: i64,
        /// What would fit.
        expected: String,
    },
    /// A Parquet file, but none of an archive.
    #[error("not an archive: {0}")]
    NotAnArchive(String),
    /// The content is not what the format says. What was read before is sound as far as it goes.
    #[error("{place}: {reason}")]
    Corrupt {
        /// Footer, row group, column: as near as it is known.
        place: String,
        /// What was found there.
        reason: String,
    },
}

impl ParquetError {
    /// The content at `place` is damaged.
    pub(super) fn corrupt(place: impl Into<String>, reason: impl ToString) -> Self {
        ParquetError::Corrupt { place: place.into(), reason: reason.to_string() }
    }

    /// What the Parquet library says while it reads `place`.
    pub(super) fn reading(place: impl Into<String>, error: ::parquet::errors::ParquetError) -> Self {
        match error {
            ::parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                // The file is shorter than its content says: damage, and no failure of the disk.
                Ok(io) if io.kind() == io::ErrorKind::UnexpectedEof => ParquetError::corrupt(place, io),
                Ok(io) => ParquetError::Io(*io),
                Err(other) => ParquetError::corrupt(place, other),
            },
            other => ParquetError::corrupt(place, other),
        }
    }

    /// What the Parquet library says while it writes: only the target can fail.
    pub(super) fn writing(error: ::parquet::errors::ParquetError) -> Self {
        match error {
            ::parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(io) => ParquetError::Io(*io),
                Err(other) => ParquetError::Io(io::Error::other(other)),
            },
            other => ParquetError::Io(io::Error::other(other)),
        }
    }
}

/// Runs the Parquet library over bytes from outside. It has asserts and index accesses that damaged files reach (its
/// decoders of levels and dictionaries, mostly): such a panic becomes an error here, at the boundary. Nothing that the
/// library was working on is used afterwards.
pub(super) fn guarded<T>(
    place: &str,
    read: impl FnOnce() -> Result<T, ::parquet::errors::ParquetError>,
) -> Result<T, ParquetError> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| ParquetError::reading(place, error)),
        Err(panic) => Err(ParquetError::corrupt(place, panic_text(&*panic))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "the decoder gave up",
    }
}
