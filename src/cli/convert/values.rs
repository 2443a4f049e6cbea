//! The values of a host's series, out of an image: blocks, open rows, and what their horizons leave.

use std::sync::Arc;

use crate::block::Block;
use crate::model::{EMPTY, HostImage, is_empty};

/// The values of a series.
#[derive(Debug, Default)]
pub(in crate::cli) struct Values {
    /// Seconds (centres of slots) and values, in order of time.
    pub(in crate::cli) values: Vec<(i64, f64)>,
    /// Different frequencies and phases of runs.
    pub(super) grids: Vec<(u32, i64)>,
}

impl Values {
    fn run(&mut self, start_secs: i64, frequency_secs: u32, slots: &[f64], horizon_secs: i64) {
        let frequency = i64::from(frequency_secs).max(1);
        let secs = |slot: usize| start_secs.saturating_add(frequency.saturating_mul(slot as i64));
        let filled = slots.iter().enumerate().filter(|(_, value)| !is_empty(**value));
        let kept = filled.map(|(slot, &value)| (secs(slot), value)).filter(|(secs, _)| *secs >= horizon_secs);
        let count = self.values.len();
        self.values.extend(kept);
        let grid = (frequency_secs, start_secs.rem_euclid(frequency));
        if self.values.len() > count && !self.grids.contains(&grid) {
            self.grids.push(grid);
        }
    }
}

/// The values of each series of an image, in the order of [`HostImage::series`].
pub(in crate::cli) fn values(image: &HostImage) -> Vec<Values> {
    let mut all: Vec<Values> = Vec::with_capacity(image.series.len());
    let mut horizons = Vec::with_capacity(image.series.len());
    for series in &image.series {
        let path = image.path(series.component);
        let horizon = path.iter().map(|part| part.horizon_secs).fold(image.horizon_secs, i64::max);
        let mut values = Values::default();
        for block in series.blocks.iter().filter_map(|bytes| Block::from_bytes(Arc::clone(bytes)).ok()) {
            let mut slots = vec![EMPTY; block.len()];
            block.decode(0..block.len(), &mut slots);
            values.run(block.start_secs(), block.frequency_secs(), &slots, horizon);
        }
        // An image that a store makes has no late samples: they are folded into blocks before.
        horizons.push(horizon);
        all.push(values);
    }
    for lane in &image.lanes {
        for (at, column) in &lane.columns {
            if let (Some(values), Some(horizon)) = (all.get_mut(*at as usize), horizons.get(*at as usize)) {
                values.run(lane.start_secs, lane.frequency_secs, column, *horizon);
            }
        }
    }
    for values in &mut all {
        values.values.sort_by_key(|(secs, _)| *secs);
        // What was read from a snapshot of cc-metric-store lies in blocks and, if its rows are open, in a lane too. The
        // sort is stable: the lane's value, which is the newer one, comes last.
        values.values.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                earlier.1 = later.1;
            }
            is_same
        });
    }
    all
}
