//! What leaves memory for the archive: the samples before a limit, sorted by labels, dropped once a file holds them.
//!
//! Invariant: what is dropped here was handed out before, by [`StampedDeparting::each`], or is among the samples that a
//! file was read for.

use std::sync::Arc;

use crate::model::histogram::FloatHistogram;
use crate::model::{Labels, StampedId, StampedValue};

use super::data::Stamped;
use super::view::StampedView;

/// The samples of one host that are to leave memory, as handles: writers go on meanwhile.
#[derive(Debug)]
pub struct StampedDeparting {
    /// Sorted by labels.
    series: Vec<(Labels, StampedView)>,
    stamp: StampedStamp,
}

/// What a host was like when its samples were taken: what tells whether all before the limit is still what was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StampedStamp {
    begin_ms: i64,
    /// Behind the last time: of the range, or of what lies before the limit.
    end_ms: i64,
    late_writes: u64,
    pub(super) horizon_moves: u64,
}

/// Samples of one series in order of time; columns as those of [`StampedReader::next`](super::StampedReader::next).
#[derive(Debug, Clone, Copy)]
pub struct StampedRows<'a> {
    /// All labels of the series.
    pub labels: &'a Labels,
    /// Milliseconds since 1970, ascending.
    pub times: &'a [i64],
    /// A value for each time.
    pub values: &'a [f64],
    /// The histograms with their places in `times`.
    pub histograms: &'a [(u32, Arc<FloatHistogram>)],
    /// When counting began: empty, or one for each time.
    pub starts: &'a [i64],
}

impl StampedDeparting {
    /// For [`Host::depart_stamped`](crate::store::Host::depart_stamped).
    pub fn stamp(&self) -> StampedStamp {
        self.stamp
    }

    /// Hands out all samples, series sorted by labels, each in order of time, in pieces of at most about a thousand.
    pub fn each<E>(&self, mut emit: impl FnMut(&StampedRows<'_>) -> Result<(), E>) -> Result<(), E> {
        let (mut times, mut values, mut histograms, mut starts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (labels, view) in &self.series {
            let mut reader = view.reader(i64::MIN, i64::MAX);
            while reader.next(&mut times, &mut values, &mut histograms, &mut starts) {
                emit(&StampedRows {
                    labels,
                    times: &times,
                    values: &values,
                    histograms: &histograms,
                    starts: &starts,
                })?;
                times.clear();
                values.clear();
                histograms.clear();
                starts.clear();
            }
        }
        Ok(())
    }
}

impl Stamped {
    /// The samples with `begin <= time < end`; `None` when there are none. From here on writes to times before the end
    /// are counted.
    pub(super) fn departing(&mut self, begin_ms: i64, end_ms: i64, horizon_moves: u64) -> Option<StampedDeparting> {
        if end_ms <= begin_ms {
            return None;
        }
        let last_ms = end_ms - 1;
        let ids: Vec<StampedId> =
            self.table.ids().into_iter().filter(|&id| self.holds_between(id, begin_ms, last_ms)).collect();
        if ids.is_empty() {
            return None;
        }
        // What is out of sight leaves, too.
        let views = self.take(&ids, begin_ms, last_ms, i64::MIN);
        let mut series: Vec<(Labels, StampedView)> =
            ids.iter().zip(views).map(|(&id, view)| (self.labels(id), view)).collect();
        series.sort_by(|a, b| a.0.cmp(&b.0));
        self.watch_ms = end_ms;
        let stamp = StampedStamp { begin_ms, end_ms, late_writes: self.late_writes, horizon_moves };
        Some(StampedDeparting { series, stamp })
    }

    /// Drops what was taken, if nothing was written to that time since; else nothing, and `false`.
    pub(super) fn depart(&mut self, stamp: &StampedStamp) -> bool {
        let is_same = self.late_writes == stamp.late_writes;
        if is_same {
            for id in self.table.ids() {
                self.take_out(id, stamp.begin_ms, stamp.end_ms, |_| true);
            }
            self.remove_empty_rows();
        }
        is_same
    }

    /// Drops the samples that a file holds; answers how many went.
    pub(super) fn remove_archived(&mut self, rows: &StampedRows<'_>) -> u64 {
        let Some(id) = self.find(rows.labels) else { return 0 };
        let (Some(&first), Some(&last)) = (rows.times.first(), rows.times.last()) else { return 0 };
        let is_histogram = |at: usize| rows.histograms.binary_search_by_key(&(at as u32), |&(place, _)| place).is_ok();
        let removed = self.take_out(id, first, last.saturating_add(1), |sample| {
            let Ok(at) = rows.times.binary_search(&sample.time_ms) else { return false };
            match &sample.value {
                StampedValue::Histogram(_) => is_histogram(at),
                // What differs came later, and stays.
                StampedValue::Float(value) => {
                    !is_histogram(at) && rows.values.get(at).is_some_and(|other| other.to_bits() == value.to_bits())
                }
            }
        });
        if removed > 0 {
            self.remove_empty_rows();
        }
        removed
    }
}
