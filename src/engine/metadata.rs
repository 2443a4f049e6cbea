//! The way of metadata into a log and into memory. It belongs to no host, so one shard's files hold all of it.
//!
//! Invariant: what memory has and no log has is known here, and goes into the log with the next metadata that comes.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::Metadata;

use super::commit::Committed;
use super::core::Engine;
use super::outcome::IngestError;

/// The shard whose log and snapshot hold the metadata of all metrics.
const METADATA_SHARD: usize = 0;

/// Bytes of texts in one record.
const RECORD_TEXT_BYTES_MAX: usize = 4 << 20;

/// What the engine remembers of metadata beside the store: names that a log did not take. Held over the write of log
/// and memory.
#[derive(Debug, Default)]
pub(super) struct Unlogged(Mutex<Vec<Box<str>>>);

impl Engine {
    /// The metadata that a shard's snapshot has to hold.
    pub(super) fn metadata_of_shard(&self, shard: usize) -> Vec<(Arc<str>, Metadata)> {
        if shard == METADATA_SHARD { self.store.metadata() } else { Vec::new() }
    }

    /// Sets what metrics are, and logs what is new; answers how many were. Those beyond a limit are told to `refused`.
    pub(super) fn commit_metadata(
        &self,
        metrics: &[(Box<str>, Metadata)],
        committed: &mut Committed,
        mut refused: impl FnMut(&str, crate::store::LimitReached),
    ) -> Result<u64, IngestError> {
        if metrics.is_empty() {
            return Ok(0);
        }
        let shards = self.shards.read();
        let shard = &shards[METADATA_SHARD];
        let mut unlogged = self.unlogged_metadata.0.lock();
        let mut log = shard.lock();
        let mut changed = 0;
        for (name, metadata) in metrics {
            match self.store.set_metadata(name, metadata.clone()) {
                Ok(false) => {}
                Ok(true) => {
                    changed += 1;
                    unlogged.push(name.clone());
                }
                Err(limit) => refused(name, limit),
            }
        }
        unlogged.sort_unstable();
        unlogged.dedup();
        while !unlogged.is_empty() {
            let mut record: Vec<(Box<str>, Metadata)> = Vec::new();
            let mut bytes = 0;
            while let Some(name) = unlogged.pop() {
                let Some(metadata) = self.store.metadata_of(&name) else { continue };
                bytes += name.len() + metadata.help.len() + metadata.unit.len();
                record.push((name, metadata));
                if bytes > RECORD_TEXT_BYTES_MAX {
                    break;
                }
            }
            let borrowed: Vec<(&str, &Metadata)> = record.iter().map(|(name, metadata)| (&**name, metadata)).collect();
            match log.common().append_metadata(&borrowed) {
                Ok(bytes) => _ = self.telemetry.log_bytes.inc_by(bytes),
                Err(error) => {
                    unlogged.extend(record.into_iter().map(|(name, _)| name));
                    let reason = log.common().failure().map_or_else(|| error.to_string(), str::to_owned);
                    return Err(IngestError::LogFailed(reason));
                }
            }
            committed.writes[METADATA_SHARD] = shard.note_write();
        }
        Ok(changed)
    }
}
