//! `count_values`: a series for each value of a group, which no step knows before it comes.

use std::collections::HashMap;

use super::super::column::{Point, Steps};
use super::super::error::QueryError;
use super::super::evaluator::Evaluator;
use super::super::number::format_plain;
use super::super::operator::{Head, Table};
use super::super::output::Output;
use super::super::plan::Aggregate;
use super::groups::key;
use super::text_param;

/// Runs the aggregation.
pub fn run<'a>(ev: &Evaluator<'a>, aggregate: &'a Aggregate, steps: Steps) -> Result<Table, QueryError> {
    let name = text_param(aggregate);
    if name.is_empty() {
        return Err(QueryError::execution("invalid label name \"\""));
    }
    let mut grouping = aggregate.grouping.clone();
    if !aggregate.without {
        grouping.push(name.to_owned());
        grouping.sort();
    }
    let input = ev.table(&aggregate.inner, steps)?;
    let mut output = Output::new(steps, ev.options.delayed_name_removal);
    let mut counts: HashMap<_, usize> = HashMap::new();
    let mut order = Vec::new();
    for step in 0..steps.count {
        ev.poll()?;
        for (head, column) in input.heads.iter().zip(&input.columns) {
            let text = match column.point(step) {
                None => continue,
                Some(Point::Float(value)) => format_plain(value),
                Some(Point::Histogram(histogram)) => histogram.to_string(),
            };
            let mut builder = head.labels.edit();
            builder.set(name, text);
            let labels = key(&builder.build(), &grouping, aggregate.without);
            *counts.entry(labels.clone()).or_insert_with(|| {
                order.push(labels);
                0
            }) += 1;
        }
        // A series takes as much memory as some 32 samples, and each value may make one.
        ev.budget.pass(32 * (output.len() + order.len()) as u64)?;
        for labels in order.drain(..) {
            let count = counts.remove(&labels).unwrap_or(0);
            output.push(step, &Head { labels, drop_name: false }, Point::Float(count as f64))?;
        }
    }
    Ok(output.finish())
}
