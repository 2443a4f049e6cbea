//! Answers as scripts see them, and how they are compared with what is expected.

use std::sync::Arc;

use treering::model::Labels;
use treering::model::histogram::{Buckets, FloatHistogram};

use crate::script::Expected;
use crate::sequence::{Item, STALE};

/// How far values may lie apart, relative to their sum.
const TOLERANCE: f64 = 0.000_001;

/// The answer to a query.
#[derive(Debug)]
pub enum Answer {
    Scalar(f64),
    Text(String),
    Vector(Vec<(Labels, Point)>),
    Matrix(Vec<(Labels, Vec<(i64, Point)>)>),
}

/// One value.
#[derive(Debug, Clone)]
pub enum Point {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

impl std::fmt::Display for Point {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Point::Float(value) => write!(out, "{value}"),
            Point::Histogram(histogram) => out.write_str(&histogram.describe()),
        }
    }
}

/// Compares an answer with what is expected; the steps of a matrix are start, end and step in milliseconds.
pub fn compare(answer: &Answer, expected: &Expected, steps: (i64, i64, i64)) -> Result<(), String> {
    match answer {
        Answer::Scalar(value) => match expected.scalar {
            Some(wanted) if almost_equal(wanted, *value) => Ok(()),
            Some(wanted) => Err(format!("expected scalar {wanted}, got {value}")),
            None => Err(format!("expected series, got scalar {value}")),
        },
        Answer::Text(text) => match &expected.text {
            Some(wanted) if wanted == text => Ok(()),
            wanted => Err(format!("expected {wanted:?}, got string {text:?}")),
        },
        Answer::Vector(_) | Answer::Matrix(_) if expected.scalar.is_some() => {
            Err(format!("expected a scalar, got {answer:?}"))
        }
        Answer::Vector(series) => compare_vector(series, expected),
        Answer::Matrix(_) if expected.ordered => Err("expected an ordered answer, got a matrix".to_owned()),
        Answer::Matrix(series) => compare_matrix(series, expected, steps),
    }
}

fn compare_vector(series: &[(Labels, Point)], expected: &Expected) -> Result<(), String> {
    for (place, (labels, point)) in series.iter().enumerate() {
        let Some(wanted_place) = expected.series.iter().position(|(wanted, _)| wanted == labels) else {
            return Err(format!("unexpected series {labels} with {point}"));
        };
        if expected.ordered && wanted_place != place {
            return Err(format!("expected {labels} at place {wanted_place}, not at {place}"));
        }
        let wanted = expected.series[wanted_place].1.first();
        if !wanted.is_some_and(|wanted| fits(wanted, point)) {
            return Err(format!("expected {} for {labels}, got {point}", describe(wanted)));
        }
    }
    let missing = expected.series.iter().find(|(wanted, _)| !series.iter().any(|(labels, _)| labels == wanted));
    match missing {
        Some((labels, items)) => Err(format!("expected {labels} with {}, which is not there", describe(items.first()))),
        None => Ok(()),
    }
}

fn compare_matrix(
    series: &[(Labels, Vec<(i64, Point)>)],
    expected: &Expected,
    (start_ms, end_ms, step_ms): (i64, i64, i64),
) -> Result<(), String> {
    check_sorted(series)?;
    for (labels, points) in series {
        let Some((_, items)) = expected.series.iter().find(|(wanted, _)| wanted == labels) else {
            return Err(format!("unexpected series {labels} with {}", list(points)));
        };
        let times = (0..).map(|step| start_ms + step_ms * step);
        let wanted: Vec<(i64, &Item)> = times.zip(items).filter(|(_, item)| !matches!(item, Item::Omitted)).collect();
        if let Some((time_ms, _)) = times_behind(items.len(), start_ms, end_ms, step_ms) {
            return Err(format!("{labels}: a value is expected at {time_ms}, behind the end"));
        }
        if wanted.len() != points.len() {
            return Err(format!("expected {} points for {labels}, got {}", wanted.len(), list(points)));
        }
        for ((wanted_ms, wanted), (time_ms, point)) in wanted.iter().zip(points) {
            if wanted_ms != time_ms || !fits(wanted, point) {
                let wanted = describe(Some(wanted));
                return Err(format!("expected {wanted} at {wanted_ms} for {labels}, got {}", list(points)));
            }
        }
    }
    let missing = expected.series.iter().find(|(wanted, _)| !series.iter().any(|(labels, _)| labels == wanted));
    match missing {
        Some((labels, _)) => Err(format!("expected {labels}, which is not there")),
        None => Ok(()),
    }
}

/// The time of the last of so many values, if it lies behind the end.
fn times_behind(values: usize, start_ms: i64, end_ms: i64, step_ms: i64) -> Option<(i64, usize)> {
    let last_ms = start_ms + step_ms * (values as i64 - 1);
    (values > 0 && last_ms > end_ms).then_some((last_ms, values))
}

/// Matrices are sorted by labels.
pub fn check_sorted<T>(series: &[(Labels, T)]) -> Result<(), String> {
    match series.windows(2).find(|pair| pair[0].0 > pair[1].0) {
        Some(pair) => Err(format!("{} comes before {}: the answer is not sorted", pair[0].0, pair[1].0)),
        None => Ok(()),
    }
}

fn list(points: &[(i64, Point)]) -> String {
    points.iter().map(|(time_ms, point)| format!("{point} @{time_ms}")).collect::<Vec<_>>().join(" ")
}

fn describe(item: Option<&Item>) -> String {
    match item {
        None => "no value".to_owned(),
        Some(Item::Omitted) => "_".to_owned(),
        Some(Item::Float(value)) => value.to_string(),
        Some(Item::Histogram(histogram, _)) => histogram.describe(),
    }
}

fn fits(wanted: &Item, point: &Point) -> bool {
    match (wanted, point) {
        (Item::Float(wanted), Point::Float(value)) => almost_equal(*wanted, *value),
        (Item::Histogram(wanted, hint_given), Point::Histogram(histogram)) => {
            histograms_fit(wanted, histogram, *hint_given)
        }
        _ => false,
    }
}

/// Whether two values are the same to a script.
fn almost_equal(a: f64, b: f64) -> bool {
    let is_stale = |value: f64| value.to_bits() == STALE.to_bits();
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a == b || a.is_nan() && b.is_nan() {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

fn histograms_fit(wanted: &FloatHistogram, found: &FloatHistogram, hint_given: bool) -> bool {
    let (mut wanted, mut found) = (wanted.clone(), found.clone());
    wanted.compact(0);
    found.compact(0);
    wanted.schema == found.schema
        && almost_equal(wanted.count, found.count)
        && almost_equal(wanted.sum, found.sum)
        && wanted.bounds() == found.bounds()
        && wanted.zero_threshold == found.zero_threshold
        && almost_equal(wanted.zero_count, found.zero_count)
        && buckets_fit(&wanted.positive, &found.positive)
        && buckets_fit(&wanted.negative, &found.negative)
        && (!hint_given || wanted.counter_reset_hint == found.counter_reset_hint)
}

/// The same counts at the same indices.
fn buckets_fit(wanted: &Buckets, found: &Buckets) -> bool {
    let (wanted, found): (Vec<_>, Vec<_>) = (wanted.indexed().collect(), found.indexed().collect());
    wanted.len() == found.len()
        && wanted.iter().zip(&found).all(|(wanted, found)| wanted.0 == found.0 && almost_equal(wanted.1, found.1))
}
