//! Buckets with their bounds, in either direction.

use super::bucket::Bucket;
use super::float_histogram::FloatHistogram;
use super::schema::bound;

impl FloatHistogram {
    /// The positive or custom buckets in ascending order.
    pub fn positive_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + Clone + '_ {
        let custom = self.uses_custom_buckets();
        self.positive.indexed().map(move |(index, count)| {
            let upper = bound(index, self.schema, self.bounds());
            let lower = bound(index.saturating_sub(1), self.schema, self.bounds());
            let lower_inclusive = if custom { index == 0 } else { lower < 0.0 };
            let upper_inclusive = custom || upper > 0.0;
            Bucket { lower, upper, lower_inclusive, upper_inclusive, count, index }
        })
    }

    /// The negative buckets from the zero bucket on, that is in descending order.
    pub fn negative_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + Clone + '_ {
        self.negative.indexed().map(move |(index, count)| {
            let lower = -bound(index, self.schema, &[]);
            let upper = -bound(index.saturating_sub(1), self.schema, &[]);
            Bucket { lower, upper, lower_inclusive: lower < 0.0, upper_inclusive: upper > 0.0, count, index }
        })
    }

    /// The bucket around zero, populated or not. Custom buckets have none: it is empty then.
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: if self.uses_custom_buckets() { 0.0 } else { self.zero_count },
            index: 0,
        }
    }

    /// All buckets in ascending order, empty ones among them; the zero bucket if it is populated.
    ///
    /// A bucket that reaches into the zero bucket is shown as ending there. `rev()` gives the descending order.
    pub fn all_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + Clone + '_ {
        let zero = Some(self.zero_bucket()).filter(|zero| zero.count > 0.0);
        let clip = move |bucket: Bucket| self.clipped(bucket);
        self.negative_buckets().rev().map(clip).chain(zero).chain(self.positive_buckets().map(clip))
    }

    fn clipped(&self, mut bucket: Bucket) -> Bucket {
        if bucket.upper < 0.0 && bucket.upper > -self.zero_threshold {
            bucket.upper = -self.zero_threshold;
        } else if bucket.lower > 0.0 && bucket.lower < self.zero_threshold {
            bucket.lower = self.zero_threshold;
        }
        bucket
    }
}
