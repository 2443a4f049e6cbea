//! Series: headers with their sealed blocks and late samples, and the index of a host's series.
//!
//! Invariants: `blocks` is sorted by first and by last centre, so no block reaches across another one; blocks of one
//! phase do not overlap; `overlay` is sorted by centre and holds one value a slot; `order` is sorted by metric, then component, so the series of one metric lie side by side.

use crate::block::{Batch, Block};
use crate::model::{ComponentId, EMPTY, MetricId, SeriesId, is_empty};

use super::memory::{Bytes, Use};
use super::slots::{GROUP, WINDOW, centre_at, phase, slot_at, window_start};

/// `lane` of a series without open rows.
pub(super) const NO_LANE: u32 = u32::MAX;

/// A group's windows are merged into one block each time so many have come; they divide a group.
const MERGED_WINDOWS: i64 = 4;

/// Late samples that a series collects before they are folded into blocks.
pub(super) const OVERLAY_MAX: usize = 32;

/// A metric at a component.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) component: ComponentId,
    pub(super) metric: MetricId,
    /// The lane that holds its open rows, or [`NO_LANE`].
    pub(super) lane: u32,
    /// Its column there.
    pub(super) column: u32,
    pub(super) blocks: Vec<Block>,
    #[expect(clippy::box_collection, reason = "most series have none, and a pointer is a third of an empty vector")]
    pub(super) overlay: Option<Box<Vec<Late>>>,
}

const _: () = assert!(size_of::<Series>() <= 48, "the budget for a series' header");

/// A late value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Late {
    /// The centre of its slot.
    pub(super) centre_secs: i64,
    /// Seconds between two slots of its grid.
    pub(super) frequency_secs: u32,
    pub(super) value: f64,
}

impl Series {
    /// A series without data.
    pub(super) fn new(component: ComponentId, metric: MetricId) -> Self {
        Series { component, metric, lane: NO_LANE, column: 0, blocks: Vec::new(), overlay: None }
    }

    /// Late samples, sorted.
    pub(super) fn overlay(&self) -> &[Late] {
        self.overlay.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Adds a late sample; a value of the same slot is replaced. Says whether it is time to fold.
    pub(super) fn add_late(&mut self, late: Late, bytes: &mut Bytes) -> bool {
        let overlay = self.overlay.get_or_insert_default();
        match overlay.binary_search_by_key(&late.centre_secs, |entry| entry.centre_secs) {
            Ok(at) => overlay[at] = late,
            Err(at) => {
                overlay.insert(at, late);
                bytes.add(Use::Overlays, size_of::<Late>() as i64);
            }
        }
        overlay.len() >= OVERLAY_MAX
    }

    /// Whether neither a block nor a late sample holds a value for the slot with this centre.
    pub(super) fn is_free(&self, centre_secs: i64) -> bool {
        let is_late = self.overlay().iter().any(|late| late.centre_secs == centre_secs);
        let is_sealed = self.blocks.iter().any(|block| {
            let slot = slot_at(block.start_secs(), block.frequency_secs(), centre_secs);
            (0..block.len() as i64).contains(&slot) && !is_empty(block.get(slot as usize))
        });
        !is_late && !is_sealed
    }

    /// Takes the late samples of which `which` is true.
    pub(super) fn take_late(&mut self, mut which: impl FnMut(&Late) -> bool, bytes: &mut Bytes) -> Vec<Late> {
        let Some(overlay) = &mut self.overlay else { return Vec::new() };
        let taken: Vec<Late> = overlay.extract_if(.., |late| which(late)).collect();
        bytes.add(Use::Overlays, -((taken.len() * size_of::<Late>()) as i64));
        if overlay.is_empty() {
            self.overlay = None;
        }
        taken
    }

    /// Merges values into the sealed blocks: `slots[i]` belongs to the slot `i` frequencies behind `start_secs`, empty
    /// ones change nothing. What one group of slots holds in one phase becomes one block.
    pub(super) fn merge(&mut self, start_secs: i64, frequency_secs: u32, slots: &[f64], bytes: &mut Bytes) {
        let frequency = i64::from(frequency_secs);
        let mut at = 0;
        while at < slots.len() {
            let centre = start_secs + at as i64 * frequency;
            let group = window_start(centre, frequency_secs, GROUP);
            let offset = ((centre - group) / frequency) as usize;
            let count = (GROUP - offset).min(slots.len() - at);
            self.merge_group(group, frequency_secs, offset, &slots[at..at + count], bytes);
            at += count;
        }
    }

    /// As [`merge`](Self::merge), for values of one group that begins at `group_secs`.
    fn merge_group(&mut self, group_secs: i64, frequency_secs: u32, offset: usize, slots: &[f64], bytes: &mut Bytes) {
        let (merged, cuts) = self.take_group(group_secs, frequency_secs, offset, slots, bytes);
        self.insert_group(group_secs, frequency_secs, &merged, cuts, bytes);
    }

    /// Takes what a group of one phase holds out of the blocks, with `slots` over it from `offset` on. Answers the
    /// group's slots and where blocks of another grid cut it, its end at last.
    fn take_group(
        &mut self,
        group_secs: i64,
        frequency_secs: u32,
        offset: usize,
        slots: &[f64],
        bytes: &mut Bytes,
    ) -> ([f64; GROUP], Vec<usize>) {
        let mut merged = [EMPTY; GROUP];
        let belongs = |block: &Block| {
            block.frequency_secs() == frequency_secs
                && phase(block.start_secs(), frequency_secs) == phase(group_secs, frequency_secs)
                && window_start(block.start_secs(), frequency_secs, GROUP) == group_secs
        };
        let mut dropped = 0;
        self.blocks.retain(|block| {
            if !belongs(block) {
                return true;
            }
            let begin = ((block.start_secs() - group_secs) / i64::from(frequency_secs)) as usize;
            block.decode(0..block.len(), &mut merged[begin..begin + block.len()]);
            dropped += block.memory_bytes();
            false
        });
        bytes.add(Use::Blocks, -(dropped as i64));
        for (to, &value) in merged[offset..].iter_mut().zip(slots) {
            if !is_empty(value) {
                *to = value;
            }
        }
        // Blocks of another grid may lie between: none is to reach across one.
        let frequency = i64::from(frequency_secs);
        let inside = group_secs + 1..group_secs + GROUP as i64 * frequency;
        let others = self.blocks.iter().map(Block::start_secs).filter(|start| inside.contains(start));
        let mut cuts: Vec<usize> =
            others.map(|start| ((start - group_secs + frequency - 1) / frequency) as usize).collect();
        cuts.push(GROUP);
        (merged, cuts)
    }

    /// Seals a group's slots, cut where blocks of another grid lie.
    fn insert_group(
        &mut self,
        group_secs: i64,
        frequency_secs: u32,
        merged: &[f64; GROUP],
        cuts: Vec<usize>,
        bytes: &mut Bytes,
    ) {
        let frequency = i64::from(frequency_secs);
        let mut begin = 0;
        for end in cuts {
            let end = end.min(GROUP);
            if begin < end {
                let start_secs = group_secs + begin as i64 * frequency;
                self.insert_block(Block::seal(start_secs, frequency_secs, &merged[begin..end]), bytes);
                begin = end;
            }
        }
    }

    /// Takes out of the blocks what a run of slots covers in another phase, and puts it into those of the run's slots
    /// that are empty: two grids over one time would answer some values twice.
    pub(super) fn move_to_grid(&mut self, start_secs: i64, frequency_secs: u32, slots: &mut [f64], bytes: &mut Bytes) {
        let is_moved = |block: &mut Block| {
            let first = slot_at(start_secs, frequency_secs, block.start_secs());
            let last = slot_at(start_secs, frequency_secs, block.end_secs() - i64::from(frequency_secs));
            block.frequency_secs() == frequency_secs
                && phase(block.start_secs(), frequency_secs) != phase(start_secs, frequency_secs)
                && first < slots.len() as i64
                && last >= 0
        };
        let moved: Vec<Block> = self.blocks.extract_if(.., is_moved).collect();
        for block in moved {
            bytes.add(Use::Blocks, -(block.memory_bytes() as i64));
            let mut values = vec![EMPTY; block.len()];
            block.decode(0..block.len(), &mut values);
            let mut last_outside = None;
            let mut first_behind = values.len();
            for (at, &value) in values.iter().enumerate() {
                let centre = block.start_secs() + at as i64 * i64::from(frequency_secs);
                match usize::try_from(slot_at(start_secs, frequency_secs, centre)) {
                    Ok(slot) if slot >= slots.len() => {
                        first_behind = at;
                        break;
                    }
                    Ok(slot) if is_empty(slots[slot]) => slots[slot] = value,
                    Ok(_) => {}
                    Err(_) => last_outside = Some(at),
                }
            }
            let before = last_outside.map_or(0, |last| last + 1);
            self.insert_block(Block::seal(block.start_secs(), frequency_secs, &values[..before]), bytes);
            let behind_secs = block.start_secs() + first_behind as i64 * i64::from(frequency_secs);
            self.insert_block(Block::seal(behind_secs, frequency_secs, &values[first_behind..]), bytes);
        }
    }

    /// Adds a window that is sealed, as a block in a batch: what it replaces is dropped. Every fourth window, the one
    /// that completes a group among them, becomes one block with what the group has already: short blocks cost more a
    /// value, and each one its header and handle. `true` when there is one, which is to be
    /// [inserted](Self::insert_block) next.
    pub(super) fn append_to(
        &mut self,
        batch: &mut Batch,
        start_secs: i64,
        frequency_secs: u32,
        window: &[f64],
        bytes: &mut Bytes,
    ) -> bool {
        let group = window_start(start_secs, frequency_secs, GROUP);
        let windows = (start_secs - group) / i64::from(frequency_secs) / WINDOW as i64 + 1;
        let overlaps = self.blocks.last().is_some_and(|last| last.end_secs() > start_secs);
        if windows % MERGED_WINDOWS != 0 && !overlaps {
            return batch.seal(start_secs, frequency_secs, window);
        }
        let offset = (windows as usize - 1) * WINDOW;
        let (merged, cuts) = self.take_group(group, frequency_secs, offset, window, bytes);
        if cuts.len() == 1 {
            return batch.seal(group, frequency_secs, &merged);
        }
        self.insert_group(group, frequency_secs, &merged, cuts, bytes);
        false
    }

    /// The centre of the slot in which a second falls that no open row covers, and the slot's frequency: on the grid
    /// of the block that covers it, else on the nearer one of the two neighbouring grids. `open` is the grid of the
    /// open rows: a centre and a frequency. A sample that comes again finds the slot that it has, be it late,
    /// too, or the first of a block, though the grids around it may be others by now.
    pub(super) fn late_slot(&self, secs: i64, open: Option<(i64, u32)>) -> Option<(i64, u32)> {
        // With a jitter of up to a sixth around any phase, samples of other ticks are farther away than a third.
        let is_of_one_tick = |centre: i64, frequency: u32| 3 * (centre - secs).abs() < i64::from(frequency);
        if let Some(late) = self.overlay().iter().find(|late| is_of_one_tick(late.centre_secs, late.frequency_secs)) {
            return Some((late.centre_secs, late.frequency_secs));
        }
        let behind = self.blocks.partition_point(|block| block.start_secs() <= secs);
        let grid = |block: &Block| (block.start_secs(), block.frequency_secs());
        let before = behind.checked_sub(1).map(|at| &self.blocks[at]);
        if let Some(block) = before
            && centre_at(block.start_secs(), block.frequency_secs(), secs) < block.end_secs()
        {
            return Some((centre_at(block.start_secs(), block.frequency_secs(), secs), block.frequency_secs()));
        }
        let first_behind = self.blocks.get(behind).map(grid);
        if let Some((start, frequency)) = first_behind.filter(|&(start, frequency)| is_of_one_tick(start, frequency)) {
            return Some((start, frequency));
        }
        let after = first_behind.into_iter().chain(open).min_by_key(|&(start, _)| {
            // An open grid is given by any of its centres: what lies before the second is no neighbour behind it.
            if start > secs { start } else { i64::MAX }
        });
        let (centre, frequency) = match (before, after) {
            (Some(before), Some(after)) => {
                let nearer_behind = after.0 > secs && after.0 - secs <= secs - before.end_secs();
                if nearer_behind { after } else { grid(before) }
            }
            (Some(before), None) => grid(before),
            (None, after) => after?,
        };
        Some((centre_at(centre, frequency, secs), frequency))
    }
}

/// All series of a host.
#[derive(Debug, Default)]
pub(super) struct SeriesTable {
    all: Vec<Series>,
    order: Vec<SeriesId>,
}

impl SeriesTable {
    /// The series of an id that this table gave out.
    #[inline]
    pub(super) fn get(&self, id: SeriesId) -> &Series {
        &self.all[id.0 as usize]
    }

    /// As [`get`](Self::get), to change it.
    #[inline]
    pub(super) fn get_mut(&mut self, id: SeriesId) -> &mut Series {
        &mut self.all[id.0 as usize]
    }

    /// Finds a series.
    pub(super) fn find(&self, component: ComponentId, metric: MetricId) -> Option<SeriesId> {
        self.position(component, metric).ok().map(|at| self.order[at])
    }

    /// The series of a metric, by component.
    pub(super) fn of_metric(&self, metric: MetricId) -> &[SeriesId] {
        let begin = self.order.partition_point(|&id| self.get(id).metric < metric);
        let end = begin + self.order[begin..].partition_point(|&id| self.get(id).metric <= metric);
        &self.order[begin..end]
    }

    /// Finds or adds a series.
    pub(super) fn insert(&mut self, component: ComponentId, metric: MetricId) -> SeriesId {
        match self.position(component, metric) {
            Ok(at) => self.order[at],
            Err(at) => {
                let id = SeriesId(self.all.len() as u32);
                if self.all.len() == self.all.capacity() {
                    // A host's series come once and stay: room for many more would be empty for ever.
                    let more = 4 + self.all.len() / 8;
                    self.all.reserve_exact(more);
                    self.order.reserve_exact(more);
                }
                self.all.push(Series::new(component, metric));
                self.order.insert(at, id);
                id
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// All series with their ids, in order of creation.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SeriesId, &Series)> {
        (0u32..).map(SeriesId).zip(&self.all)
    }

    /// As [`iter`](Self::iter), to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (SeriesId, &mut Series)> {
        (0u32..).map(SeriesId).zip(&mut self.all)
    }

    /// Bytes of headers and index, without blocks.
    pub(super) fn memory_bytes(&self) -> usize {
        self.all.capacity() * size_of::<Series>() + self.order.capacity() * size_of::<SeriesId>()
    }

    fn position(&self, component: ComponentId, metric: MetricId) -> Result<usize, usize> {
        self.order.binary_search_by(|&id| {
            let series = self.get(id);
            series.metric.cmp(&metric).then(series.component.cmp(&component))
        })
    }
}
