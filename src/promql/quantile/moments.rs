//! Mean and variance of the observations of a native histogram.

use crate::model::histogram::{FloatHistogram, KahanSum};

/// The mean of the observations; NaN without any.
pub fn histogram_mean(histogram: &FloatHistogram) -> f64 {
    histogram.sum / histogram.count
}

/// The variance of the observations, estimated as if each lay in the middle of its bucket: the geometric middle for
/// exponential buckets, zero for the zero bucket, the arithmetic middle for custom buckets.
pub fn histogram_variance(histogram: &FloatHistogram) -> f64 {
    let mean = histogram_mean(histogram);
    let mut squares = KahanSum::default();
    for bucket in histogram.all_buckets().filter(|bucket| bucket.count != 0.0) {
        let middle = if histogram.uses_custom_buckets() {
            f64::midpoint(bucket.upper, bucket.lower)
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper)
        };
        let distance = middle - mean;
        squares.add(bucket.count * distance * distance);
    }
    squares.value() / histogram.count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::histogram::Described;

    fn histogram(text: &str) -> FloatHistogram {
        Described::parse(text).unwrap().0.histogram
    }

    #[test]
    fn observations_lie_in_the_middle_of_their_buckets() {
        let both =
            histogram("{{schema:-1 count:4 sum:2 z_bucket:2 z_bucket_w:0.001 offset:1 buckets:[1] n_buckets:[1]}}");
        // 2 in (1,4], -0.5 in [-1,-0.25), twice 0; the mean is 0.5.
        let expected = (1.5f64.powi(2) + 1.0 + 2.0 * 0.25) / 4.0;
        assert_eq!(histogram_mean(&both), 0.5);
        assert!((histogram_variance(&both) - expected).abs() < 1e-15);
        let custom = histogram("{{schema:-53 count:2 sum:6 custom_values:[2 4 6] buckets:[0 1 1]}}");
        assert_eq!(histogram_variance(&custom), 2.0, "3 and 5, with a mean of 3");
        assert!(histogram_variance(&histogram("{{}}")).is_nan());
    }
}
