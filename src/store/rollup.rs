//! Roll-ups: what many series of a metric answer together, kept sealed.
//!
//! A sum over the hardware threads of a node reads 128 series; its roll-up is one. A roll-up holds exactly what the
//! general way would answer for a slot, as a sum and the number of series in it, and only for slots that no open row
//! has a say in. What may change such a slot later drops its run: a late sample, a series that begins in the past or
//! above another, a horizon of a component. Reads go the general way for what is missing, and what they find there is
//! kept: so roll-ups come back by themselves after a start, after late samples and after they had to make room.
//!
//! Invariant: all that changes an answer for time before the open rows moves the epoch.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use crate::model::{EMPTY, MetricId, SeriesId};

use super::aggregate::AWAITED;
use super::host_data::HostData;
use super::memory::{Bytes, Use};
use super::rolled::Rolled;
use super::slots::{GROUP, WINDOW, phase, window_start};

/// Fewer series are combined quickly enough, and their roll-ups would cost too much memory.
pub(super) const CHILDREN_MIN: usize = 16;

/// Roll-ups may take this part of a host's memory: 1 %.
const MEMORY_PART: usize = 100;

/// Roll-ups of one host. Each is gone on with when a window is sealed, under the host's lock.
const ROLLUPS_MAX: usize = 64;

/// Among the last so many reads of a host's sums, nobody makes room for one that was not there. Else sums that are read
/// in turns, and are more than fit, throw each other out, each before it is read again.
const RECENT_READS: u64 = 4 * ROLLUPS_MAX as u64;

/// A second that no series begins at.
const UNKNOWN_SECS: i64 = i64::MIN;

/// The series that are rolled up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family<'f> {
    /// All that answer at the host's own level, whichever they are.
    Host,
    /// These in this order: the hardware threads of a socket, for instance.
    Of(&'f [SeriesId]),
}

/// The roll-ups of a host.
#[derive(Debug)]
pub(super) struct Rollups {
    all: Vec<Rollup>,
    /// They may take one part in so many of what the host takes.
    pub(super) memory_part: usize,
    /// Moves with all that may change what was answered for time before the open rows.
    epoch: u64,
    /// Counts reads, to tell what was read longer ago.
    reads: AtomicU64,
}

/// One roll-up.
#[derive(Debug)]
pub(super) struct Rollup {
    pub(super) metric: MetricId,
    /// `None` for all that answer at the host's own level.
    of: Option<Box<[SeriesId]>>,
    pub(super) frequency_secs: u32,
    /// Sorted by start; those of one phase do not overlap.
    pub(super) runs: Vec<Rolled>,
    /// When the first of the series begins, as a read found out; [`UNKNOWN_SECS`] since something changed. Written
    /// under the host's read lock, by whoever computes it: all find the same.
    first_secs: AtomicI64,
    /// How many series there were then. Written behind `first_secs`, and read before it.
    first_of: AtomicUsize,
    /// The number of the last read; 0 before the first.
    last_read: AtomicU64,
}

impl Rollup {
    /// The series, where they are listed.
    pub(super) fn family(&self) -> Family<'_> {
        self.of.as_deref().map_or(Family::Host, Family::Of)
    }

    /// When the first of so many series begins: what was found out before, else by `find`.
    pub(super) fn first_secs(&self, series: usize, find: impl FnOnce() -> Option<i64>) -> Option<i64> {
        if self.first_of.load(Ordering::Acquire) == series {
            let known = self.first_secs.load(Ordering::Relaxed);
            if known != UNKNOWN_SECS {
                return Some(known);
            }
        }
        let found = find()?;
        self.first_secs.store(found, Ordering::Relaxed);
        self.first_of.store(series, Ordering::Release);
        Some(found)
    }

    /// Takes sums over; what is there of the same slots goes.
    fn merge(&mut self, run: Rolled) {
        let frequency = self.frequency_secs;
        let group_secs = window_start(run.start_secs(), frequency, GROUP);
        let is_of_group = |other: &Rolled| {
            phase(other.start_secs(), frequency) == phase(group_secs, frequency)
                && window_start(other.start_secs(), frequency, GROUP) == group_secs
        };
        let end_secs = group_secs + GROUP as i64 * i64::from(frequency);
        let others = self.runs.iter().filter(|other| is_of_group(other)).count();
        let completes = others > 0 && run.end_secs() >= end_secs;
        let is_crowded = others >= GROUP / WINDOW;
        let overlaps = self.runs.iter().any(|other| {
            is_of_group(other) && other.start_secs() < run.end_secs() && run.start_secs() < other.end_secs()
        });
        // A group whose windows come one after the other becomes one run at its end, as those of its series do.
        let run = match completes || overlaps || is_crowded {
            true => {
                let (mut sums, mut counts) = (vec![EMPTY; GROUP], vec![0; GROUP]);
                let mut put = |run: &Rolled| {
                    let begin = ((run.start_secs() - group_secs) / i64::from(frequency)) as usize;
                    let mut of_run = (vec![EMPTY; run.len()], vec![0; run.len()]);
                    run.decode(0..run.len(), &mut of_run.0, &mut of_run.1);
                    for (at, (sum, count)) in of_run.0.into_iter().zip(of_run.1).enumerate().filter(|(_, s)| s.1 > 0) {
                        (sums[begin + at], counts[begin + at]) = (sum, count);
                    }
                };
                self.runs.iter().filter(|other| is_of_group(other)).for_each(&mut put);
                put(&run);
                self.runs.retain(|other| !is_of_group(other));
                Rolled::seal(group_secs, frequency, &sums, &counts)
            }
            false => Some(run),
        };
        if let Some(run) = run {
            let at = self.runs.partition_point(|other| other.start_secs() <= run.start_secs());
            if self.runs.len() == self.runs.capacity() {
                self.runs.reserve_exact(2 + self.runs.len() / 4);
            }
            self.runs.insert(at, run);
        }
    }

    fn memory_bytes(&self) -> usize {
        self.runs.iter().map(Rolled::memory_bytes).sum::<usize>()
            + self.runs.capacity() * size_of::<Rolled>()
            + self.of.as_deref().map_or(0, size_of_val)
    }
}

impl Default for Rollups {
    fn default() -> Self {
        Rollups { all: Vec::new(), memory_part: MEMORY_PART, epoch: 0, reads: AtomicU64::new(0) }
    }
}

impl Rollups {
    /// The roll-up of a metric and family.
    pub(super) fn find(&self, metric: MetricId, family: Family<'_>) -> Option<&Rollup> {
        self.all.iter().find(|rollup| rollup.metric == metric && rollup.family() == family)
    }

    /// As [`find`](Self::find), for a read: what was read longest ago makes room for others.
    pub(super) fn read(&self, metric: MetricId, family: Family<'_>) -> Option<&Rollup> {
        let read = self.reads.fetch_add(1, Ordering::Relaxed) + 1;
        let rollup = self.find(metric, family)?;
        rollup.last_read.store(read, Ordering::Relaxed);
        Some(rollup)
    }

    /// Whether a read should keep what it finds: it is there in part, one of usual size fits, or one that was not read
    /// lately makes room.
    pub(super) fn is_welcome(&self, metric: MetricId, family: Family<'_>, bytes: &Bytes) -> bool {
        let used = self.memory_bytes();
        let usual = used.checked_div(self.all.len()).unwrap_or(0);
        let fits = self.all.len() < ROLLUPS_MAX && used + usual <= self.memory_max(bytes);
        let read = self.reads.load(Ordering::Relaxed);
        fits || self.find(metric, family).is_some()
            || self.all.iter().any(|rollup| !is_recent(rollup.last_read.load(Ordering::Relaxed), read))
    }

    /// What was answered for time before the open rows at another epoch may be wrong by now.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The families of a metric that are rolled up.
    pub(super) fn families(&self, metric: MetricId) -> impl Iterator<Item = Option<Box<[SeriesId]>>> {
        self.all.iter().filter(move |rollup| rollup.metric == metric).map(|rollup| rollup.of.clone())
    }

    /// Adds runs that nobody asked for yet: only while there is room.
    pub(super) fn append(&mut self, metric: MetricId, family: Family<'_>, run: Rolled, bytes: &mut Bytes) {
        let is_new = self.find(metric, family).is_none();
        // Who had to make room does not come back to throw out the next one.
        if is_new && self.memory_bytes() * 2 > self.memory_max(bytes) {
            return;
        }
        self.merge(metric, family, vec![run], 0, bytes);
    }

    /// Adds what a read has found.
    pub(super) fn keep(&mut self, metric: MetricId, family: Family<'_>, runs: Vec<Rolled>, bytes: &mut Bytes) {
        let read = self.reads.fetch_add(1, Ordering::Relaxed) + 1;
        self.merge(metric, family, runs, read, bytes);
    }

    fn merge(&mut self, metric: MetricId, family: Family<'_>, runs: Vec<Rolled>, read: u64, bytes: &mut Bytes) {
        let Some(frequency_secs) = runs.first().map(Rolled::frequency_secs) else { return };
        let at = self.all.iter().position(|rollup| rollup.metric == metric && rollup.family() == family);
        let is_new = at.is_none();
        let at = at.unwrap_or_else(|| {
            let of = match family {
                Family::Host => None,
                Family::Of(series) => Some(series.into()),
            };
            self.all.push(Rollup {
                metric,
                of,
                frequency_secs,
                runs: Vec::new(),
                first_secs: AtomicI64::new(UNKNOWN_SECS),
                first_of: AtomicUsize::new(0),
                last_read: AtomicU64::new(0),
            });
            self.all.len() - 1
        });
        let rollup = &mut self.all[at];
        let last_read = rollup.last_read.get_mut();
        *last_read = read.max(*last_read);
        if rollup.frequency_secs != frequency_secs {
            rollup.runs.clear();
            rollup.frequency_secs = frequency_secs;
        }
        runs.into_iter().for_each(|run| rollup.merge(run));
        let memory_max = self.memory_max(bytes);
        while self.memory_bytes() > memory_max || self.all.len() > ROLLUPS_MAX {
            let oldest = (0..self.all.len()).min_by_key(|&at| *self.all[at].last_read.get_mut());
            let Some(oldest) = oldest else { break };
            if is_new && is_recent(*self.all[oldest].last_read.get_mut(), read) {
                // The new one is the last, for the others keep their order.
                self.all.pop();
                break;
            }
            self.all.remove(oldest);
        }
        self.count(bytes);
    }

    /// Drops the runs of a metric that `[begin, end)` touches or just misses.
    pub(super) fn forget(&mut self, metric: MetricId, begin_secs: i64, end_secs: i64, bytes: &mut Bytes) {
        self.epoch += 1;
        let mut is_changed = false;
        for rollup in self.all.iter_mut().filter(|rollup| rollup.metric == metric) {
            let runs = rollup.runs.len();
            // A slot that is written may give its neighbour's outputs another value, and what follows it is a hole that
            // leaves sums incomplete for as long as a child is awaited.
            let frequency = i64::from(rollup.frequency_secs);
            rollup.runs.retain(|run| {
                run.end_secs() + 2 * frequency <= begin_secs
                    || end_secs + (AWAITED as i64 + 2) * frequency <= run.start_secs()
            });
            is_changed |= rollup.runs.len() < runs;
            *rollup.first_secs.get_mut() = UNKNOWN_SECS;
        }
        if is_changed {
            self.count(bytes);
        }
    }

    /// Drops what lies wholly before a horizon.
    pub(super) fn drop_before(&mut self, to_secs: i64, bytes: &mut Bytes) {
        self.epoch += 1;
        for rollup in &mut self.all {
            rollup.runs.retain(|run| run.end_secs() > to_secs);
            *rollup.first_secs.get_mut() = UNKNOWN_SECS;
        }
        self.count(bytes);
    }

    /// Drops everything.
    pub(super) fn clear(&mut self, bytes: &mut Bytes) {
        self.epoch += 1;
        self.all = Vec::new();
        self.count(bytes);
    }

    /// Bytes that they may take.
    fn memory_max(&self, bytes: &Bytes) -> usize {
        bytes.total() / self.memory_part
    }

    fn memory_bytes(&self) -> usize {
        self.all.capacity() * size_of::<Rollup>() + self.all.iter().map(Rollup::memory_bytes).sum::<usize>()
    }

    fn count(&self, bytes: &mut Bytes) {
        bytes.set(Use::Rollups, self.memory_bytes());
    }
}

/// Whether a roll-up is in use, its last read and the newest one given; neither is 0 where somebody reads.
fn is_recent(last_read: u64, read: u64) -> bool {
    last_read > 0 && read > 0 && read.saturating_sub(last_read) <= RECENT_READS
}

impl HostData {
    /// Drops the roll-ups that a value of a series at a second has a say in, now that it does not come in the row of
    /// the day.
    pub(super) fn forget_rollups(&mut self, id: SeriesId, begin_secs: i64, end_secs: i64) {
        let series = self.series.get(id);
        let (metric, component) = (series.metric, series.component);
        // A component that others lie below answers in their place, at all times.
        let is_parent = !self.components.children(component).is_empty();
        let (begin_secs, end_secs) = if is_parent { (i64::MIN / 4, i64::MAX / 4) } else { (begin_secs, end_secs) };
        self.rollups.forget(metric, begin_secs, end_secs, &mut self.bytes);
    }
}
