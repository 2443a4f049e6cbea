//! The stamped series of a host, behind its lock: where a sample goes.
//!
//! A plain number goes into the open row of its time, which it shares with the series that come together with it. What
//! is late, far ahead of the clock, a histogram, or has a start time goes to the loose samples of its series.
//! Invariants: no time of a series lies both in a row and among its loose samples; its rows lie behind its chunks; a
//! loose sample counts more than one in a chunk.

use crate::model::{Labels, StampedId, StampedSample, StampedValue, is_empty};
use crate::store::host_data::Applied;
use crate::store::memory::{Bytes, Use};

use super::group::{Group, Row};
use super::index::Index;
use super::loose::Loose;
use super::table::{Extra, NO_GROUP, Table};
use super::times::Pool;

/// Groups of one host. A flood of series each at times of its own gets no rows: it is kept in loose samples and chunks.
pub(super) const GROUPS_MAX: usize = 256;

/// Loose samples of a series; that many are sealed.
pub(super) const LOOSE_MAX: usize = 32;

/// What is farther ahead of the store's clock opens no row, so that it closes no row of what is right.
const AHEAD_MS: i64 = 60_000;

/// The stamped series of a host.
#[derive(Debug, Default)]
pub(in crate::store) struct Stamped {
    pub(super) index: Index,
    pub(super) table: Table,
    /// Groups keep their places, for series refer to them; a free place is `None`.
    pub(super) groups: Vec<Option<Group>>,
    pub(super) pool: Pool,
    /// The newest time of any sample.
    pub(super) newest_ms: i64,
    /// The store's clock, as it was last told.
    pub(super) now_ms: i64,
    /// Samples before this time are counted: what lies there is being archived.
    pub(super) watch_ms: i64,
    /// How many were.
    pub(super) late_writes: u64,
    /// Bytes of sealed values and times.
    pub(super) chunk_bytes: usize,
    /// Bytes of groups.
    pub(super) group_bytes: usize,
    /// Bytes of loose samples.
    pub(super) loose_bytes: usize,
    /// Bytes of exemplars.
    pub(super) exemplar_bytes: usize,
}

impl Stamped {
    /// No series.
    pub(super) fn new() -> Self {
        Stamped { newest_ms: i64::MIN, now_ms: i64::MIN, watch_ms: i64::MIN, ..Stamped::default() }
    }

    /// The series with exactly these labels.
    pub(super) fn find(&self, labels: &Labels) -> Option<StampedId> {
        self.index.find(labels, &self.table)
    }

    /// All labels of a series.
    pub(super) fn labels(&self, id: StampedId) -> Labels {
        self.table.get(id).map_or_else(Labels::empty, |series| self.index.labels(&series.pairs))
    }

    /// Applies samples in their order.
    pub(super) fn apply(&mut self, samples: &[StampedSample], now_ms: i64, horizon_ms: i64) -> Applied {
        self.now_ms = self.now_ms.max(now_ms);
        let ahead_ms = self.now_ms.saturating_add(AHEAD_MS);
        let mut applied = Applied::default();
        // Series that are in no group come last: the rows that they may share are open then.
        let mut waiting: Vec<usize> = Vec::new();
        for (at, sample) in samples.iter().enumerate() {
            let Some(series) = self.table.get_mut(sample.series) else {
                applied.gone += 1;
                continue;
            };
            if sample.time_ms < horizon_ms {
                applied.before_horizon += 1;
                continue;
            }
            applied.stored += 1;
            self.newest_ms = self.newest_ms.max(sample.time_ms);
            self.late_writes += u64::from(sample.time_ms < self.watch_ms);
            if series.group == NO_GROUP {
                waiting.push(at);
                continue;
            }
            if let Some(value) = plain(sample)
                && sample.time_ms > series.sealed_ms
                && series.loose().is_empty()
                && let Some(Some(group)) = self.groups.get_mut(series.group as usize)
                && let Some(row) = group.newest_row(sample.time_ms)
            {
                // The way of nearly all: the row is open.
                group.set(row, series.column, value);
                series.touch();
                continue;
            }
            self.place(sample, ahead_ms);
        }
        for at in waiting {
            self.place(&samples[at], ahead_ms);
        }
        applied
    }

    /// Puts a sample where it belongs.
    fn place(&mut self, sample: &StampedSample, ahead_ms: i64) {
        let (id, time_ms) = (sample.series, sample.time_ms);
        if let Some(series) = self.table.get(id) {
            series.touch();
        }
        let row_value = plain(sample).filter(|_| time_ms <= ahead_ms);
        if let Some(value) = row_value
            && self.place_in_row(id, time_ms, value)
        {
            self.remove_loose(id, time_ms);
            return;
        }
        self.clear_cell(id, time_ms);
        self.add_loose(id, Loose { time_ms, start_ms: sample.start_ms, value: sample.value.clone() });
    }

    /// Puts a number into a row; `false` when it cannot go there.
    fn place_in_row(&mut self, id: StampedId, time_ms: i64, value: f64) -> bool {
        // Sealing makes room at once; twice when it had to put aside what was ahead of the clock.
        for _ in 0..3 {
            let Some(series) = self.table.get(id) else { return false };
            if time_ms <= series.sealed_ms || (series.group == NO_GROUP && !self.join(id, time_ms)) {
                return false;
            }
            let Some((place, column)) = self.table.get(id).map(|series| (series.group, series.column)) else {
                return false;
            };
            let Some(Some(group)) = self.groups.get_mut(place as usize) else { return false };
            let before = group.memory_bytes();
            let row = group.open_row(time_ms);
            self.group_bytes = self.group_bytes + group.memory_bytes() - before;
            match row {
                Row::At(row) => {
                    group.set(row, column, value);
                    return true;
                }
                Row::TooLate => return false,
                Row::Full => self.seal(place),
            }
        }
        false
    }

    /// Gives a series a column in the group that has a row of this time, or in a new one; `false` when a host has as
    /// many groups as it may.
    fn join(&mut self, id: StampedId, time_ms: i64) -> bool {
        let has_row = |group: &Option<Group>| group.as_ref().is_some_and(|group| group.times.contains(&time_ms));
        let place = match self.groups.iter().position(has_row) {
            Some(found) => found,
            None => match self.groups.iter().position(Option::is_none) {
                Some(free) => {
                    self.add_group(free, Group::new());
                    free
                }
                None if self.groups.len() < GROUPS_MAX => {
                    self.group_bytes -= self.groups.capacity() * size_of::<Option<Group>>();
                    self.groups.reserve_exact(1);
                    self.group_bytes += self.groups.capacity() * size_of::<Option<Group>>();
                    self.groups.push(None);
                    self.add_group(self.groups.len() - 1, Group::new());
                    self.groups.len() - 1
                }
                None => return false,
            },
        };
        let (Some(Some(group)), Some(series)) = (self.groups.get_mut(place), self.table.get_mut(id)) else {
            return false;
        };
        self.group_bytes -= group.memory_bytes();
        series.column = group.add_column(id.0);
        series.group = place as u16;
        self.group_bytes += group.memory_bytes();
        true
    }

    /// Puts a group into a free place.
    fn add_group(&mut self, place: usize, group: Group) {
        self.group_bytes += group.memory_bytes();
        self.groups[place] = Some(group);
    }

    /// The cell of a series at a time, where it holds a number.
    fn cell(&self, id: StampedId, time_ms: i64) -> Option<(usize, usize, u32)> {
        let series = self.table.get(id)?;
        let group = self.groups.get(series.group as usize)?.as_ref()?;
        let row = group.row_of(time_ms)?;
        (!is_empty(group.get(row, series.column))).then_some((series.group as usize, row, series.column))
    }

    /// Empties the cell of a series at a time.
    fn clear_cell(&mut self, id: StampedId, time_ms: i64) {
        if let Some((place, row, column)) = self.cell(id, time_ms)
            && let Some(group) = &mut self.groups[place]
        {
            group.set(row, column, crate::model::EMPTY);
        }
    }

    /// Takes the numbers of a series' rows that are not newer than a time.
    pub(super) fn take_cells(&mut self, id: StampedId, until_ms: i64) -> Vec<Loose> {
        let mut taken = Vec::new();
        let Some(series) = self.table.get(id) else { return taken };
        let Some(Some(group)) = self.groups.get_mut(series.group as usize) else { return taken };
        for row in group.order() {
            let value = group.get(row, series.column);
            if group.times[row] <= until_ms && !is_empty(value) {
                taken.push(Loose::float(group.times[row], value));
                group.set(row, series.column, crate::model::EMPTY);
            }
        }
        taken
    }

    /// Keeps some columns of a group; a group without columns goes. Those who leave must have left already.
    pub(super) fn retain_columns(&mut self, place: usize, keep: &[bool]) {
        let Stamped { groups, table, group_bytes, .. } = self;
        let Some(Some(group)) = groups.get_mut(place) else { return };
        *group_bytes -= group.memory_bytes();
        group.retain_columns(keep, |id, column| {
            if let Some(series) = table.get_mut(StampedId(id)) {
                series.column = column;
            }
        });
        if group.columns.is_empty() {
            groups[place] = None;
        } else {
            *group_bytes += group.memory_bytes();
        }
    }

    /// What few series have, made when it is first needed.
    pub(super) fn extra(&mut self, id: StampedId) -> Option<&mut Extra> {
        let series = self.table.get_mut(id)?;
        if series.extra.is_none() {
            let before = series.heap_bytes();
            series.extra = Some(Box::default());
            let change = series.heap_bytes() as i64 - before as i64;
            self.table.note_bytes(change);
        }
        self.table.get_mut(id)?.extra.as_deref_mut()
    }

    /// Gives the memory of `extra` back when nothing is in it.
    pub(super) fn drop_extra(&mut self, id: StampedId) {
        let Some(series) = self.table.get_mut(id) else { return };
        if series.extra.as_ref().is_some_and(|extra| extra.loose.is_empty() && extra.exemplars.is_empty()) {
            let before = series.heap_bytes();
            let extra = series.extra.take();
            let change = series.heap_bytes() as i64 - before as i64;
            self.loose_bytes -= extra.as_ref().map_or(0, |extra| list_room(&extra.loose));
            self.exemplar_bytes -= extra.map_or(0, |extra| super::exemplars::list_room(&extra.exemplars));
            self.table.note_bytes(change);
        }
    }

    /// Adds a sample to the loose ones, in place of one of the same time; too many are sealed.
    fn add_loose(&mut self, id: StampedId, sample: Loose) {
        let Some(extra) = self.extra(id) else { return };
        let before = list_room(&extra.loose);
        let mut freed = 0;
        let added = sample.heap_bytes();
        match extra.loose.binary_search_by_key(&sample.time_ms, |other| other.time_ms) {
            Ok(at) => freed = std::mem::replace(&mut extra.loose[at], sample).heap_bytes(),
            Err(at) => {
                if extra.loose.len() == extra.loose.capacity() {
                    extra.loose.reserve_exact((extra.loose.len()).clamp(1, LOOSE_MAX / 2));
                }
                extra.loose.insert(at, sample);
            }
        }
        let (len, after) = (extra.loose.len(), list_room(&extra.loose));
        self.loose_bytes = self.loose_bytes + after + added - before - freed;
        if len >= LOOSE_MAX {
            self.fold(id);
        }
    }

    /// Removes the loose sample of a time.
    fn remove_loose(&mut self, id: StampedId, time_ms: i64) {
        self.retain_loose(id, |sample| sample.time_ms != time_ms);
    }

    /// Keeps some loose samples.
    pub(super) fn retain_loose(&mut self, id: StampedId, mut keep: impl FnMut(&Loose) -> bool) {
        let Some(extra) = self.table.get_mut(id).and_then(|series| series.extra.as_deref_mut()) else { return };
        let mut freed = 0;
        extra.loose.retain(|sample| {
            let is_kept = keep(sample);
            freed += if is_kept { 0 } else { sample.heap_bytes() };
            is_kept
        });
        let is_empty = extra.loose.is_empty();
        self.loose_bytes -= freed;
        if is_empty {
            self.drop_extra(id);
        }
    }

    /// Takes all loose samples.
    pub(super) fn take_loose(&mut self, id: StampedId) -> Vec<Loose> {
        let Some(extra) = self.table.get_mut(id).and_then(|series| series.extra.as_deref_mut()) else {
            return Vec::new();
        };
        let taken = std::mem::take(&mut extra.loose);
        self.loose_bytes -= list_room(&taken) + taken.iter().map(Loose::heap_bytes).sum::<usize>();
        self.drop_extra(id);
        taken
    }

    /// Puts what lies ahead of the clock aside, out of the rows of a group: it would close the rows of what is right.
    /// Answers whether there was any.
    pub(super) fn put_aside(&mut self, place: u16) -> bool {
        let until_ms = self.now_ms.saturating_add(AHEAD_MS);
        let Some(Some(group)) = self.groups.get(place as usize) else { return false };
        let rows: Vec<usize> = (0..group.times.len()).filter(|&row| group.times[row] > until_ms).collect();
        let mut aside = Vec::new();
        for &row in &rows {
            for (column, &id) in group.columns.iter().enumerate() {
                let value = group.get(row, column as u32);
                if !is_empty(value) {
                    aside.push((StampedId(id), Loose::float(group.times[row], value)));
                }
            }
        }
        self.remove_rows(place, &rows);
        aside.into_iter().for_each(|(id, sample)| self.add_loose(id, sample));
        !rows.is_empty()
    }

    /// Removes rows of a group, whatever they hold.
    pub(super) fn remove_rows(&mut self, place: u16, rows: &[usize]) {
        if let Some(Some(group)) = self.groups.get_mut(place as usize) {
            self.group_bytes -= group.memory_bytes();
            group.remove_rows(rows);
            self.group_bytes += group.memory_bytes();
        }
    }

    /// Reports where the bytes are.
    pub(super) fn count_bytes(&self, bytes: &mut Bytes) {
        bytes.set(Use::StampedChunks, self.chunk_bytes);
        bytes.set(Use::StampedOpen, self.group_bytes + self.loose_bytes);
        bytes.set(Use::StampedSeries, self.index.memory_bytes() + self.table.memory_bytes() + size_of::<Stamped>());
        bytes.set(Use::Exemplars, self.exemplar_bytes);
    }

    /// As [`count_bytes`](Self::count_bytes) reports them, in the order of [`Use`], counted one by one.
    #[cfg(test)]
    pub(super) fn counted_bytes(&self) -> [usize; 4] {
        let chunks = || self.table.iter().flat_map(|(_, series)| &series.chunks);
        let mut times: Vec<_> = chunks().flat_map(|chunk| chunk.starts().into_iter().chain([&chunk.times])).collect();
        times.extend(self.pool.all());
        times.sort_unstable_by_key(|times| std::sync::Arc::as_ptr(times));
        times.dedup_by_key(|times| std::sync::Arc::as_ptr(times));
        let sealed: usize = chunks().map(|chunk| chunk.values_bytes()).sum();
        let times: usize = times.iter().map(|times| times.memory_bytes()).sum();
        let groups: usize = self.groups.iter().flatten().map(Group::memory_bytes).sum();
        let extras = || self.table.iter().filter_map(|(_, series)| series.extra.as_ref());
        let loose = |extra: &Extra| list_room(&extra.loose) + extra.loose.iter().map(Loose::heap_bytes).sum::<usize>();
        [
            sealed + times,
            groups
                + self.groups.capacity() * size_of::<Option<Group>>()
                + extras().map(|extra| loose(extra)).sum::<usize>(),
            self.index.counted_bytes() + self.table.counted_bytes() + size_of::<Stamped>(),
            extras().map(|extra| super::exemplars::list_bytes(&extra.exemplars)).sum(),
        ]
    }

    /// Whether a series holds anything: samples or exemplars.
    pub(super) fn holds_data(&self, id: StampedId) -> bool {
        let Some(series) = self.table.get(id) else { return false };
        !series.chunks.is_empty() || series.extra.is_some() || self.has_cells(id, i64::MIN, i64::MAX)
    }

    /// Whether a series has a number in a row with `from_ms <= time <= to_ms`.
    pub(super) fn has_cells(&self, id: StampedId, from_ms: i64, to_ms: i64) -> bool {
        let Some(series) = self.table.get(id) else { return false };
        let Some(Some(group)) = self.groups.get(series.group as usize) else { return false };
        (0..group.times.len())
            .rev()
            .any(|row| (from_ms..=to_ms).contains(&group.times[row]) && !is_empty(group.get(row, series.column)))
    }
}

/// Bytes of a list's own memory.
pub(super) fn list_room(samples: &Vec<Loose>) -> usize {
    if samples.capacity() == 0 { 0 } else { samples.capacity() * size_of::<Loose>() + 8 }
}

/// The value, if it can go into a row: a number without a start time that is told from an empty cell.
#[inline]
fn plain(sample: &StampedSample) -> Option<f64> {
    match sample.value {
        StampedValue::Float(value) if sample.start_ms == 0 && !is_empty(value) => Some(value),
        _ => None,
    }
}
