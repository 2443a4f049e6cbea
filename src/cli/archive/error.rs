//! Why an export fails.

use std::io;
use std::path::PathBuf;

use crate::config;
use crate::formats::parquet::ParquetError;
use crate::time::Rfc3339;

/// What went wrong; the texts say what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ExportError {
    /// The config is bad.
    #[error("{0}\n(the export reads the archive of the config: --config FILE; of another place: --archive DIR)")]
    Config(#[from] config::Errors),
    /// The config names no archive.
    #[error("{}: metric-store.cleanup names no archive (mode \"archive\", directory); --archive DIR does", .0.display())]
    NoArchive(PathBuf),
    /// The archive can't be listed.
    #[error("{}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no Parquet file at all, or none of the cluster.
    #[error("{}: no Parquet file{of} in <cluster>/<time>.parquet or <cluster>/date=<day>/<time>.parquet", path.display())]
    Empty {
        /// The archive.
        path: PathBuf,
        /// ` of cluster …`, or nothing.
        of: String,
    },
    /// The range ends before it begins.
    #[error("--from {} is not before --to {}", Rfc3339(*.0), Rfc3339(*.1))]
    Range(i64, i64),
    /// No row is asked for.
    #[error("no rows are there for this question; the archive{held}")]
    Nothing {
        /// What the archive holds.
        held: String,
    },
    /// A Parquet file holds one cluster.
    #[error("a Parquet file holds one cluster: choose one of {0} with --cluster")]
    Clusters(String),
    /// A row goes where none can.
    #[error("writing: {0}")]
    Parquet(ParquetError),
    /// The output failed.
    #[error("{}: {error}", path.display())]
    Output {
        /// The file; `-` is standard output.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Threads or signals could not be set up.
    #[error("starting: {0}")]
    Setup(io::Error),
    /// The user has asked to end.
    #[error("stopped before the end; no file was written")]
    Stopped,
}
