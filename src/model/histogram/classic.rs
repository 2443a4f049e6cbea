//! Classic histograms, a series a bucket, taken for native ones with custom buckets.

use super::buckets::Buckets;
use super::error::HistogramError;
use super::float_histogram::FloatHistogram;
use super::number::general_text;
use super::schema::SCHEMA_CUSTOM;
use super::validate::CUSTOM_BOUNDS_MAX;

/// Collects the samples of one classic histogram at one time.
///
/// The first error stays: whatever comes after it is not looked at.
#[derive(Debug, Clone, Default)]
pub struct ClassicHistogram {
    /// Upper bounds, strictly increasing, with cumulative counts that never fall.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
    error: Option<ClassicError>,
}

/// Why samples of a classic histogram are no histogram.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants and their fields are")]
pub enum ClassicError {
    #[error("bucket boundary must not be NaN")]
    NanBound,
    #[error("bucket count must be non-negative: le={}, count={}", general_text(*bound), general_text(*count))]
    NegativeBucket { bound: f64, count: f64 },
    #[error("count must be non-negative: count={}", general_text(*count))]
    NegativeCount { count: f64 },
    #[error("count is not cumulative: {} < {}", general_text(*count), general_text(*before))]
    Falls { count: f64, before: f64 },
    #[error("count is not cumulative: {} > {}", general_text(*count), general_text(*after))]
    Rises { count: f64, after: f64 },
    #[error("count mismatch: count={} != le=+Inf count={}", general_text(*count), general_text(*infinite))]
    Mismatch { count: f64, infinite: f64 },
    #[error("more than {CUSTOM_BOUNDS_MAX} buckets")]
    TooManyBuckets,
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

impl ClassicHistogram {
    /// A histogram of which nothing is known.
    pub fn new() -> Self {
        ClassicHistogram::default()
    }

    /// Takes in the sample of the bucket with the upper bound `bound`. A bound seen before is passed over.
    pub fn set_bucket(&mut self, bound: f64, count: f64) {
        if self.error.is_none() {
            self.error = self.try_set_bucket(bound, count).err();
        }
    }

    fn try_set_bucket(&mut self, bound: f64, count: f64) -> Result<(), ClassicError> {
        if bound.is_nan() {
            return Err(ClassicError::NanBound);
        }
        if count < 0.0 {
            return Err(ClassicError::NegativeBucket { bound, count });
        }
        let at = self.buckets.partition_point(|&(other, _)| other < bound);
        if self.buckets.get(at).is_some_and(|&(other, _)| other == bound) {
            return Ok(());
        }
        if let Some(&(_, before)) = self.buckets[..at].last().filter(|(_, before)| count < *before) {
            return Err(ClassicError::Falls { count, before });
        }
        if let Some(&(_, after)) = self.buckets.get(at).filter(|(_, after)| count > *after) {
            return Err(ClassicError::Rises { count, after });
        }
        if self.buckets.len() > CUSTOM_BOUNDS_MAX {
            return Err(ClassicError::TooManyBuckets);
        }
        self.buckets.insert(at, (bound, count));
        Ok(())
    }

    /// Takes in the number of all observations.
    pub fn set_count(&mut self, count: f64) {
        if self.error.is_some() {
            return;
        }
        if count < 0.0 {
            self.error = Some(ClassicError::NegativeCount { count });
        } else {
            self.count = Some(count);
        }
    }

    /// Takes in the sum of all observations.
    pub fn set_sum(&mut self, sum: f64) {
        self.sum = sum;
    }

    /// The native histogram. Without a count, the last bucket's stands for it; without a bucket to infinity, the count
    /// stands for that.
    ///
    /// # Errors
    /// Samples that contradict each other.
    pub fn convert(mut self) -> Result<FloatHistogram, ClassicError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let count = self.count.or_else(|| self.buckets.last().map(|&(_, count)| count)).unwrap_or(0.0);
        if self.buckets.last().is_none_or(|&(bound, _)| bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let infinite = self.buckets.last().map_or(0.0, |&(_, count)| count);
        if count != infinite {
            return Err(ClassicError::Mismatch { count, infinite });
        }
        let mut before = 0.0;
        let counts = self.buckets.iter().map(|&(_, count)| count - std::mem::replace(&mut before, count)).collect();
        let bounds: Vec<f64> = self.buckets[..self.buckets.len() - 1].iter().map(|&(bound, _)| bound).collect();
        let mut histogram = FloatHistogram {
            schema: SCHEMA_CUSTOM,
            count,
            sum: self.sum,
            positive: Buckets::contiguous(0, counts),
            custom_bounds: Some(bounds.into()),
            ..FloatHistogram::default()
        };
        // Short gaps cost less than spans; with fractions Prometheus leaves none.
        let whole = self.buckets.iter().all(|&(_, count)| count.fract() == 0.0);
        histogram.compact(if whole { 2 } else { 0 });
        histogram.validate()?;
        Ok(histogram)
    }
}
