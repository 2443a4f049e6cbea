//! Stamped series from an image, merged with what is there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::block::{Times, Values};
use crate::model::{ChunkImage, HostImage, StampedId, StampedImage, StampedSample};
use crate::store::Restored;
use crate::store::host_data::HostData;
use crate::store::limits::Limits;
use crate::store::memory::SharedBytes;

use super::chunk::Chunk;
use super::data::Stamped;
use super::host::check;
use super::loose::{Loose, merged};
use super::times::SharedTimes;

impl HostData {
    /// Takes over the stamped series of an image.
    pub(in crate::store) fn restore_stamped(
        &mut self,
        image: &HostImage,
        limits: &Limits,
        shared: &SharedBytes,
        restored: &mut Restored,
    ) {
        if image.stamped.is_empty() {
            return;
        }
        let times = times_of(image);
        let stamped = self.stamped.get_or_insert_with(|| Box::new(Stamped::new()));
        for series in &image.stamped {
            let id = match stamped.find(&series.labels) {
                Some(found) => found,
                None => {
                    let is_full = stamped.table.live() >= limits.stamped_per_host_max || stamped.table.is_exhausted();
                    let all = shared.stamped_series();
                    if is_full
                        || check(&series.labels, limits).is_err()
                        || all.load(Ordering::Relaxed) >= limits.stamped_max as u64
                    {
                        restored.refused += 1;
                        continue;
                    }
                    all.fetch_add(1, Ordering::Relaxed);
                    stamped.index.insert(&series.labels, &mut stamped.table)
                }
            };
            restored.series += 1;
            restored.refused += stamped.restore(id, series, &times, limits);
        }
        if stamped.newest_ms > i64::MIN {
            self.newest_secs = self.newest_secs.max(stamped.newest_ms.div_euclid(1000));
        }
    }
}

impl Stamped {
    /// Merges the image of one series into the series of this id. Where both have a time, the image counts. Answers how
    /// many chunks could not be used.
    pub(super) fn restore(
        &mut self,
        id: StampedId,
        image: &StampedImage,
        times: &[Option<Arc<SharedTimes>>],
        limits: &Limits,
    ) -> u64 {
        let mut refused = 0;
        let is_new = !self.holds_data(id);
        let mut chunks: Vec<Chunk> = Vec::with_capacity(image.chunks.len());
        let mut others: Vec<Chunk> = Vec::new();
        for chunk in &image.chunks {
            let Some(chunk) = chunk_of(chunk, times) else {
                refused += 1;
                continue;
            };
            self.newest_ms = self.newest_ms.max(chunk.last_ms());
            let is_behind = chunks.last().is_none_or(|last| last.last_ms() < chunk.first_ms());
            if is_new && is_behind { chunks.push(chunk) } else { others.push(chunk) }
        }
        if is_new {
            self.set_chunks(id, chunks);
        }
        for chunk in others {
            let mut samples = Vec::new();
            chunk.decode_to(&mut samples);
            self.absorb(id, samples);
        }
        let open: Vec<StampedSample> =
            image.open.iter().map(|sample| StampedSample { series: id, ..sample.clone() }).collect();
        // The clock is not known here: what is ahead of it is put aside when the rows are sealed.
        let now_ms = std::mem::replace(&mut self.now_ms, i64::MAX);
        self.apply(&open, i64::MAX, i64::MIN);
        self.now_ms = now_ms;
        for exemplar in &image.exemplars {
            self.add_exemplar(id, exemplar, limits.exemplars_per_series_max);
        }
        refused
    }

    /// Merges samples into what a series has, over all of it that has their times.
    fn absorb(&mut self, id: StampedId, samples: Vec<Loose>) {
        let Some(last_ms) = samples.last().map(|sample| sample.time_ms) else { return };
        let mut all = merged(self.take_cells(id, last_ms), self.take_loose(id));
        all = merged(all, samples);
        self.merge(id, all);
        // Rows lie behind the chunks: what was loose may have come to lie behind them.
        let sealed_ms = self.table.get(id).map_or(i64::MIN, |series| series.sealed_ms);
        let behind = self.take_cells(id, sealed_ms);
        if !behind.is_empty() {
            self.merge(id, behind);
        }
    }
}

/// The times of an image, read once for all chunks.
fn times_of(image: &HostImage) -> Vec<Option<Arc<SharedTimes>>> {
    image.times.iter().map(|bytes| Times::from_bytes(Arc::clone(bytes)).ok().map(SharedTimes::new)).collect()
}

fn chunk_of(image: &ChunkImage, times: &[Option<Arc<SharedTimes>>]) -> Option<Chunk> {
    let shared = |at: u32| times.get(at as usize).cloned().flatten();
    let values = Values::from_bytes(Arc::clone(&image.values)).ok()?;
    let times = shared(image.times).filter(|times| times.sealed.is_ascending() && times.len() == values.len())?;
    let starts = match image.starts {
        Some(at) => Some(shared(at).filter(|starts| starts.len() == values.len())?),
        None => None,
    };
    Some(Chunk::new(times, values, starts))
}
