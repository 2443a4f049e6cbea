//! The evaluator under test, as the runner sees it.

use treering::promql::parse::{ParseOptions, parse_expr};
use treering::promql::{self, Options, Samples, Times, Unlimited, Value, evaluate};

use crate::answer::{Answer, Point};
use crate::memory::Memory;

/// As Prometheus runs its own scripts: with all that is experimental switched on.
pub fn experimental() -> Options {
    Options { delayed_name_removal: true, start_timestamps: true, threads: 2, ..Options::default() }
}

/// What a query brings.
pub struct Outcome {
    pub answer: Answer,
    pub warnings: Vec<String>,
    pub infos: Vec<String>,
}

/// Evaluates at one time.
pub fn instant(memory: &Memory, query: &str, time_ms: i64, options: &Options) -> Result<Outcome, String> {
    run(memory, query, options, Times { start_ms: time_ms, end_ms: time_ms, step_ms: 0 })
}

/// Evaluates over steps; all in milliseconds.
pub fn range(memory: &Memory, query: &str, times: Times, options: &Options) -> Result<Outcome, String> {
    run(memory, query, options, times)
}

fn run(memory: &Memory, query: &str, options: &Options, times: Times) -> Result<Outcome, String> {
    let expr = parse_expr(query, &ParseOptions::everything()).map_err(|error| error.to_string())?;
    let outcome = evaluate(memory, &expr, times, options, &Unlimited);
    let answer = answer(outcome.value.map_err(|error| error.to_string())?);
    Ok(Outcome { answer, warnings: outcome.annotations.warnings(query), infos: outcome.annotations.infos(query) })
}

fn answer(value: Value) -> Answer {
    match value {
        Value::Scalar { value, .. } => Answer::Scalar(value),
        Value::Text { text, .. } => Answer::Text(text),
        Value::Vector { series, .. } => {
            Answer::Vector(series.into_iter().map(|(labels, value)| (labels, point(value))).collect())
        }
        Value::Matrix(series) => {
            Answer::Matrix(series.into_iter().map(|(labels, samples)| (labels, points(&samples))).collect())
        }
        Value::Range { steps, series } => {
            let points = |column: promql::Column| {
                column.points().into_iter().map(|(step, value)| (steps.time_ms(step), point(value))).collect()
            };
            Answer::Matrix(series.into_iter().map(|(labels, column)| (labels, points(column))).collect())
        }
    }
}

fn point(point: promql::Point) -> Point {
    match point {
        promql::Point::Float(value) => Point::Float(value),
        promql::Point::Histogram(histogram) => Point::Histogram(histogram),
    }
}

fn points(samples: &Samples) -> Vec<(i64, Point)> {
    let histogram = |at: usize| samples.histograms.iter().find(|(place, _)| *place as usize == at);
    let point = |at: usize| match histogram(at) {
        Some((_, histogram)) => Point::Histogram(histogram.clone()),
        None => Point::Float(samples.values[at]),
    };
    samples.times.iter().enumerate().map(|(at, time_ms)| (*time_ms, point(at))).collect()
}
