//! The one way of a write into a shard's log and into memory.
//!
//! What a body holds is gathered by host, so that a host costs one lock and one write of its log a body. Invariant:
//! what [`Engine::commit`] counts as stored is in the log, in the order in which memory has it; of what a log refuses
//! nothing is in memory.

use std::io;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::formats::native::NativeError;
use crate::model::{Exemplar, Sample, StampedId, StampedSample, StampedValue};
use crate::store::{Applied, Host};

use super::core::Engine;
use super::log::{SHARDS, shard_of};
use super::options::{CheckpointFormat, WalSync};
use super::outcome::IngestError;

/// Samples of one host that go into one log record.
const RECORD_SAMPLES_MAX: usize = 50_000;

/// What a body holds of one host, in the order of its arrival.
pub(super) struct Batch {
    pub(super) host: Arc<Host>,
    /// Of the host's stamped series, when the first thing came: whether numbers are still good.
    generation: u64,
    pub(super) samples: Vec<Sample>,
    pub(super) stamped: Vec<StampedSample>,
    pub(super) exemplars: Vec<(StampedId, Exemplar)>,
}

impl Batch {
    /// Whether it is this host's.
    pub(super) fn is_of(&self, cluster: &str, host: &str) -> bool {
        **self.host.cluster() == *cluster && **self.host.name() == *host
    }
}

/// What a body holds, by host, in the order in which the hosts came.
#[derive(Default)]
pub(super) struct Batches {
    all: Vec<Batch>,
    /// The place of each host, by address.
    places: HashMap<usize, usize, foldhash::fast::RandomState>,
}

impl Batches {
    /// The place of a host's batch, begun when there is none.
    pub(super) fn place_of(&mut self, host: &Arc<Host>) -> usize {
        *self.places.entry(Arc::as_ptr(host) as usize).or_insert_with(|| {
            let (generation, host) = (host.stamped_generation(), Arc::clone(host));
            self.all.push(Batch { host, generation, samples: Vec::new(), stamped: Vec::new(), exemplars: Vec::new() });
            self.all.len() - 1
        })
    }

    /// The batch at a place.
    pub(super) fn at(&self, place: usize) -> &Batch {
        &self.all[place]
    }

    /// The batch at a place.
    pub(super) fn at_mut(&mut self, place: usize) -> &mut Batch {
        &mut self.all[place]
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Batch> {
        self.all.iter()
    }
}

/// A part of a batch that goes into a log with one write.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Part<'b> {
    pub(super) samples: &'b [Sample],
    pub(super) stamped: &'b [StampedSample],
    pub(super) exemplars: &'b [(StampedId, Exemplar)],
}

impl<'b> Part<'b> {
    /// How many things there are.
    fn len(&self) -> usize {
        self.samples.len() + self.stamped.len() + self.exemplars.len()
    }

    /// Whether it names stamped series that were forgotten after their numbers were looked up.
    fn is_outdated(&self, batch: &Batch) -> bool {
        let mut series =
            self.stamped.iter().map(|sample| sample.series).chain(self.exemplars.iter().map(|(series, _)| *series));
        batch.generation != batch.host.stamped_generation() && !series.all(|id| batch.host.holds_stamped(id))
    }

    /// The first half of everything, and the second.
    fn halves(&self) -> [Part<'b>; 2] {
        // Rounded up, so that whatever has more than one element in all gets smaller.
        let (samples, samples_rest) = self.samples.split_at(self.samples.len().div_ceil(2));
        let (stamped, stamped_rest) = self.stamped.split_at(self.stamped.len().div_ceil(2));
        let (exemplars, exemplars_rest) = self.exemplars.split_at(self.exemplars.len() / 2);
        let first = Part { samples, stamped, exemplars };
        [first, Part { samples: samples_rest, stamped: stamped_rest, exemplars: exemplars_rest }]
    }
}

/// What became of a body.
#[derive(Debug, Default)]
pub(super) struct Committed {
    /// Samples of the grid that are in memory now.
    pub(super) samples: u64,
    /// Samples of the grid that are older than what their host answers.
    pub(super) samples_before_horizon: u64,
    /// Stamped numbers that are in memory now.
    pub(super) floats: u64,
    /// Stamped histograms that are in memory now.
    pub(super) histograms: u64,
    /// Stamped samples of either kind that are older than what their host answers.
    pub(super) stamped_before_horizon: u64,
    /// Exemplars that were taken.
    pub(super) exemplars: u64,
    /// Exemplars that are older than what their host answers.
    pub(super) exemplars_before_horizon: u64,
    /// By shard, the number of the last write; 0 for none.
    pub(super) writes: [u64; SHARDS],
}

impl Committed {
    /// Counts what became of stamped samples by their kind.
    fn count_stamped(&mut self, host: &Host, samples: &[StampedSample], applied: Applied) {
        let Applied { stored, before_horizon: skipped, .. } = applied;
        let is_histogram = |sample: &&StampedSample| matches!(sample.value, StampedValue::Histogram(_));
        let histograms = samples.iter().filter(is_histogram).count() as u64;
        self.stamped_before_horizon += skipped;
        // Nothing else keeps a sample out, so it is the oldest ones that are missing.
        let horizon_ms = host.horizon_secs().saturating_mul(1000);
        let is_old = |sample: &&StampedSample| sample.time_ms < horizon_ms;
        let histograms_skipped = match skipped {
            0 => 0,
            _ => samples.iter().filter(is_histogram).filter(is_old).count() as u64,
        };
        let histograms_stored = histograms - histograms_skipped.min(skipped);
        self.histograms += histograms_stored;
        self.floats += stored.saturating_sub(histograms_stored);
    }

    /// Samples of all kinds that are in memory now.
    pub(super) fn stored(&self) -> u64 {
        self.samples + self.floats + self.histograms
    }
}

impl Engine {
    /// Writes what was gathered to the logs and into memory, and flushes the logs where every write is to be durable.
    /// On an error the hosts before the one that failed are stored.
    pub(super) fn commit(
        &self,
        batches: &Batches,
        received_millis: i64,
        committed: &mut Committed,
    ) -> Result<(), IngestError> {
        let mut outcome = Ok(());
        for batch in batches.iter() {
            let part = Part { samples: &batch.samples, stamped: &batch.stamped, exemplars: &batch.exemplars };
            outcome = self.commit_part(batch, part, received_millis, committed);
            if outcome.is_err() {
                break;
            }
        }
        if self.options.wal_sync == WalSync::Always && committed.writes.iter().any(|write| *write > 0) {
            outcome = self.flush_shards(&committed.writes).and(outcome);
        }
        outcome
    }

    fn commit_part(
        &self,
        batch: &Batch,
        part: Part<'_>,
        received_millis: i64,
        committed: &mut Committed,
    ) -> Result<(), IngestError> {
        if part.len() == 0 {
            return Ok(());
        }
        let halves = || part.halves().into_iter();
        if part.len() > RECORD_SAMPLES_MAX {
            return halves().try_for_each(|half| self.commit_part(batch, half, received_millis, committed));
        }
        let host = &batch.host;
        let place = shard_of(host.cluster(), host.name());
        let shards = self.shards.read();
        let shard = &shards[place];
        let mut log = shard.lock();
        if part.is_outdated(batch) {
            return Err(IngestError::Forgotten);
        }
        match log.common().append(&self.store, host, part, received_millis) {
            Ok(bytes) => _ = self.telemetry.log_bytes.inc_by(bytes),
            Err(error) if is_too_large(&error) && part.len() > 1 => {
                drop(log);
                drop(shards);
                return halves().try_for_each(|half| self.commit_part(batch, half, received_millis, committed));
            }
            Err(error) => {
                let reason = log.common().failure().map_or_else(|| error.to_string(), str::to_owned);
                return Err(IngestError::LogFailed(reason));
            }
        }
        committed.writes[place] = shard.note_write();
        if !part.samples.is_empty() {
            let received_secs = received_millis.div_euclid(1000);
            let applied = host.apply(&self.store.metrics(), part.samples, received_secs);
            committed.samples += applied.stored;
            committed.samples_before_horizon += applied.before_horizon;
        }
        if !part.stamped.is_empty() {
            let applied = host.apply_stamped(part.stamped, received_millis);
            committed.count_stamped(host, part.stamped, applied);
            if applied.gone > 0 {
                // Forgotten between the look-up and the first sample of the batch. What the log has of them is what
                // the sender sends again.
                return Err(IngestError::Forgotten);
            }
        }
        if !part.exemplars.is_empty() {
            let applied = host.add_exemplars(part.exemplars);
            committed.exemplars += applied.stored;
            committed.exemplars_before_horizon += applied.before_horizon;
            if applied.gone > 0 {
                return Err(IngestError::Forgotten);
            }
        }
        Ok(())
    }

    /// Makes durable what was written to the shards up to these writes; 0 for none.
    pub(super) fn flush_shards(&self, writes: &[u64; SHARDS]) -> Result<(), IngestError> {
        if self.options.format != CheckpointFormat::Native {
            let flushed = self.flush_files(writes);
            return flushed.map(drop).map_err(|error| IngestError::LogFailed(format!("flush failed: {error}")));
        }
        for (shard, write) in self.shards.read().iter().zip(writes).filter(|(_, write)| **write > 0) {
            shard
                .flush(*write)
                .inspect_err(|_| self.want_checkpoint())
                .map_err(|error| IngestError::LogFailed(format!("flush failed: {error}")))?;
        }
        Ok(())
    }
}

/// Whether a log refused a part for its size alone.
fn is_too_large(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<NativeError>());
    matches!(inner, Some(NativeError::TooLarge { .. }))
}
