//! What the general way has found is kept as a roll-up: so those come back after a start, and after late samples.
//!
//! Owns when an output may be kept: it must mean the same whatever is asked, and stay what it is unless the epoch of
//! the roll-ups moves. So all series have one grid there, nothing is late there, no row is open, no horizon is near.

use std::ops::Range;

use super::aggregate::{AWAITED, Combined};
use super::host::Host;
use super::host_data::HostData;
use super::read;
use super::rolled::Rolled;
use super::rollup::CHILDREN_MIN;
use super::rollup_read::Question;
use super::slots::{GROUP, centre_at, phase, slot_at, window_start};
use super::view::{SeriesView, signed_output_at};

/// Fewer outputs are not worth the host's lock.
const KEPT_MIN: usize = 32;

/// More groups of outputs, the newest of an answer, are not kept: they go in under the host's lock.
const GROUPS_MAX: usize = 64;

/// Slots that an output looks back on, and grids may reach across.
const MARGIN: i64 = AWAITED as i64 + 3;

/// Farther from 1970 than any sample.
const SECS_MAX: i64 = i64::MAX / 4;

/// Series that were taken out of their host, with what tells whether their sums may be kept.
pub(super) struct Taken {
    views: Vec<SeriesView>,
    epoch: u64,
    /// Where the first open row of any series of the metric may be.
    open_secs: i64,
    /// Whether the host has room for their sums.
    is_welcome: bool,
}

impl Taken {
    /// Takes the series of a question.
    pub(super) fn of(data: &HostData, question: &Question<'_>) -> Taken {
        // Sums of few are not kept, nor those that nobody would make room for.
        let is_kept = question.children.len() >= CHILDREN_MIN
            && data.rollups.is_welcome(question.id, question.family, &data.bytes);
        let series = if is_kept { data.series.of_metric(question.id) } else { &[] };
        let lanes = series.iter().map(|&id| data.series.get(id).lane);
        let open = lanes.filter_map(|lane| Some(data.lanes.get(lane as usize)?.as_ref()?.start_secs));
        Taken {
            is_welcome: is_kept,
            open_secs: open.min().unwrap_or(SECS_MAX),
            views: read::views(data, question.children, question.metric, question.asked, question.to),
            epoch: data.rollups.epoch(),
        }
    }

    /// The series; those that hold nothing are left out.
    pub(super) fn views(&self) -> &[SeriesView] {
        &self.views
    }

    /// Moves with all that may change an answer for time before the open rows.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Keeps what is complete of sums over outputs that stand for `from + i · f`, unless the host has changed.
    pub(super) fn keep(&self, host: &Host, question: &Question<'_>, from_secs: i64, parts: &Combined) {
        if !self.is_welcome || self.views.len() < question.children.len() {
            return;
        }
        let frequency_secs = question.metric.frequency_secs;
        let Some((outputs, start_secs)) = self.keepable(from_secs, frequency_secs, parts.counts.len()) else { return };
        let complete = parts.counts[outputs.clone()].iter().filter(|&&count| count > 0).count();
        if complete < KEPT_MIN {
            return;
        }
        let frequency = i64::from(frequency_secs);
        let mut runs = Vec::new();
        let mut at = outputs.start.max(outputs.end.saturating_sub(GROUPS_MAX * GROUP));
        while at < outputs.end {
            let centre = start_secs + (at - outputs.start) as i64 * frequency;
            let group_end = window_start(centre, frequency_secs, GROUP) + GROUP as i64 * frequency;
            let end = outputs.end.min(at + ((group_end - centre) / frequency) as usize);
            runs.extend(Rolled::seal(centre, frequency_secs, &parts.sums[at..end], &parts.counts[at..end]));
            at = end;
        }
        host.keep_rolled(question.id, question.family, runs, self.epoch);
    }

    /// The outputs that may be kept, and the centre of the slot that the first of them takes.
    fn keepable(&self, from_secs: i64, frequency_secs: u32, outputs: usize) -> Option<(Range<usize>, i64)> {
        let frequency = i64::from(frequency_secs);
        let mut grid: Option<i64> = None;
        let mut is_of_grid = |start_secs: i64, frequency_of: u32| {
            let grid_secs = *grid.get_or_insert(start_secs);
            frequency_of == frequency_secs && phase(start_secs, frequency_secs) == phase(grid_secs, frequency_secs)
        };
        let mut horizon_secs = i64::MIN;
        for view in &self.views {
            let is_late_near = view.overlay.iter().any(|late| {
                let output = signed_output_at(from_secs, frequency_secs, late.centre_secs, frequency_secs);
                (-2 * MARGIN..outputs as i64 + 2 * MARGIN).contains(&output) || late.frequency_secs != frequency_secs
            });
            let is_one_grid = view.runs.iter().all(|block| is_of_grid(block.start_secs(), block.frequency_secs()))
                && view.open.as_ref().is_none_or(|open| is_of_grid(open.start_secs, open.frequency_secs));
            if is_late_near || !is_one_grid {
                return None;
            }
            horizon_secs = horizon_secs.max(view.horizon_secs);
        }
        let grid_secs = grid?;
        let first_secs = centre_at(grid_secs, frequency_secs, from_secs);
        let output_of = |secs: i64| slot_at(first_secs, frequency_secs, secs).clamp(0, outputs as i64) as usize;
        let begin = match horizon_secs {
            i64::MIN => 0,
            horizon_secs => output_of(horizon_secs.min(SECS_MAX) + MARGIN * frequency),
        };
        // Of a row on another grid, part of the slot before may become the row's.
        let is_open_on_grid = phase(self.open_secs, frequency_secs) == phase(grid_secs, frequency_secs);
        let end = output_of(if is_open_on_grid { self.open_secs } else { self.open_secs - frequency });
        (begin < end).then(|| (begin..end, first_secs + begin as i64 * frequency))
    }
}
