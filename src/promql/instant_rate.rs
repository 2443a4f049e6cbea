//! `irate` and `idelta`: the difference between the last two samples of a window.

use std::sync::Arc;

use crate::model::histogram::{CounterReset, FloatHistogram};

use super::column::Point;
use super::error::QueryError;
use super::rate::{is_gauge, note_combined, note_not_counter, note_not_gauge};
use super::starts::is_reset;
use super::window::{Context, Window};

type Answer = Result<Option<Point>, QueryError>;

/// Increase per second between the last two samples.
pub fn irate(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(last_two(window, context, true))
}

/// Difference between the last two samples.
pub fn idelta(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(last_two(window, context, false))
}

/// One of the last two samples.
struct Tail<'w> {
    time: i64,
    start: i64,
    value: Result<f64, &'w FloatHistogram>,
}

fn last_two(window: &Window<'_>, context: &Context<'_>, is_rate: bool) -> Option<Point> {
    let (floats, histograms) = (window.floats, window.histograms);
    if floats.len() + histograms.len() < 2 {
        return None;
    }
    let float = |at: usize| Tail { time: floats.times[at], start: floats.start(at), value: Ok(floats.values[at]) };
    let histogram = |at: usize| Tail {
        time: histograms.times[at],
        start: histograms.start(at),
        value: Err(&*histograms.values[at]),
    };
    let mut tails: Vec<Tail<'_>> = (floats.len().saturating_sub(2)..floats.len()).map(float).collect();
    tails.extend((histograms.len().saturating_sub(2)..histograms.len()).map(histogram));
    tails.sort_by_key(|tail| tail.time);
    let [.., before, after] = &tails[..] else { return None };
    if after.time == before.time {
        return None;
    }
    let secs = (after.time - before.time) as f64 / 1000.0;
    let was_reset = is_reset(before.start, before.time, after.start, after.time);
    match (before.value, after.value) {
        (Ok(earlier), Ok(later)) => {
            let difference = if is_rate && (later < earlier || was_reset) { later } else { later - earlier };
            Some(Point::Float(if is_rate { difference / secs } else { difference }))
        }
        (Err(earlier), Err(later)) => {
            let mut result = later.clone();
            if is_rate && (is_gauge(later) || is_gauge(earlier)) {
                note_not_counter(context);
            }
            if !is_rate && (!is_gauge(later) || !is_gauge(earlier)) {
                note_not_gauge(context);
            }
            let is_continued = !is_rate || (!was_reset && !later.detect_reset(earlier));
            if is_continued && !note_combined(result.sub(earlier), context, "subtraction") {
                return None;
            }
            result.counter_reset_hint = CounterReset::Gauge;
            result.compact(0);
            if is_rate {
                result.div(secs);
            }
            Some(Point::Histogram(Arc::new(result)))
        }
        _ => {
            context.warn(format_args!("encountered a mix of histograms and floats for metric name {}", context.name()));
            None
        }
    }
}
