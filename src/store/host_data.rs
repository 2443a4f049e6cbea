//! What a host holds, behind its lock: components, series, lanes, the seconds of sealed rows.
//!
//! Owns the placement of samples: which lane, which row, or which sealed slot a sample goes to (design, section 3).
//! Invariant: a series with a lane is a column of that lane, and no other lane has it as a column.

use crate::block::{Batch, NO_TICK, Ticks};
use crate::model::{Component, ComponentId, MetricId, MetricTable, Sample, SeriesId, is_empty};

use super::components::Components;
use super::lane::{Lane, NO_SECOND, Put, TILE};
use super::limits::{LimitReached, Limits};
use super::memory::{Bytes, Use};
use super::recent;
use super::rollup::Rollups;
use super::series::{Late, NO_LANE, Series, SeriesTable};
use super::slots::{GROUP, WINDOW, centre_at, phase, slot_at, window_start};
use super::stamped::Stamped;

/// Lanes of one host. Real hosts have a handful: one for each frequency and phase. A flood of series each at a time of
/// its own gets no rows: it is kept in late samples and blocks.
const LANES_MAX: usize = 256;

/// Bytes that are sealed before their blocks get their memory.
const BATCH_BYTES: usize = 1 << 20;

/// Ticks of other grids between two windows of one grid: more of them keep the two apart.
const TICKS_LOOKED_AT: usize = 8;

/// The data of a host.
#[derive(Debug)]
pub(super) struct HostData {
    pub(super) components: Components,
    pub(super) series: SeriesTable,
    /// Lanes keep their places, for series refer to them; a free place is `None`.
    pub(super) lanes: Vec<Option<Lane>>,
    /// The seconds of sealed rows, by start.
    pub(super) ticks: Vec<Ticks>,
    pub(super) rollups: Rollups,
    /// `None` until the first one comes: most hosts have grid series alone.
    pub(super) stamped: Option<Box<Stamped>>,
    /// The newest second of any sample.
    pub(super) newest_secs: i64,
    /// Whether what lies before a horizon stays, out of sight, until the archive has it.
    pub(super) keeps_departed: bool,
    /// Samples before this second are counted: what lies there is being archived.
    pub(super) watch_secs: i64,
    /// How many were.
    pub(super) late_writes: u64,
    pub(super) bytes: Bytes,
    /// What was published of `bytes`.
    pub(super) published: Bytes,
}

/// What became of some samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// In memory now.
    pub stored: u64,
    /// Older than the horizon of their component and not kept: freed data does not come back.
    pub before_horizon: u64,
    /// For stamped series that were forgotten meanwhile, and not kept.
    pub gone: u64,
}

/// How a series is reached: the components below its host and its metric.
#[derive(Debug, Clone, Copy)]
pub struct SeriesPath<'a> {
    /// The components from the host downwards, at most [`COMPONENT_DEPTH_MAX`](crate::model::COMPONENT_DEPTH_MAX).
    pub components: &'a [Component],
    /// Whether the first of them is a device of the host.
    pub is_device: bool,
    /// The metric.
    pub metric: MetricId,
}

impl HostData {
    /// A host without data.
    pub(super) fn new(keeps_departed: bool) -> Self {
        HostData {
            components: Components::default(),
            series: SeriesTable::default(),
            lanes: Vec::new(),
            ticks: Vec::new(),
            rollups: Rollups::default(),
            stamped: None,
            newest_secs: 0,
            keeps_departed,
            watch_secs: i64::MIN,
            late_writes: 0,
            bytes: Bytes::default(),
            published: Bytes::default(),
        }
    }

    /// Finds a component by its path of joined names.
    pub(super) fn component<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<ComponentId> {
        names.into_iter().try_fold(ComponentId::HOST, |parent, name| self.components.child(parent, name))
    }

    /// Finds or creates a series.
    pub(super) fn insert(&mut self, path: &SeriesPath<'_>, limits: &Limits) -> Result<SeriesId, LimitReached> {
        let mut component = ComponentId::HOST;
        for (depth, part) in path.components.iter().enumerate() {
            let is_known = self.components.child(component, &part.to_string()).is_some();
            if !is_known {
                if self.components.len() > limits.components_per_host_max {
                    return Err(LimitReached::Components(limits.components_per_host_max));
                }
                if self.series.len() >= limits.series_per_host_max {
                    return Err(LimitReached::Series(limits.series_per_host_max));
                }
            }
            component = self.components.insert(component, part, path.is_device && depth == 0);
            if !is_known {
                self.bytes.set(Use::Components, self.components.memory_bytes());
            }
        }
        if let Some(id) = self.series.find(component, path.metric) {
            return Ok(id);
        }
        if self.series.len() >= limits.series_per_host_max {
            return Err(LimitReached::Series(limits.series_per_host_max));
        }
        let before = self.series.memory_bytes();
        let id = self.series.insert(component, path.metric);
        self.bytes.add(Use::Series, (self.series.memory_bytes() - before) as i64);
        Ok(id)
    }

    /// Applies samples in their order. `now_secs` is when they were received.
    pub(super) fn apply(&mut self, metrics: &MetricTable, samples: &[Sample], now_secs: i64) -> Applied {
        let mut applied = Applied::default();
        for sample in samples {
            let component = self.series.get(sample.series).component;
            if !self.keeps_departed && sample.secs < self.components.horizon(component) {
                applied.before_horizon += 1;
                continue;
            }
            self.late_writes += u64::from(sample.secs < self.watch_secs);
            self.newest_secs = self.newest_secs.max(sample.secs);
            self.write(metrics, sample.series, sample.secs, sample.value, now_secs);
            applied.stored += 1;
        }
        self.count_lanes();
        applied
    }

    fn write(&mut self, metrics: &MetricTable, id: SeriesId, secs: i64, value: f64, now_secs: i64) {
        // Each turn but the last moves a window or finds a lane: two turns are the usual most.
        loop {
            let series = self.series.get(id);
            if series.lane == NO_LANE {
                let frequency = metrics.get(series.metric).frequency_secs;
                if self.is_sealed_time(id, secs, frequency) || !self.join_lane(id, secs, frequency) {
                    return self.write_late(id, secs, frequency, value);
                }
                continue;
            }
            let (place, column) = (series.lane, series.column);
            let Some(lane) = &mut self.lanes[place as usize] else {
                debug_assert!(false, "a series refers to a lane that is gone");
                self.series.get_mut(id).lane = NO_LANE;
                continue;
            };
            let row = lane.row_at(secs);
            if row < 0 {
                let frequency = lane.frequency_secs;
                return self.write_late(id, secs, frequency, value);
            }
            if row >= WINDOW as i64 {
                let frequency = lane.frequency_secs;
                // A clock that runs ahead must not close the rows of those that are right. One that just goes on from
                // the newest row is a little ahead all the time, and right enough.
                let leaps = row > lane.rows as i64 + 2 && lane.rows > 0;
                let newest_is_right =
                    lane.rows > 0 && lane.centre(lane.rows as i64 - 1) <= now_secs + i64::from(frequency);
                if leaps
                    && secs > now_secs.saturating_add(i64::from(frequency))
                    && newest_is_right
                    && self.write_ahead(id, secs, value)
                {
                    return;
                }
                self.advance(place, secs, metrics);
                continue;
            }
            let row = row as usize;
            if lane.note_tick(row, secs)
                && let Some(drift) = lane.drift()
            {
                let centre = lane.centre(row as i64) + drift;
                self.change_phase(place, row, centre, metrics);
                continue;
            }
            match lane.put(row, column, secs, value) {
                Put::Stored => {}
                Put::Displaced(side) => self.write_displaced(id, row as i64, side, secs, value),
            }
            return;
        }
    }

    /// Whether a second lies before the end of what a series without a lane has sealed.
    fn is_sealed_time(&self, id: SeriesId, secs: i64, frequency_secs: u32) -> bool {
        self.series.get(id).blocks.last().is_some_and(|last| {
            // A grid may be a little ahead of the last block's: half a slot keeps them from overlapping.
            secs < last.end_secs() - i64::from(frequency_secs) / 2
        })
    }

    /// A sample steps aside to an adjacent slot, if that is empty; else it replaces what its own row holds.
    fn write_displaced(&mut self, id: SeriesId, row: i64, side: i64, secs: i64, value: f64) {
        let (place, column) = (self.series.get(id).lane, self.series.get(id).column);
        self.forget_rollups(id, secs, secs + 1);
        let HostData { series, lanes, bytes, .. } = self;
        let Some(lane) = &mut lanes[place as usize] else { return };
        let (aside, series) = (row + side, series.get_mut(id));
        let centre_secs = lane.centre(aside);
        if !(0..WINDOW as i64).contains(&aside) {
            // The slot lies behind an edge of the window: sealed already, or not open yet.
            let late = Late { centre_secs, frequency_secs: lane.frequency_secs, value };
            match series.is_free(centre_secs) {
                true => _ = series.add_late(late, bytes),
                false => lane.set(row as usize, column, value),
            }
        } else if is_empty(lane.get(aside as usize, column)) || lane.is_of_second(aside as usize, secs) {
            // What is there of this very second is the same sample: it was sent again, or is in a log and a snapshot.
            lane.set(aside as usize, column, value);
            lane.note_displaced(aside as usize, secs);
        } else {
            lane.set(row as usize, column, value);
        }
    }

    /// Notes a value that lies before the open rows.
    fn write_late(&mut self, id: SeriesId, secs: i64, frequency_secs: u32, value: f64) {
        let open = self.open_grid(id);
        let series = self.series.get_mut(id);
        let (centre_secs, frequency_secs) = series.late_slot(secs, open).unwrap_or((secs, frequency_secs));
        self.forget_rollups(id, centre_secs, centre_secs + i64::from(frequency_secs));
        let series = self.series.get_mut(id);
        if series.add_late(Late { centre_secs, frequency_secs, value }, &mut self.bytes) {
            self.fold(id);
        }
    }

    /// Notes a value far ahead of the open rows. `false` when so many came that it is time to believe them.
    fn write_ahead(&mut self, id: SeriesId, secs: i64, value: f64) -> bool {
        let Some((centre, frequency_secs)) = self.open_grid(id) else { return false };
        let centre_secs = centre_at(centre, frequency_secs, secs);
        self.forget_rollups(id, centre_secs, centre_secs + i64::from(frequency_secs));
        let is_full = self.series.get_mut(id).add_late(Late { centre_secs, frequency_secs, value }, &mut self.bytes);
        !is_full
    }

    /// A centre and the frequency of the grid of a series' open rows.
    fn open_grid(&self, id: SeriesId) -> Option<(i64, u32)> {
        let lane = self.lanes.get(self.series.get(id).lane as usize)?.as_ref()?;
        Some((lane.start_secs, lane.frequency_secs))
    }

    /// A centre on the grid of a series' newest run.
    pub(super) fn newest_grid(&self, id: SeriesId) -> Option<i64> {
        let series = self.series.get(id);
        let open = self.open_grid(id).map(|(centre, _)| centre);
        let sealed = series.blocks.last().map(|block| block.start_secs());
        open.or(sealed).or(series.overlay().last().map(|late| late.centre_secs))
    }

    /// Moves a series' late samples into blocks and open rows.
    pub(super) fn fold(&mut self, id: SeriesId) {
        let HostData { series, lanes, bytes, .. } = self;
        let series = series.get_mut(id);
        let late = series.take_late(|_| true, bytes);
        let mut lane = lanes.get_mut(series.lane as usize).and_then(Option::as_mut);
        let mut run: Vec<f64> = Vec::new();
        let mut rest = late.as_slice();
        while let [first, ..] = rest {
            if let Some(lane) = &mut lane {
                let row = lane.row_at(first.centre_secs);
                if (0..WINDOW as i64).contains(&row) {
                    lane.note_tick(row as usize, first.centre_secs);
                    lane.set(row as usize, series.column, first.value);
                    rest = &rest[1..];
                    continue;
                }
            }
            // Neighbours on one grid go together.
            run.clear();
            let mut taken = 0;
            for entry in rest {
                let same_grid = entry.frequency_secs == first.frequency_secs
                    && phase(entry.centre_secs, entry.frequency_secs) == phase(first.centre_secs, first.frequency_secs);
                let in_window =
                    lane.as_ref().is_some_and(|lane| (0..WINDOW as i64).contains(&lane.row_at(entry.centre_secs)));
                let slot = slot_at(first.centre_secs, first.frequency_secs, entry.centre_secs) as usize;
                if !same_grid || in_window || slot >= 4 * WINDOW {
                    break;
                }
                run.resize(slot, crate::model::EMPTY);
                run.push(entry.value);
                taken += 1;
            }
            series.merge(first.centre_secs, first.frequency_secs, &run, bytes);
            if let Some(lane) = &mut lane
                && first.centre_secs > lane.start_secs - i64::from(lane.frequency_secs)
            {
                // A block behind the window: the column does not simply go on any more.
                lane.settled = 0;
            }
            rest = &rest[taken..];
        }
        self.count_lanes();
    }

    /// Gives a series a column in a lane whose window holds this second: one with the second's phase, or a new one.
    /// `false` when a host has as many lanes as it may.
    fn join_lane(&mut self, id: SeriesId, secs: i64, frequency_secs: u32) -> bool {
        // A series whose phase goes on is one that was quiet for less than a window.
        let goes_on = self.series.get(id).blocks.last().filter(|last| {
            last.frequency_secs() == frequency_secs
                && secs - last.end_secs() < WINDOW as i64 * i64::from(frequency_secs)
        });
        let centre = goes_on.map_or(secs, |last| centre_at(last.start_secs(), frequency_secs, secs));
        let fits = |lane: &Lane| {
            lane.frequency_secs == frequency_secs
                && phase(lane.start_secs, frequency_secs) == phase(centre, frequency_secs)
                && (0..WINDOW as i64).contains(&lane.row_at(centre))
        };
        let found = self.lanes.iter().position(|lane| lane.as_ref().is_some_and(fits));
        if found.is_none() && self.lanes.iter().flatten().count() >= LANES_MAX {
            return false;
        }
        self.forget_rollups(id, centre - WINDOW as i64 * i64::from(frequency_secs), i64::MAX / 4);
        let place = found.unwrap_or_else(|| {
            let lane = Lane::new(centre, frequency_secs);
            match self.lanes.iter().position(Option::is_none) {
                Some(free) => {
                    self.lanes[free] = Some(lane);
                    free
                }
                None => {
                    // A lane is large, and most hosts have one.
                    self.lanes.reserve_exact(1);
                    self.lanes.push(Some(lane));
                    self.lanes.len() - 1
                }
            }
        });
        if let Some(lane) = &mut self.lanes[place] {
            let column = lane.add_column(id.0);
            let series = self.series.get_mut(id);
            series.lane = place as u32;
            series.column = column;
            take_late_rows(series, lane, column, &mut self.bytes);
        }
        self.count_lanes();
        true
    }

    /// Seals a lane's window and moves it so that it holds `secs`; after a gap longer than a window the lane is given
    /// up, and its series begin a new phase with their next samples.
    fn advance(&mut self, place: u32, secs: i64, metrics: &MetricTable) {
        let Some(lane) = &self.lanes[place as usize] else { return };
        let gap = lane.row_at(secs) - lane.rows as i64;
        let next = lane.end_secs();
        self.roll_up(place, metrics);
        self.seal(place);
        if gap > WINDOW as i64 || self.is_outdated(place, metrics) {
            self.give_up(place);
        } else {
            self.restart(place, next);
        }
    }

    /// Seals what is open, but for the new row `row`, and goes on with a new phase, one of whose centres is given.
    fn change_phase(&mut self, place: u32, row: usize, centre_secs: i64, metrics: &MetricTable) {
        if let Some(lane) = &mut self.lanes[place as usize] {
            lane.seconds[row] = NO_SECOND;
            lane.rows = row;
        }
        self.roll_up(place, metrics);
        self.seal(place);
        // Where the two grids meet, outputs take the slot that is nearer, and the new window may begin before its time.
        if let Some(lane) = &self.lanes[place as usize] {
            let begin_secs = window_start(centre_secs, lane.frequency_secs, WINDOW);
            for id in lane.columns.clone() {
                self.forget_rollups(SeriesId(id), begin_secs, i64::MAX / 4);
            }
        }
        self.restart(place, centre_secs);
    }

    /// Seals every column of a lane.
    pub(super) fn seal(&mut self, place: u32) {
        let HostData { series, lanes, ticks, bytes, .. } = self;
        let Some(lane) = lanes.get(place as usize).and_then(Option::as_ref) else { return };
        let mut tile = [[crate::model::EMPTY; WINDOW]; TILE];
        let (mut batch, mut sealed) = (Batch::default(), Vec::new());
        for first in (0..lane.columns.len()).step_by(TILE) {
            let count = lane.tile(first, &mut tile);
            for (window, &id) in tile.iter().take(count).zip(&lane.columns[first..]) {
                let series = series.get_mut(SeriesId(id));
                if window.iter().any(|&value| !is_empty(value))
                    && series.append_to(&mut batch, lane.start_secs, lane.frequency_secs, window, bytes)
                {
                    sealed.push(SeriesId(id));
                }
            }
            if batch.bytes() >= BATCH_BYTES || first + count == lane.columns.len() {
                for (id, block) in sealed.drain(..).zip(batch.blocks()) {
                    series.get_mut(id).insert_block(Some(block), bytes);
                }
                batch.clear();
            }
        }
        if lane.rows > 0 {
            add_ticks(ticks, lane.start_secs, lane.frequency_secs, &lane.seconds[..lane.rows], bytes);
        }
    }

    /// Empties a sealed lane and moves its window to the one with this centre. Columns that were empty leave it;
    /// another lane that has come to the same window takes the rest over.
    fn restart(&mut self, place: u32, centre_secs: i64) {
        let Some(mut lane) = self.lanes[place as usize].take() else { return };
        let filled: Vec<bool> =
            (0..lane.columns.len() as u32).map(|column| lane.column(column).any(|value| !is_empty(value))).collect();
        for (&id, &filled) in lane.columns.iter().zip(&filled) {
            if !filled {
                self.series.get_mut(SeriesId(id)).lane = NO_LANE;
            }
        }
        lane.retain_columns(&filled, |id, column| self.series.get_mut(SeriesId(id)).column = column);
        if lane.columns.is_empty() {
            // Its rows were freed. Nobody refers to it any more.
            self.count_lanes();
            return;
        }
        lane.restart(centre_secs);
        for (column, &id) in lane.columns.clone().iter().enumerate() {
            take_late_rows(self.series.get_mut(SeriesId(id)), &mut lane, column as u32, &mut self.bytes);
        }
        let twin = self.lanes.iter().position(|other| {
            other
                .as_ref()
                .is_some_and(|other| other.frequency_secs == lane.frequency_secs && other.start_secs == lane.start_secs)
        });
        let series = &mut self.series;
        match twin.and_then(|at| Some((at, self.lanes[at].as_mut()?))) {
            Some((at, twin)) => twin.absorb(lane, |id, column| {
                let series = series.get_mut(SeriesId(id));
                series.lane = at as u32;
                series.column = column;
            }),
            None => {
                lane.settled = recent::settled_columns(self, &lane);
                self.lanes[place as usize] = Some(lane);
            }
        }
        self.count_lanes();
    }

    /// Removes a sealed lane; its series have no open rows then.
    pub(super) fn give_up(&mut self, place: u32) {
        if let Some(lane) = self.lanes[place as usize].take() {
            for id in lane.columns {
                self.series.get_mut(SeriesId(id)).lane = NO_LANE;
            }
        }
        self.count_lanes();
    }

    /// Whether a lane's frequency is no longer the configured one of its series.
    fn is_outdated(&self, place: u32, metrics: &MetricTable) -> bool {
        self.lanes[place as usize].as_ref().is_some_and(|lane| {
            lane.columns.iter().any(|&id| {
                let metric = self.series.get(SeriesId(id)).metric;
                metrics.get(metric).frequency_secs != lane.frequency_secs
            })
        })
    }

    /// Seals and gives up the lanes whose frequency is no longer the configured one of their series.
    pub(super) fn follow_config(&mut self, metrics: &MetricTable) {
        for place in 0..self.lanes.len() as u32 {
            if self.is_outdated(place, metrics) {
                self.seal(place);
                self.give_up(place);
            }
        }
    }

    pub(super) fn count_lanes(&mut self) {
        self.bytes.set(Use::Lanes, self.lanes.iter().flatten().map(Lane::memory_bytes).sum());
    }
}

/// Adds the seconds of a window's rows. What one group of rows has of one grid is kept together: a series of its own
/// costs as much as dozens of rows.
pub(super) fn add_ticks(
    ticks: &mut Vec<Ticks>,
    start_secs: i64,
    frequency_secs: u32,
    offsets: &[i32],
    bytes: &mut Bytes,
) {
    let frequency = i64::from(frequency_secs);
    let group = window_start(start_secs, frequency_secs, GROUP);
    let goes_on = |other: &Ticks| {
        other.frequency_secs() == frequency_secs
            && other.end_secs() <= start_secs
            && phase(other.start_secs(), frequency_secs) == phase(start_secs, frequency_secs)
            && window_start(other.start_secs(), frequency_secs, GROUP) == group
    };
    let at = ticks.partition_point(|other| other.start_secs() <= start_secs);
    // Of the grids that lie before it the nearest ones alone can be of its group.
    let nearest = ticks[..at].iter().enumerate().rev().take(TICKS_LOOKED_AT).find(|(_, other)| goes_on(other));
    let rows = (start_secs - group) / frequency + offsets.len() as i64;
    if let Some((place, other)) = nearest
        && rows <= GROUP as i64
    {
        let first = ((start_secs - other.start_secs()) / frequency) as usize;
        let mut all = vec![NO_TICK; first + offsets.len()];
        other.decode(0..other.len(), &mut all[..other.len()]);
        all[first..].copy_from_slice(offsets);
        let sealed = Ticks::seal(other.start_secs(), frequency_secs, &all);
        bytes.add(Use::Ticks, sealed.memory_bytes() as i64 - other.memory_bytes() as i64);
        ticks[place] = sealed;
        return;
    }
    let sealed = Ticks::seal(start_secs, frequency_secs, offsets);
    let capacity = ticks.capacity();
    if ticks.len() == capacity {
        ticks.reserve_exact(2 + capacity / 8);
    }
    bytes.add(Use::Ticks, sealed.memory_bytes() as i64);
    bytes.add(Use::Ticks, ((ticks.capacity() - capacity) * size_of::<Ticks>()) as i64);
    ticks.insert(at, sealed);
}

/// Moves the late samples of a series that its open window covers into its column: what came ahead of its time, or
/// before the series had open rows. Reads take late samples over sealed ones, so none may stay behind where a newer
/// write of the same slot goes into a row.
fn take_late_rows(series: &mut Series, lane: &mut Lane, column: u32, bytes: &mut Bytes) {
    let row_of =
        |lane: &Lane, late: &Late| usize::try_from(lane.row_at(late.centre_secs)).ok().filter(|&row| row < WINDOW);
    for late in series.take_late(|late| row_of(lane, late).is_some(), bytes) {
        if let Some(row) = row_of(lane, &late) {
            lane.set(row, column, late.value);
        }
    }
}
