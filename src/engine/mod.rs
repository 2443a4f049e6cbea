//! The engine: the only joiner of memory and disk.

mod options;
mod outcome;

pub use options::{CheckpointFormat, CleanupMode, Options, WalSync};
pub use outcome::{BadLine, IngestError, IngestReport};

use crate::store::Store;

/// The store with its logs and checkpoints.
#[derive(Debug)]
pub struct Engine {
    store: Store,
}

impl Engine {
    /// What is in memory, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether recovery is over.
    pub fn is_ready(&self) -> bool {
        todo!()
    }

    /// Stores whole lines of line protocol: the log holds them before this returns. Blocks on locks and on the disk:
    /// not to be called from an async task directly. `report` goes on from chunk to chunk of one body.
    pub fn ingest(
        &self,
        _source: &'static str,
        _default_cluster: &str,
        _lines: &[u8],
        _report: &mut IngestReport,
    ) -> Result<(), IngestError> {
        todo!()
    }

    /// Frees what lies before `to` below each selector (`[]`, `[cluster]`, `[cluster, host]`, `[cluster, host,
    /// component…]`); answers how many blocks went. Names that do not exist are no error. Blocks.
    pub fn free(&self, _selectors: &[Vec<String>], _to: i64) -> Result<u64, IngestError> {
        todo!()
    }
}
