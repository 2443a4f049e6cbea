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
    let mut heaps: Vec<Vec<Entry>> = vec![Vec::new(); groups.labels.len() * steps.count];
    // What a value has to beat; NaN where a closer look is needed: the heap is not full, or NaN is on top.
    let mut bars = vec![f64::NAN; heaps.len()];
    ev.for_each_column(&*op, steps.count, |series, column| {
        if !column.histograms().is_empty() {
            note_ignored(ev, aggregate.op, position);
        }
        let first = groups.of[series] * steps.count;
        let (heaps, bars) = (&mut heaps[first..first + steps.count], &mut bars[first..first + steps.count]);
        column.for_floats(|step, value| {
            let bar = bars[step];
            if (is_top && bar >= value) || (!is_top && bar <= value) {
                return;
            }
            let heap = &mut heaps[step];
            if heap.len() < limits[step] {
                push(heap, (value, series as u32), is_top);
            } else if let Some(top) = heap.first_mut()
                && (if is_top { top.0 < value } else { top.0 > value } || (top.0.is_nan() && !value.is_nan()))
            {
                *top = (value, series as u32);
                sink(heap, is_top);
            }
            if heap.len() == limits[step]
                && let Some(top) = heap.first()
            {
                bars[step] = top.0;
            }
        });
        Ok(())
    })?;
    let mut output = Output::new(steps, ev.options.delayed_name_removal);
    let mut places = vec![None; heads.len()];
    let order = if is_top { descending } else { ascending };
    for step in 0..steps.count {
        for group in 0..groups.labels.len() {
            let heap = &mut heaps[group * steps.count + step];
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
