//! What an engine needs to know; the config makes it.

use std::path::PathBuf;
use std::time::Duration;

use crate::formats::parquet::COMPRESSION_LEVEL;
pub use crate::formats::parquet::ValueType;

/// How an [`Engine`](super::Engine) keeps its data.
#[derive(Debug, Clone)]
pub struct Options {
    /// The form of logs and checkpoints.
    pub format: CheckpointFormat,
    /// The checkpoint directory.
    pub checkpoints: PathBuf,
    /// Time between two checkpoints.
    pub checkpoint_interval: Duration,
    /// What a power failure may cost.
    pub wal_sync: WalSync,
    /// A checkpoint begins early when the logs hold more bytes than this; 0 for never. In the `wal` and `json` forms
    /// the bound is one host's, as `max-wal-size` is in cc-metric-store.
    pub wal_bytes_max: u64,
    /// How long data stays in memory.
    pub retention: Duration,
    /// Counted bytes that memory may hold; 0 for no limit.
    pub memory_bytes_max: u64,
    /// Threads for checkpoints and recovery, at least 1.
    pub workers: usize,
    /// What becomes of data that leaves memory.
    pub cleanup: CleanupMode,
    /// Samples further in the future than this are dropped.
    pub future_tolerance: Duration,
    /// Bounds against floods of names.
    pub limits: crate::store::Limits,
}

impl Options {
    /// A store in this checkpoint directory, all else by default, with one thread.
    pub fn new(checkpoints: impl Into<PathBuf>) -> Self {
        Options {
            format: CheckpointFormat::default(),
            checkpoints: checkpoints.into(),
            checkpoint_interval: Duration::from_secs(12 * 3600),
            wal_sync: WalSync::default(),
            wal_bytes_max: 0,
            retention: Duration::from_secs(48 * 3600),
            memory_bytes_max: 0,
            workers: 1,
            cleanup: CleanupMode::default(),
            future_tolerance: Duration::from_secs(3600),
            limits: crate::store::Limits::default(),
        }
    }
}

/// The form of logs and checkpoints (design, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckpointFormat {
    /// Treering's own: exact and small.
    #[default]
    Native,
    /// cc-metric-store's binary snapshots and logs.
    Wal,
    /// cc-metric-store's JSON files, with a log beside them.
    Json,
}

/// When logs are flushed to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WalSync {
    /// Once a second.
    #[default]
    Interval,
    /// Before every answer.
    Always,
    /// When the system likes.
    Never,
}

/// What becomes of data that leaves memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CleanupMode {
    /// It is gone.
    #[default]
    Delete,
    /// It goes to the Parquet archive.
    Archive(ArchiveOptions),
}

/// How the archive is written and what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveOptions {
    /// Its folder.
    pub directory: PathBuf,
    /// The Zstandard level, 1 to 22.
    pub compression_level: i32,
    /// The type of the values in the files.
    pub value: ValueType,
    /// Whether the bytes of values that hardly repeat are stored apart
    /// ([`WriterOptions::split_bytes`](crate::formats::parquet::WriterOptions::split_bytes)).
    pub split_bytes: bool,
    /// What one file holds.
    pub partition: Partition,
    /// Files whose newest row is older than this are removed; `None`: never.
    pub max_age: Option<Duration>,
    /// Bytes that all files together may have, the oldest are removed beyond; 0: no limit.
    pub bytes_max: u64,
}

impl ArchiveOptions {
    /// An archive in this folder, all else by default.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        ArchiveOptions {
            directory: directory.into(),
            compression_level: COMPRESSION_LEVEL,
            value: ValueType::default(),
            split_bytes: true,
            partition: Partition::default(),
            max_age: None,
            bytes_max: 0,
        }
    }
}

/// What one file of a cluster's archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partition {
    /// Everything of one cleanup.
    #[default]
    Cleanup,
    /// One day (UTC) of one cleanup, in a folder of the day.
    Day,
}
