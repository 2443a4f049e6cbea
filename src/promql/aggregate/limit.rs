//! `limitk` and `limit_ratio`: some series of each group, chosen without a look at their values.

use crate::model::histogram::general_text;

use super::super::column::Steps;
use super::super::error::QueryError;
use super::super::evaluator::Evaluator;
use super::super::operator::Table;
use super::super::output::Output;
use super::super::plan::Aggregate;
use super::Params;
use super::groups::Groups;

/// The first series of each group that have a point.
pub fn first<'a>(
    ev: &Evaluator<'a>,
    aggregate: &'a Aggregate,
    params: &Params,
    steps: Steps,
) -> Result<Table, QueryError> {
    let input = ev.table(&aggregate.inner, steps)?;
    let groups = Groups::new(aggregate, &input.heads);
    let mut output = Output::new(steps, ev.options.delayed_name_removal);
    let mut found = vec![0_i64; groups.labels.len()];
    for (step, limit) in params.values.iter().enumerate() {
        ev.poll()?;
        found.fill(0);
        for (series, column) in input.columns.iter().enumerate() {
            let found = &mut found[groups.of[series]];
            if *found < *limit as i64
                && let Some(point) = column.point(step)
            {
                *found += 1;
                output.push(step, &input.heads[series], point)?;
            }
        }
    }
    Ok(output.finish())
}

/// The series whose hashes lie in the first part of all hashes; of a negative ratio, in the last part.
pub fn ratio<'a>(ev: &Evaluator<'a>, aggregate: &'a Aggregate, steps: Steps) -> Result<Table, QueryError> {
    let params = Params::new(ev, aggregate, steps)?;
    let input = ev.table(&aggregate.inner, steps)?;
    if params.max() == 0.0 && params.min() == 0.0 {
        return Ok(Table::default());
    }
    if params.has_nan() {
        return Err(QueryError::execution("Ratio value is NaN"));
    }
    let warn = |ratio: f64, bound: &str| {
        let text = format!("ratio value should be between -1 and 1, got {}, capping to {bound}", general_text(ratio));
        params.warn(ev, text);
    };
    if params.max() > 1.0 {
        warn(params.max(), "1");
    }
    if params.min() < -1.0 {
        warn(params.min(), "-1");
    }
    let mut output = Output::new(steps, ev.options.delayed_name_removal);
    for (head, column) in input.heads.iter().zip(&input.columns) {
        ev.poll()?;
        let place = head.labels.prometheus_hash() as f64 / u64::MAX as f64;
        let is_in = |ratio: f64| if ratio >= 0.0 { place < ratio } else { place >= 1.0 + ratio };
        let at = output.place(head);
        for (step, point) in column.points() {
            let ratio = params.values[step].clamp(-1.0, 1.0);
            if ratio != 0.0 && is_in(ratio) {
                output.push_at(at, step, point)?;
            }
        }
    }
    Ok(output.finish())
}
