//! `topk` and `bottomk`: at each step the best series of each group.
//!
//! Series are looked at one after the other over all steps. A heap per group and step holds the best so far, its worst
//! on top; most values lose against that at once. Heaps work as Go's, so that of equal values the same ones stay.

use super::super::annotations::Position;
use super::super::ast::AggregateOp;
use super::super::column::{Point, Steps};
use super::super::error::QueryError;
use super::super::evaluator::Evaluator;
use super::super::operator::Table;
use super::super::order::{ascending, descending};
use super::super::output::Output;
use super::super::plan::Aggregate;
use super::groups::Groups;
use super::{Params, note_ignored};

/// A value and its series.
type Entry = (f64, u32);

/// Runs the aggregation.
pub fn run<'a>(
    ev: &Evaluator<'a>,
    aggregate: &'a Aggregate,
    params: &Params,
    position: Position,
    steps: Steps,
) -> Result<Table, QueryError> {
    let op = ev.prepare(&aggregate.inner, steps)?;
    let heads = op.heads().to_vec();
    let groups = Groups::new(aggregate, &heads);
    let is_top = aggregate.op == AggregateOp::Topk;
    let limit = |count: &f64| (*count as i64).clamp(0, heads.len() as i64) as usize;
    let limits: Vec<usize> = params.values.iter().map(limit).collect();
    let mut output = Output::new(steps, ev.options.delayed_name_removal);
    // One group after the other: the heaps of all groups at once could be far more than their series' points.
    let mut heaps: Vec<Vec<Entry>> = vec![Vec::new(); steps.count];
    // What a value has to beat; NaN where a closer look is needed: the heap is not full, or NaN is on top.
    let mut bars = Vec::new();
    let mut places = vec![None; heads.len()];
    let order = if is_top { descending } else { ascending };
    for members in &groups.members {
        heaps.iter_mut().for_each(Vec::clear);
        bars.clear();
        bars.resize(steps.count, f64::NAN);
        ev.for_each_column(&*op, members, steps.count, |series, column| {
            if !column.histograms().is_empty() {
                note_ignored(ev, aggregate.op, position);
            }
            column.for_floats(|step, value| {
                let bar = bars[step];
                if (is_top && bar >= value) || (!is_top && bar <= value) {
                    return;
                }
                let (heap, limit) = (&mut heaps[step], limits[step]);
                offer(heap, limit, (value, series as u32), is_top);
                if heap.len() == limit
                    && let Some(top) = heap.first()
                {
                    bars[step] = top.0;
                }
            });
            Ok(())
        })?;
        for (step, heap) in heaps.iter_mut().enumerate() {
            if steps.is_instant {
                heap.sort_by(|a, b| order(a.0, b.0));
            }
            for (value, series) in heap.iter() {
                let series = *series as usize;
                let place = *places[series].get_or_insert_with(|| output.place(&heads[series]));
                output.push_at(place, step, Point::Float(*value))?;
            }
        }
    }
    Ok(output.finish())
}

/// Takes an entry in, if there is room or it beats the worst.
fn offer(heap: &mut Vec<Entry>, limit: usize, entry: Entry, is_top: bool) {
    if heap.len() < limit {
        push(heap, entry, is_top);
    } else if let Some(top) = heap.first_mut()
        && (if is_top { top.0 < entry.0 } else { top.0 > entry.0 } || (top.0.is_nan() && !entry.0.is_nan()))
    {
        *top = entry;
        sink(heap, is_top);
    }
}

/// Whether an entry belongs above another in the heap: NaN, then the value that is to go first.
fn is_less(a: Entry, b: Entry, is_top: bool) -> bool {
    a.0.is_nan() || if is_top { a.0 < b.0 } else { a.0 > b.0 }
}

fn push(heap: &mut Vec<Entry>, entry: Entry, is_top: bool) {
    heap.push(entry);
    let mut at = heap.len() - 1;
    while at > 0 {
        let parent = (at - 1) / 2;
        if !is_less(heap[at], heap[parent], is_top) {
            break;
        }
        heap.swap(at, parent);
        at = parent;
    }
}

/// Moves a new first entry down to its place.
fn sink(heap: &mut [Entry], is_top: bool) {
    let mut at = 0;
    loop {
        let mut child = 2 * at + 1;
        if child >= heap.len() {
            return;
        }
        if child + 1 < heap.len() && is_less(heap[child + 1], heap[child], is_top) {
            child += 1;
        }
        if !is_less(heap[child], heap[at], is_top) {
            return;
        }
        heap.swap(at, child);
        at = child;
    }
}
