//! How entries are kept, and for how long.

use std::path::PathBuf;
use std::time::Duration;

/// How a spool keeps its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolOptions {
    /// Where the accounts' directories lie. Readers are told absolute paths, whatever this is.
    pub directory: PathBuf,
    /// Entries older than this are removed; zero: never.
    pub max_age: Duration,
    /// Bytes that all entries together may have, the oldest are removed beyond; 0: no limit.
    pub bytes_max: u64,
    /// Entries that there may be, the oldest are removed beyond.
    pub entries_max: usize,
    /// Between two passes that remove what is too old or too much.
    pub clean_interval: Duration,
    /// Whether an entry is made durable before its scrape is answered. If not, a power failure may cost the last ones;
    /// an end of the process costs none.
    pub is_synced: bool,
}

impl SpoolOptions {
    /// A spool in this directory, all else by default.
    pub fn new(directory: impl Into<PathBuf>) -> SpoolOptions {
        SpoolOptions {
            directory: directory.into(),
            max_age: Duration::from_secs(24 * 3600),
            bytes_max: 1 << 30,
            entries_max: 1_000_000,
            clean_interval: Duration::from_secs(60),
            is_synced: false,
        }
    }
}
