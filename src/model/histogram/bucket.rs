//! One bucket with its bounds, as iterators hand it out.

use std::fmt;

use super::number::general_text;

/// A bucket, its bounds and what it counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
    /// Whether an observation of exactly `lower` is counted here.
    pub lower_inclusive: bool,
    /// Whether an observation of exactly `upper` is counted here.
    pub upper_inclusive: bool,
    /// Observations; rates have fractions of them.
    pub count: f64,
    /// The place within its side and schema; 0 and without meaning for the zero bucket.
    pub index: i32,
}

impl Bucket {
    /// The part (0 to 1) of the bucket's width that lies at or below `value`, which must lie inside of finite bounds.
    ///
    /// `linear` for custom buckets and the zero bucket; else the scale is logarithmic, on which buckets of one
    /// exponential schema are equally wide.
    pub fn fraction_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let [lower, upper, at] = [self.lower, self.upper, value].map(|bound| bound.abs().log2());
        if value > 0.0 { (at - lower) / (upper - lower) } else { 1.0 - (at - upper) / (lower - upper) }
    }

    /// How the HTTP API names the kind of interval: 0 left-open, 1 right-open, 2 open, 3 closed.
    pub fn boundaries(&self) -> u8 {
        match (self.lower_inclusive, self.upper_inclusive) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        }
    }
}

/// `(0.5,1]:4`, in the notation of intervals.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.lower_inclusive { '[' } else { '(' };
        let close = if self.upper_inclusive { ']' } else { ')' };
        let [lower, upper, count] = [self.lower, self.upper, self.count].map(general_text);
        write!(f, "{open}{lower},{upper}{close}:{count}")
    }
}
