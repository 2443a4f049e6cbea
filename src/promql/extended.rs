//! `rate`, `increase` and `delta` over anchored and smoothed windows: the values at the range's very ends.
//!
//! Anchored, the value at an end is that of the last sample before it; smoothed, it lies on the line between the
//! samples around it. Nothing is extrapolated.

use std::sync::Arc;

use crate::model::histogram::{CounterReset, FloatHistogram};

use super::annotations::{Annotations, Note, Position};
use super::ast::RangeMode;
use super::column::Point;
use super::error::QueryError;
use super::histograms_over_time::mixed_schemas;
use super::over_time::is_mixed;
use super::rate::{Kind, note_combined, note_not_counter, note_not_gauge};
use super::samples::Points;
use super::source::Samples;
use super::window::{Context, Window};

type Answer = Result<Option<Point>, QueryError>;
type Histograms<'w> = Points<'w, Arc<FloatHistogram>>;

/// Increase per second.
pub fn rate(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(extended(window, context, Kind { is_counter: true, is_rate: true }))
}

/// Increase.
pub fn increase(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(extended(window, context, Kind { is_counter: true, is_rate: false }))
}

/// Difference of a gauge.
pub fn delta(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(extended(window, context, Kind { is_counter: false, is_rate: false }))
}

fn extended(window: &Window<'_>, context: &Context<'_>, kind: Kind) -> Option<Point> {
    if is_mixed(window, context) {
        return None;
    }
    if window.histograms.is_empty() {
        floats(window, context, kind).map(Point::Float)
    } else {
        histograms(window, context, kind).map(|histogram| Point::Histogram(Arc::new(histogram)))
    }
}

/// The samples that the values at both ends come from.
fn ends(times: &[i64], start_ms: i64, end_ms: i64, is_smoothed: bool) -> Option<(usize, usize)> {
    let last = times.len().checked_sub(1)?;
    // Neither search looks at the last sample: there it ends if no other sample fits.
    let first = times[..last].partition_point(|time| *time <= start_ms).saturating_sub(1);
    let last = if is_smoothed { times[..last].partition_point(|time| *time < end_ms) } else { last };
    if times[last] <= start_ms || (is_smoothed && times[first] > end_ms) {
        return None;
    }
    Some((first, last))
}

fn floats(window: &Window<'_>, context: &Context<'_>, kind: Kind) -> Option<f64> {
    let (points, is_smoothed) = (window.floats, context.mode == RangeMode::Smoothed);
    let (mut first, last) = ends(points.times, window.start_ms, window.end_ms, is_smoothed)?;
    let left = left_value(points, first, window.start_ms, is_smoothed, kind.is_counter);
    let right = right_value(points, last, window.end_ms, is_smoothed, kind.is_counter);
    let mut result = right - left;
    if kind.is_counter {
        // Resets next to the ends are in the values there already.
        if points.times[first] <= window.start_ms {
            first += 1;
        }
        let until = if points.times[last] >= window.end_ms { last } else { last + 1 };
        let inside = if first < until { &points.values[first..until] } else { &[][..] };
        let mut previous = left;
        for value in inside.iter().chain([&right]) {
            if *value < previous {
                result += previous;
            }
            previous = *value;
        }
    }
    Some(if kind.is_rate { result / context.range_secs } else { result })
}

fn left_value(points: Points<'_, f64>, first: usize, start_ms: i64, is_smoothed: bool, is_counter: bool) -> f64 {
    if is_smoothed && points.times[first] < start_ms && first + 1 < points.len() {
        return between(points, first, start_ms, is_counter);
    }
    points.values[first]
}

fn right_value(points: Points<'_, f64>, last: usize, end_ms: i64, is_smoothed: bool, is_counter: bool) -> f64 {
    if is_smoothed && last > 0 && points.times[last] > end_ms {
        return between(points, last - 1, end_ms, is_counter);
    }
    points.values[last]
}

/// The value on the line between a sample and the next one; a counter that fell rose from zero.
pub fn between(points: Points<'_, f64>, at: usize, time_ms: i64, is_counter: bool) -> f64 {
    let (mut from, to) = (points.values[at], points.values[at + 1]);
    if is_counter && to < from {
        from = 0.0;
    }
    let (start, end) = (points.times[at], points.times[at + 1]);
    from + (to - from) * (time_ms - start) as f64 / (end - start) as f64
}

/// The samples of a range with the values at its ends in place of what lies on or beyond them.
pub fn extend(points: Points<'_, f64>, start_ms: i64, end_ms: i64, is_smoothed: bool) -> Samples {
    let mut samples = Samples::default();
    let last_at = points.len().saturating_sub(1);
    let times = &points.times[..last_at];
    let mut first = times.partition_point(|time| *time <= start_ms).saturating_sub(1);
    let last = if is_smoothed { times.partition_point(|time| *time < end_ms) } else { last_at };
    if points.is_empty() || points.times[last] <= start_ms {
        return samples;
    }
    let left = left_value(points, first, start_ms, is_smoothed, false);
    let right = right_value(points, last, end_ms, is_smoothed, false);
    if points.times[first] <= start_ms {
        first += 1;
    }
    let until = if points.times[last] >= end_ms { last } else { last + 1 };
    samples.push_float(start_ms, left);
    for at in first..until {
        samples.push_float(points.times[at], points.values[at]);
    }
    samples.push_float(end_ms, right);
    samples
}

/// The histogram on the line between two; a counter that was reset rose from zero. Nothing if they do not go together.
pub fn histogram_between(
    points: Histograms<'_>,
    at: usize,
    time_ms: i64,
    is_counter: bool,
    notes: (&Annotations, Position, &str),
) -> Option<FloatHistogram> {
    let (from, to) = (&*points.values[at], &*points.values[at + 1]);
    let (start, end) = (points.times[at], points.times[at + 1]);
    if time_ms == start {
        return Some(from.clone());
    }
    if time_ms == end {
        return Some(to.clone());
    }
    let fraction = (time_ms - start) as f64 / (end - start) as f64;
    let mut result = to.clone();
    if is_counter && to.detect_reset(from) {
        result.mul(fraction);
        return Some(result);
    }
    let (annotations, position, name) = notes;
    let note = |outcome: Result<crate::model::histogram::Combined, _>, operation: &str| match outcome {
        Ok(combined) if combined.bounds_reconciled => {
            let text = format!("mismatched custom buckets were reconciled during {operation}");
            annotations.add(Note::info(position, text));
            Some(())
        }
        Ok(_) => Some(()),
        Err::<_, crate::model::histogram::HistogramError>(_) => {
            annotations.add(Note::warning(position, mixed_schemas(name)));
            None
        }
    };
    note(result.sub(from), "subtraction")?;
    result.mul(fraction);
    note(result.add(from), "addition")?;
    Some(result)
}

fn histograms(window: &Window<'_>, context: &Context<'_>, kind: Kind) -> Option<FloatHistogram> {
    let (points, is_smoothed) = (window.histograms, context.mode == RangeMode::Smoothed);
    let (first, last) = ends(points.times, window.start_ms, window.end_ms, is_smoothed)?;
    let used = points.values.get(first..=last)?;
    let is_custom = used.first()?.uses_custom_buckets();
    for histogram in used {
        if histogram.uses_custom_buckets() != is_custom {
            context.warn(mixed_schemas(&context.name()));
            return None;
        }
        if kind.is_counter && histogram.counter_reset_hint == CounterReset::Gauge {
            note_not_counter(context);
        }
    }
    let name = context.name();
    let notes = (context.notes, context.position, &*name);
    let left = if is_smoothed && points.times[first] < window.start_ms && first + 1 < points.len() {
        histogram_between(points, first, window.start_ms, kind.is_counter, notes)?
    } else {
        (*points.values[first]).clone()
    };
    let right = if is_smoothed && last > 0 && points.times[last] > window.end_ms {
        histogram_between(points, last - 1, window.end_ms, kind.is_counter, notes)?
    } else {
        (*points.values[last]).clone()
    };
    let is_gauge = |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterReset::Gauge;
    if !kind.is_counter && (!is_gauge(&left) || !is_gauge(&right)) {
        note_not_gauge(context);
    }
    let mut result = right.clone();
    if !note_combined(result.sub(&left), context, "subtraction") {
        return None;
    }
    if kind.is_counter {
        let correction = correction(window, context, (first, last), &left, &right)?;
        if let Some(correction) = correction
            && !note_combined(result.add(&correction), context, "addition")
        {
            return None;
        }
    }
    if kind.is_rate {
        result.div(context.range_secs);
    }
    result.counter_reset_hint = CounterReset::Gauge;
    result.compact(0);
    Some(result)
}

/// What resets between the two ends took away.
///
/// The samples at the ends stand for themselves in `left` and `right`, so only those in between are looked at; where
/// the left value was taken between two samples with a reset, that reset is in it already.
fn correction(
    window: &Window<'_>,
    context: &Context<'_>,
    (first, last): (usize, usize),
    left: &FloatHistogram,
    right: &FloatHistogram,
) -> Option<Option<FloatHistogram>> {
    let points = window.histograms;
    let mut next = first + 1;
    let mut previous = left;
    let is_smoothed = context.mode == RangeMode::Smoothed;
    if is_smoothed
        && points.times[first] < window.start_ms
        && next < points.len()
        && points.values[next].detect_reset(&points.values[first])
    {
        previous = &points.values[next];
        next += 1;
    }
    if next > last {
        return Some(None);
    }
    let mut correction: Option<FloatHistogram> = None;
    let inside = points.values[next..last].iter().map(|histogram| &**histogram);
    for histogram in inside.chain([right]) {
        if histogram.detect_reset(previous) {
            match &mut correction {
                None => correction = Some(previous.clone()),
                Some(correction) => {
                    if !note_combined(correction.add(previous), context, "addition") {
                        return None;
                    }
                }
            }
        }
        previous = histogram;
    }
    Some(correction)
}
