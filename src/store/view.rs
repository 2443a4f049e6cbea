//! One series over a range of time, taken out of its host under the lock and read outside of it.
//!
//! Owns the rule of which slot an output takes (design, section 5): output `i` stands for `from + i · f` and takes the
//! slot that covers it; where two grids meet, the nearer slot wins, and no slot is left out while there is room.

use crate::block::Block;
use crate::model::{EMPTY, SeriesId, is_empty};

use super::host_data::HostData;
use super::lane::Lane;
use super::series::{Late, Series};
use super::slots::{WINDOW, centre_at, phase, slot_at};

/// What is needed to answer for a series over a range.
#[derive(Debug)]
pub(super) struct SeriesView {
    pub(super) runs: Vec<Block>,
    pub(super) overlay: Vec<Late>,
    pub(super) open: Option<Open>,
    pub(super) horizon_secs: i64,
    /// The centre of the first slot that holds a value, over all time.
    pub(super) first_secs: i64,
    /// The centre of the last slot that holds a value, over all time.
    pub(super) last_secs: i64,
}

/// A copy of a series' open rows.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) start_secs: i64,
    pub(super) frequency_secs: u32,
    pub(super) values: Vec<f64>,
}

impl SeriesView {
    /// Takes a series over `[from, to)` with a block more on either side; `None` when it holds nothing at all.
    pub(super) fn take(data: &HostData, id: SeriesId, from_secs: i64, to_secs: i64) -> Option<SeriesView> {
        let horizon_secs = data.components.horizon(data.series.get(id).component);
        Self::take_behind(data, id, from_secs, to_secs, horizon_secs)
    }

    /// Takes a series over all time, with what is kept for the archive.
    pub(super) fn take_whole(data: &HostData, id: SeriesId) -> Option<SeriesView> {
        let is_all = data.keeps_departed;
        let horizon_secs = if is_all { i64::MIN } else { data.components.horizon(data.series.get(id).component) };
        Self::take_behind(data, id, i64::MIN / 4, i64::MAX / 4, horizon_secs)
    }

    fn take_behind(
        data: &HostData,
        id: SeriesId,
        from_secs: i64,
        to_secs: i64,
        horizon_secs: i64,
    ) -> Option<SeriesView> {
        let series = data.series.get(id);
        let open = OpenRows::of(data, series, horizon_secs);
        let extent = Extent::with_open(series, open.as_ref(), horizon_secs)?;
        let open = open.map(|OpenRows { lane, first, last }| {
            let values = lane.column(series.column).skip(first).take(last + 1 - first).collect();
            Open { start_secs: lane.centre(first as i64), frequency_secs: lane.frequency_secs, values }
        });
        let overlay = series.overlay().iter().filter(|late| late.centre_secs >= horizon_secs).copied().collect();
        Some(SeriesView {
            runs: runs(&series.blocks, from_secs, to_secs).to_vec(),
            overlay,
            open,
            horizon_secs,
            first_secs: extent.first_secs,
            last_secs: extent.last_secs,
        })
    }

    /// Fills outputs that stand for `from + i · f`; those without a value stay as they are.
    pub(super) fn fill(&self, from_secs: i64, frequency_secs: u32, out: &mut [f64]) {
        let mut previous: Option<(i64, usize)> = None;
        for block in &self.runs {
            let frequency = block.frequency_secs();
            if frequency != frequency_secs {
                self.fill_other_frequency(block, from_secs, frequency_secs, out);
                continue;
            }
            let shift = slot_at(block.start_secs(), frequency, from_secs);
            let kept = self.slots_before_horizon(block.start_secs(), frequency);
            let begin = (kept - shift).max(-shift).max(0);
            let end = (block.len() as i64 - shift).min(out.len() as i64);
            if begin >= end {
                continue;
            }
            let (begin, end) = (begin as usize, end as usize);
            let slots = (begin as i64 + shift) as usize..(end as i64 + shift) as usize;
            match previous {
                Some((start, last_end)) if last_end > begin => {
                    let mut values = vec![EMPTY; end - begin];
                    block.decode(slots, &mut values);
                    let meets = Meeting { from_secs, frequency_secs, new: block.start_secs() };
                    meets.merge(begin, &values, out, |_| start);
                }
                _ => block.decode(slots, &mut out[begin..end]),
            }
            previous = Some((block.start_secs(), end));
        }
        for late in &self.overlay {
            if let Some(out) = output_at(from_secs, frequency_secs, late.centre_secs, late.frequency_secs)
                .and_then(|at| out.get_mut(at))
            {
                *out = late.value;
            }
        }
        if let Some(open) = &self.open {
            self.fill_open(open, previous, from_secs, frequency_secs, out);
        }
    }

    fn fill_open(
        &self,
        open: &Open,
        previous: Option<(i64, usize)>,
        from_secs: i64,
        frequency_secs: u32,
        out: &mut [f64],
    ) {
        if open.frequency_secs != frequency_secs {
            for (at, out) in out.iter_mut().enumerate() {
                let secs = from_secs + at as i64 * i64::from(frequency_secs);
                let slot = slot_at(open.start_secs, open.frequency_secs, secs);
                let value = usize::try_from(slot).ok().and_then(|slot| open.values.get(slot));
                if let Some(&value) = value.filter(|value| !is_empty(**value)) {
                    *out = value;
                }
            }
            return;
        }
        let shift = slot_at(open.start_secs, frequency_secs, from_secs);
        let begin = (-shift).max(0) as usize;
        let first = shift.max(0) as usize;
        let values = open.values.get(first..).unwrap_or_default();
        if begin >= out.len() || values.is_empty() {
            return;
        }
        let last = previous.map_or(open.start_secs, |(start, _)| start);
        let meets = Meeting { from_secs, frequency_secs, new: open.start_secs };
        meets.merge(begin, values, out, |at| self.sealed_grid(at, from_secs, frequency_secs).unwrap_or(last));
    }

    /// A centre on the grid of what an output took of late samples and blocks. The last block says nothing of it: one
    /// may lie behind the open rows, and the open rows of a state file lie in a block, too.
    fn sealed_grid(&self, at: usize, from_secs: i64, frequency_secs: u32) -> Option<i64> {
        let mut late = self.overlay.iter().rev();
        let late = late.find(|late| {
            late.frequency_secs == frequency_secs
                && output_at(from_secs, frequency_secs, late.centre_secs, frequency_secs) == Some(at)
        });
        let secs = from_secs + at as i64 * i64::from(frequency_secs);
        let mut blocks = self.runs.iter().rev().filter(|block| block.frequency_secs() == frequency_secs);
        let mut block = || {
            blocks.find(|block| {
                let slot = usize::try_from(slot_at(block.start_secs(), frequency_secs, secs));
                slot.is_ok_and(|slot| slot < block.len() && !is_empty(block.get(slot)))
            })
        };
        late.map(|late| late.centre_secs).or_else(|| block().map(Block::start_secs))
    }

    /// Slots of a run whose centres lie before the horizon.
    pub(super) fn slots_before_horizon(&self, start_secs: i64, frequency_secs: u32) -> i64 {
        if self.horizon_secs <= start_secs {
            return 0;
        }
        let frequency = i64::from(frequency_secs);
        (self.horizon_secs - start_secs + frequency - 1) / frequency
    }

    /// A block of another frequency, from before the config changed: the slot that covers an output answers for it.
    fn fill_other_frequency(&self, block: &Block, from_secs: i64, frequency_secs: u32, out: &mut [f64]) {
        let mut values = vec![EMPTY; block.len()];
        block.decode(0..block.len(), &mut values);
        let kept = self.slots_before_horizon(block.start_secs(), block.frequency_secs());
        let step = i64::from(block.frequency_secs());
        for (at, out) in out.iter_mut().enumerate() {
            let secs = from_secs + at as i64 * i64::from(frequency_secs);
            let mut slot = slot_at(block.start_secs(), block.frequency_secs(), secs);
            if slot < kept {
                continue;
            }
            // Just behind the last slot, where the next grid may not begin yet, the last one is the nearest.
            if slot == block.len() as i64 && 2 * (secs - block.end_secs() + step) <= step {
                slot -= 1;
            }
            if let Some(&value) = usize::try_from(slot).ok().and_then(|slot| values.get(slot))
                && !is_empty(value)
            {
                *out = value;
            }
        }
    }

    /// Whether `[from, to)` lies in a hole of the data that is longer than a window: then no slot lies in it.
    pub(super) fn is_between_runs(&self, from_secs: i64, to_secs: i64, frequency_secs: u32) -> bool {
        let (mut before, mut after) = (i64::MIN, i64::MAX);
        let mut see = |secs: i64| {
            if secs < from_secs {
                before = before.max(secs);
            } else if secs >= to_secs {
                after = after.min(secs);
            }
        };
        for block in &self.runs {
            let mut values = vec![EMPTY; block.len()];
            block.decode(0..block.len(), &mut values);
            let filled = values.iter().enumerate().filter(|(_, value)| !is_empty(**value));
            filled.for_each(|(slot, _)| see(block.start_secs() + slot as i64 * i64::from(block.frequency_secs())));
        }
        self.overlay.iter().for_each(|late| see(late.centre_secs));
        if let Some(open) = &self.open {
            let filled = open.values.iter().enumerate().filter(|(_, value)| !is_empty(**value));
            filled.for_each(|(slot, _)| see(open.start_secs + slot as i64 * i64::from(open.frequency_secs)));
        }
        let longest = WINDOW as i64 * i64::from(frequency_secs);
        before != i64::MIN && after != i64::MAX && after - before > longest
    }
}

/// From where to where a series holds values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// The centre of the first slot that holds a value.
    pub(super) first_secs: i64,
    /// The centre of the last slot that holds a value.
    pub(super) last_secs: i64,
    /// The longest period of what lies at either end.
    pub(super) frequency_secs: u32,
}

impl Extent {
    /// The extent of a series, its horizon given; `None` when it holds nothing behind that.
    pub(super) fn of(data: &HostData, id: SeriesId, horizon_secs: i64) -> Option<Extent> {
        let series = data.series.get(id);
        Extent::with_open(series, OpenRows::of(data, series, horizon_secs).as_ref(), horizon_secs)
    }

    fn with_open(series: &Series, open: Option<&OpenRows<'_>>, horizon_secs: i64) -> Option<Extent> {
        let mut extent = Extent { first_secs: i64::MAX, last_secs: i64::MIN, frequency_secs: 0 };
        for block in &series.blocks {
            if block.start_secs() >= extent.first_secs {
                break;
            }
            if let Some(first) = first_value(block, horizon_secs) {
                extent.note(first, first, block.frequency_secs());
            }
        }
        if let Some(last) = series.blocks.last().filter(|_| extent.first_secs != i64::MAX) {
            // Blocks never reach across each other: the last one to begin is the last one to end.
            let frequency_secs = last.frequency_secs();
            extent.note(extent.first_secs, last.end_secs() - i64::from(frequency_secs), frequency_secs);
        }
        let mut late = series.overlay().iter().filter(|late| late.centre_secs >= horizon_secs);
        if let Some(first) = late.next() {
            let last = late.next_back().unwrap_or(first);
            extent.note(first.centre_secs, last.centre_secs, first.frequency_secs.max(last.frequency_secs));
        }
        if let Some(OpenRows { lane, first, last }) = open {
            extent.note(lane.centre(*first as i64), lane.centre(*last as i64), lane.frequency_secs);
        }
        (extent.first_secs != i64::MAX).then_some(extent)
    }

    fn note(&mut self, first_secs: i64, last_secs: i64, frequency_secs: u32) {
        self.frequency_secs = self.frequency_secs.max(frequency_secs);
        self.first_secs = self.first_secs.min(first_secs);
        self.last_secs = self.last_secs.max(last_secs);
    }
}

/// The first and the last row of a series' lane in which it holds a value behind a horizon.
struct OpenRows<'d> {
    lane: &'d Lane,
    first: usize,
    last: usize,
}

impl<'d> OpenRows<'d> {
    fn of(data: &'d HostData, series: &Series, horizon_secs: i64) -> Option<OpenRows<'d>> {
        let lane = data.lanes.get(series.lane as usize)?.as_ref()?;
        let filled = |row: &usize| !is_empty(lane.get(*row, series.column)) && lane.centre(*row as i64) >= horizon_secs;
        let rows = 0..lane.written_rows();
        Some(OpenRows { lane, first: rows.clone().find(filled)?, last: rows.rev().find(filled)? })
    }
}

/// The blocks that meet `[from, to)`, with one more on either side.
fn runs(blocks: &[Block], from_secs: i64, to_secs: i64) -> &[Block] {
    let begin = blocks.partition_point(|block| block.end_secs() <= from_secs).saturating_sub(1);
    let end = (blocks.partition_point(|block| block.start_secs() <= to_secs) + 1).min(blocks.len());
    &blocks[begin.min(end)..end]
}

/// The output that takes the slot with this centre and frequency.
pub(super) fn output_at(from_secs: i64, output_secs: u32, centre_secs: i64, frequency_secs: u32) -> Option<usize> {
    usize::try_from(signed_output_at(from_secs, output_secs, centre_secs, frequency_secs)).ok()
}

/// As [`output_at`]; negative before the first output.
pub(super) fn signed_output_at(from_secs: i64, output_secs: u32, centre_secs: i64, frequency_secs: u32) -> i64 {
    let begin = centre_secs - i64::from(frequency_secs) / 2;
    let output = i64::from(output_secs);
    (begin - from_secs + output - 1).div_euclid(output)
}

/// The centre of the first slot of a block that holds a value at or after the horizon.
fn first_value(block: &Block, horizon_secs: i64) -> Option<i64> {
    if block.start_secs() >= horizon_secs {
        // Blocks have neither leading nor trailing empty slots.
        return Some(block.start_secs());
    }
    let frequency = i64::from(block.frequency_secs());
    let kept = (horizon_secs - block.start_secs() + frequency - 1) / frequency;
    let slot = (kept..block.len() as i64).find(|&slot| !is_empty(block.get(slot as usize)))?;
    Some(block.start_secs() + slot * frequency)
}

/// Two runs of one frequency that meet.
struct Meeting {
    from_secs: i64,
    frequency_secs: u32,
    /// The centre of a slot of the newer one.
    new: i64,
}

impl Meeting {
    /// Writes the newer run's values, the first of which goes to output `begin`, over what the older left there. `old`
    /// answers a centre on the grid of the value that an output has.
    fn merge(&self, begin: usize, values: &[f64], out: &mut [f64], mut old: impl FnMut(usize) -> i64) {
        let last = values.len().min(out.len() - begin);
        for (i, &value) in values[..last].iter().enumerate() {
            let at = begin + i;
            if is_empty(value) {
                continue;
            }
            if is_empty(out[at]) {
                out[at] = value;
                continue;
            }
            let old = old(at);
            if phase(old, self.frequency_secs) == phase(self.new, self.frequency_secs) {
                out[at] = value;
            } else if at > 0 && is_empty(out[at - 1]) {
                out[at - 1] = out[at];
                out[at] = value;
            } else if self.newer_is_nearer(at, old) {
                out[at] = value;
            }
        }
    }

    fn newer_is_nearer(&self, at: usize, old: i64) -> bool {
        let secs = self.from_secs + at as i64 * i64::from(self.frequency_secs);
        let distance = |grid: i64| (centre_at(grid, self.frequency_secs, secs) - secs).abs();
        distance(self.new) <= distance(old)
    }
}
