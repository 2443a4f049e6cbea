//! One query from its expression to its answer.

use super::annotations::Annotations;
use super::ast::{Expr, ValueType};
use super::column::Steps;
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::limits::{Budget, Interrupt, Stats};
use super::options::Options;
use super::plan::{self, Times};
use super::source::Source;
use super::value::Value;

/// What came of a query.
#[derive(Debug)]
pub struct Outcome {
    /// The answer, or why there is none.
    pub value: Result<Value, QueryError>,
    /// What is to be said beside it, even beside an error.
    pub annotations: Annotations,
    /// What it took.
    pub stats: Stats,
}

/// Evaluates an expression: at one time if the step is 0, else at all steps.
pub fn evaluate(
    source: &dyn Source,
    expr: &Expr,
    times: Times,
    options: &Options,
    interrupt: &dyn Interrupt,
) -> Outcome {
    let annotations = Annotations::default();
    let budget = Budget::new(options.samples_max);
    let value = answer(source, expr, times, options, (&annotations, &budget, interrupt));
    Outcome { value, annotations, stats: budget.stats() }
}

fn answer(
    source: &dyn Source,
    expr: &Expr,
    times: Times,
    options: &Options,
    (notes, budget, interrupt): (&Annotations, &Budget, &dyn Interrupt),
) -> Result<Value, QueryError> {
    let is_instant = times.step_ms <= 0;
    let [start_ms, end_ms] = [times.start_ms, times.end_ms].map(plan::clamp_time);
    let times = Times { start_ms, end_ms, step_ms: plan::clamp_time(times.step_ms) };
    let value_type = expr.value_type();
    if !is_instant && !matches!(value_type, ValueType::Vector | ValueType::Scalar) {
        let kind = if value_type == ValueType::Matrix { "range vector" } else { "string" };
        let text = format!("invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector");
        return Err(QueryError::Execution(text));
    }
    let node = plan::build(expr, times, options.subquery_step_ms)?;
    let ev = Evaluator { source, options, notes, budget, interrupt };
    ev.poll()?;
    if is_instant {
        ev.instant(&node, times.start_ms)
    } else {
        ev.range(&node, Steps::range(times.start_ms, times.end_ms, times.step_ms))
    }
}
