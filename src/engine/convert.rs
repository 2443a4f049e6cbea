//! The change from one form of files to another.
//!
//! Invariant: a write is taken only when no file of another form lies where a start reads it. Recovery cannot tell
//! which of two forms is the newer one, so no write may be in the one while the other still counts.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::core::Engine;
use super::outcome::IngestError;

/// How far the change of form is.
#[derive(Debug, Default)]
pub(super) struct Conversion {
    /// Whether files of another form are in no checkpoint yet.
    pub(super) is_due: AtomicBool,
    /// Whether a checkpoint was tried for it; further attempts are the background's. Held over the attempt: writers
    /// that come meanwhile wait for it.
    tried: Mutex<bool>,
}

impl Engine {
    /// After recovery: notes what another form left. Nothing is written yet, for who only reads must not.
    pub(super) fn note_foreign_files(&self) {
        self.conversion.is_due.store(self.has_foreign_files(), Ordering::Release);
    }

    /// Before a write: what another form left must be in a checkpoint. The first one who asks writes it. When that
    /// fails reads go on, and writes are refused until a later checkpoint succeeds.
    pub(super) fn check_converted(&self) -> Result<(), IngestError> {
        let is_due = || self.conversion.is_due.load(Ordering::Acquire);
        if !is_due() {
            return Ok(());
        }
        let mut tried = self.conversion.tried.lock();
        if is_due() && !*tried {
            *tried = true;
            self.checkpoint();
        }
        if !is_due() {
            return Ok(());
        }
        self.want_checkpoint();
        Err(IngestError::LogFailed(format!(
            "{}: files of another form are in no checkpoint yet, the log says why",
            self.options.checkpoints.display()
        )))
    }

    /// After a checkpoint of everything has moved the files of other forms away.
    pub(super) fn note_converted(&self) {
        self.conversion.is_due.store(false, Ordering::Release);
    }
}
