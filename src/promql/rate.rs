//! `rate` and its kin over plain windows: differences between samples, extrapolated to the whole range.

use std::sync::Arc;

use crate::model::histogram::{Combined, CounterReset, FloatHistogram, HistogramError};

use super::annotations::Note;
use super::column::{Column, Point};
use super::error::QueryError;
use super::histograms_over_time::mixed_schemas;
use super::over_time::is_mixed;
use super::samples::Points;
use super::slide::{Seen, Slide};
use super::starts::{is_overlap, is_reset};
use super::window::{Context, Window};

type Answer = Result<Option<Point>, QueryError>;

/// What a function makes of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Whether the series counts, so that a fall is a reset.
    pub is_counter: bool,
    /// Whether the answer is per second.
    pub is_rate: bool,
}

/// Increase per second.
pub fn rate(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(extrapolated(window, context, Kind { is_counter: true, is_rate: true }))
}

/// Increase.
pub fn increase(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(extrapolated(window, context, Kind { is_counter: true, is_rate: false }))
}

/// Difference of a gauge.
pub fn delta(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(extrapolated(window, context, Kind { is_counter: false, is_rate: false }))
}

/// The difference between the last and the first sample, with resets undone, before any extrapolation.
struct Difference {
    float: f64,
    histogram: Option<FloatHistogram>,
    first_ms: i64,
    last_ms: i64,
    samples: usize,
    /// When the counting of the first sample began.
    start_ms: i64,
    /// The first sample, as a count.
    first_count: f64,
}

/// Takes the difference over the samples and stretches it to the range: up to its ends where a sample lies near (less
/// than 1.1 times the mean distance of samples), else half a mean distance further than the samples reach, and for a
/// counter never below zero.
fn extrapolated(window: &Window<'_>, context: &Context<'_>, kind: Kind) -> Option<Point> {
    if is_mixed(window, context) {
        return None;
    }
    let found = if window.histograms.is_empty() {
        float_difference(window.floats, context, kind)?
    } else {
        histogram_difference(window.histograms, context, kind)?
    };
    let Difference { mut float, mut histogram, first_ms, last_ms, samples, start_ms, first_count } = found;
    let is_born_inside = kind.is_counter && start_ms != 0 && start_ms > window.start_ms && start_ms < first_ms;
    if is_born_inside {
        // Counting began inside of the range: from zero, at that time.
        match (window.floats.values.first(), window.histograms.values.first()) {
            (Some(first), _) => float += first,
            (None, Some(first)) => match &mut histogram {
                None => histogram = Some((**first).clone()),
                Some(histogram) => {
                    let added = histogram.add(first);
                    if !note_combined(added, context, "addition") {
                        return None;
                    }
                }
            },
            (None, None) => {}
        }
    }
    let stretch = Stretch {
        range_ms: (window.start_ms, window.end_ms),
        sampled_ms: (first_ms, last_ms),
        samples,
        born_ms: is_born_inside.then_some(start_ms),
        // A counter's zero is where the line through its first value and its increase meets it.
        zero: match &histogram {
            None if float > 0.0 && first_count >= 0.0 => Some(first_count / float),
            Some(histogram) if histogram.count > 0.0 && first_count >= 0.0 => Some(first_count / histogram.count),
            _ => None,
        },
    };
    let factor = stretch.factor(kind, context.range_secs)?;
    Some(match histogram {
        None => Point::Float(float * factor),
        Some(mut histogram) => {
            histogram.mul(factor);
            Point::Histogram(Arc::new(histogram))
        }
    })
}

/// How far a difference over samples has to be stretched.
struct Stretch {
    /// The ends of the range.
    range_ms: (i64, i64),
    /// The first and the last sample.
    sampled_ms: (i64, i64),
    samples: usize,
    /// When counting began, if inside of the range.
    born_ms: Option<i64>,
    /// The part of the sampled time by which a counter's zero lies before its first sample.
    zero: Option<f64>,
}

impl Stretch {
    /// The factor; nothing if one sample is all there is.
    #[inline]
    fn factor(&self, kind: Kind, range_secs: f64) -> Option<f64> {
        let secs = |millis: i64| millis as f64 / 1000.0;
        let (first_ms, last_ms) = self.sampled_ms;
        let mut to_start = secs(first_ms - self.range_ms.0);
        let mut to_end = secs(self.range_ms.1 - last_ms);
        let mut sampled = secs(last_ms - first_ms);
        let between = if self.samples > 1 { sampled / (self.samples - 1) as f64 } else { 0.0 };
        let near = between * 1.1;
        if let Some(born_ms) = self.born_ms {
            to_start = 0.0;
            sampled = secs(last_ms - born_ms);
        } else if self.samples == 1 {
            return None;
        } else {
            if to_start >= near {
                to_start = between / 2.0;
            }
            if kind.is_counter
                && let Some(zero) = self.zero
                && sampled * zero < to_start
            {
                to_start = sampled * zero;
            }
        }
        if to_end >= near {
            to_end = between / 2.0;
        }
        let mut factor = 1.0;
        if sampled != 0.0 {
            factor = (sampled + to_start + to_end) / sampled;
        }
        Some(if kind.is_rate { factor / range_secs } else { factor })
    }
}

/// Fills a column with the rates of windows of plain floats: what a window adds to its ends' difference are its resets,
/// which are few, and found once for all windows.
pub fn slide(windows: Slide<'_>, kind: Kind, range_secs: f64, out: &mut Column) -> Seen {
    let (times, values) = (&windows.track.times, &windows.track.values);
    let falls: Vec<usize> = if kind.is_counter {
        (1..values.len()).filter(|at| values[*at] < values[at - 1]).collect()
    } else {
        Vec::new()
    };
    let mut fall = 0;
    windows.each(|step, from, to, range_ms| {
        let (first, last) = (values[from], values[to - 1]);
        while falls.get(fall).is_some_and(|at| *at <= from) {
            fall += 1;
        }
        let mut difference = last - first;
        for at in falls[fall..].iter().take_while(|at| **at < to) {
            difference += values[at - 1];
        }
        let stretch = Stretch {
            range_ms,
            sampled_ms: (times[from], times[to - 1]),
            samples: to - from,
            born_ms: None,
            zero: (difference > 0.0 && first >= 0.0).then(|| first / difference),
        };
        if let Some(factor) = stretch.factor(kind, range_secs) {
            out.set(step, difference * factor);
        }
    })
}

fn float_difference(points: Points<'_, f64>, context: &Context<'_>, kind: Kind) -> Option<Difference> {
    let (first, last) = (*points.values.first()?, *points.values.last()?);
    let mut float = last - first;
    if kind.is_counter {
        if points.starts.is_empty() {
            let pairs = points.values.iter().zip(&points.values[1..]);
            pairs.filter(|(before, after)| after < before).for_each(|(before, _)| float += before);
        } else {
            note_overlap(points, context);
            for at in 1..points.len() {
                if points.values[at] < points.values[at - 1] || has_reset(points, at) {
                    float += points.values[at - 1];
                }
            }
        }
    }
    Some(difference(points, float, None, first))
}

fn difference<T>(points: Points<'_, T>, float: f64, histogram: Option<FloatHistogram>, first_count: f64) -> Difference {
    Difference {
        float,
        histogram,
        first_ms: points.times[0],
        last_ms: points.times[points.len() - 1],
        samples: points.len(),
        start_ms: points.start(0),
        first_count,
    }
}

/// Whether start times tell of a reset just before a sample.
fn has_reset<T>(points: Points<'_, T>, at: usize) -> bool {
    at < points.starts.len()
        && is_reset(points.starts[at - 1], points.times[at - 1], points.starts[at], points.times[at])
}

fn note_overlap<T>(points: Points<'_, T>, context: &Context<'_>) {
    let overlaps =
        (1..points.starts.len()).any(|at| is_overlap(points.starts[at - 1], points.times[at - 1], points.starts[at]));
    if overlaps {
        let text = format_args!(
            "sample has start time that overlaps with previous sample timestamp for metric {}",
            context.name()
        );
        context.notes.add(Note::warning(context.position, text).overlap());
    }
}

/// Says what was odd about two histograms that were combined; tells whether they could be.
pub fn note_combined(outcome: Result<Combined, HistogramError>, context: &Context<'_>, operation: &str) -> bool {
    match outcome {
        Ok(combined) => {
            if combined.bounds_reconciled {
                context.info(format_args!("mismatched custom buckets were reconciled during {operation}"));
            }
            true
        }
        Err(_) => {
            context.warn(mixed_schemas(&context.name()));
            false
        }
    }
}

/// Says that a histogram that is a gauge is treated as a counter.
pub fn note_not_counter(context: &Context<'_>) {
    context.warn(format_args!("this native histogram metric is not a counter: {}", context.name()));
}

/// Says that a histogram that counts is treated as a gauge.
pub fn note_not_gauge(context: &Context<'_>) {
    context.warn(format_args!("this native histogram metric is not a gauge: {}", context.name()));
}

/// Whether a histogram goes up and down as it pleases.
pub fn is_gauge(histogram: &FloatHistogram) -> bool {
    histogram.counter_reset_hint == CounterReset::Gauge
}

fn histogram_difference(
    points: Points<'_, Arc<FloatHistogram>>,
    context: &Context<'_>,
    kind: Kind,
) -> Option<Difference> {
    let histograms = points.values;
    let histogram = match histograms {
        [first, .., last] => Some(between(points, first, last, context, kind)?),
        _ => None,
    };
    Some(difference(points, 0.0, histogram, histograms[0].count))
}

/// The last histogram minus the first, plus what resets in between took away.
fn between(
    points: Points<'_, Arc<FloatHistogram>>,
    first: &FloatHistogram,
    last: &FloatHistogram,
    context: &Context<'_>,
    kind: Kind,
) -> Option<FloatHistogram> {
    let histograms = points.values;
    let empty;
    let mut previous = first;
    if kind.is_counter {
        if is_gauge(first) || is_gauge(last) {
            note_not_counter(context);
        }
        let second = &*histograms[1];
        if has_reset(points, 1) || second.detect_reset(first) {
            // What the first sample counted is gone before the second; its buckets need not fit the others'.
            empty = FloatHistogram {
                schema: second.schema,
                custom_bounds: second.custom_bounds.clone(),
                ..FloatHistogram::default()
            };
            previous = &empty;
        }
    }
    let uses_custom = previous.uses_custom_buckets();
    let fits = |histogram: &FloatHistogram| {
        let fits = histogram.uses_custom_buckets() == uses_custom;
        if !fits {
            context.warn(mixed_schemas(&context.name()));
        }
        fits
    };
    if !fits(last) {
        return None;
    }
    let mut schema = last.schema.min(previous.schema);
    if kind.is_counter {
        for histogram in &histograms[1..histograms.len() - 1] {
            if is_gauge(histogram) {
                note_not_counter(context);
            }
            schema = schema.min(histogram.schema);
            if !fits(histogram) {
                return None;
            }
        }
    }
    let mut result = last.reduced_to(schema).ok()?;
    if !note_combined(result.sub(previous), context, "subtraction") {
        return None;
    }
    if kind.is_counter {
        note_overlap(points, context);
        for (at, histogram) in histograms.iter().enumerate().skip(1) {
            if (has_reset(points, at) || histogram.detect_reset(previous))
                && !note_combined(result.add(previous), context, "addition")
            {
                return None;
            }
            previous = histogram;
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        note_not_gauge(context);
    }
    result.counter_reset_hint = CounterReset::Gauge;
    result.compact(0);
    Some(result)
}
