//! Trends of a window: the slope of its straight line, what it will be, and double exponential smoothing.

use super::column::Point;
use super::error::QueryError;
use super::number::KahanSum;
use super::over_time::ignore_histograms;
use super::samples::Points;
use super::window::{Context, Window};

type Answer = Result<Option<Point>, QueryError>;

/// Slope and value at `origin_ms` of the line with the least squares of distances; compensated sums throughout.
fn line(points: Points<'_, f64>, origin_ms: i64) -> (f64, f64) {
    let first = points.values[0];
    let mut is_constant = true;
    let (mut x_sum, mut y_sum, mut xy_sum, mut xx_sum) =
        (KahanSum::default(), KahanSum::default(), KahanSum::default(), KahanSum::default());
    let mut count = 0.0;
    for (i, (time, y)) in points.times.iter().zip(points.values).enumerate() {
        if i > 0 && *y != first {
            is_constant = false;
        }
        count += 1.0;
        let x = (time - origin_ms) as f64 / 1e3;
        x_sum.add(x);
        y_sum.add(*y);
        xy_sum.add(x * y);
        xx_sum.add(x * x);
    }
    if is_constant {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let (x, y) = (x_sum.total(), y_sum.total());
    let covariance = xy_sum.total() - x * y / count;
    let variance = xx_sum.total() - x * x / count;
    let slope = covariance / variance;
    (slope, y / count - slope * x / count)
}

/// Whether there are floats enough for a line; says so if histograms stand in their place.
fn has_two(window: &Window<'_>, context: &Context<'_>) -> bool {
    if !window.floats.is_empty() {
        ignore_histograms(window, context);
    }
    window.floats.len() >= 2
}

/// The slope per second.
pub fn deriv(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    if !has_two(window, context) {
        return Ok(None);
    }
    let (slope, _) = line(window.floats, window.floats.times[0]);
    Ok(Some(Point::Float(slope)))
}

/// The value of the line some seconds after the step.
pub fn predict_linear(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    if !has_two(window, context) {
        return Ok(None);
    }
    let (slope, now) = line(window.floats, window.step_ms);
    Ok(Some(Point::Float(slope * context.params[0] + now)))
}

/// Double exponential smoothing (Holt's linear method) with a factor for values and one for the trend.
pub fn double_exponential_smoothing(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    let [smoothing, trending] = context.params;
    let is_bad = |factor: f64| factor <= 0.0 || factor >= 1.0;
    for (name, factor) in [("smoothing", smoothing), ("trend", trending)] {
        if is_bad(factor) {
            let text = format!("invalid {name} factor. Expected: 0 < {}f < 1, got: {factor:.6}", &name[..1]);
            return Err(QueryError::Execution(text));
        }
    }
    if !has_two(window, context) {
        return Ok(None);
    }
    let values = window.floats.values;
    let (mut before, mut smoothed) = (0.0, values[0]);
    let mut trend = values[1] - values[0];
    for (i, value) in values[1..].iter().enumerate() {
        if i > 0 {
            trend = trending * (smoothed - before) + (1.0 - trending) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (smoothed + trend);
        (before, smoothed) = (smoothed, next);
    }
    Ok(Some(Point::Float(smoothed)))
}
