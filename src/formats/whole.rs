//! What histograms with whole counts have to fulfil beyond those with any counts: they add up.

use crate::model::histogram::{FloatHistogram, HistogramError};

/// Compares a histogram's count with the sum of its buckets, the zero bucket among them, both as they were sent.
/// Observations of NaN are in no bucket, so the count may be larger if the sum tells of them.
pub(super) fn check_whole(histogram: &FloatHistogram, buckets: u64, count: u64) -> Result<(), HistogramError> {
    if histogram.sum.is_nan() && buckets > count {
        return Err(HistogramError::CountTooSmall { buckets, count });
    }
    if !histogram.sum.is_nan() && buckets != count {
        return Err(HistogramError::CountMismatch { buckets, count });
    }
    Ok(())
}
