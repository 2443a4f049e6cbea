//! Recording rules: the series of an expression under another name.

use std::collections::HashSet;
use std::sync::Arc;

use super::environment::Environment;
use super::evaluation::EvaluationError;
use super::query::Deadline;
use super::rule::Rule;
use super::sink::ResultSample;
use crate::model::{METRIC_NAME, StampedValue};
use crate::promql::Point;

/// The samples of a rule at a time.
pub(super) fn evaluate(
    rule: &Rule,
    environment: &Environment,
    time_ms: i64,
    limit: u64,
    deadline: &Deadline,
) -> Result<Vec<ResultSample>, EvaluationError> {
    let series = environment.querier.ask(&rule.spec.expr, time_ms, deadline)?;
    let name: Arc<str> = rule.spec.name.as_str().into();
    let mut seen = HashSet::with_capacity(series.len());
    let mut samples = Vec::with_capacity(series.len());
    for (labels, point) in series {
        let mut builder = labels.edit();
        builder.set(METRIC_NAME, Arc::clone(&name));
        for (name, value) in &rule.spec.labels {
            builder.set(name, Arc::clone(value));
        }
        let labels = builder.build();
        if !seen.insert(labels.clone()) {
            return Err(EvaluationError::SameLabels("applying rule labels"));
        }
        samples.push(ResultSample { labels, time_ms, value: value_of(point) });
    }
    if limit > 0 && samples.len() as u64 > limit {
        return Err(EvaluationError::TooMany { limit, count: samples.len(), what: "series" });
    }
    Ok(samples)
}

fn value_of(point: Point) -> StampedValue {
    match point {
        Point::Float(value) => StampedValue::Float(value),
        Point::Histogram(histogram) => StampedValue::Histogram(histogram),
    }
}
