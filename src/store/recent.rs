//! Aggregation over the newest rows, straight from a lane.
//!
//! Most questions are for the last minutes of all nodes. For them the general way, which takes every child out of its
//! host before it looks at a value, is mostly bookkeeping. Here the rows of a lane are summed as they lie, one row
//! after the other, under the host's lock. Invariant: the answer is the general way's, bit by bit, or there is none.

use crate::model::{Aggregation, EMPTY, Metric, SeriesId, is_empty};

use super::aggregate::AWAITED;
use super::host_data::HostData;
use super::lane::Lane;
use super::read::Answer;
use super::slots::{WINDOW, centre_at};

/// Rows before the window that a range may begin: few, for each child is decoded under the lock.
const BEFORE_ROWS_MAX: i64 = WINDOW as i64 / 2;

/// Combines series that are settled columns of one lane over `[asked, to)`, if the range and the slots that tell how
/// long a hole has lasted lie in the lane's window, or a little before it.
pub(super) fn combine_recent(
    data: &HostData,
    children: &[SeriesId],
    metric: &Metric,
    asked: i64,
    to: i64,
) -> Option<Answer> {
    let frequency = i64::from(metric.frequency_secs);
    let rows = Rows::of(data, children, metric, asked, |_| false).filter(|_| asked < to)?;
    let last = rows.last();
    // The slots of an output are those of the rows: output `i` takes row `asked_row + i`.
    let newest = last.iter().copied().max()?;
    let asked_outputs = (to - asked - 1) / frequency + 1;
    let outputs = asked_outputs.min(newest - rows.asked_row + 1);
    let outputs = usize::try_from(outputs).ok().filter(|&outputs| outputs > 0)?;
    let mut values = rows.combine(metric.aggregation, outputs);
    let is_awaited = |row: i64| last.iter().any(|&last| last < row && row <= last + AWAITED as i64);
    while values.last().is_some_and(|&value| is_empty(value)) && is_awaited(rows.asked_row + values.len() as i64 - 1) {
        values.pop();
    }
    if values.iter().all(|&value| is_empty(value)) {
        // Whether this is a hole or no data at all is for the general way to say.
        return None;
    }
    let to_secs = asked + values.len() as i64 * frequency;
    Some(Answer { data: values, from_secs: asked, to_secs, frequency_secs: frequency })
}

/// The slots just before a lane's window, child by child, as many as a range that begins at `asked_row` looks back on.
fn before_window(data: &HostData, lane: &Lane, children: &[SeriesId], asked_row: i64) -> Option<Vec<f64>> {
    let count = (AWAITED as i64 - asked_row).max(0) as usize;
    let mut before = vec![EMPTY; count * children.len()];
    if count == 0 {
        return Some(before);
    }
    for (&child, out) in children.iter().zip(before.chunks_exact_mut(count)) {
        // A settled column has its last block on the lane's own grid.
        let block = data.series.get(child).blocks.last()?;
        let frequency = i64::from(lane.frequency_secs);
        let first = (lane.start_secs - count as i64 * frequency - block.start_secs()) / frequency;
        // Further back another block, of whatever grid, might have a say.
        let first = usize::try_from(first).ok().filter(|&first| first > 1)?;
        let end = block.len().min(first + count);
        if first < end {
            block.decode(first..end, &mut out[..end - first]);
        }
    }
    Some(before)
}

/// Some columns of a lane, with the slots before its window.
pub(super) struct Rows<'d> {
    lane: &'d Lane,
    columns: Vec<u32>,
    /// The row of the first output; negative when it lies before the window.
    asked_row: i64,
    /// Child by child; nothing when all are known to be filled.
    before: Vec<f64>,
}

impl<'d> Rows<'d> {
    /// The columns of these series, if rows from `asked` on can be combined as they lie. `is_filled_to` knows whether
    /// all children have filled the slots before a second that it is given, as many as a child is awaited.
    pub(super) fn of(
        data: &'d HostData,
        children: &[SeriesId],
        metric: &Metric,
        asked: i64,
        is_filled_to: impl FnOnce(i64) -> bool,
    ) -> Option<Rows<'d>> {
        let place = data.series.get(*children.first()?).lane;
        let lane = data.lanes.get(place as usize)?.as_ref()?;
        let window_secs = WINDOW as i64 * i64::from(lane.frequency_secs);
        if lane.frequency_secs != metric.frequency_secs
            || !(lane.start_secs - window_secs..lane.end_secs()).contains(&asked)
            || lane.row_at(asked) < -BEFORE_ROWS_MAX
            || data.components.newest_horizon() > lane.start_secs - window_secs
        {
            return None;
        }
        let asked_row = lane.row_at(asked);
        let mut columns = Vec::with_capacity(children.len());
        for &child in children {
            let series = data.series.get(child);
            if series.lane != place || !lane.is_settled(series.column) || series.overlay.is_some() {
                return None;
            }
            columns.push(series.column);
        }
        let before = match asked_row == 0 && is_filled_to(lane.start_secs) {
            true => Vec::new(),
            false => before_window(data, lane, children, asked_row)?,
        };
        Some(Rows { lane, columns, asked_row, before })
    }

    /// The centre of the last row of each child that holds a value, as far as it matters for the rows from the asked
    /// one on; `None` when all ended before the window.
    pub(super) fn last_secs(&self) -> Option<Vec<i64>> {
        let last = self.last();
        last.iter().any(|&row| row >= 0).then(|| last.into_iter().map(|row| self.lane.centre(row)).collect())
    }

    /// The last row of each child that holds a value: −1 for a sealed one.
    fn last(&self) -> Vec<i64> {
        let mut last = vec![-1; self.columns.len()];
        let mut missing = last.len();
        for row in (0..self.lane.filled_rows()).rev() {
            for (last, &column) in last.iter_mut().zip(&self.columns) {
                if *last < 0 && !is_empty(self.lane.get(row, column)) {
                    *last = row as i64;
                    missing -= 1;
                }
            }
            if missing == 0 {
                return last;
            }
        }
        let per_child = self.before.len() / self.columns.len();
        for (child, last) in last.iter_mut().enumerate().filter(|(_, last)| **last < 0) {
            // Those that hold nothing in the window ended before it; where, matters only for slots that are looked at.
            let before = &self.before[child * per_child..(child + 1) * per_child];
            let filled = before.iter().rposition(|&value| !is_empty(value));
            *last = filled.map_or(-(per_child as i64) - 1, |at| at as i64 - per_child as i64);
        }
        last
    }

    /// One value for each of `outputs` rows from `asked_row` on: as [`combine`](super::aggregate::combine).
    pub(super) fn combine(&self, aggregation: Aggregation, outputs: usize) -> Vec<f64> {
        let asked_row = self.asked_row;
        let per_child = self.before.len() / self.columns.len();
        let mut missing = vec![0u8; self.columns.len()];
        let mut values = Vec::with_capacity(outputs);
        let first_row = asked_row - AWAITED as i64;
        // Rows before the window that are known to be filled.
        let first_row = if per_child == 0 { first_row.max(0) } else { first_row };
        for row in first_row..asked_row + outputs as i64 {
            let (mut sum, mut contributors, mut incomplete) = (0.0, 0u32, false);
            let mut add = |missing: &mut u8, value: f64| {
                if is_empty(value) {
                    *missing = missing.saturating_add(1);
                    incomplete |= usize::from(*missing) <= AWAITED;
                } else {
                    *missing = 0;
                    sum += value;
                    contributors += 1;
                }
            };
            match usize::try_from(row).map(|row| self.lane.row(row)) {
                Ok(Some(cells)) => {
                    for (missing, &column) in missing.iter_mut().zip(&self.columns) {
                        add(missing, cells[column as usize]);
                    }
                }
                Ok(None) => missing.iter_mut().for_each(|missing| add(missing, EMPTY)),
                Err(_) => {
                    let at = (row + per_child as i64) as usize;
                    for (missing, child) in missing.iter_mut().zip(self.before.chunks_exact(per_child)) {
                        add(missing, child[at]);
                    }
                }
            }
            if row >= asked_row {
                values.push(match aggregation {
                    _ if incomplete || contributors == 0 => EMPTY,
                    Aggregation::Avg => sum / f64::from(contributors),
                    Aggregation::Sum | Aggregation::None => sum,
                });
            }
        }
        values
    }
}

/// How many leading columns of a lane that begins a window, or comes from a snapshot, are settled: their series were
/// sealed on the lane's grid in the window before, and hold nothing behind it. A sample ahead of its time may have made
/// one of their earlier blocks so long that it reaches over the later ones.
pub(super) fn settled_columns(data: &HostData, lane: &Lane) -> usize {
    let window = WINDOW as i64 * i64::from(lane.frequency_secs);
    let is_settled = |&&id: &&u32| {
        data.series.get(SeriesId(id)).blocks.split_last().is_some_and(|(block, earlier)| {
            let behind_secs = block.start_secs() + i64::from(lane.frequency_secs);
            earlier.iter().all(|earlier| earlier.end_secs() <= behind_secs)
                && block.frequency_secs() == lane.frequency_secs
                && centre_at(block.start_secs(), lane.frequency_secs, lane.start_secs) == lane.start_secs
                && (lane.start_secs - window + 1..=lane.start_secs).contains(&block.end_secs())
        })
    };
    lane.columns.iter().take_while(is_settled).count()
}
