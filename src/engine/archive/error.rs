//! Why a cleanup failed.

use std::io;
use std::path::{Path, PathBuf};

use super::super::outcome::OpenError;
use crate::formats::parquet::ParquetError;

/// What went wrong. All data is still where it was, or in the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A file or folder.
    #[error("{path}: {error}")]
    Disk {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The content of a file.
    #[error("{path}: {error}")]
    Parquet {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: ParquetError,
    },
    /// A manifest of a newer version: going on would forget what it says.
    #[error("{path}: version {version} is newer than this program's")]
    Newer {
        /// Which.
        path: PathBuf,
        /// What it says of itself.
        version: u32,
    },
    /// The log of horizons can't be written.
    #[error("the horizon of {host} could not be recorded: {reason}")]
    Horizon {
        /// Whose.
        host: String,
        /// Why.
        reason: String,
    },
    /// The logs can't be flushed: a file must hold nothing that a power failure takes from them.
    #[error("flushing the logs before anything is archived: {0}")]
    Flush(#[source] io::Error),
    /// The checkpoint directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nobody knows which hosts are in use.
    #[error("nobody knows which nodes are in use, all data is kept: {0}")]
    UsedNodes(String),
    /// The store is shutting down.
    #[error("stopped: the store is shutting down")]
    Stopped,
}

/// For `map_err`: names the path.
pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> ArchiveError + '_ {
    move |error| ArchiveError::Disk { path: path.to_owned(), error }
}

/// As [`disk`].
pub(super) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> ArchiveError + '_ {
    move |error| ArchiveError::Parquet { path: path.to_owned(), error }
}
