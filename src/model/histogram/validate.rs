//! What makes a histogram one: checked where histograms come in.

use super::buckets::{Buckets, Span};
use super::error::{HistogramError, Place};
use super::float_histogram::FloatHistogram;
use super::schema::{is_custom, is_exponential};

/// Buckets and spans of one histogram, both sides together. The finest schema needs 256 for a power of two.
pub const BUCKETS_MAX: usize = 65_536;

/// Custom bounds of one histogram.
pub const CUSTOM_BOUNDS_MAX: usize = 16_384;

impl FloatHistogram {
    /// Checks that spans and counts agree, that no count is negative, that the schema is known and that nothing is set
    /// that the schema has no use for.
    ///
    /// That the buckets' counts add up to the count is not asked: rounding alone breaks it.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn validate(&self) -> Result<(), HistogramError> {
        let sides = [&self.positive, &self.negative];
        let found: usize = sides.iter().map(|side| side.counts.len().saturating_add(side.spans.len())).sum();
        if found > BUCKETS_MAX {
            return Err(HistogramError::TooManyBuckets { found });
        }
        if is_custom(self.schema) {
            self.validate_custom()?;
        } else if is_exponential(self.schema) {
            self.validate_exponential()?;
        } else {
            return Err(HistogramError::InvalidSchema { schema: self.schema });
        }
        if self.count < 0.0 {
            return Err(HistogramError::NegativeCount { count: self.count });
        }
        check_counts(&self.positive, Place::Positive)
    }

    fn validate_custom(&self) -> Result<(), HistogramError> {
        check_bounds(self.bounds())?;
        check_spans(&self.positive, Place::Custom)?;
        let length = |span: &Span| u64::from(span.length) + u64::try_from(span.offset).unwrap_or(0);
        let length = self.positive.spans.iter().map(length).sum();
        if (self.bounds().len() as u64) + 1 < length {
            return Err(HistogramError::TooFewBounds { bounds: self.bounds().len(), length });
        }
        match self {
            _ if self.zero_count != 0.0 => Err(HistogramError::CustomZeroCount),
            _ if self.zero_threshold != 0.0 => Err(HistogramError::CustomZeroThreshold),
            _ if !self.negative.spans.is_empty() => Err(HistogramError::CustomNegativeSpans),
            _ if !self.negative.counts.is_empty() => Err(HistogramError::CustomNegativeBuckets),
            _ => Ok(()),
        }
    }

    fn validate_exponential(&self) -> Result<(), HistogramError> {
        check_spans(&self.positive, Place::Positive)?;
        check_spans(&self.negative, Place::Negative)?;
        check_counts(&self.negative, Place::Negative)?;
        if self.zero_count < 0.0 {
            return Err(HistogramError::NegativeZeroBucket { count: self.zero_count });
        }
        if self.zero_threshold.is_nan() || self.zero_threshold < 0.0 {
            return Err(HistogramError::ZeroThreshold { threshold: self.zero_threshold });
        }
        if self.custom_bounds.is_some() {
            return Err(HistogramError::ExponentialCustomBounds);
        }
        Ok(())
    }
}

/// Only the first offset may be negative, and with custom buckets not even that.
fn check_spans(side: &Buckets, place: Place) -> Result<(), HistogramError> {
    let free = if place == Place::Custom { 0 } else { 1 };
    let negative = |(at, span): &(usize, &Span)| *at >= free && span.offset < 0;
    if let Some((at, span)) = side.spans.iter().enumerate().find(negative) {
        return Err(HistogramError::NegativeOffset { place, number: at + 1, offset: span.offset });
    }
    let wanted: u64 = side.spans.iter().map(|span| u64::from(span.length)).sum();
    if wanted != side.counts.len() as u64 {
        return Err(HistogramError::SpansMismatch { place, wanted, found: side.counts.len() });
    }
    Ok(())
}

fn check_counts(side: &Buckets, place: Place) -> Result<(), HistogramError> {
    match side.counts.iter().enumerate().find(|(_, count)| **count < 0.0) {
        Some((at, &count)) => Err(HistogramError::NegativeBucket { place, number: at + 1, count }),
        None => Ok(()),
    }
}

fn check_bounds(bounds: &[f64]) -> Result<(), HistogramError> {
    if bounds.len() > CUSTOM_BOUNDS_MAX {
        return Err(HistogramError::TooManyBounds { found: bounds.len() });
    }
    if bounds.iter().any(|bound| bound.is_nan()) {
        return Err(HistogramError::NanBound);
    }
    if let Some(pair) = bounds.windows(2).find(|pair| pair[1] <= pair[0]) {
        return Err(HistogramError::UnsortedBounds { previous: pair[0], current: pair[1] });
    }
    if bounds.last() == Some(&f64::INFINITY) {
        return Err(HistogramError::InfiniteBound);
    }
    Ok(())
}
