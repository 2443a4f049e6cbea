//! What leaves memory for the archive: the rows before a limit, in the order of a file, dropped once a file holds them.
//!
//! Owns what a row of a file is: the centre of a slot that holds a number, one row a series and centre. Invariant: what
//! is dropped here was handed out before, by [`Departing::each`], or is among the rows that a file was read for.

use crate::block::Block;
use crate::model::{ComponentId, MetricTable, Scope, SeriesId, is_empty};

use super::archived::ArchivedRows;
use super::host_data::HostData;
use super::slots::WINDOW;

/// The rows of one host that are to leave memory, as handles: writers go on meanwhile.
#[derive(Debug)]
pub struct Departing {
    /// Sorted by metric, scope, id and parent.
    series: Vec<DepartingSeries>,
    stamp: Stamp,
}

/// What a host was like when its rows were taken: what tells whether all before the limit is still what was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    begin_secs: i64,
    end_secs: i64,
    limit_secs: i64,
    late_writes: u64,
    pub(super) horizon_moves: u64,
}

/// Rows of one series with one frequency, in order of time.
#[derive(Debug, Clone, Copy)]
pub struct DepartingRows<'a> {
    /// The metric's name.
    pub metric: &'a str,
    /// The kind of the deepest component; `node` at host level.
    pub scope: &'a str,
    /// Its id; empty at host level.
    pub scope_id: &'a str,
    /// The joined name of the component above it; empty when that is the host.
    pub parent: &'a str,
    /// Seconds between two slots.
    pub frequency_secs: u32,
    /// The centres of the slots, ascending.
    pub secs: &'a [i64],
    /// A number for each.
    pub values: &'a [f64],
}

impl Departing {
    /// Whether a series hangs below a component of a component.
    pub fn has_parents(&self) -> bool {
        self.series.iter().any(|series| !series.key.parent.is_empty())
    }

    /// For [`Host::depart`](super::Host::depart).
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Hands out all rows in the order metric, scope, id, time; series that differ in their parents alone interleave.
    pub fn each<E>(&self, mut emit: impl FnMut(&DepartingRows<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut rows = Rows::default();
        for group in self.series.chunk_by(|a, b| a.key.is_twin_of(&b.key)) {
            if let [series] = group {
                series.read(&mut rows);
                rows.each_run(|run, frequency_secs| {
                    emit(&series.key.rows(frequency_secs, &rows.secs[run.clone()], &rows.values[run]))
                })?;
            } else {
                interleave(group, &mut rows, &mut emit)?;
            }
        }
        Ok(())
    }
}

/// Series with one metric, scope and id below several parents, row by row in order of time.
fn interleave<E>(
    group: &[DepartingSeries],
    rows: &mut Rows,
    emit: &mut impl FnMut(&DepartingRows<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut all: Vec<(i64, usize, u32, f64)> = Vec::new();
    for (member, series) in group.iter().enumerate() {
        series.read(rows);
        let (secs, values) = (&rows.secs, &rows.values);
        rows.each_run(|run, frequency_secs| {
            all.extend(run.map(|at| (secs[at], member, frequency_secs, values[at])));
            Ok::<(), E>(())
        })?;
    }
    all.sort_unstable_by_key(|&(secs, member, ..)| (secs, member));
    let (mut secs, mut values) = (Vec::new(), Vec::new());
    for run in all.chunk_by(|a, b| (a.1, a.2) == (b.1, b.2)) {
        secs.clear();
        values.clear();
        secs.extend(run.iter().map(|row| row.0));
        values.extend(run.iter().map(|row| row.3));
        emit(&group[run[0].1].key.rows(run[0].2, &secs, &values))?;
    }
    Ok(())
}

/// What a file calls a series of a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) metric: Box<str>,
    pub(super) scope: Box<str>,
    pub(super) scope_id: Box<str>,
    pub(super) parent: Box<str>,
}

impl Key {
    pub(super) fn of(data: &HostData, id: SeriesId, metrics: &MetricTable) -> Key {
        let series = data.series.get(id);
        let metric = metrics.get(series.metric).name.clone();
        if series.component == ComponentId::HOST {
            return Key { metric, scope: Scope::Node.name().into(), scope_id: "".into(), parent: "".into() };
        }
        let node = data.components.node(series.component);
        let component = node.component();
        // The host itself has no name.
        let parent = data.components.node(node.parent).name().into();
        Key { metric, scope: component.kind, scope_id: component.id, parent }
    }

    fn is_twin_of(&self, other: &Key) -> bool {
        (&self.metric, &self.scope, &self.scope_id) == (&other.metric, &other.scope, &other.scope_id)
    }

    fn rows<'a>(&'a self, frequency_secs: u32, secs: &'a [i64], values: &'a [f64]) -> DepartingRows<'a> {
        let Key { metric, scope, scope_id, parent } = self;
        DepartingRows { metric, scope, scope_id, parent, frequency_secs, secs, values }
    }
}

/// Handles to the rows of one series with `begin <= centre < end`.
#[derive(Debug)]
struct DepartingSeries {
    key: Key,
    pieces: Pieces,
}

impl DepartingSeries {
    fn read(&self, rows: &mut Rows) {
        self.pieces.read(rows);
    }
}

/// What holds the rows of a series in a range of time.
#[derive(Debug)]
pub(super) struct Pieces {
    begin_secs: i64,
    end_secs: i64,
    blocks: Vec<Block>,
    /// The centre of the first open row, the frequency, and the values.
    open: Option<(i64, u32, Vec<f64>)>,
}

impl Pieces {
    /// Takes the handles; `None` when nothing lies in the range. Late samples must be folded before.
    pub(super) fn take(data: &HostData, id: SeriesId, begin_secs: i64, end_secs: i64) -> Option<Pieces> {
        let series = data.series.get(id);
        let inside = |block: &&Block| block.start_secs() < end_secs && block.end_secs() > begin_secs;
        let blocks: Vec<Block> = series.blocks.iter().filter(inside).cloned().collect();
        let lane = data.lanes.get(series.lane as usize).and_then(Option::as_ref);
        let open = lane.and_then(|lane| {
            let leaves = |row: &usize| {
                !is_empty(lane.get(*row, series.column)) && (begin_secs..end_secs).contains(&lane.centre(*row as i64))
            };
            let first = (0..WINDOW).find(leaves)?;
            let last = (0..WINDOW).rfind(leaves)?;
            let values = lane.column(series.column).skip(first).take(last + 1 - first).collect();
            Some((lane.centre(first as i64), lane.frequency_secs, values))
        });
        (!blocks.is_empty() || open.is_some()).then_some(Pieces { begin_secs, end_secs, blocks, open })
    }

    /// Reads the rows, one for each centre: of two the newer one.
    pub(super) fn read(&self, rows: &mut Rows) {
        rows.clear();
        let mut scratch = std::mem::take(&mut rows.scratch);
        for block in &self.blocks {
            let frequency = i64::from(block.frequency_secs());
            let len = block.len() as i64;
            // The number of slots before a second: the centre of slot n is start + n · f.
            let before = |secs: i64| {
                ((i128::from(secs) - i128::from(block.start_secs()) + i128::from(frequency) - 1)
                    .div_euclid(i128::from(frequency)))
                .clamp(0, i128::from(len)) as usize
            };
            let (first, last) = (before(self.begin_secs), before(self.end_secs));
            if first < last {
                scratch.resize(last - first, crate::model::EMPTY);
                block.decode(first..last, &mut scratch[..last - first]);
                let start_secs = block.start_secs() + first as i64 * frequency;
                rows.extend(start_secs, block.frequency_secs(), &scratch[..last - first]);
            }
        }
        rows.scratch = scratch;
        if let Some((start_secs, frequency_secs, values)) = &self.open {
            rows.extend(*start_secs, *frequency_secs, values);
        }
        rows.order();
    }
}

/// Rows of one series.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) secs: Vec<i64>,
    pub(super) values: Vec<f64>,
    /// The end of each run of rows with one frequency, and the frequency.
    runs: Vec<(usize, u32)>,
    is_unordered: bool,
    scratch: Vec<f64>,
}

impl Rows {
    fn clear(&mut self) {
        self.secs.clear();
        self.values.clear();
        self.runs.clear();
        self.is_unordered = false;
    }

    /// Adds the slots that hold a number. What is none says nothing that a file could hold.
    fn extend(&mut self, start_secs: i64, frequency_secs: u32, slots: &[f64]) {
        let last = self.secs.last().copied();
        let begin = self.secs.len();
        let mut centre = start_secs;
        for &value in slots {
            if !value.is_nan() {
                self.secs.push(centre);
                self.values.push(value);
            }
            centre = centre.saturating_add(i64::from(frequency_secs));
        }
        self.is_unordered |= last.zip(self.secs.get(begin)).is_some_and(|(last, first)| *first <= last);
        self.note_run(frequency_secs);
    }

    fn note_run(&mut self, frequency_secs: u32) {
        let end = self.secs.len();
        match self.runs.last_mut() {
            Some((last, frequency)) if *frequency == frequency_secs => *last = end,
            Some((last, _)) if *last == end => {}
            None if end == 0 => {}
            _ => self.runs.push((end, frequency_secs)),
        }
    }

    /// Grids of several phases or frequencies may reach into each other.
    fn order(&mut self) {
        if !self.is_unordered {
            return;
        }
        let mut all: Vec<(i64, u32, f64)> = Vec::with_capacity(self.secs.len());
        let mut at = 0;
        for &(end, frequency) in &self.runs {
            all.extend((at..end).map(|row| (self.secs[row], frequency, self.values[row])));
            at = end;
        }
        // Stable: of one centre the newer row stays behind the older.
        all.sort_by_key(|row| row.0);
        self.clear();
        for row in all.chunk_by(|a, b| a.0 == b.0).filter_map(<[_]>::last) {
            self.secs.push(row.0);
            self.values.push(row.2);
            self.note_run(row.1);
        }
    }

    /// Calls for each run of rows with one frequency.
    fn each_run<E>(&self, mut call: impl FnMut(std::ops::Range<usize>, u32) -> Result<(), E>) -> Result<(), E> {
        let mut begin = 0;
        for &(end, frequency_secs) in &self.runs {
            if begin < end {
                call(begin..end, frequency_secs)?;
            }
            begin = end;
        }
        Ok(())
    }

    /// The frequency of a row.
    pub(super) fn frequency_at(&self, row: usize) -> u32 {
        let run = self.runs.partition_point(|&(end, _)| end <= row);
        self.runs.get(run).map_or(1, |&(_, frequency)| frequency)
    }
}

impl HostData {
    /// The rows in `begin..end` that lie before the limit or before their component's horizon; `None` when there are
    /// none. From here on writes to that time are counted.
    pub(super) fn departing(
        &mut self,
        metrics: &MetricTable,
        limit_secs: i64,
        begin_secs: i64,
        end_secs: i64,
        horizon_moves: u64,
    ) -> Option<Departing> {
        self.fold_all();
        let mut latest = i64::MIN;
        let mut frequency_max = metrics.iter().map(|(_, metric)| metric.frequency_secs).max().unwrap_or(0);
        let mut found = Vec::new();
        for (id, series) in self.series.iter() {
            let limit = limit_secs.max(self.components.horizon(series.component)).min(end_secs);
            // Of those that hold nothing, too: what comes for them now must not be dropped with the rest.
            latest = latest.max(limit);
            frequency_max = frequency_max.max(metrics.get(series.metric).frequency_secs);
            if let Some(pieces) = Pieces::take(self, id, begin_secs, limit) {
                frequency_max = frequency_max.max(pieces.blocks.iter().map(Block::frequency_secs).max().unwrap_or(0));
                found.push(DepartingSeries { key: Key::of(self, id, metrics), pieces });
            }
        }
        if found.is_empty() {
            return None;
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        // A sample lies within a slot of its row's centre, or steps one aside.
        self.watch_secs = latest.saturating_add(2 * i64::from(frequency_max));
        let late_writes = self.late_writes;
        Some(Departing { series: found, stamp: Stamp { begin_secs, end_secs, limit_secs, late_writes, horizon_moves } })
    }

    /// Drops what was taken, if nothing was written to that time since; else nothing, and `false`.
    pub(super) fn depart(&mut self, stamp: &Stamp) -> bool {
        let is_same = self.late_writes == stamp.late_writes;
        if is_same {
            for id in (0..self.series.len() as u32).map(SeriesId) {
                let horizon = self.components.horizon(self.series.get(id).component);
                self.take_out(id, stamp.begin_secs, stamp.limit_secs.max(horizon).min(stamp.end_secs), |_, _| true);
            }
        }
        is_same
    }

    /// Drops the rows that a file holds; answers how many went.
    pub(super) fn remove_archived(&mut self, archived: &ArchivedRows, metrics: &MetricTable) -> u64 {
        self.fold_all();
        let mut rows = Rows::default();
        let mut removed = 0;
        for id in (0..self.series.len() as u32).map(SeriesId) {
            let Some(of_file) = archived.of(&Key::of(self, id, metrics)) else { continue };
            let Some(pieces) = Pieces::take(self, id, of_file.begin_secs(), of_file.end_secs()) else { continue };
            pieces.read(&mut rows);
            let gone = of_file.found_in(&rows);
            if let (Some(&first), Some(&last)) = (gone.first(), gone.last()) {
                removed += gone.len() as u64;
                self.take_out(id, first, last.saturating_add(1), |centre, _| gone.binary_search(&centre).is_ok());
            }
        }
        removed
    }

    /// Takes the rows with `begin <= centre < end` for which `goes` holds out of a series. What is left of a block is
    /// sealed again.
    fn take_out(&mut self, id: SeriesId, begin_secs: i64, end_secs: i64, mut goes: impl FnMut(i64, f64) -> bool) {
        self.forget_rollups(id, begin_secs, end_secs);
        let HostData { series, lanes, bytes, .. } = self;
        let series = series.get_mut(id);
        let is_touched = |block: &Block| block.start_secs() < end_secs && block.end_secs() > begin_secs;
        if series.blocks.iter().any(is_touched) {
            let mut kept = Vec::new();
            let mut slots = Vec::new();
            for block in &series.blocks {
                if !is_touched(block) {
                    kept.push(block.clone());
                    continue;
                }
                slots.clear();
                slots.resize(block.len(), crate::model::EMPTY);
                block.decode(0..block.len(), &mut slots);
                let mut centre = block.start_secs();
                for slot in &mut slots {
                    if !is_empty(*slot) && (begin_secs..end_secs).contains(&centre) && goes(centre, *slot) {
                        *slot = crate::model::EMPTY;
                    }
                    centre = centre.saturating_add(i64::from(block.frequency_secs()));
                }
                kept.extend(Block::seal(block.start_secs(), block.frequency_secs(), &slots));
            }
            series.replace_blocks(kept, bytes);
        }
        if let Some(lane) = lanes.get_mut(series.lane as usize).and_then(Option::as_mut) {
            if end_secs > lane.start_secs - WINDOW as i64 * i64::from(lane.frequency_secs) {
                // Its columns may have lost what they went on from.
                lane.settled = 0;
            }
            for row in 0..WINDOW {
                let centre = lane.centre(row as i64);
                let value = lane.get(row, series.column);
                if !is_empty(value) && (begin_secs..end_secs).contains(&centre) && goes(centre, value) {
                    lane.set(row, series.column, crate::model::EMPTY);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Aggregation, Component, Metric, MetricTable, Sample};
    use crate::store::{Limits, SeriesPath, Store};

    const NOW: i64 = 1_770_244_800;

    /// Of a thread that was freed farther than the rest, and held nothing, a late sample came while the file was being
    /// written. It was taken for one of the rows in the file, and dropped.
    #[test]
    fn what_comes_late_for_a_freed_component_stays() {
        let metric = Metric { name: "load".into(), frequency_secs: 60, aggregation: Aggregation::Sum };
        let store = Store::new(MetricTable::new([metric]), Limits::default()).keeping_departed();
        let metrics = store.metrics();
        let host = store.host_or_create("alex", "a").unwrap();
        let write = |thread: u8, secs: i64| {
            let component = [Component::new("hwthread", &thread.to_string())];
            let path = SeriesPath { components: &component, is_device: false, metric: metrics.find("load").unwrap() };
            let series = host.series(&path, store.limits()).unwrap();
            assert_eq!(host.apply(&metrics, &[Sample { series, secs, value: 1.0 }], NOW).stored, 1);
        };
        (0..100).for_each(|tick| write(1, NOW - 6000 + tick * 60));
        write(0, NOW - 6000);
        host.move_horizon(["hwthread0"], NOW - 600);
        let stamp = host.departing(&metrics, NOW - 6000, i64::MIN, i64::MAX).unwrap().stamp();
        assert!(host.depart(&stamp));
        // The rows of thread 1 are next, and thread 0 has none.
        let stamp = host.departing(&metrics, NOW - 3000, i64::MIN, i64::MAX).unwrap().stamp();
        write(0, NOW - 1200);
        assert!(!host.depart(&stamp), "something was written to the time that is to go");
        let rows = host.departing(&metrics, NOW - 3000, i64::MIN, i64::MAX).unwrap();
        let mut late = 0;
        rows.each(|rows| {
            late += if rows.scope_id == "0" { rows.secs.len() } else { 0 };
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(late, 1);
    }
}
