//! Leaving memory: horizons and what lies before them.
//!
//! A horizon only moves forward. Reads stop at it at once, whatever is still held. What lies wholly before it is
//! dropped here, or stays until the archive has it (see `depart`).

use crate::model::{ComponentId, EMPTY, SeriesId, is_empty};

use super::host_data::HostData;
use super::lane::Lane;
use super::memory::Use;
use super::slots::WINDOW;

impl HostData {
    /// Moves the horizon of a component and all below it to `to_secs`; answers how many blocks and open columns went
    /// out of reach.
    pub(super) fn move_horizon(&mut self, component: ComponentId, to_secs: i64) -> u64 {
        if self.keeps_departed {
            return self.hide(component, to_secs);
        }
        self.components.move_horizon(component, to_secs);
        let HostData { components, series, lanes, bytes, .. } = self;
        let mut dropped = 0;
        for (_, series) in series.iter_mut().filter(|(_, series)| components.is_below(series.component, component)) {
            let gone = |end_secs: i64, frequency_secs: u32| end_secs - i64::from(frequency_secs) < to_secs;
            series.blocks.retain(|block| {
                let drop = gone(block.end_secs(), block.frequency_secs());
                if drop {
                    bytes.add(Use::Blocks, -(block.memory_bytes() as i64));
                    dropped += 1;
                }
                !drop
            });
            if series.blocks.is_empty() {
                bytes.add(Use::Series, -((series.blocks.capacity() * size_of::<crate::block::Block>()) as i64));
                series.blocks = Vec::new();
            }
            series.take_late(|late| late.centre_secs < to_secs, bytes);
            if let Some(lane) = lanes.get_mut(series.lane as usize).and_then(Option::as_mut) {
                let mut filled = (0..WINDOW).filter(|&row| !is_empty(lane.get(row, series.column))).peekable();
                let had_values = filled.peek().is_some();
                let before: Vec<usize> = filled.filter(|&row| lane.centre(row as i64) < to_secs).collect();
                before.iter().for_each(|&row| lane.set(row, series.column, EMPTY));
                let is_empty_now = lane.column(series.column).all(is_empty);
                dropped += u64::from(had_values && is_empty_now);
            }
        }
        self.drop_rollups(component, to_secs);
        if component == ComponentId::HOST {
            self.drop_ticks(to_secs);
            dropped += self.stamped.as_mut().map_or(0, |stamped| stamped.drop_before(to_secs.saturating_mul(1000)));
        }
        dropped
    }

    /// As [`move_horizon`](Self::move_horizon), where everything stays.
    fn hide(&mut self, component: ComponentId, to_secs: i64) -> u64 {
        let mut hidden = 0;
        for (_, series) in
            self.series.iter().filter(|(_, series)| self.components.is_below(series.component, component))
        {
            let from_secs = self.components.horizon(series.component);
            let last = |block: &crate::block::Block| block.end_secs() - i64::from(block.frequency_secs());
            hidden += series.blocks.iter().filter(|block| (from_secs..to_secs).contains(&last(block))).count() as u64;
            if let Some(lane) = self.lanes.get(series.lane as usize).and_then(Option::as_ref) {
                let last = (0..WINDOW).rfind(|&row| !is_empty(lane.get(row, series.column)));
                hidden += u64::from(last.is_some_and(|row| (from_secs..to_secs).contains(&lane.centre(row as i64))));
            }
        }
        if component == ComponentId::HOST {
            let (from_ms, to_ms) = (self.horizon_ms(), to_secs.saturating_mul(1000));
            if let Some(stamped) = &mut self.stamped {
                hidden += stamped.count_between(from_ms, to_ms);
                // The archive has no place for them.
                stamped.drop_exemplars(to_ms);
            }
        }
        self.components.move_horizon(component, to_secs);
        self.drop_rollups(component, to_secs);
        if component == ComponentId::HOST {
            self.drop_ticks(to_secs);
        }
        hidden
    }

    /// After a horizon has moved: what the sums of the host may not count any more.
    fn drop_rollups(&mut self, component: ComponentId, to_secs: i64) {
        match component {
            // A component that nothing is left of answers no more in place of those below it.
            ComponentId::HOST if !self.components.nests() => self.rollups.drop_before(to_secs, &mut self.bytes),
            _ => self.rollups.clear(&mut self.bytes),
        }
    }

    fn drop_ticks(&mut self, to_secs: i64) {
        let mut freed = 0;
        self.ticks.retain(|ticks| {
            let is_kept = ticks.end_secs() > to_secs;
            freed += if is_kept { 0 } else { ticks.memory_bytes() };
            is_kept
        });
        self.bytes.add(Use::Ticks, -(freed as i64));
    }

    /// Adds the days in which rows that are to depart may lie.
    pub(super) fn departing_days(&self, limit_secs: i64, days: &mut std::collections::BTreeSet<i64>) {
        const DAY_SECS: i64 = 86_400;
        for (_, series) in self.series.iter() {
            let limit = limit_secs.max(self.components.horizon(series.component));
            let mut add = |begin_secs: i64, end_secs: i64| {
                if begin_secs < end_secs.min(limit) {
                    days.extend(begin_secs.div_euclid(DAY_SECS)..=(end_secs.min(limit) - 1).div_euclid(DAY_SECS));
                }
            };
            series.blocks.iter().for_each(|block| add(block.start_secs(), block.end_secs()));
            series.overlay().iter().for_each(|late| add(late.centre_secs, late.centre_secs + 1));
            if let Some(lane) = self.lanes.get(series.lane as usize).and_then(Option::as_ref)
                && let Some(first) = lane.first_secs()
            {
                add(first, lane.end_secs());
            }
        }
    }

    /// The centre of the first slot that holds a value.
    pub(super) fn oldest_secs(&self) -> Option<i64> {
        let sealed = self.series.iter().filter_map(|(_, series)| Some(series.blocks.first()?.start_secs()));
        let late = self.series.iter().filter_map(|(_, series)| Some(series.overlay().first()?.centre_secs));
        let open = self.lanes.iter().flatten().filter_map(Lane::first_secs);
        sealed.chain(late).chain(open).min()
    }

    /// Whether a series holds a value that reads may see.
    pub(super) fn holds_visible(&self, id: SeriesId) -> bool {
        if !self.keeps_departed {
            return self.holds_data(id);
        }
        let series = self.series.get(id);
        let horizon = self.components.horizon(series.component);
        let last = |block: &crate::block::Block| block.end_secs() - i64::from(block.frequency_secs());
        let lane = self.lanes.get(series.lane as usize).and_then(Option::as_ref);
        series.blocks.iter().rev().any(|block| last(block) >= horizon)
            || series.overlay().last().is_some_and(|late| late.centre_secs >= horizon)
            || lane.is_some_and(|lane| {
                (0..WINDOW).any(|row| lane.centre(row as i64) >= horizon && !is_empty(lane.get(row, series.column)))
            })
    }

    /// Whether a series holds any value.
    pub(super) fn holds_data(&self, id: SeriesId) -> bool {
        let series = self.series.get(id);
        if !series.blocks.is_empty() || series.overlay.is_some() {
            return true;
        }
        let lane = self.lanes.get(series.lane as usize).and_then(Option::as_ref);
        lane.is_some_and(|lane| !lane.column(series.column).all(is_empty))
    }
}
