//! `resets` and `changes`: how often a series started anew, or changed at all.

use super::ast::RangeMode;
use super::column::Point;
use super::error::QueryError;
use super::starts::is_reset;
use super::window::{Context, Window};
use crate::model::histogram::FloatHistogram;

type Answer = Result<Option<Point>, QueryError>;

/// A sample of either kind.
#[derive(Clone, Copy)]
struct Sample<'w> {
    time: i64,
    start: i64,
    value: Result<f64, &'w FloatHistogram>,
}

/// How often the counter started anew; a change of kind counts, too.
pub fn resets(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(count(window, context, |before, after| {
        let by_start = || is_reset(before.start, before.time, after.start, after.time);
        match (before.value, after.value) {
            (Ok(earlier), Ok(later)) => later < earlier || by_start(),
            (Err(earlier), Err(later)) => by_start() || later.detect_reset(earlier),
            _ => true,
        }
    }))
}

/// How often the value changed.
pub fn changes(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(count(window, context, |before, after| match (before.value, after.value) {
        (Ok(earlier), Ok(later)) => earlier != later && !(earlier.is_nan() && later.is_nan()),
        (Err(earlier), Err(later)) => earlier != later,
        _ => true,
    }))
}

fn count(
    window: &Window<'_>,
    context: &Context<'_>,
    differs: impl Fn(Sample<'_>, Sample<'_>) -> bool,
) -> Option<Point> {
    let (floats, histograms) = (window.floats, window.histograms);
    let (mut float, mut histogram) = (0, 0);
    if context.mode == RangeMode::Anchored {
        (float, histogram) = anchor(window)?;
    }
    let mut previous: Option<Sample<'_>> = None;
    let mut found = 0_u32;
    while float < floats.len() || histogram < histograms.len() {
        let is_float = histogram >= histograms.len()
            || (float < floats.len() && floats.times[float] < histograms.times[histogram]);
        let sample = if is_float {
            float += 1;
            let at = float - 1;
            Sample { time: floats.times[at], start: floats.start(at), value: Ok(floats.values[at]) }
        } else {
            histogram += 1;
            let at = histogram - 1;
            Sample { time: histograms.times[at], start: histograms.start(at), value: Err(&histograms.values[at]) }
        };
        if previous.is_some_and(|previous| differs(previous, sample)) {
            found += 1;
        }
        previous = Some(sample);
    }
    Some(Point::Float(f64::from(found)))
}

/// From where floats and histograms count: the one sample that is the last at or before the range's left end, and all
/// after that end. Nothing if there are none after it.
fn anchor(window: &Window<'_>) -> Option<(usize, usize)> {
    let after = |times: &[i64]| times.partition_point(|time| *time <= window.start_ms);
    let (float, histogram) = (after(window.floats.times), after(window.histograms.times));
    if float >= window.floats.len() && histogram >= window.histograms.len() {
        return None;
    }
    let time = |times: &[i64], after: usize| after.checked_sub(1).map(|at| times[at]);
    Some(match (time(window.floats.times, float), time(window.histograms.times, histogram)) {
        (None, None) => (0, 0),
        (Some(own), other) if other.is_none_or(|other| own >= other) => (float - 1, histogram),
        _ => (float, histogram - 1),
    })
}
