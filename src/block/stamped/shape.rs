//! What the native histograms of a series have in common for as long as their buckets stay the same.

use std::sync::Arc;

use crate::block::error::BlockError;
use crate::block::reader::{Reader, write_varint};
use crate::model::histogram::{Buckets, CounterReset, FloatHistogram, Span};

/// Everything of a histogram but its numbers.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    schema: i32,
    zero_threshold: f64,
    custom_bounds: Option<Arc<[f64]>>,
    positive: Side,
    negative: Side,
}

/// The buckets of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Side {
    spans: Vec<Span>,
    /// The number of counts; the spans may name more or fewer.
    counts: usize,
}

/// Numbers of a histogram in front of its buckets' counts: all observations and those near zero.
const COUNTS: usize = 2;

impl Shape {
    pub(super) fn of(histogram: &FloatHistogram) -> Shape {
        let side = |side: &Buckets| Side { spans: side.spans.clone(), counts: side.counts.len() };
        Shape {
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            custom_bounds: histogram.custom_bounds.clone(),
            positive: side(&histogram.positive),
            negative: side(&histogram.negative),
        }
    }

    /// Whether a histogram has this shape, bit by bit.
    pub(super) fn is_of(&self, histogram: &FloatHistogram) -> bool {
        let is_side = |own: &Side, side: &Buckets| own.counts == side.counts.len() && own.spans == side.spans;
        self.schema == histogram.schema
            && self.zero_threshold.to_bits() == histogram.zero_threshold.to_bits()
            && is_side(&self.positive, &histogram.positive)
            && is_side(&self.negative, &histogram.negative)
            && match (&self.custom_bounds, &histogram.custom_bounds) {
                (None, None) => true,
                (Some(own), Some(bounds)) => Arc::ptr_eq(own, bounds) || have_same_bits(own, bounds),
                _ => false,
            }
    }

    /// The counts of a histogram: in all, near zero, of each bucket.
    pub(super) fn counts(&self) -> usize {
        COUNTS.saturating_add(self.positive.counts).saturating_add(self.negative.counts)
    }

    /// Count `at` of a histogram that has this shape.
    pub(super) fn count(&self, histogram: &FloatHistogram, at: usize) -> f64 {
        let positive = at.saturating_sub(COUNTS);
        match at {
            0 => histogram.count,
            1 => histogram.zero_count,
            _ if positive < self.positive.counts => histogram.positive.counts[positive],
            _ => histogram.negative.counts[positive - self.positive.counts],
        }
    }

    /// Puts a number where [`Shape::count`] takes it from.
    pub(super) fn set_count(&self, histogram: &mut FloatHistogram, at: usize, count: f64) {
        let positive = at.saturating_sub(COUNTS);
        match at {
            0 => histogram.count = count,
            1 => histogram.zero_count = count,
            _ if positive < self.positive.counts => histogram.positive.counts[positive] = count,
            _ => histogram.negative.counts[positive - self.positive.counts] = count,
        }
    }

    /// A histogram of this shape that has counted nothing.
    pub(super) fn empty(&self, counter_reset_hint: CounterReset) -> FloatHistogram {
        let buckets = |side: &Side| Buckets::new(side.spans.clone(), vec![0.0; side.counts]);
        FloatHistogram {
            counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            positive: buckets(&self.positive),
            negative: buckets(&self.negative),
            custom_bounds: self.custom_bounds.clone(),
            ..FloatHistogram::default()
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_varint(i64::from(self.schema), out);
        out.extend_from_slice(&self.zero_threshold.to_le_bytes());
        // One more than their number: 0 for none at all.
        write_varint(self.custom_bounds.as_ref().map_or(0, |bounds| bounds.len() as i64 + 1), out);
        let bounds = self.custom_bounds.as_deref().unwrap_or_default();
        out.extend(bounds.iter().flat_map(|bound| bound.to_le_bytes()));
        for side in [&self.positive, &self.negative] {
            write_varint(side.spans.len() as i64, out);
            for span in &side.spans {
                write_varint(i64::from(span.offset), out);
                write_varint(i64::from(span.length), out);
            }
            write_varint(side.counts as i64, out);
        }
    }

    /// Reads what [`Shape::write`] appends. Nothing here grows beyond the bytes: how many counts there are, their
    /// bytes have to show.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Shape, BlockError> {
        let schema = number(reader, "schema")?;
        let zero_threshold = f64::from_bits(reader.u64("zero threshold")?);
        let bounds: usize = number(reader, "number of custom bounds")?;
        let custom_bounds = match bounds.checked_sub(1) {
            None => None,
            Some(bounds) => {
                let (words, _) = reader.take(bounds.saturating_mul(8), "custom bounds")?.as_chunks();
                Some(words.iter().map(|word| f64::from_le_bytes(*word)).collect())
            }
        };
        Ok(Shape {
            schema,
            zero_threshold,
            custom_bounds,
            positive: Side::read(reader)?,
            negative: Side::read(reader)?,
        })
    }
}

impl Side {
    fn read(reader: &mut Reader<'_>) -> Result<Side, BlockError> {
        let spans: usize = number(reader, "number of spans")?;
        let mut side = Side { spans: Vec::new(), counts: 0 };
        for _ in 0..spans {
            let offset = number(reader, "offset of a span")?;
            side.spans.push(Span { offset, length: number(reader, "length of a span")? });
        }
        side.spans.shrink_to_fit();
        side.counts = number(reader, "number of buckets")?;
        Ok(side)
    }
}

/// A varint within its type.
fn number<T: TryFrom<i64>>(reader: &mut Reader<'_>, what: &'static str) -> Result<T, BlockError> {
    let found = reader.varint(what)?;
    T::try_from(found).map_err(|_| BlockError::Field { what, found: found as u64, expected: "a number in its range" })
}

fn have_same_bits(own: &[f64], other: &[f64]) -> bool {
    own.len() == other.len() && own.iter().zip(other).all(|(a, b)| a.to_bits() == b.to_bits())
}
