//! Native histograms: quantiles and fractions.
//!
//! Inside of an exponential bucket observations are taken to spread evenly on a logarithmic scale, as if the schema
//! were finer; inside of the zero bucket and of custom buckets evenly. The zero bucket begins or ends at zero where
//! the histogram has observations on one side only.

use crate::model::histogram::{Bucket, FloatHistogram};

/// A quantile of a native histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NativeQuantile {
    /// The value; NaN where there is none.
    pub value: f64,
    /// The histogram counted NaNs, which lie in no bucket.
    pub nans: Option<SkippedNans>,
}

/// What observations of NaN did to a quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkippedNans {
    /// They count as larger than everything, so the quantile is higher than without them.
    Skewed,
    /// The quantile is among them: it is NaN.
    Result,
}

/// A fraction of a native histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NativeFraction {
    /// The value; NaN where there is none.
    pub value: f64,
    /// The histogram counted NaNs, which lie between no bounds.
    pub has_nans: bool,
}

/// The `q`-quantile. NaN without observations or for a `q` of NaN, -Inf for `q` below 0, +Inf above 1.
pub fn native_quantile(q: f64, histogram: &FloatHistogram) -> NativeQuantile {
    let plain = |value| NativeQuantile { value, nans: None };
    if !q.is_nan() && !(0.0..=1.0).contains(&q) {
        return plain(if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if histogram.count == 0.0 || q.is_nan() {
        return plain(f64::NAN);
    }
    // A sum of NaN says that NaNs may have been observed, or both infinities. NaNs are counted, but in no bucket: only
    // from below the rank is right then. Else the nearer end is.
    let may_have_nans = histogram.sum.is_nan();
    let from_below = may_have_nans || q < 0.5;
    let mut rank = (if from_below { q } else { 1.0 - q }) * histogram.count;
    let mut buckets = histogram.all_buckets();
    let mut next = || if from_below { buckets.next() } else { buckets.next_back() };
    let mut found =
        Bucket { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0, index: 0 };
    let mut count = 0.0;
    while let Some(bucket) = next() {
        found = bucket;
        count += bucket.count;
        if bucket.count != 0.0 && count >= rank {
            break;
        }
    }
    if !histogram.uses_custom_buckets() {
        if found.lower < 0.0 && found.upper > 0.0 {
            end_at_zero(&mut found, histogram);
        }
    } else if found.lower == f64::NEG_INFINITY {
        if found.upper <= 0.0 {
            return plain(found.upper);
        }
        found.lower = 0.0;
    } else if found.upper == f64::INFINITY {
        return plain(found.lower);
    }
    // Rounding may have counted more in the buckets than in all.
    count = if count > histogram.count { histogram.count } else { count };
    if count < rank {
        return if may_have_nans {
            NativeQuantile { value: f64::NAN, nans: Some(SkippedNans::Result) }
        } else {
            plain(found.upper)
        };
    }
    rank = if from_below { rank - (count - found.count) } else { count - rank };
    let in_buckets = if may_have_nans { buckets.fold(count, |count, bucket| count + bucket.count) } else { f64::NAN };
    let nans = (in_buckets < histogram.count).then_some(SkippedNans::Skewed);
    NativeQuantile { value: inside(&found, rank / found.count, histogram), nans }
}

/// The value in a bucket that has `fraction` of its observations below.
fn inside(bucket: &Bucket, fraction: f64, histogram: &FloatHistogram) -> f64 {
    let Bucket { lower, upper, .. } = *bucket;
    if histogram.uses_custom_buckets() || (lower <= 0.0 && upper >= 0.0) {
        return lower + (upper - lower) * fraction;
    }
    let [lower_log, upper_log] = [lower, upper].map(|bound| bound.abs().log2());
    if lower > 0.0 {
        (lower_log + (upper_log - lower_log) * fraction).exp2()
    } else {
        -(upper_log + (lower_log - upper_log) * (1.0 - fraction)).exp2()
    }
}

/// The part of the observations between `lower` and `upper`.
///
/// NaN without observations or for a bound of NaN; 0 if `lower` is not below `upper`. NaNs are among all observations
/// but between no bounds.
pub fn native_fraction(lower: f64, upper: f64, histogram: &FloatHistogram) -> NativeFraction {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return NativeFraction { value: f64::NAN, has_nans: false };
    }
    if lower >= upper {
        return NativeFraction { value: 0.0, has_nans: false };
    }
    let (count, has_nans) = if histogram.sum.is_nan() {
        let count = histogram.all_buckets().map(|bucket| bucket.count).sum();
        (count, count < histogram.count)
    } else {
        (histogram.count, false)
    };
    let rank = |value: f64| rank_of(value, histogram).map_or(count, |rank| if rank > count { count } else { rank });
    NativeFraction { value: (rank(upper) - rank(lower)) / histogram.count, has_nans }
}

/// Observations below `value`; none if that is behind all buckets.
fn rank_of(value: f64, histogram: &FloatHistogram) -> Option<f64> {
    let mut rank = 0.0;
    for mut bucket in histogram.all_buckets() {
        let around_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        if around_zero {
            end_at_zero(&mut bucket, histogram);
        }
        if bucket.lower >= value {
            return Some(rank);
        }
        if bucket.upper > value {
            let linear = histogram.uses_custom_buckets() || around_zero;
            // In a bucket without a lower bound nothing can be interpolated: it counts as a whole.
            return Some(match bucket.lower {
                f64::NEG_INFINITY if linear => bucket.count,
                _ => rank + bucket.count * bucket.fraction_below(value, linear),
            });
        }
        rank += bucket.count;
    }
    None
}

/// Observations on one side only: the zero bucket reaches not beyond zero to the other.
fn end_at_zero(bucket: &mut Bucket, histogram: &FloatHistogram) {
    match (histogram.negative.is_empty(), histogram.positive.is_empty()) {
        (true, false) => bucket.lower = 0.0,
        (false, true) => bucket.upper = 0.0,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::histogram::Described;

    fn histogram(text: &str) -> FloatHistogram {
        Described::parse(text).unwrap().0.histogram
    }

    fn value(q: f64, histogram: &FloatHistogram) -> f64 {
        native_quantile(q, histogram).value
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn exponential_buckets_are_cut_on_a_logarithmic_scale() {
        let positive = histogram("{{count:12 sum:100 z_bucket:2 z_bucket_w:0.001 buckets:[2 3 0 5]}}");
        assert!(near(value(0.5, &positive), 2f64.powf(2.0 / 3.0)), "two of the three in (1,2]");
        assert!(near(value(0.0, &positive), 0.0), "the zero bucket begins at zero");
        assert!(near(value(1.0 / 12.0, &positive), 0.0005));
        assert!(near(value(1.0, &positive), 8.0));
        let negative = histogram("{{count:4 sum:-9 n_buckets:[1 3]}}");
        assert!(near(value(0.0, &negative), -2.0));
        assert!(near(value(0.75, &negative), -1.0));
        assert!(near(value(0.375, &negative), -2f64.sqrt()));
        assert_eq!([value(-0.5, &negative), value(2.0, &negative)], [f64::NEG_INFINITY, f64::INFINITY]);
        assert!(value(f64::NAN, &negative).is_nan() && value(0.5, &histogram("{{}}")).is_nan());
    }

    #[test]
    fn custom_buckets_are_cut_evenly() {
        let custom = histogram("{{schema:-53 count:10 sum:20 custom_values:[1 2 5] buckets:[2 4 2 2]}}");
        assert!(near(value(0.1, &custom), 0.5));
        assert!(near(value(0.4, &custom), 1.5));
        assert_eq!(value(0.9, &custom), 5.0);
        let below = histogram("{{schema:-53 count:3 sum:-9 custom_values:[-2 2] buckets:[2 1]}}");
        assert_eq!(value(0.5, &below), -2.0);
    }

    #[test]
    fn nans_are_counted_but_lie_nowhere() {
        let nans = histogram("{{count:10 sum:NaN buckets:[4 4]}}");
        let low = native_quantile(0.4, &nans);
        assert_eq!((low.value, low.nans), (1.0, Some(SkippedNans::Skewed)));
        let high = native_quantile(0.9, &nans);
        assert!(high.value.is_nan());
        assert_eq!(high.nans, Some(SkippedNans::Result));
        let infinities = histogram("{{count:8 sum:NaN buckets:[4 4]}}");
        assert_eq!(native_quantile(1.0, &infinities), NativeQuantile { value: 2.0, nans: None });
        let fraction = native_fraction(f64::NEG_INFINITY, f64::INFINITY, &nans);
        assert_eq!(fraction, NativeFraction { value: 0.8, has_nans: true });
        assert!(!native_fraction(0.0, 1.0, &infinities).has_nans);
    }

    #[test]
    fn fractions_are_the_way_back_from_quantiles() {
        let texts = [
            "{{schema:2 count:14 sum:100 z_bucket:3 z_bucket_w:0.5 offset:-1 buckets:[2 3 0 5] n_buckets:[1]}}",
            "{{count:12 sum:100 z_bucket:2 z_bucket_w:0.001 buckets:[2 3 0 5]}}",
            "{{count:9 sum:-100 z_bucket:2 z_bucket_w:0.001 n_buckets:[2 3 0 2]}}",
            "{{schema:-53 count:10 sum:20 custom_values:[1 2 5] buckets:[2 4 4]}}",
        ];
        for text in texts {
            let histogram = histogram(text);
            for q in [0.01, 0.1, 0.25, 0.49, 0.5, 0.7, 0.83, 0.99] {
                let fraction = native_fraction(f64::NEG_INFINITY, value(q, &histogram), &histogram).value;
                assert!((fraction - q).abs() < 1e-9, "{text} {q}: {fraction}");
            }
            assert_eq!(native_fraction(f64::NEG_INFINITY, f64::INFINITY, &histogram).value, 1.0);
            assert_eq!(native_fraction(2.0, 2.0, &histogram).value, 0.0);
            assert!(native_fraction(2.0, f64::NAN, &histogram).value.is_nan());
        }
    }
}
