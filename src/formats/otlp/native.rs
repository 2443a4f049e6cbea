//! Histograms of OpenTelemetry as native ones.

use std::sync::Arc;

use super::super::whole::check_whole;
use super::error::OtlpError;
use super::layout::sparse;
use super::message::{DELTA, ExponentialPoint, HistogramPoint, is_stale};
use crate::model::histogram::{
    BUCKETS_MAX, CounterReset, FloatHistogram, HistogramError, SCHEMA_CUSTOM, SCHEMA_MAX, SCHEMA_MIN,
};
use crate::model::{STALE, StampedValue};

/// Why a point is no histogram.
pub(super) enum Broken {
    /// Its scale alone says so.
    Scale(i32),
    /// The histogram is none.
    Histogram(HistogramError),
}

impl Broken {
    pub fn of_series(self, series: String) -> OtlpError {
        match self {
            Broken::Scale(scale) => OtlpError::Scale { scale },
            Broken::Histogram(error) => OtlpError::Histogram { error, series },
        }
    }
}

/// The native histogram of an exponential one.
pub(super) fn exponential(point: &ExponentialPoint<'_>, temporality: u64) -> Result<StampedValue, Broken> {
    if point.scale < SCHEMA_MIN {
        return Err(Broken::Scale(point.scale));
    }
    let found = point.positive.bucket_counts.len() + point.negative.bucket_counts.len();
    if found > BUCKETS_MAX {
        return Err(Broken::Histogram(HistogramError::TooManyBuckets { found }));
    }
    if is_stale(point.flags) {
        return Ok(stale());
    }
    let coarser = point.scale.saturating_sub(SCHEMA_MAX).max(0).unsigned_abs();
    let side = |counts: &super::message::Counts| sparse(&counts.bucket_counts, counts.offset, coarser, true);
    let histogram = FloatHistogram {
        counter_reset_hint: hint(temporality),
        schema: point.scale.min(SCHEMA_MAX),
        zero_threshold: ZERO_THRESHOLD,
        zero_count: point.zero_count as f64,
        count: point.count as f64,
        sum: point.sum.unwrap_or(0.0),
        positive: side(&point.positive),
        negative: side(&point.negative),
        custom_bounds: None,
    };
    let counts = [&point.positive.bucket_counts, &point.negative.bucket_counts];
    let buckets = counts.into_iter().flatten().fold(point.zero_count, |sum, &count| sum.wrapping_add(count));
    checked(histogram, buckets, point.count)
}

/// The native histogram with custom buckets of one with bounds.
pub(super) fn custom(point: &HistogramPoint<'_>, temporality: u64) -> Result<StampedValue, Broken> {
    if is_stale(point.flags) {
        return Ok(stale());
    }
    let found = point.bucket_counts.len();
    if found > BUCKETS_MAX {
        return Err(Broken::Histogram(HistogramError::TooManyBuckets { found }));
    }
    let offset = point.bucket_counts.iter().take_while(|&&count| count == 0).count();
    let histogram = FloatHistogram {
        counter_reset_hint: hint(temporality),
        schema: SCHEMA_CUSTOM,
        count: point.count as f64,
        sum: point.sum.unwrap_or(0.0),
        // At most as many as there may be buckets: fits.
        positive: sparse(&point.bucket_counts[offset..], offset as i32, 0, false),
        custom_bounds: (!point.explicit_bounds.is_empty()).then(|| point.explicit_bounds.as_slice().into()),
        ..FloatHistogram::default()
    };
    let buckets = point.bucket_counts.iter().fold(0, |sum: u64, &count| sum.wrapping_add(count));
    checked(histogram, buckets, point.count)
}

fn checked(histogram: FloatHistogram, buckets: u64, count: u64) -> Result<StampedValue, Broken> {
    let valid = histogram.validate().and_then(|()| check_whole(&histogram, buckets, count));
    valid.map_err(Broken::Histogram)?;
    Ok(StampedValue::Histogram(Arc::new(histogram)))
}

fn stale() -> StampedValue {
    StampedValue::Histogram(Arc::new(FloatHistogram { sum: STALE, ..FloatHistogram::default() }))
}

/// Deltas go up and down; of others nothing is known that a reader may rely on.
fn hint(temporality: u64) -> CounterReset {
    if temporality == DELTA { CounterReset::Gauge } else { CounterReset::Unknown }
}

/// The zero bucket's width: OpenTelemetry's own is not looked at, as in Prometheus.
const ZERO_THRESHOLD: f64 = 1e-128;
