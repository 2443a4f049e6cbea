//! Why a directory could not be converted.

use std::io;
use std::path::PathBuf;

use crate::config;
use crate::engine::OpenError;
use crate::store::LimitReached;

/// Why a directory could not be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(in crate::cli) enum ConvertError {
    /// A directory can't be read.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is something in the target.
    #[error("TARGET {} is not empty: expected a new or an empty directory", .0.display())]
    NotEmpty(PathBuf),
    /// One directory lies in the other.
    #[error("SOURCE {} and TARGET {} lie in each other: expected two separate directories", .0.display(), .1.display())]
    Nested(PathBuf, PathBuf),
    /// There is nothing in the source.
    #[error("SOURCE {} holds no logs, snapshots or checkpoints; expected a checkpoint directory", .0.display())]
    Nothing(PathBuf),
    /// The source is not what the user says.
    #[error("SOURCE {} holds {found}, but --from says {expected}", path.display())]
    OtherForm {
        /// The source.
        path: PathBuf,
        /// Its forms.
        found: String,
        /// The form that the user named.
        expected: &'static str,
    },
    /// A file of the target could not be written; the log says why.
    #[error("{failed} shards or hosts could not be written to {}: what lies there is not complete", target.display())]
    Write {
        /// How many.
        failed: u64,
        /// The target.
        target: PathBuf,
    },
    /// A directory could not be opened, or holds files of a newer version.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// More than any store holds.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// The config is bad.
    #[error(transparent)]
    Config(#[from] config::Errors),
}
