//! What an engine needs to know; the config makes it.

use std::path::PathBuf;
use std::time::Duration;

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
    /// It goes to the Parquet archive in this directory.
    Archive(PathBuf),
}
