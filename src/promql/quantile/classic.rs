//! Classic histograms: cumulative counts, a series for each upper bound.
//!
//! Observations are taken to spread evenly inside of a bucket, and to be positive unless a bucket ends at or below
//! zero.

use super::values::almost_equal;

/// A bucket of a classic histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassicBucket {
    /// The upper bound, never NaN.
    pub upper_bound: f64,
    /// Observations up to that bound.
    pub count: f64,
}

/// A quantile, and what had to be mended for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassicQuantile {
    /// The value; NaN where there is none.
    pub value: f64,
    /// Counts fell from a bucket to a higher one and were raised.
    pub forced: Option<ForcedMonotonicity>,
}

/// Where counts fell although they are cumulative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForcedMonotonicity {
    /// The lowest upper bound whose count was raised.
    pub min_bucket: f64,
    /// The highest one.
    pub max_bucket: f64,
    /// The most that a count was raised by.
    pub max_difference: f64,
}

/// The `q`-quantile of buckets in any order; they get sorted, merged where bounds are equal, and made monotonic.
///
/// NaN without observations, with fewer than two buckets, without a bucket to +Inf, or with a `q` of NaN; -Inf for
/// `q` below 0 and +Inf above 1. In the last bucket it is the bound before, in a first bucket at or below zero that
/// bucket's bound.
pub fn classic_quantile(q: f64, buckets: &mut Vec<ClassicBucket>) -> ClassicQuantile {
    let unforced = |value| ClassicQuantile { value, forced: None };
    if q.is_nan() {
        return unforced(f64::NAN);
    }
    if !(0.0..=1.0).contains(&q) {
        return unforced(if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if !settle(buckets) {
        return unforced(f64::NAN);
    }
    let forced = make_monotonic(buckets);
    let value = value_at(q, buckets);
    ClassicQuantile { value, forced }
}

/// The quantile of sorted monotonic buckets that end at infinity.
fn value_at(q: f64, buckets: &[ClassicBucket]) -> f64 {
    let [finite @ .., last] = buckets else { return f64::NAN };
    let Some(highest) = finite.last().filter(|_| last.count != 0.0) else { return f64::NAN };
    let rank = q * last.count;
    let at = finite.partition_point(|bucket| bucket.count < rank);
    let Some(bucket) = finite.get(at) else { return highest.upper_bound };
    let Some(before) = at.checked_sub(1).map(|before| finite[before]) else {
        return match bucket.upper_bound {
            bound if bound <= 0.0 => bound,
            bound => bound * (rank / bucket.count),
        };
    };
    let part = (rank - before.count) / (bucket.count - before.count);
    before.upper_bound + (bucket.upper_bound - before.upper_bound) * part
}

/// The part of the observations between `lower` and `upper`; the buckets get sorted and merged where bounds are equal.
///
/// NaN without observations, without a bucket to +Inf, or with a bound of NaN; 0 if `lower` is not below `upper`.
pub fn classic_fraction(lower: f64, upper: f64, buckets: &mut Vec<ClassicBucket>) -> f64 {
    if !settle(buckets) || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    let total = buckets.last().map_or(0.0, |bucket| bucket.count);
    if total == 0.0 {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let rank = |value: f64| match rank_of(value, buckets) {
        Some(rank) if rank <= total => rank,
        Some(rank) if rank.is_nan() => rank,
        _ => total,
    };
    (rank(upper) - rank(lower)) / total
}

/// Observations at or below `value`; none if that is behind all buckets.
fn rank_of(value: f64, buckets: &[ClassicBucket]) -> Option<f64> {
    let first = buckets.first()?.upper_bound;
    let mut start = if first <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut rank = 0.0;
    for bucket in buckets {
        if start >= value {
            return Some(rank);
        }
        if bucket.upper_bound > value {
            // In a bucket without a lower bound nothing can be interpolated: it counts as a whole.
            return Some(match start {
                f64::NEG_INFINITY => bucket.count,
                _ => rank + (bucket.count - rank) * (value - start) / (bucket.upper_bound - start),
            });
        }
        rank = bucket.count;
        start = bucket.upper_bound;
    }
    None
}

/// Sorts the buckets and merges those of one bound; tells whether they are a histogram, ending at infinity.
fn settle(buckets: &mut Vec<ClassicBucket>) -> bool {
    buckets.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    buckets.dedup_by(|bucket, kept| {
        let same = bucket.upper_bound == kept.upper_bound;
        if same {
            kept.count += bucket.count;
        }
        same
    });
    buckets.last().is_some_and(|last| last.upper_bound == f64::INFINITY)
}

/// Raises counts to that of the bucket before where they fall. Steps of nearly nothing, up or down, come from rounding:
/// they are levelled and not spoken of.
fn make_monotonic(buckets: &mut [ClassicBucket]) -> Option<ForcedMonotonicity> {
    let mut forced: Option<ForcedMonotonicity> = None;
    let mut before = buckets.first()?.count;
    for bucket in &mut buckets[1..] {
        let count = bucket.count;
        if count == before {
            continue;
        }
        if almost_equal(before, count, ROUNDING_TOLERANCE) {
            bucket.count = before;
        } else if count < before {
            bucket.count = before;
            let bound = bucket.upper_bound;
            let difference = before - count;
            let all = forced.get_or_insert(ForcedMonotonicity {
                min_bucket: bound,
                max_bucket: bound,
                max_difference: difference,
            });
            // Bounds ascend, so the first one stays the lowest.
            all.max_bucket = bound;
            all.max_difference = all.max_difference.max(difference);
        } else {
            before = count;
        }
    }
    forced
}

/// Relative steps between buckets that only rounding can have made: a single observation among 10^12.
const ROUNDING_TOLERANCE: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<ClassicBucket> {
        pairs.iter().map(|&(upper_bound, count)| ClassicBucket { upper_bound, count }).collect()
    }

    fn value(q: f64, pairs: &[(f64, f64)]) -> f64 {
        classic_quantile(q, &mut buckets(pairs)).value
    }

    const FOUR: [(f64, f64); 4] = [(1.0, 2.0), (2.0, 6.0), (5.0, 8.0), (f64::INFINITY, 10.0)];

    #[test]
    fn quantiles_are_interpolated_between_bounds() {
        assert_eq!(value(0.1, &FOUR), 0.5);
        assert_eq!(value(0.4, &FOUR), 1.5);
        assert_eq!(value(0.7, &FOUR), 3.5);
        assert_eq!(value(0.9, &FOUR), 5.0, "the last bucket answers the bound before it");
        assert_eq!(value(0.1, &[(-3.0, 4.0), (2.0, 6.0), (f64::INFINITY, 6.0)]), -3.0);
        let mut shuffled = FOUR;
        shuffled.reverse();
        assert_eq!(value(0.4, &shuffled), 1.5);
    }

    #[test]
    fn what_is_no_histogram_has_no_quantile() {
        for pairs in [&[][..], &[(1.0, 2.0)], &[(f64::INFINITY, 2.0)], &[(1.0, 0.0), (f64::INFINITY, 0.0)]] {
            assert!(value(0.5, pairs).is_nan(), "{pairs:?}");
        }
        assert!(value(f64::NAN, &FOUR).is_nan());
        assert_eq!([value(-0.1, &FOUR), value(1.1, &FOUR)], [f64::NEG_INFINITY, f64::INFINITY]);
    }

    #[test]
    fn falling_counts_are_raised_and_told() {
        let mut falling = buckets(&[(1.0, 10.0), (2.0, 7.0), (3.0, 12.0), (4.0, 11.0), (f64::INFINITY, 12.0)]);
        let answer = classic_quantile(0.5, &mut falling);
        assert_eq!(answer.value, 0.6);
        let forced = ForcedMonotonicity { min_bucket: 2.0, max_bucket: 4.0, max_difference: 3.0 };
        assert_eq!(answer.forced, Some(forced));
        let mut rounded = buckets(&[(1.0, 1e15), (2.0, 1e15 - 1.0), (f64::INFINITY, 1e15 + 1.0)]);
        assert_eq!(classic_quantile(1.0, &mut rounded).forced, None);
        assert!(rounded.iter().all(|bucket| bucket.count == 1e15));
    }

    #[test]
    fn equal_bounds_are_one_bucket() {
        let halves = [(1.0, 1.0), (1.0, 1.0), (2.0, 6.0), (5.0, 8.0), (f64::INFINITY, 4.0), (f64::INFINITY, 6.0)];
        for q in [0.0, 0.1, 0.4, 0.7, 0.9, 1.0] {
            assert_eq!(value(q, &halves), value(q, &FOUR));
        }
    }

    #[test]
    fn fractions_are_the_way_back_from_quantiles() {
        let fraction = |lower, upper| classic_fraction(lower, upper, &mut buckets(&FOUR));
        assert_eq!(fraction(f64::NEG_INFINITY, f64::INFINITY), 1.0);
        assert_eq!(fraction(1.0, 2.0), 0.4);
        assert_eq!(fraction(0.5, 1.5), 0.3);
        assert_eq!(fraction(-5.0, 0.0), 0.0);
        assert_eq!(fraction(2.0, 1.0), 0.0);
        assert_eq!(fraction(5.0, 100.0), 0.0, "the last bucket is not cut");
        assert!(fraction(f64::NAN, 1.0).is_nan());
        assert!(classic_fraction(0.0, 1.0, &mut buckets(&[(1.0, 3.0)])).is_nan());
        for q in [0.05, 0.2, 0.33, 0.6, 0.79] {
            assert!((fraction(f64::NEG_INFINITY, value(q, &FOUR)) - q).abs() < 1e-15);
        }
        let negative = [(-2.0, 4.0), (0.0, 6.0), (f64::INFINITY, 8.0)];
        assert_eq!(classic_fraction(f64::NEG_INFINITY, -3.0, &mut buckets(&negative)), 0.5);
        assert_eq!(classic_fraction(f64::NEG_INFINITY, -1.0, &mut buckets(&negative)), 0.625);
    }
}
