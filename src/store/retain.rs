//! Leaving memory: horizons and what lies before them.
//!
//! A horizon only moves forward. Reads stop at it at once, whatever is still held; what lies wholly before it is
//! dropped here.

use crate::model::{ComponentId, EMPTY, SeriesId, is_empty};

use super::host_data::HostData;
use super::lane::Lane;
use super::memory::Use;
use super::slots::WINDOW;

impl HostData {
    /// Moves the horizon of a component and all below it to `to_secs`; answers how many blocks and open columns went.
    pub(super) fn move_horizon(&mut self, component: ComponentId, to_secs: i64) -> u64 {
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
        match component {
            ComponentId::HOST => self.rollups.drop_before(to_secs, &mut self.bytes),
            _ => self.rollups.clear(&mut self.bytes),
        }
        if component == ComponentId::HOST {
            let mut freed = 0;
            self.ticks.retain(|ticks| {
                let is_kept = ticks.end_secs() > to_secs;
                freed += if is_kept { 0 } else { ticks.memory_bytes() };
                is_kept
            });
            self.bytes.add(Use::Ticks, -(freed as i64));
        }
        dropped
    }

    /// The centre of the first slot that holds a value.
    pub(super) fn oldest_secs(&self) -> Option<i64> {
        let sealed = self.series.iter().filter_map(|(_, series)| Some(series.blocks.first()?.start_secs()));
        let late = self.series.iter().filter_map(|(_, series)| Some(series.overlay().first()?.centre_secs));
        let open = self.lanes.iter().flatten().filter_map(Lane::first_secs);
        sealed.chain(late).chain(open).min()
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
