//! Aggregations: groups of series become one series each, or the best of each group stay.

mod count_values;
mod fold;
mod groups;
mod histogram_cell;
mod limit;
mod quantile;
mod top;

use super::annotations::{Note, Position};
use super::ast::AggregateOp;
use super::column::Steps;
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::operator::{Op, Table};
use super::plan::{Aggregate, Kind, Node};

/// The operator of an aggregation.
pub fn prepare<'a>(
    ev: &Evaluator<'a>,
    aggregate: &'a Aggregate,
    position: Position,
    steps: Steps,
) -> Result<Op<'a>, QueryError> {
    let held = ev.budget.held();
    let table = match aggregate.op {
        AggregateOp::CountValues => count_values::run(ev, aggregate, steps)?,
        AggregateOp::Topk | AggregateOp::Bottomk => match Params::count(ev, aggregate, steps)? {
            Some(params) => top::run(ev, aggregate, &params, position, steps)?,
            None => Table::default(),
        },
        AggregateOp::Limitk => match Params::count(ev, aggregate, steps)? {
            Some(params) => limit::first(ev, aggregate, &params, steps)?,
            None => Table::default(),
        },
        AggregateOp::LimitRatio => limit::ratio(ev, aggregate, steps)?,
        AggregateOp::Quantile => quantile::run(ev, aggregate, steps)?,
        _ => fold::run(ev, aggregate, steps)?,
    };
    ev.budget.set_held(held + table.size())?;
    Ok(Box::new(table))
}

/// The parameter of an aggregation at each step.
struct Params {
    values: Vec<f64>,
    position: Position,
}

impl Params {
    fn new<'a>(ev: &Evaluator<'a>, aggregate: &'a Aggregate, steps: Steps) -> Result<Params, QueryError> {
        let Some(param) = &aggregate.param else {
            return Ok(Params { values: vec![0.0; steps.count], position: Position::default() });
        };
        Ok(Params { values: ev.scalar(param, steps)?, position: param.position })
    }

    /// The number of series that stay; none if it is below 1 at all steps.
    fn count<'a>(ev: &Evaluator<'a>, aggregate: &'a Aggregate, steps: Steps) -> Result<Option<Params>, QueryError> {
        let params = Params::new(ev, aggregate, steps)?;
        // Go folds with a maximum to which NaN sticks, and NaN is not below 1.
        if params.max() < 1.0 {
            // Nothing of it is kept but what there is to say of it.
            let op = ev.prepare(&aggregate.inner, steps)?;
            let all: Vec<usize> = (0..op.heads().len()).collect();
            ev.for_each_column(&*op, &all, steps.count, |_, _| Ok(()))?;
            return Ok(None);
        }
        if params.has_nan() {
            return Err(QueryError::execution("Parameter value is NaN"));
        }
        let show = crate::model::histogram::general_text;
        if params.min() <= -9_223_372_036_854_775_808.0 {
            return Err(QueryError::Execution(format!("Scalar value {} underflows int64", show(params.min()))));
        }
        if params.max() >= 9_223_372_036_854_774_784.0 {
            return Err(QueryError::Execution(format!("Scalar value {} overflows int64", show(params.max()))));
        }
        Ok(Some(params))
    }

    fn max(&self) -> f64 {
        self.values.iter().copied().fold(f64::MIN, super::math::max)
    }

    fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::MAX, super::math::min)
    }

    fn has_nan(&self) -> bool {
        self.values.iter().any(|value| value.is_nan())
    }

    fn warn(&self, ev: &Evaluator<'_>, text: impl std::fmt::Display) {
        ev.note(Note::warning(self.position, text));
    }
}

/// Says that a histogram was left out.
fn note_ignored(ev: &Evaluator<'_>, op: AggregateOp, position: Position) {
    ev.note(Note::info(position, format_args!("ignored histogram in {op} aggregation")));
}

/// The text of the parameter of `count_values`.
fn text_param(aggregate: &Aggregate) -> &str {
    match aggregate.param.as_ref().map(|param: &Node| &param.kind) {
        Some(Kind::Text(text)) => text,
        _ => "",
    }
}
