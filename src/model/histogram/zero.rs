//! The zero bucket: which one two histograms can share.

use super::bucket::Bucket;
use super::buckets::Buckets;
use super::float_histogram::FloatHistogram;
use super::kahan::KahanSum;
use super::sum::Lost;

impl FloatHistogram {
    /// What the zero bucket would count if it reached to `threshold`, and how far it then reaches: a threshold inside
    /// of a populated bucket moves to the far end of that bucket.
    ///
    /// A `threshold` below the histogram's own is not looked at. `lost` is what rounding took from the counts.
    pub(super) fn zero_count_at(&self, mut threshold: f64, lost: Option<&Lost>) -> (KahanSum, f64) {
        let start = KahanSum { sum: self.zero_count, compensation: lost.map_or(0.0, |lost| lost.zero_count) };
        if threshold <= self.zero_threshold || threshold.is_nan() {
            return (start, self.zero_threshold);
        }
        loop {
            let mut total = start;
            // The positive side first: its last bucket may only widen the zero bucket.
            let mut reach = |mut bucket: Bucket, lost: f64, threshold: f64| {
                if bucket.upper <= 0.0 {
                    (bucket.lower, bucket.upper) = (-bucket.upper, -bucket.lower);
                }
                if bucket.lower >= threshold {
                    return None;
                }
                total.add(bucket.count);
                if lost != 0.0 {
                    total.add(lost);
                }
                let beyond = bucket.upper > threshold && bucket.count != 0.0;
                Some(if beyond { bucket.upper } else { threshold })
            };
            let lost_at = |side: fn(&Lost) -> &Vec<f64>, at: usize| {
                lost.and_then(|lost| side(lost).get(at)).copied().unwrap_or(0.0)
            };
            let mut wanted = threshold;
            for (at, bucket) in self.positive_buckets().enumerate() {
                let Some(reached) = reach(bucket, lost_at(|lost| &lost.positive, at), threshold) else { break };
                wanted = reached;
                if bucket.upper > threshold {
                    break;
                }
            }
            threshold = wanted;
            for (at, bucket) in self.negative_buckets().enumerate() {
                let Some(reached) = reach(bucket, lost_at(|lost| &lost.negative, at), threshold) else { break };
                wanted = reached;
                if -bucket.lower > threshold {
                    break;
                }
            }
            if wanted == threshold {
                return (total, threshold);
            }
            // A negative bucket moved the threshold: what of the positive side lies within has to be looked at anew.
            threshold = wanted;
        }
    }

    /// Widens the zero buckets of both until they are the same and cut through no populated bucket of either.
    ///
    /// This histogram is changed, and `lost` with it; of the other only the zero count is told that it would have.
    pub(super) fn reconcile_zero(&mut self, other: &FloatHistogram, mut lost: Option<&mut Lost>) -> KahanSum {
        let mut other_count = KahanSum::new(other.zero_count);
        let mut other_threshold = other.zero_threshold;
        while other_threshold != self.zero_threshold {
            if self.zero_threshold > other_threshold {
                (other_count, other_threshold) = other.zero_count_at(self.zero_threshold, None);
            }
            if other_threshold > self.zero_threshold {
                let (count, threshold) = self.zero_count_at(other_threshold, lost.as_deref());
                self.zero_count = count.sum;
                self.zero_threshold = threshold;
                if let Some(lost) = lost.as_deref_mut() {
                    lost.zero_count = count.compensation;
                }
                self.drop_buckets_in_zero(lost.as_deref_mut());
            } else if self.zero_threshold.is_nan() || other_threshold.is_nan() {
                break;
            }
        }
        other_count
    }

    /// Leaves out the buckets inside of the zero bucket, which counts them already, and empty ones.
    fn drop_buckets_in_zero(&mut self, lost: Option<&mut Lost>) {
        let threshold = self.zero_threshold;
        let positive = self.positive_buckets().take_while(|bucket| bucket.lower < threshold).count();
        let negative = self.negative_buckets().take_while(|bucket| bucket.upper > -threshold).count();
        let empty = |buckets: &mut Buckets, lost: Option<&mut Vec<f64>>, first: usize| match lost {
            Some(lost) => {
                lost.iter_mut().take(first).for_each(|lost| *lost = 0.0);
                buckets.counts.iter_mut().take(first).for_each(|count| *count = 0.0);
                buckets.compact(Some(lost), 0);
            }
            None => {
                buckets.counts.iter_mut().take(first).for_each(|count| *count = 0.0);
                buckets.compact(None, 0);
            }
        };
        let (lost_positive, lost_negative) = match lost {
            Some(lost) => (Some(&mut lost.positive), Some(&mut lost.negative)),
            None => (None, None),
        };
        empty(&mut self.positive, lost_positive, positive);
        empty(&mut self.negative, lost_negative, negative);
    }
}
