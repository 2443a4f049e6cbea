//! Native histograms of both versions, which differ in nothing but the start time.

use std::sync::Arc;

use super::super::protobuf::{Fields, Malformed, zigzag};
use super::super::whole::check_whole;
use super::sample::HistogramSample;
use crate::model::histogram::{
    BUCKETS_MAX, Buckets, CUSTOM_BOUNDS_MAX, CounterReset, FloatHistogram, HistogramError, SCHEMA_MAX, Span,
    is_exponential,
};

/// Reads a histogram, and validates it as Prometheus does: whole counts have to add up.
///
/// A schema finer than the finest known one, which senders may use one day, is reduced to that.
pub(super) fn read_histogram(mut fields: Fields<'_>, with_start: bool) -> Result<HistogramSample, Malformed> {
    let mut wire = Wire::default();
    let (mut time_ms, mut start_ms) = (0, 0);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => wire.count = Count::Whole(value.varint(&fields)?),
            2 => wire.count = Count::Float(value.double(&fields)?),
            3 => wire.sum = value.double(&fields)?,
            4 => wire.schema = zigzag(value.varint(&fields)? & 0xFFFF_FFFF) as i32,
            5 => wire.zero_threshold = value.double(&fields)?,
            6 => wire.zero_count = Count::Whole(value.varint(&fields)?),
            7 => wire.zero_count = Count::Float(value.double(&fields)?),
            8 => wire.negative.add_span(value.message(&fields)?)?,
            9 => value.varints(&fields, |delta| push(&mut wire.negative.deltas, zigzag(delta)))?,
            10 => value.fixed64s(&fields, |bits| push(&mut wire.negative.counts, f64::from_bits(bits)))?,
            11 => wire.positive.add_span(value.message(&fields)?)?,
            12 => value.varints(&fields, |delta| push(&mut wire.positive.deltas, zigzag(delta)))?,
            13 => value.fixed64s(&fields, |bits| push(&mut wire.positive.counts, f64::from_bits(bits)))?,
            14 => wire.reset_hint = value.varint(&fields)?,
            15 => time_ms = value.signed(&fields)?,
            16 => value.fixed64s(&fields, |bits| push(&mut wire.custom_bounds, f64::from_bits(bits)))?,
            17 if with_start => start_ms = value.signed(&fields)?,
            _ => {}
        }
    }
    Ok(HistogramSample { time_ms, start_ms, histogram: wire.into_histogram().map(Arc::new) })
}

/// Appends one of at most as many as a histogram may have, and one more, by which validation sees that there are more.
fn push<T>(numbers: &mut Vec<T>, number: T) {
    if numbers.len() <= BUCKETS_MAX {
        numbers.push(number);
    }
}

/// The message as it stands in the body.
#[derive(Default)]
struct Wire {
    count: Count,
    sum: f64,
    schema: i32,
    zero_threshold: f64,
    zero_count: Count,
    negative: Side,
    positive: Side,
    reset_hint: u64,
    custom_bounds: Vec<f64>,
}

#[derive(Clone, Copy)]
enum Count {
    Whole(u64),
    Float(f64),
}

impl Default for Count {
    fn default() -> Count {
        Count::Whole(0)
    }
}

/// Whole counts come as differences, others as they are.
#[derive(Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

impl Side {
    fn add_span(&mut self, mut fields: Fields<'_>) -> Result<(), Malformed> {
        let mut span = Span::default();
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => span.offset = zigzag(value.varint(&fields)? & 0xFFFF_FFFF) as i32,
                2 => span.length = value.varint(&fields)? as u32,
                _ => {}
            }
        }
        push(&mut self.spans, span);
        Ok(())
    }

    /// Absolute counts of the differences, and their sum; a count below zero is left for validation to find.
    fn whole(self) -> (Buckets, u64) {
        let (mut count, mut sum) = (0i64, 0u64);
        let mut counts = Vec::with_capacity(self.deltas.len());
        for delta in self.deltas {
            count = count.wrapping_add(delta);
            sum = sum.wrapping_add(count.cast_unsigned());
            counts.push(count as f64);
        }
        (Buckets::new(self.spans, counts), sum)
    }
}

impl Wire {
    fn into_histogram(self) -> Result<FloatHistogram, HistogramError> {
        let found =
            [&self.positive, &self.negative].iter().map(|s| s.spans.len() + s.deltas.len() + s.counts.len()).sum();
        if found > BUCKETS_MAX {
            return Err(HistogramError::TooManyBuckets { found });
        }
        if self.custom_bounds.len() > CUSTOM_BOUNDS_MAX {
            return Err(HistogramError::TooManyBounds { found: self.custom_bounds.len() });
        }
        let zero = match self.zero_count {
            Count::Whole(count) => count as f64,
            Count::Float(count) => count,
        };
        let mut histogram = FloatHistogram {
            counter_reset_hint: match self.reset_hint {
                1 => CounterReset::Reset,
                2 => CounterReset::NotReset,
                3 => CounterReset::Gauge,
                _ => CounterReset::Unknown,
            },
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: zero,
            sum: self.sum,
            custom_bounds: (!self.custom_bounds.is_empty()).then(|| self.custom_bounds.into()),
            ..FloatHistogram::default()
        };
        match self.count {
            Count::Float(count) => {
                histogram.count = count;
                histogram.positive = Buckets::new(self.positive.spans, self.positive.counts);
                histogram.negative = Buckets::new(self.negative.spans, self.negative.counts);
                validate(&mut histogram)?;
            }
            Count::Whole(count) => {
                histogram.count = count as f64;
                let (positive, in_positive) = self.positive.whole();
                let (negative, in_negative) = self.negative.whole();
                (histogram.positive, histogram.negative) = (positive, negative);
                // As Prometheus reads it: a whole histogram has no fractional zero bucket.
                let in_zero = if let Count::Whole(count) = self.zero_count { count } else { 0 };
                histogram.zero_count = in_zero as f64;
                validate(&mut histogram)?;
                let buckets = in_positive.wrapping_add(in_negative).wrapping_add(in_zero);
                check_whole(&histogram, buckets, count)?;
            }
        }
        Ok(histogram)
    }
}

/// Validates a histogram, one of a schema yet unknown as the finest known one.
fn validate(histogram: &mut FloatHistogram) -> Result<(), HistogramError> {
    let schema = histogram.schema;
    if (SCHEMA_MAX + 1..=SCHEMA_RESERVED_MAX).contains(&schema) {
        histogram.schema = SCHEMA_MAX;
        histogram.validate()?;
        histogram.schema = schema;
        histogram.reduce_resolution(SCHEMA_MAX)?;
    }
    debug_assert!(histogram.schema == schema || is_exponential(histogram.schema));
    histogram.validate()
}

/// The finest schema that Prometheus keeps a number for.
const SCHEMA_RESERVED_MAX: i32 = 52;
