//! The change from one form of files to another.
//!
//! Invariant: a write is taken only when no file of another form lies where a start reads it. Recovery cannot tell
//! which of two forms is the newer one, so no write may be in the one while the other still counts.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::core::{Engine, OWN_FOLDER};
use super::options::CheckpointFormat;
use super::outcome::IngestError;

impl Engine {
    /// After recovery: puts what another form left into a checkpoint, before the first write is taken. When that
    /// fails reads go on, and writes are refused until a later checkpoint succeeds.
    pub(super) fn convert(&self) {
        if !self.has_foreign_files() {
            return;
        }
        self.must_convert.store(true, Ordering::Release);
        self.checkpoint();
        if self.must_convert.load(Ordering::Acquire) {
            self.want_checkpoint();
        }
    }

    /// After a checkpoint of everything.
    pub(super) fn note_converted(&self) {
        if self.must_convert.load(Ordering::Acquire) {
            self.must_convert.store(self.has_foreign_files(), Ordering::Release);
        }
    }

    pub(super) fn check_converted(&self) -> Result<(), IngestError> {
        if !self.must_convert.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(IngestError::LogFailed(format!(
            "{}: files of another form are in no checkpoint yet, the log says why",
            self.options.checkpoints.display()
        )))
    }

    /// Whether files of another form lie where a start reads them.
    fn has_foreign_files(&self) -> bool {
        let list = |path: &Path| self.disk.list(path).unwrap_or_default();
        match self.options.format {
            CheckpointFormat::Native => {
                list(&self.options.checkpoints).iter().any(|entry| entry.is_dir && entry.name != OWN_FOLDER)
            }
            _ => list(&self.options.checkpoints.join(OWN_FOLDER))
                .iter()
                .any(|entry| crate::formats::native::parse_shard_folder(&entry.name).is_some()),
        }
    }
}
