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
    let place = data.series.get(*children.first()?).lane;
    let lane = data.lanes.get(place as usize)?.as_ref()?;
    let asked_row = lane.row_at(asked);
    if lane.frequency_secs != metric.frequency_secs || asked >= to || asked_row < -BEFORE_ROWS_MAX {
        return None;
    }
    if data.components.newest_horizon() > lane.start_secs - WINDOW as i64 * frequency {
        return None;
    }
    let mut columns = Vec::with_capacity(children.len());
    for &child in children {
        let series = data.series.get(child);
        if series.lane != place || !lane.is_settled(series.column) || series.overlay.is_some() {
            return None;
        }
        columns.push(series.column);
    }
    let rows = Rows { lane, columns: &columns, before: before_window(data, lane, children, asked_row)? };
    let last = rows.last();
    // The slots of an output are those of the rows: output `i` takes row `asked_row + i`.
    let newest = last.iter().copied().max()?;
    let asked_outputs = (to - asked - 1) / frequency + 1;
    let outputs = usize::try_from(asked_outputs.min(newest - asked_row + 1)).ok().filter(|&outputs| outputs > 0)?;
    let mut values = rows.combine(metric.aggregation, asked_row, outputs);
    let is_awaited = |row: i64| last.iter().any(|&last| last < row && row <= last + AWAITED as i64);
    while values.last().is_some_and(|&value| is_empty(value)) && is_awaited(asked_row + values.len() as i64 - 1) {
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
struct Rows<'d> {
    lane: &'d Lane,
    columns: &'d [u32],
    /// Child by child.
    before: Vec<f64>,
}

impl Rows<'_> {
    /// The last row of each child that holds a value: −1 for a sealed one.
    fn last(&self) -> Vec<i64> {
        let mut last = vec![-1; self.columns.len()];
        let mut missing = last.len();
        for row in (0..self.lane.filled_rows()).rev() {
            for (last, &column) in last.iter_mut().zip(self.columns) {
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
    fn combine(&self, aggregation: Aggregation, asked_row: i64, outputs: usize) -> Vec<f64> {
        let per_child = self.before.len() / self.columns.len();
        let mut missing = vec![0u8; self.columns.len()];
        let mut values = Vec::with_capacity(outputs);
        for row in asked_row - AWAITED as i64..asked_row + outputs as i64 {
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
            match usize::try_from(row) {
                Ok(row) if row < WINDOW => {
                    for (missing, &column) in missing.iter_mut().zip(self.columns) {
                        add(missing, self.lane.get(row, column));
                    }
                }
                Ok(_) => missing.iter_mut().for_each(|missing| add(missing, EMPTY)),
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

/// How many leading columns of a lane that begins a window are settled: their series were sealed on the lane's grid in
/// the window before, and hold nothing behind it.
pub(super) fn settled_columns(data: &HostData, lane: &Lane) -> usize {
    let window = WINDOW as i64 * i64::from(lane.frequency_secs);
    let is_settled = |&&id: &&u32| {
        data.series.get(SeriesId(id)).blocks.last().is_some_and(|block| {
            block.frequency_secs() == lane.frequency_secs
                && centre_at(block.start_secs(), lane.frequency_secs, lane.start_secs) == lane.start_secs
                && (lane.start_secs - window + 1..=lane.start_secs).contains(&block.end_secs())
        })
    };
    lane.columns.iter().take_while(is_settled).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::*;
    use super::*;
    use crate::model::{Component, MetricTable, Sample};

    const NOW: i64 = 1_770_244_800;
    const CHILDREN: usize = 5;

    /// What a host does in one tick, and what is asked then.
    #[derive(Debug, Clone)]
    struct Tick {
        /// Children that are silent from now on, or speak again.
        toggled: u8,
        late: Option<(usize, i64)>,
        ahead: Option<(usize, i64)>,
        free: Option<i64>,
        restart: bool,
        /// The range, in seconds back from now, and its length in seconds.
        asked: (i64, i64),
    }

    fn tick() -> impl Strategy<Value = Tick> {
        let seldom = |one_in: u32| prop::bool::weighted(1.0 / f64::from(one_in));
        let some = |one_in: u32, most: i64| {
            (seldom(one_in), 0..CHILDREN, 1..most).prop_map(|(is, child, ticks)| is.then_some((child, ticks)))
        };
        let free = (seldom(60), 0..100i64).prop_map(|(is, ago)| is.then_some(ago));
        let toggled = (seldom(6), 0..32u8).prop_map(|(is, bits)| if is { bits } else { 0 });
        (toggled, some(20, 90), some(40, 90), free, seldom(50), (-300..4000i64, 0..4000i64)).prop_map(
            |(toggled, late, ahead, free, restart, asked)| Tick { toggled, late, ahead, free, restart, asked },
        )
    }

    fn store() -> Store {
        let metric = |name: &str, aggregation| Metric { name: name.into(), frequency_secs: 60, aggregation };
        Store::new(
            MetricTable::new([metric("sum", Aggregation::Sum), metric("avg", Aggregation::Avg)]),
            Limits::default(),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        /// The short way answers what the general way does, to the bit, or nothing.
        #[test]
        fn the_short_way_agrees_with_the_general_one(
            ticks in prop::collection::vec(tick(), 250..400),
            is_avg in any::<bool>(),
            jitter in 0..10i64,
        ) {
            let mut store = store();
            let mut silent = 0u8;
            let mut taken = 0;
            for (number, tick) in ticks.iter().enumerate() {
                let now = NOW + number as i64 * 60 + (number as i64 * 7919) % (jitter + 1);
                silent ^= tick.toggled;
                let metrics = store.metrics();
                let id = metrics.find(if is_avg { "avg" } else { "sum" }).unwrap();
                let host = store.host_or_create("alex", "a1").unwrap();
                let write = |child: usize, secs: i64, value: f64| {
                    let component = [Component::new("hwthread", &child.to_string())];
                    let path = SeriesPath { components: &component, is_device: false, metric: id };
                    let series = host.series(&path, store.limits()).unwrap();
                    host.apply(&metrics, &[Sample { series, secs, value }], now);
                };
                for child in (0..CHILDREN).filter(|child| silent >> child & 1 == 0) {
                    write(child, now, 0.1 * (number * 10 + child) as f64);
                }
                if let Some((child, ago)) = tick.late {
                    write(child, now - ago * 60, -1.0 / number as f64);
                }
                if let Some((child, ahead)) = tick.ahead {
                    write(child, now + ahead * 60, 1.0 / 3.0);
                }
                if let Some(ago) = tick.free {
                    host.move_horizon([], now - ago * 60);
                }
                let metric = metrics.get(id);
                let from = now - tick.asked.0;
                let to = from + tick.asked.1;
                let data = host.data.read();
                if let Ok(found) = super::super::read::find(&data, &[], id, metric)
                    && found.len() > 1
                    && let Some(short) = combine_recent(&data, &found, metric, from, to)
                {
                    taken += 1;
                    let views = super::super::read::views(&data, &found, metric, from, to);
                    let general = super::super::read::answer(&views, metric, from, to).unwrap();
                    let bits = |answer: &Answer| answer.data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    prop_assert_eq!(bits(&short), bits(&general), "tick {}", number);
                    prop_assert_eq!((short.from_secs, short.to_secs), (general.from_secs, general.to_secs));
                }
                drop(data);
                if tick.restart {
                    let image = host.image(&metrics);
                    let next = self::store();
                    next.host_or_create("alex", "a1").unwrap().restore(&image, &next.metrics(), next.limits());
                    store = next;
                }
            }
            prop_assert!(taken > 0 || silent != 0 || ticks.iter().any(|tick| tick.free.is_some()), "never taken");
        }
    }

    /// The way is short where it matters: the last minutes of a host that sends every tick.
    #[test]
    fn the_last_minutes_of_a_steady_host_take_the_short_way() {
        let store = store();
        let metrics = store.metrics();
        let id = metrics.find("sum").unwrap();
        let host = store.host_or_create("alex", "a1").unwrap();
        for tick in 0..400 {
            let secs = NOW + tick * 60;
            for child in 0..4 {
                let component = [Component::new("hwthread", &child.to_string())];
                let path = SeriesPath { components: &component, is_device: false, metric: id };
                let series = host.series(&path, store.limits()).unwrap();
                host.apply(&metrics, &[Sample { series, secs, value: 1.0 }], secs);
            }
            if tick > 150 {
                let data = host.data.read();
                let found = super::super::read::find(&data, &[], id, metrics.get(id)).unwrap();
                let answer = combine_recent(&data, &found, metrics.get(id), secs - 600, secs + 1);
                assert_eq!(answer.map(|answer| answer.data), Some(vec![4.0; 11]), "tick {tick}");
            }
        }
    }
}
