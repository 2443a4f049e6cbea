//! Leaving memory: what lies before a horizon, parts that the archive holds, series that hold nothing any more.

use std::collections::BTreeSet;

use crate::model::{ComponentId, EMPTY, StampedId, is_empty};
use crate::store::host_data::HostData;

use super::chunk::{Chunk, seal_all};
use super::data::Stamped;
use super::loose::Loose;
use super::table::NO_GROUP;

const DAY_MS: i64 = 86_400_000;

/// Seconds as milliseconds.
pub(super) fn ms(secs: i64) -> i64 {
    secs.saturating_mul(1000)
}

impl HostData {
    /// The millisecond before which nothing of the host is answered.
    pub(in crate::store) fn horizon_ms(&self) -> i64 {
        ms(self.components.node(ComponentId::HOST).horizon_secs)
    }
}

impl Stamped {
    /// Drops what lies before a time; answers how many chunks and open columns went.
    pub(in crate::store) fn drop_before(&mut self, horizon_ms: i64) -> u64 {
        let mut dropped = 0;
        for place in 0..self.groups.len() {
            let Some(group) = &self.groups[place] else { continue };
            let rows: Vec<usize> = (0..group.times.len()).filter(|&row| group.times[row] < horizon_ms).collect();
            if rows.len() == group.times.len() {
                let is_filled = |column: &u32| rows.iter().any(|&row| !is_empty(group.get(row, *column)));
                dropped += (0..group.columns.len() as u32).filter(is_filled).count() as u64;
            }
            self.remove_rows(place as u16, &rows);
        }
        for id in self.table.ids() {
            let Some(series) = self.table.get(id) else { continue };
            if series.chunks.first().is_some_and(|chunk| chunk.last_ms() < horizon_ms) {
                let mut chunks = self.take_chunks(id);
                let before = chunks.len();
                chunks.retain(|chunk| chunk.last_ms() >= horizon_ms);
                dropped += (before - chunks.len()) as u64;
                self.set_chunks(id, chunks);
            }
            self.retain_loose(id, |sample| sample.time_ms >= horizon_ms);
            self.retain_exemplars(id, |exemplar| exemplar.time_ms >= horizon_ms);
        }
        if self.pool.is_before(horizon_ms) {
            self.pool.clear(&mut self.chunk_bytes);
        }
        dropped
    }

    /// Drops the exemplars before a time.
    pub(in crate::store) fn drop_exemplars(&mut self, horizon_ms: i64) {
        for id in self.table.ids() {
            self.retain_exemplars(id, |exemplar| exemplar.time_ms >= horizon_ms);
        }
    }

    /// How many chunks and open columns have their last sample in `from_ms..to_ms`.
    pub(in crate::store) fn count_between(&self, from_ms: i64, to_ms: i64) -> u64 {
        let inside = |chunk: &&Chunk| (from_ms..to_ms).contains(&chunk.last_ms());
        let mut count = 0;
        for (id, series) in self.table.iter() {
            count += series.chunks.iter().filter(inside).count() as u64;
            let is_last = self.has_cells(id, from_ms, to_ms.saturating_sub(1)) && !self.has_cells(id, to_ms, i64::MAX);
            count += u64::from(is_last);
        }
        count
    }

    /// Takes the samples with `begin <= time < end` for which `goes` holds out of a series. What is left of a chunk is
    /// sealed again.
    pub(super) fn take_out(
        &mut self,
        id: StampedId,
        begin_ms: i64,
        end_ms: i64,
        mut goes: impl FnMut(&Loose) -> bool,
    ) -> u64 {
        let mut taken = 0;
        let mut leaves = |sample: &Loose| {
            let leaves = (begin_ms..end_ms).contains(&sample.time_ms) && goes(sample);
            taken += u64::from(leaves);
            leaves
        };
        let Some(series) = self.table.get(id) else { return 0 };
        let is_touched = |chunk: &Chunk| chunk.first_ms() < end_ms && chunk.last_ms() >= begin_ms;
        let (place, column) = (series.group as usize, series.column);
        if series.chunks.iter().any(is_touched) {
            let mut kept = Vec::new();
            for chunk in self.take_chunks(id) {
                if !is_touched(&chunk) {
                    kept.push(chunk);
                    continue;
                }
                let mut samples = Vec::new();
                chunk.decode_to(&mut samples);
                let before = samples.len();
                samples.retain(|sample| !leaves(sample));
                if samples.len() == before {
                    kept.push(chunk);
                } else if !samples.is_empty() {
                    seal_all(&samples, &mut self.pool, &mut self.chunk_bytes, &mut kept);
                }
            }
            self.set_chunks(id, kept);
        }
        if let Some(Some(group)) = self.groups.get_mut(place) {
            for row in 0..group.times.len() {
                let value = group.get(row, column);
                if !is_empty(value) && leaves(&Loose::float(group.times[row], value)) {
                    group.set(row, column, EMPTY);
                }
            }
        }
        self.retain_loose(id, |sample| !leaves(sample));
        taken
    }

    /// Removes the rows in which nothing is left.
    pub(super) fn remove_empty_rows(&mut self) {
        for place in 0..self.groups.len() {
            let Some(group) = &self.groups[place] else { continue };
            let is_filled = |&row: &usize| (0..group.columns.len() as u32).any(|at| !is_empty(group.get(row, at)));
            let empty: Vec<usize> = (0..group.times.len()).filter(|row| !is_filled(row)).collect();
            self.remove_rows(place as u16, &empty);
        }
    }

    /// Forgets the series that hold nothing and were noted to hold nothing the last time; answers how many went.
    pub(super) fn sweep(&mut self) -> usize {
        let mut gone = Vec::new();
        for (id, series) in self.table.iter() {
            if self.holds_data(id) {
                series.touch();
            } else if series.note_idle() {
                gone.push(id);
            }
        }
        if gone.is_empty() {
            return 0;
        }
        for place in 0..self.groups.len() {
            let Some(group) = &self.groups[place] else { continue };
            let keep: Vec<bool> = group.columns.iter().map(|&id| gone.binary_search(&StampedId(id)).is_err()).collect();
            self.retain_columns(place, &keep);
        }
        for &id in &gone {
            if let Some(series) = self.table.get_mut(id) {
                series.group = NO_GROUP;
            }
        }
        self.index.remove(&gone, &self.table);
        self.table.remove(&gone);
        gone.len()
    }

    /// Adds the days in which samples before the limit may lie.
    pub(in crate::store) fn days(&self, limit_ms: i64, days: &mut BTreeSet<i64>) {
        let mut add = |time_ms: i64| {
            if time_ms < limit_ms {
                days.insert(time_ms.div_euclid(DAY_MS));
            }
        };
        let mut times = Vec::new();
        for (_, series) in self.table.iter() {
            for chunk in series.chunks.iter().filter(|chunk| chunk.first_ms() < limit_ms) {
                // A clock that was off puts samples years apart into one chunk: not every day between has some.
                if chunk.first_ms().div_euclid(DAY_MS) < chunk.last_ms().div_euclid(DAY_MS) {
                    times.clear();
                    chunk.times.decode_to(&mut times);
                    times.iter().for_each(|&time| add(time));
                } else {
                    add(chunk.first_ms());
                }
            }
            series.loose().iter().for_each(|sample| add(sample.time_ms));
        }
        for group in self.groups.iter().flatten() {
            group.times.iter().for_each(|&time| add(time));
        }
    }

    /// The first time of any sample.
    pub(in crate::store) fn oldest_ms(&self) -> Option<i64> {
        let sealed = self.table.iter().filter_map(|(_, series)| Some(series.chunks.first()?.first_ms()));
        let loose = self.table.iter().filter_map(|(_, series)| Some(series.loose().first()?.time_ms));
        let open = self.groups.iter().flatten().flat_map(|group| group.times.iter().copied());
        sealed.chain(loose).chain(open).min()
    }

    /// The second behind the last sealed sample.
    pub(in crate::store) fn sealed_end_secs(&self) -> Option<i64> {
        let last = self.table.iter().filter_map(|(_, series)| series.chunks.last()).map(|chunk| chunk.last_ms()).max();
        last.map(|time_ms| time_ms.div_euclid(1000) + 1)
    }

    /// The first time of the open rows that reach up to this time or behind it. Loose samples are in no row.
    pub(in crate::store) fn open_since_ms(&self, time_ms: i64) -> Option<i64> {
        let groups = self.groups.iter().flatten();
        let reaching = groups.filter(|group| group.times.iter().any(|&time| time >= time_ms));
        reaching.flat_map(|group| group.times.iter().copied()).min()
    }

    /// Adds the bytes of sealed values to buckets by the second of their last sample.
    pub(in crate::store) fn bytes_by_age(&self, from_secs: i64, width_secs: i64, buckets: &mut [u64]) {
        for chunk in self.table.iter().flat_map(|(_, series)| &series.chunks) {
            let at = (chunk.last_ms().div_euclid(1000) + 1 - from_secs).div_euclid(width_secs);
            if let Some(bucket) = usize::try_from(at).ok().and_then(|at| buckets.get_mut(at)) {
                *bucket += chunk.values_bytes() as u64;
            }
        }
    }

    /// How many series and chunks there are.
    pub(in crate::store) fn count(&self) -> (u64, u64) {
        let chunks = self.table.iter().map(|(_, series)| series.chunks.len() as u64).sum();
        (self.table.live() as u64, chunks)
    }
}
