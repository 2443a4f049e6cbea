//! Roll-ups: what all series of a metric below a host answer together, sealed window by window.
//!
//! A sum over the hardware threads of a node reads 128 series; its roll-up is one. A roll-up holds exactly what the
//! general way would answer for a slot, and only for slots that every child of the metric has filled, so no rule of
//! holes applies to them. What may change such a slot later drops its block: a late sample, a series that begins in
//! the past or above another, a horizon of a component, a changed aggregation. Reads go the general way for what is
//! missing.

use crate::model::{Aggregation, ComponentId, EMPTY, MetricId, MetricTable, SeriesId, is_empty};

use super::aggregate::AWAITED;
use super::host_data::HostData;
use super::lane::Lane;
use super::memory::{Bytes, Use};
use super::read;
use super::series::Series;
use super::slots::{WINDOW, phase};

/// Metrics with fewer series below a host are combined quickly enough, and their roll-ups would cost too much memory.
pub(super) const CHILDREN_MIN: usize = 16;

/// The roll-ups of a host, at its own level.
#[derive(Debug, Default)]
pub(super) struct Rollups(Vec<Rollup>);

#[derive(Debug)]
struct Rollup {
    metric: MetricId,
    aggregation: Aggregation,
    /// Its blocks alone are used: it has neither lane nor late samples.
    series: Series,
}

impl Rollups {
    /// The roll-up of a metric with this aggregation.
    pub(super) fn find(&self, metric: MetricId, aggregation: Aggregation) -> Option<&Series> {
        let found = self.0.iter().find(|rollup| rollup.metric == metric && rollup.aggregation == aggregation)?;
        Some(&found.series)
    }

    /// Adds a window; a roll-up with another aggregation ends.
    fn append(&mut self, metric: MetricId, aggregation: Aggregation, lane: &Lane, window: &[f64], bytes: &mut Bytes) {
        let at = match self.0.iter().position(|rollup| rollup.metric == metric) {
            Some(at) => at,
            None => {
                let series = Series::new(ComponentId::HOST, metric);
                self.0.push(Rollup { metric, aggregation, series });
                self.0.len() - 1
            }
        };
        let rollup = &mut self.0[at];
        if rollup.aggregation != aggregation {
            rollup.series.blocks.clear();
            rollup.aggregation = aggregation;
        }
        // What the blocks take is counted below, as a whole.
        rollup.series.append(lane.start_secs, lane.frequency_secs, window, &mut Bytes::default());
        self.count(bytes);
    }

    /// Drops the blocks of a metric that `[begin, end)` touches or just misses.
    pub(super) fn forget(&mut self, metric: MetricId, begin_secs: i64, end_secs: i64, bytes: &mut Bytes) {
        let Some(rollup) = self.0.iter_mut().find(|rollup| rollup.metric == metric) else { return };
        let blocks = rollup.series.blocks.len();
        rollup.series.blocks.retain(|block| {
            // A slot that is written may give its neighbour's outputs another value, and what follows it is a hole that
            // leaves sums incomplete for as long as a child is awaited.
            let frequency = i64::from(block.frequency_secs());
            block.end_secs() + 2 * frequency <= begin_secs
                || end_secs + (AWAITED as i64 + 2) * frequency <= block.start_secs()
        });
        if rollup.series.blocks.len() < blocks {
            self.count(bytes);
        }
    }

    /// Drops what lies wholly before a horizon.
    pub(super) fn drop_before(&mut self, to_secs: i64, bytes: &mut Bytes) {
        self.0.iter_mut().for_each(|rollup| rollup.series.blocks.retain(|block| block.end_secs() > to_secs));
        self.count(bytes);
    }

    /// Drops everything.
    pub(super) fn clear(&mut self, bytes: &mut Bytes) {
        if !self.0.is_empty() {
            self.0.clear();
            self.count(bytes);
        }
    }

    fn count(&self, bytes: &mut Bytes) {
        let blocks = |rollup: &Rollup| {
            let held: usize = rollup.series.blocks.iter().map(crate::block::Block::memory_bytes).sum();
            held + rollup.series.blocks.capacity() * size_of::<crate::block::Block>()
        };
        bytes.set(Use::Rollups, self.0.capacity() * size_of::<Rollup>() + self.0.iter().map(blocks).sum::<usize>());
    }
}

impl HostData {
    /// Seals the roll-ups of a lane's window, which is about to be sealed itself.
    pub(super) fn roll_up(&mut self, place: u32, metrics: &MetricTable) {
        let Some(lane) = self.lanes.get(place as usize).and_then(Option::as_ref) else { return };
        if lane.columns.len() < CHILDREN_MIN {
            return;
        }
        let mut columns: Vec<MetricId> = lane.columns.iter().map(|&id| self.series.get(SeriesId(id)).metric).collect();
        columns.sort_unstable();
        for group in columns.chunk_by(|a, b| a == b).filter(|group| group.len() >= CHILDREN_MIN) {
            let metric = metrics.get(group[0]);
            if metric.aggregation == Aggregation::None || metric.frequency_secs != lane.frequency_secs {
                continue;
            }
            if let Some(window) = self.rolled_window(place, lane, group[0], metric.aggregation) {
                self.rollups.append(group[0], metric.aggregation, lane, &window, &mut self.bytes);
            }
        }
    }

    /// The slots of a window that all children of a metric have filled; `None` when there is none, or when something
    /// besides the lane has a say in them.
    fn rolled_window(
        &self,
        place: u32,
        lane: &Lane,
        metric: MetricId,
        aggregation: Aggregation,
    ) -> Option<[f64; WINDOW]> {
        if self.components.newest_horizon() > lane.start_secs {
            // What lies before the horizon of a component may still be in the rows.
            return None;
        }
        let frequency = i64::from(lane.frequency_secs);
        let children = read::children(self, metric);
        let mut columns = Vec::with_capacity(children.len());
        for &child in &children {
            let series = self.series.get(child);
            let sealed = series.blocks.last();
            if series.overlay.is_some() {
                return None;
            }
            if series.lane == place {
                // Another grid that ends where this one begins gives the first outputs to the nearer of both.
                let is_apart = sealed.is_none_or(|block| {
                    let is_same = block.frequency_secs() == lane.frequency_secs
                        && phase(block.start_secs(), lane.frequency_secs)
                            == phase(lane.start_secs, lane.frequency_secs);
                    let gap = if is_same { 0 } else { 2 * frequency.max(i64::from(block.frequency_secs())) };
                    block.end_secs() + gap <= lane.start_secs
                });
                if !is_apart {
                    return None;
                }
                columns.push(series.column);
                continue;
            }
            // Absent in the whole window: it is quiet for longer than a child is awaited.
            let awaited = (AWAITED as i64 + 2) * frequency;
            let is_absent = series.lane == super::series::NO_LANE
                && sealed.is_none_or(|block| block.end_secs() + awaited <= lane.start_secs);
            if !is_absent {
                return None;
            }
        }
        if columns.len() < CHILDREN_MIN {
            return None;
        }
        let mut window = [EMPTY; WINDOW];
        for (row, output) in window.iter_mut().enumerate() {
            let Some(cells) = lane.row(row) else { break };
            // In the order of the children, for sums of floats depend on it.
            let mut sum = 0.0;
            let mut is_complete = true;
            for &column in &columns {
                let value = cells[column as usize];
                is_complete &= !is_empty(value);
                sum += value;
            }
            if is_complete {
                *output = if aggregation == Aggregation::Avg { sum / columns.len() as f64 } else { sum };
            }
        }
        window.iter().any(|&value| !is_empty(value)).then_some(window)
    }

    /// Drops the roll-ups that a value of a series at a second has a say in, now that it does not come in the row of
    /// the day.
    pub(super) fn forget_rollups(&mut self, id: SeriesId, begin_secs: i64, end_secs: i64) {
        let series = self.series.get(id);
        let (metric, component) = (series.metric, series.component);
        // A component that others lie below answers in their place.
        let begin_secs = if self.components.children(component).is_empty() { begin_secs } else { i64::MIN / 4 };
        self.rollups.forget(metric, begin_secs, end_secs, &mut self.bytes);
    }
}
