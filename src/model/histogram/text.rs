//! The text of a histogram in messages and in answers that are plain text.

use std::fmt;

use super::float_histogram::FloatHistogram;
use super::number::general_text;

/// `{count:7, sum:12.5, [-0.001,0.001]:1, (0.5,1]:6}`: the populated buckets in ascending order.
impl fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", general_text(self.count), general_text(self.sum))?;
        let zero = Some(self.zero_bucket());
        let buckets = self.negative_buckets().rev().chain(zero).chain(self.positive_buckets());
        for bucket in buckets.filter(|bucket| bucket.count != 0.0) {
            write!(f, ", {bucket}")?;
        }
        f.write_str("}")
    }
}
