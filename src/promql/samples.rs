//! The samples of one series, sorted out for windows: floats and histograms apart, staleness markers gone.

use std::sync::Arc;

use crate::model::histogram::{CounterReset, FloatHistogram};
use crate::model::is_stale;

use super::column::{Column, Steps};
use super::source::Samples;

/// Whether each time is `step_ms` after the one before, from the first one on.
pub fn is_regular(times: &[i64], first_ms: i64, step_ms: i64) -> bool {
    // No exit inside of a chunk: so it becomes a few vector instructions.
    times.chunks(64).enumerate().all(|(chunk, times)| {
        let expected = |at: i64| first_ms.wrapping_add(step_ms.wrapping_mul(at));
        let first = (chunk * 64) as i64;
        times.iter().zip(first..).fold(true, |is_even, (time, at)| is_even & (*time == expected(at)))
    })
}

/// Whether any of the values says that the series ended.
pub fn has_stale(values: &[f64]) -> bool {
    values.chunks(64).any(|values| values.iter().fold(false, |any, value| any | is_stale(*value)))
}

/// Leaves of each histogram its count and sum, and says which of them began anew, which nobody can find out later.
pub fn drop_buckets(samples: &mut Samples) {
    let mut before: Option<Arc<FloatHistogram>> = None;
    for (_, histogram) in &mut samples.histograms {
        let mut hint = histogram.counter_reset_hint;
        if !is_stale(histogram.sum) {
            if hint == CounterReset::Unknown
                && let Some(before) = &before
            {
                hint = if histogram.detect_reset(before) { CounterReset::Reset } else { CounterReset::NotReset };
            }
            let mut whole = Arc::clone(histogram);
            if whole.counter_reset_hint != hint {
                Arc::make_mut(&mut whole).counter_reset_hint = hint;
            }
            before = Some(whole);
        }
        *histogram = Arc::new(FloatHistogram {
            counter_reset_hint: hint,
            schema: histogram.schema,
            count: histogram.count,
            sum: histogram.sum,
            ..FloatHistogram::default()
        });
    }
}

/// Samples of one kind, ascending by time.
#[derive(Debug)]
pub struct Track<T> {
    /// Milliseconds since 1970.
    pub times: Vec<i64>,
    /// As many values.
    pub values: Vec<T>,
    /// When counting began, in milliseconds, 0 for unknown; as many, or none if no sample has one.
    pub starts: Vec<i64>,
}

impl<T> Default for Track<T> {
    fn default() -> Track<T> {
        Track { times: Vec::new(), values: Vec::new(), starts: Vec::new() }
    }
}

impl<T> Track<T> {
    fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.starts.clear();
    }

    fn push(&mut self, time: i64, value: T, start: Option<i64>) {
        self.times.push(time);
        self.values.push(value);
        self.starts.extend(start);
    }

    /// The samples from one index to another.
    pub fn slice(&self, from: usize, to: usize) -> Points<'_, T> {
        Points {
            times: &self.times[from..to],
            values: &self.values[from..to],
            starts: if self.starts.is_empty() { &[] } else { &self.starts[from..to] },
        }
    }
}

/// A part of a track.
#[derive(Debug)]
pub struct Points<'w, T> {
    /// Milliseconds since 1970.
    pub times: &'w [i64],
    /// As many values.
    pub values: &'w [T],
    /// When counting began; as many, or none.
    pub starts: &'w [i64],
}

impl<T> Clone for Points<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Points<'_, T> {}

impl<T> Points<'_, T> {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// When the counting of a sample began; 0 for unknown.
    pub fn start(&self, at: usize) -> i64 {
        self.starts.get(at).copied().unwrap_or(0)
    }
}

/// The samples of one series.
#[derive(Debug, Default)]
pub struct RangeSamples {
    /// The floats.
    pub floats: Track<f64>,
    /// The histograms.
    pub histograms: Track<Arc<FloatHistogram>>,
}

impl RangeSamples {
    /// Takes over the samples of a source; `samples` is left with memory of its own and nothing to rely on.
    pub fn sort_out(&mut self, samples: &mut Samples) {
        self.floats.clear();
        self.histograms.clear();
        if samples.histograms.is_empty() && !has_stale(&samples.values) {
            std::mem::swap(&mut self.floats.times, &mut samples.times);
            std::mem::swap(&mut self.floats.values, &mut samples.values);
            std::mem::swap(&mut self.floats.starts, &mut samples.starts);
            return;
        }
        let mut histograms = samples.histograms.drain(..).peekable();
        for (i, (&time, &value)) in samples.times.iter().zip(&samples.values).enumerate() {
            let start = samples.starts.get(i).copied();
            if let Some((_, histogram)) = histograms.next_if(|(at, _)| *at as usize == i) {
                if !is_stale(histogram.sum) {
                    self.histograms.push(time, histogram, start);
                }
            } else if !is_stale(value) {
                self.floats.push(time, value, start);
            }
        }
    }

    /// Takes the points of a column as samples at its steps.
    ///
    /// A histogram no longer knows whether its counters started anew: samples between the steps may be missing.
    pub fn take_column(&mut self, column: &Column, steps: Steps) {
        self.floats.clear();
        self.histograms.clear();
        column.for_floats(|step, value| self.floats.push(steps.time_ms(step), value, None));
        for (step, histogram) in column.histograms() {
            let mut histogram = histogram.clone();
            if matches!(histogram.counter_reset_hint, CounterReset::Reset | CounterReset::NotReset) {
                Arc::make_mut(&mut histogram).counter_reset_hint = CounterReset::Unknown;
            }
            self.histograms.push(steps.time_ms(*step as usize), histogram, None);
        }
    }
}
