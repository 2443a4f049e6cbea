//! `quantile`: all values of a group at a step have to be there at once.

use crate::model::histogram::general_text;

use super::super::column::{Column, Steps};
use super::super::error::QueryError;
use super::super::evaluator::Evaluator;
use super::super::operator::{Head, Table};
use super::super::plan::Aggregate;
use super::super::quantile::quantile;
use super::groups::Groups;
use super::{Params, note_ignored};

/// Runs the aggregation.
pub fn run<'a>(ev: &Evaluator<'a>, aggregate: &'a Aggregate, steps: Steps) -> Result<Table, QueryError> {
    let params = Params::new(ev, aggregate, steps)?;
    let input = ev.table(&aggregate.inner, steps)?;
    let warn = |rank: f64| {
        let text = format!("quantile value should be between 0 and 1, got {}", general_text(rank));
        params.warn(ev, text);
    };
    if params.has_nan() {
        warn(f64::NAN);
    }
    if params.max() > 1.0 {
        warn(params.max());
    }
    if params.min() < 0.0 {
        warn(params.min());
    }
    if input.columns.iter().any(|column| !column.histograms().is_empty()) {
        note_ignored(ev, aggregate.op, aggregate.inner.position);
    }
    let groups = Groups::new(aggregate, &input.heads);
    let mut table = Table::default();
    let mut values = Vec::new();
    for (labels, members) in groups.labels.into_iter().zip(&groups.members) {
        let mut column = Column::new(steps.count);
        for (step, rank) in params.values.iter().enumerate() {
            ev.poll()?;
            values.clear();
            values.extend(members.iter().filter_map(|series| input.columns[*series].float(step)));
            if !values.is_empty() {
                column.set(step, quantile(*rank, &mut values));
            }
        }
        column.compact();
        if !column.is_empty() {
            let drop_name = members.iter().any(|series| input.heads[*series].drop_name);
            table.push(Head { labels, drop_name }, column);
        }
    }
    Ok(table)
}
