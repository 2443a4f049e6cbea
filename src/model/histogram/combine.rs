//! Sums and differences of two histograms.

use std::borrow::Cow;

use super::buckets::Buckets;
use super::custom::{common_bounds, remapped};
use super::error::HistogramError;
use super::float_histogram::FloatHistogram;
use super::schema::{exponential_bound, is_exponential};

/// What a query has to tell about two histograms that were combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "both are warnings or infos of a query"]
pub struct Combined {
    /// One said that its counters started anew, the other that they did not.
    pub hints_collide: bool,
    /// Their custom bounds differed: the result has those that both had.
    pub bounds_reconciled: bool,
}

impl FloatHistogram {
    /// Adds the counts of `other`. The result has the coarser schema, the larger zero bucket, the common bounds.
    ///
    /// # Errors
    /// One has custom buckets, the other has not; this histogram stays as it is.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Combined, HistogramError> {
        self.combine(other, 1.0)
    }

    /// Subtracts the counts of `other`; see [`FloatHistogram::add`]. Counts may become negative.
    ///
    /// # Errors
    /// As for `add`.
    pub fn sub(&mut self, other: &FloatHistogram) -> Result<Combined, HistogramError> {
        self.combine(other, -1.0)
    }

    fn combine(&mut self, other: &FloatHistogram, sign: f64) -> Result<Combined, HistogramError> {
        let hints_collide = self.prepare(other)?;
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        if !self.uses_custom_buckets() {
            let zero_count = self.reconcile_zero(other, None).sum;
            self.zero_count += sign * zero_count;
            if other.schema < self.schema {
                self.positive = self.positive.reduced(self.schema, other.schema);
                self.negative = self.negative.reduced(self.schema, other.schema);
                self.schema = other.schema;
            }
            let in_zero = self.in_zero();
            let (positive, negative) = other.sides_in(self.schema);
            self.positive.merge(&positive, sign, in_zero);
            self.negative.merge(&negative, sign, in_zero);
            return Ok(Combined { hints_collide, bounds_reconciled: false });
        }
        let bounds_reconciled = self.bounds() != other.bounds();
        if bounds_reconciled {
            let common = common_bounds(self.bounds(), other.bounds());
            let mut counts = vec![0.0; common.len() + 1];
            for (target, count) in remapped(&self.positive, self.bounds(), &common) {
                counts[target] += count;
            }
            for (target, count) in remapped(&other.positive, other.bounds(), &common) {
                counts[target] += sign * count;
            }
            self.positive = Buckets::contiguous(0, counts);
            self.positive.compact(None, 0);
            self.custom_bounds = Some(common.into());
        } else {
            self.positive.merge(&other.positive, sign, |_| false);
        }
        Ok(Combined { hints_collide, bounds_reconciled })
    }

    /// Refuses what cannot be combined and settles the counter reset hint; answers whether the hints collide.
    pub(super) fn prepare(&mut self, other: &FloatHistogram) -> Result<bool, HistogramError> {
        if self.uses_custom_buckets() != other.uses_custom_buckets() {
            return Err(HistogramError::MixedSchemas);
        }
        let (hint, collide) = self.counter_reset_hint.combined(other.counter_reset_hint);
        self.counter_reset_hint = hint;
        Ok(collide)
    }

    /// Tells whether a bucket lies inside of the zero bucket.
    pub(super) fn in_zero(&self) -> impl Fn(i32) -> bool + Copy + use<> {
        let (schema, threshold) = (self.schema, self.zero_threshold);
        move |index| is_exponential(schema) && exponential_bound(index, schema) <= threshold
    }

    /// Both sides in a schema at most as fine as the histogram's.
    pub(super) fn sides_in(&self, schema: i32) -> (Cow<'_, Buckets>, Cow<'_, Buckets>) {
        if schema == self.schema {
            return (Cow::Borrowed(&self.positive), Cow::Borrowed(&self.negative));
        }
        let reduced = |side: &Buckets| Cow::Owned(side.reduced(self.schema, schema));
        (reduced(&self.positive), reduced(&self.negative))
    }
}

impl Buckets {
    /// Adds `sign` times the counts of `other`, except for its first buckets as long as `left_out` says so.
    fn merge(&mut self, other: &Buckets, sign: f64, left_out: impl Fn(i32) -> bool) {
        let first = other.spans.first().map_or(0, |span| span.offset);
        if self.spans == other.spans && self.counts.len() == other.counts.len() && !left_out(first) {
            for (own, other) in self.counts.iter_mut().zip(&other.counts) {
                *own += sign * other;
            }
            return;
        }
        let mut merged = Buckets { spans: Vec::new(), counts: Vec::with_capacity(self.counts.len() + 4) };
        let mut end = 0;
        join(self, other, left_out, |index, own, other| {
            let count = match (own, other) {
                (Some((_, own)), Some((_, other))) => own + sign * other,
                (Some((_, own)), None) => own,
                (None, Some((_, other))) => sign * other,
                (None, None) => return,
            };
            merged.push(&mut end, index, count);
        });
        *self = merged;
    }
}

/// A count and its place among the counts of its side.
pub(super) type Placed = Option<(usize, f64)>;

/// Visits every bucket index that either side has, in ascending order; the first buckets of `other` are passed over
/// as long as `left_out` says so.
pub(super) fn join(
    own: &Buckets,
    other: &Buckets,
    left_out: impl Fn(i32) -> bool,
    mut visit: impl FnMut(i32, Placed, Placed),
) {
    let mut own = own.indexed().enumerate().map(|(at, (index, count))| (index, (at, count))).peekable();
    let others = other.indexed().enumerate().map(|(at, (index, count))| (index, (at, count)));
    for (index, other) in others.skip_while(|&(index, _)| left_out(index)) {
        while let Some((at, own)) = own.next_if(|&(at, _)| at < index) {
            visit(at, Some(own), None);
        }
        let same = own.next_if(|&(at, _)| at == index).map(|(_, own)| own);
        visit(index, same, Some(other));
    }
    for (index, own) in own {
        visit(index, Some(own), None);
    }
}
