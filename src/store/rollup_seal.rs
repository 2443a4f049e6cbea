//! Roll-ups of windows that are being sealed: their rows lie side by side, so summing them costs next to nothing.

use crate::model::{Aggregation, EMPTY, MetricId, MetricTable, SeriesId, is_empty};

use super::aggregate::AWAITED;
use super::host_data::HostData;
use super::lane::Lane;
use super::read;
use super::rolled::Rolled;
use super::rollup::{CHILDREN_MIN, Family};
use super::series::NO_LANE;
use super::slots::{WINDOW, phase};

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
            let mut families: Vec<_> = self.rollups.families(group[0]).flatten().collect();
            families.retain(|series| series.len() >= CHILDREN_MIN);
            let at_host = read::children(self, group[0]);
            let families = families.iter().map(|series| (Family::Of(series), &series[..]));
            for (family, children) in families.chain([(Family::Host, &at_host[..])]) {
                if let Some(run) = self.rolled_window(place, lane, group[0], children) {
                    self.rollups.append(group[0], family, run, &mut self.bytes);
                }
            }
        }
    }

    /// The slots of a window that all children of a metric have filled; `None` when there is none, or when something
    /// besides the lane has a say in them.
    fn rolled_window(&self, place: u32, lane: &Lane, metric: MetricId, children: &[SeriesId]) -> Option<Rolled> {
        if self.components.newest_horizon() > lane.start_secs {
            // What lies before the horizon of a component may still be in the rows.
            return None;
        }
        let is_elsewhere = |&id: &SeriesId| ![place, NO_LANE].contains(&self.series.get(id).lane);
        if self.series.of_metric(metric).iter().any(is_elsewhere) {
            // Its open rows may lie in this time, be it that it holds nothing yet.
            return None;
        }
        let frequency = i64::from(lane.frequency_secs);
        let mut columns = Vec::with_capacity(children.len());
        for &child in children {
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
            if sealed.is_some_and(|block| block.end_secs() + awaited > lane.start_secs) {
                return None;
            }
        }
        if columns.len() < CHILDREN_MIN {
            return None;
        }
        let mut sums = [EMPTY; WINDOW];
        let mut counts = [0; WINDOW];
        for (row, (output, count)) in sums.iter_mut().zip(&mut counts).enumerate() {
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
                (*output, *count) = (sum, columns.len() as u32);
            }
        }
        Rolled::seal(lane.start_secs, lane.frequency_secs, &sums, &counts)
    }
}
