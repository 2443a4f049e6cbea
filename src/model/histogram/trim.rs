//! Cutting off the observations above or below a number: the operators `</` and `>/`.

use super::bucket::Bucket;
use super::buckets::Buckets;
use super::float_histogram::FloatHistogram;

/// Which observations stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trim {
    /// Those below the number: `</`.
    KeepBelow,
    /// Those above the number: `>/`.
    KeepAbove,
}

impl FloatHistogram {
    /// Keeps the observations on one side of `at`. The bucket around `at` is cut by interpolation, and the sum is
    /// estimated anew from the middles of buckets; a histogram from which nothing is cut stays as it is.
    pub fn trim(&mut self, at: f64, trim: Trim) {
        let linear = self.uses_custom_buckets();
        let mut kept = Kept::default();
        let positive: Vec<Bucket> = self.positive_buckets().collect();
        let negative: Vec<Bucket> = self.negative_buckets().collect();
        let has_positive = positive.iter().any(|bucket| bucket.count != 0.0);
        let has_negative = negative.iter().any(|bucket| bucket.count != 0.0);
        for (side, buckets, sign) in [(&mut self.positive, positive, 1.0), (&mut self.negative, negative, -1.0)] {
            trim_side(side, &buckets, &mut kept, |bucket| {
                let middle = |lower, upper| middle(lower, upper, sign, linear);
                cut(bucket, at, trim, linear, middle)
            });
        }
        if self.zero_count > 0.0 && !linear {
            let mut zero = self.zero_bucket();
            match (has_negative, has_positive) {
                (true, false) => zero.upper = 0.0,
                (false, true) => zero.lower = 0.0,
                _ => {}
            }
            let (count, middle) = cut_zero(&zero, at, trim);
            kept.changed |= count != self.zero_count;
            kept.take(count, middle);
            self.zero_count = count;
        }
        if kept.changed {
            self.count = kept.count;
            self.sum = kept.sum;
            self.compact(0);
        }
    }
}

/// What stays of the buckets looked at so far.
#[derive(Default)]
struct Kept {
    count: f64,
    sum: f64,
    changed: bool,
}

impl Kept {
    fn take(&mut self, count: f64, middle: f64) {
        self.count += count;
        self.sum += middle * count;
    }
}

/// Cuts every populated bucket of a side; `cut` answers what stays of a bucket and where its middle is.
fn trim_side(side: &mut Buckets, buckets: &[Bucket], kept: &mut Kept, cut: impl Fn(&Bucket) -> Option<(f64, f64)>) {
    for (count, bucket) in side.counts.iter_mut().zip(buckets) {
        if bucket.count == 0.0 {
            continue;
        }
        let (stays, middle) = match cut(bucket) {
            Some(part) => part,
            None => {
                *count = 0.0;
                kept.changed = true;
                continue;
            }
        };
        kept.take(stays, middle);
        kept.changed |= *count != stays;
        *count = stays;
    }
}

/// What stays of a bucket and the middle of that; nothing if all of it goes.
fn cut(bucket: &Bucket, at: f64, trim: Trim, linear: bool, middle: impl Fn(f64, f64) -> f64) -> Option<(f64, f64)> {
    let (whole, partly) = match trim {
        Trim::KeepBelow => (bucket.upper <= at, bucket.lower < at),
        Trim::KeepAbove => (bucket.lower >= at, bucket.upper > at),
    };
    if whole {
        return Some((bucket.count, middle(bucket.lower, bucket.upper)));
    }
    if !partly {
        return None;
    }
    if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
        return Some(cut_endless(bucket, at, trim));
    }
    let below = if at <= bucket.lower {
        0.0
    } else if at >= bucket.upper {
        bucket.count
    } else {
        bucket.count * bucket.fraction_below(at, linear)
    };
    Some(match trim {
        Trim::KeepBelow => (below, middle(bucket.lower, at)),
        Trim::KeepAbove => (bucket.count - below, middle(at, bucket.upper)),
    })
}

/// A bucket that reaches to infinity, cut somewhere inside. How observations spread in it nobody knows: it stays or
/// goes as a whole, unless it begins at minus infinity and ends above zero, where it is taken to begin at zero.
fn cut_endless(bucket: &Bucket, at: f64, trim: Trim) -> (f64, f64) {
    let finite = |bound: f64| if bound.is_infinite() { 0.0 } else { bound };
    let Bucket { lower, upper, count, .. } = *bucket;
    let to_infinity = upper == f64::INFINITY;
    match trim {
        Trim::KeepBelow if lower != f64::NEG_INFINITY => (0.0, finite(lower)),
        Trim::KeepBelow if upper <= 0.0 => (count, at),
        Trim::KeepBelow if at > 0.0 && !to_infinity => (count * at / upper, at / 2.0),
        Trim::KeepBelow => (0.0, finite(upper)),
        Trim::KeepAbove if lower != f64::NEG_INFINITY => (count, at),
        Trim::KeepAbove if at >= 0.0 && !to_infinity => (count * (1.0 - at / upper), f64::midpoint(at, upper)),
        Trim::KeepAbove => (0.0, finite(upper)),
    }
}

/// The zero bucket: linear, and only on the sides where the histogram has observations.
fn cut_zero(zero: &Bucket, at: f64, trim: Trim) -> (f64, f64) {
    let Bucket { lower, upper, count, .. } = *zero;
    let all = (count, f64::midpoint(lower, upper));
    match trim {
        Trim::KeepBelow if at <= lower => (0.0, 0.0),
        Trim::KeepBelow if at >= upper => all,
        Trim::KeepBelow => (count * ((at - lower) / (upper - lower)), f64::midpoint(lower, at)),
        Trim::KeepAbove if at <= lower => all,
        Trim::KeepAbove if at >= upper => (0.0, 0.0),
        Trim::KeepAbove => (count * ((upper - at) / (upper - lower)), f64::midpoint(at, upper)),
    }
}

/// The middle of an interval: geometric for exponential buckets, else arithmetic. Of an endless interval it is the
/// finite end, or half of it where zero lies in between.
fn middle(lower: f64, upper: f64, sign: f64, linear: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) if upper > 0.0 => upper / 2.0,
        (true, false) => upper,
        (false, true) => lower,
        (false, false) if linear => f64::midpoint(lower, upper),
        (false, false) => sign * (lower * upper).abs().sqrt(),
    }
}
