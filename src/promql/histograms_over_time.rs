//! Sums and means of the histograms of a window, and windows as samples.

use std::sync::Arc;

use crate::model::histogram::{Combined, CounterReset, FloatHistogram, HistogramError, HistogramMean, HistogramSum};

use super::column::Point;
use super::samples::Points;
use super::source::Samples;
use super::window::Context;

/// The sum of histograms, of which there is at least one.
pub fn sum(histograms: &[Arc<FloatHistogram>], context: &Context<'_>) -> Option<Point> {
    let mut sum = HistogramSum::new((*histograms[0]).clone());
    fold(histograms, context, |histogram| sum.add(histogram))?;
    Some(Point::Histogram(Arc::new(sum.into_value())))
}

/// The mean of histograms, of which there is at least one.
pub fn mean(histograms: &[Arc<FloatHistogram>], context: &Context<'_>) -> Option<Point> {
    let mut mean = HistogramMean::new((*histograms[0]).clone());
    fold(histograms, context, |histogram| mean.add(histogram))?;
    Some(Point::Histogram(Arc::new(mean.into_value())))
}

/// Adds all but the first and says what was odd about them; nothing if they do not go together.
fn fold(
    histograms: &[Arc<FloatHistogram>],
    context: &Context<'_>,
    mut add: impl FnMut(&FloatHistogram) -> Result<Combined, HistogramError>,
) -> Option<()> {
    let mut hints = Hints::default();
    let mut reconciled = false;
    hints.see(histograms[0].counter_reset_hint);
    for histogram in &histograms[1..] {
        hints.see(histogram.counter_reset_hint);
        match add(histogram) {
            Ok(combined) => reconciled |= combined.bounds_reconciled,
            Err(_) => {
                context.warn(mixed_schemas(&context.name()));
                return None;
            }
        }
    }
    if hints.collide() {
        context.warn("conflicting counter resets during histogram aggregation");
    }
    if reconciled {
        context.info("mismatched custom buckets were reconciled during aggregation");
    }
    Some(())
}

/// What is said when exponential and custom buckets meet; `name` is quoted.
pub fn mixed_schemas(name: &str) -> String {
    format!("vector contains a mix of histograms with exponential and custom buckets schemas for metric name {name}")
}

/// Which counter reset hints were seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints {
    reset: bool,
    not_reset: bool,
}

impl Hints {
    /// Sees one more.
    pub fn see(&mut self, hint: CounterReset) {
        match hint {
            CounterReset::Reset => self.reset = true,
            CounterReset::NotReset => self.not_reset = true,
            CounterReset::Unknown | CounterReset::Gauge => {}
        }
    }

    /// Whether they contradict each other.
    pub fn collide(self) -> bool {
        self.reset && self.not_reset
    }
}

/// Floats and histograms in one order of time.
pub fn interleave(floats: Points<'_, f64>, histograms: Points<'_, Arc<FloatHistogram>>) -> Samples {
    let mut samples = Samples::default();
    let mut next = 0;
    for (time, histogram) in histograms.times.iter().zip(histograms.values) {
        while floats.times.get(next).is_some_and(|float| float < time) {
            samples.push_float(floats.times[next], floats.values[next]);
            next += 1;
        }
        samples.push_histogram(*time, histogram.clone());
    }
    for at in next..floats.len() {
        samples.push_float(floats.times[at], floats.values[at]);
    }
    samples
}
