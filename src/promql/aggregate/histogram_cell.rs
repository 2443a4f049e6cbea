//! The sum or mean of the histograms of a group at one step.

use std::sync::Arc;

use crate::model::histogram::{Combined, FloatHistogram, HistogramError, HistogramMean, HistogramSum};

use super::super::histograms_over_time::Hints;

/// A running sum or mean.
enum Running {
    Sum(HistogramSum),
    Mean(HistogramMean),
}

/// What is known of a group's histograms at one step.
#[derive(Default)]
pub struct Cell {
    /// Nothing if a float came first: the answer will be none anyway.
    running: Option<Running>,
    hints: Hints,
    /// Whether histograms came that do not go together; whatever comes after does not count.
    pub is_incompatible: bool,
}

impl Cell {
    /// A cell whose first histogram comes after a float.
    pub fn after_float() -> Cell {
        Cell::default()
    }

    /// A cell that begins with a histogram.
    pub fn new(first: &FloatHistogram, is_mean: bool) -> Cell {
        let mut hints = Hints::default();
        hints.see(first.counter_reset_hint);
        let running = if is_mean {
            Running::Mean(HistogramMean::new(first.clone()))
        } else {
            Running::Sum(HistogramSum::new(first.clone()))
        };
        Cell { running: Some(running), hints, is_incompatible: false }
    }

    /// Takes one more histogram in.
    pub fn add(&mut self, histogram: &FloatHistogram) -> Result<Combined, HistogramError> {
        let Some(running) = &mut self.running else { return Ok(Combined::default()) };
        self.hints.see(histogram.counter_reset_hint);
        let outcome = match running {
            Running::Sum(sum) => sum.add(histogram),
            Running::Mean(mean) => mean.add(histogram),
        };
        self.is_incompatible |= outcome.is_err();
        outcome
    }

    /// The sum or mean, and whether counter reset hints contradicted each other.
    pub fn finish(self) -> Option<(Arc<FloatHistogram>, bool)> {
        let mut histogram = match self.running? {
            Running::Sum(sum) => sum.into_value(),
            Running::Mean(mean) => mean.into_value(),
        };
        histogram.compact(0);
        Some((Arc::new(histogram), self.hints.collide()))
    }
}
