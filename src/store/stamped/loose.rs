//! Samples outside of rows and chunks: what comes late, or too early, or is no plain number.

use std::sync::Arc;

use crate::model::StampedValue;
use crate::model::histogram::FloatHistogram;

/// A sample without its series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Loose {
    pub(super) time_ms: i64,
    /// 0 for unknown.
    pub(super) start_ms: i64,
    pub(super) value: StampedValue,
}

impl Loose {
    /// A plain number.
    pub(super) fn float(time_ms: i64, value: f64) -> Loose {
        Loose { time_ms, start_ms: 0, value: StampedValue::Float(value) }
    }

    pub(super) fn is_histogram(&self) -> bool {
        matches!(self.value, StampedValue::Histogram(_))
    }

    /// The histogram, if it is one.
    pub(super) fn histogram(&self) -> Option<&Arc<FloatHistogram>> {
        match &self.value {
            StampedValue::Histogram(histogram) => Some(histogram),
            StampedValue::Float(_) => None,
        }
    }

    /// The number; 0 for a histogram.
    pub(super) fn number(&self) -> f64 {
        match self.value {
            StampedValue::Float(value) => value,
            StampedValue::Histogram(_) => 0.0,
        }
    }

    /// Bytes of the heap behind it.
    pub(super) fn heap_bytes(&self) -> usize {
        self.histogram().map_or(0, |histogram| histogram.size_bytes() + 24)
    }
}

/// Two ascending lists as one; of one time that of `newer` is taken.
pub(super) fn merged(older: Vec<Loose>, newer: Vec<Loose>) -> Vec<Loose> {
    let mut all = Vec::with_capacity(older.len() + newer.len());
    let mut older = older.into_iter().peekable();
    for sample in newer {
        while let Some(before) = older.next_if(|before| before.time_ms < sample.time_ms) {
            all.push(before);
        }
        older.next_if(|same| same.time_ms == sample.time_ms);
        all.push(sample);
    }
    all.extend(older);
    all
}
