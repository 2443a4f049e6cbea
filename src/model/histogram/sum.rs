//! Sums of many histograms without the losses of rounding.

use super::buckets::Buckets;
use super::combine::{Combined, join};
use super::custom::{common_bounds, remapped};
use super::error::HistogramError;
use super::float_histogram::FloatHistogram;
use super::kahan::{KahanSum, increased};

/// A running sum of histograms, each of its numbers a [`KahanSum`].
#[derive(Debug, Clone)]
pub struct HistogramSum {
    /// The sum as plain addition has it.
    total: FloatHistogram,
    /// What plain addition lost; the sides are parallel to the counts of `total`. None before the second histogram.
    lost: Option<Lost>,
}

/// The compensations of a sum.
#[derive(Debug, Clone, Default)]
pub(super) struct Lost {
    pub(super) zero_count: f64,
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) positive: Vec<f64>,
    pub(super) negative: Vec<f64>,
}

impl HistogramSum {
    /// The sum of one histogram.
    pub fn new(first: FloatHistogram) -> Self {
        HistogramSum { total: first, lost: None }
    }

    /// Adds a histogram; see [`FloatHistogram::add`].
    ///
    /// # Errors
    /// One has custom buckets, the other has not; the sum stays as it is.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Combined, HistogramError> {
        let total = &mut self.total;
        let hints_collide = total.prepare(other)?;
        let lost = self.lost.get_or_insert_with(|| Lost {
            positive: vec![0.0; total.positive.counts.len()],
            negative: vec![0.0; total.negative.counts.len()],
            ..Lost::default()
        });
        (total.count, lost.count) = increased(other.count, total.count, lost.count);
        (total.sum, lost.sum) = increased(other.sum, total.sum, lost.sum);
        if total.uses_custom_buckets() {
            let bounds_reconciled = total.bounds() != other.bounds();
            if bounds_reconciled {
                add_between_bounds(total, &mut lost.positive, other);
            } else {
                merge(&mut total.positive, &mut lost.positive, (&other.positive, &[]), |_| false);
            }
            return Ok(Combined { hints_collide, bounds_reconciled });
        }
        let zero = total.reconcile_zero(other, Some(lost));
        (total.zero_count, lost.zero_count) = increased(zero.sum, total.zero_count, lost.zero_count);
        (total.zero_count, lost.zero_count) = increased(zero.compensation, total.zero_count, lost.zero_count);
        if other.schema < total.schema {
            let (from, to) = (total.schema, other.schema);
            (total.positive, lost.positive) = reduced((&total.positive, &lost.positive), from, to);
            (total.negative, lost.negative) = reduced((&total.negative, &lost.negative), from, to);
            total.schema = to;
        }
        let in_zero = total.in_zero();
        if other.schema == total.schema {
            merge(&mut total.positive, &mut lost.positive, (&other.positive, &[]), in_zero);
            merge(&mut total.negative, &mut lost.negative, (&other.negative, &[]), in_zero);
        } else {
            let (from, to) = (other.schema, total.schema);
            let (positive, positive_lost) = reduced((&other.positive, &[]), from, to);
            let (negative, negative_lost) = reduced((&other.negative, &[]), from, to);
            merge(&mut total.positive, &mut lost.positive, (&positive, &positive_lost), in_zero);
            merge(&mut total.negative, &mut lost.negative, (&negative, &negative_lost), in_zero);
        }
        Ok(Combined { hints_collide, bounds_reconciled: false })
    }

    /// Multiplies the sum.
    pub fn mul(&mut self, factor: f64) {
        self.total.mul(factor);
        self.scale_lost(|number| number * factor);
    }

    /// Divides the sum by a number that is not 0.
    pub fn div(&mut self, divisor: f64) {
        self.total.div(divisor);
        self.scale_lost(|number| number / divisor);
    }

    fn scale_lost(&mut self, scale: impl Fn(f64) -> f64) {
        let Some(lost) = &mut self.lost else { return };
        for number in [&mut lost.zero_count, &mut lost.count, &mut lost.sum] {
            *number = scale(*number);
        }
        for number in lost.positive.iter_mut().chain(&mut lost.negative) {
            *number = scale(*number);
        }
    }

    /// The sum so far, without what rounding lost.
    pub fn total(&self) -> &FloatHistogram {
        &self.total
    }

    /// The sum, compensated. Empty buckets are still there.
    pub fn into_value(self) -> FloatHistogram {
        let HistogramSum { mut total, lost } = self;
        let Some(lost) = lost else { return total };
        total.zero_count += lost.zero_count;
        total.count += lost.count;
        total.sum += lost.sum;
        for (side, lost) in [(&mut total.positive, &lost.positive), (&mut total.negative, &lost.negative)] {
            for (count, lost) in side.counts.iter_mut().zip(lost) {
                *count += lost;
            }
        }
        total
    }
}

/// Counts and what rounding took from them, the latter parallel to the former or empty for none.
type Side<'a> = (&'a Buckets, &'a [f64]);

fn lost_at(lost: &[f64], at: usize) -> f64 {
    lost.get(at).copied().unwrap_or(0.0)
}

/// Adds a side to another; the first buckets of `other` are passed over as long as `left_out` says so.
fn merge(own: &mut Buckets, lost: &mut Vec<f64>, other: Side<'_>, left_out: impl Fn(i32) -> bool) {
    let (other, other_lost) = other;
    let plus = |count: f64, lost: f64, sum: f64, compensation: f64| {
        let (sum, compensation) = increased(count, sum, compensation);
        if lost == 0.0 { (sum, compensation) } else { increased(lost, sum, compensation) }
    };
    let first = other.spans.first().map_or(0, |span| span.offset);
    if own.spans == other.spans && own.counts.len() == other.counts.len() && !left_out(first) {
        for (at, (own, lost)) in own.counts.iter_mut().zip(lost).enumerate() {
            (*own, *lost) = plus(other.counts[at], lost_at(other_lost, at), *own, *lost);
        }
        return;
    }
    let (mut merged, mut merged_lost, mut end) = (Buckets::default(), Vec::new(), 0);
    join(own, other, left_out, |index, own, other| {
        let (sum, compensation) = match (own, other) {
            (Some((own, sum)), Some((at, count))) => plus(count, lost_at(other_lost, at), sum, lost_at(lost, own)),
            (Some((own, sum)), None) => (sum, lost_at(lost, own)),
            (None, Some((at, count))) => (count, lost_at(other_lost, at)),
            (None, None) => return,
        };
        merged.push(&mut end, index, sum);
        merged_lost.push(compensation);
    });
    (*own, *lost) = (merged, merged_lost);
}

/// See [`Buckets::reduced`].
fn reduced((side, lost): Side<'_>, from: i32, to: i32) -> (Buckets, Vec<f64>) {
    let (mut target, mut target_lost, mut end) = (Buckets::default(), Vec::new(), 0);
    for (at, (index, count)) in side.indexed().enumerate() {
        let index = super::schema::target_index(index, from, to);
        match (target.counts.last_mut(), target_lost.last_mut()) {
            (Some(sum), Some(compensation)) if index < end => {
                (*sum, *compensation) = increased(count, *sum, *compensation);
                (*sum, *compensation) = increased(lost_at(lost, at), *sum, *compensation);
            }
            _ => {
                target.push(&mut end, index, count);
                target_lost.push(lost_at(lost, at));
            }
        }
    }
    (target, target_lost)
}

/// Adds custom buckets whose bounds differ: both are read between the bounds that they share.
fn add_between_bounds(total: &mut FloatHistogram, lost: &mut Vec<f64>, other: &FloatHistogram) {
    let common = common_bounds(total.bounds(), other.bounds());
    let mut sums = vec![KahanSum::default(); common.len() + 1];
    for (at, (target, count)) in remapped(&total.positive, total.bounds(), &common).enumerate() {
        sums[target].add(count);
        sums[target].add(lost_at(lost, at));
    }
    for (target, count) in remapped(&other.positive, other.bounds(), &common) {
        sums[target].add(count);
    }
    *lost = sums.iter().map(|sum| sum.compensation).collect();
    total.positive = Buckets::contiguous(0, sums.iter().map(|sum| sum.sum).collect());
    total.positive.compact(Some(lost), 0);
    total.custom_bounds = Some(common.into());
}
