//! The histogram itself: its parts, scaling, equality, size.

use std::sync::Arc;

use super::buckets::Buckets;
use super::error::HistogramError;
use super::reset::CounterReset;
use super::schema::is_custom;

/// A native histogram: observations counted in buckets that grow exponentially, or between bounds of its own.
///
/// Cheap parts first: with custom buckets the bounds are shared, never copied.
#[derive(Debug, Clone, Default)]
pub struct FloatHistogram {
    /// Whether the counters started anew at this sample, as far as its sender knew.
    pub counter_reset_hint: CounterReset,
    /// -4 to 8: each power of two is cut into 2^schema buckets; -53: custom buckets.
    pub schema: i32,
    /// The zero bucket reaches from minus this number to this number, both inclusive. 0 with custom buckets.
    pub zero_threshold: f64,
    /// Observations in the zero bucket. 0 with custom buckets.
    pub zero_count: f64,
    /// All observations, those of NaN included, which no bucket counts.
    pub count: f64,
    /// The sum of all observations. A stale marker is told by this field.
    pub sum: f64,
    /// Buckets of positive observations, or the custom buckets.
    pub positive: Buckets,
    /// Buckets of negative observations, in descending order of bounds. Empty with custom buckets.
    pub negative: Buckets,
    /// The upper bounds of custom buckets without the last one, which is infinity; strictly increasing.
    pub custom_bounds: Option<Arc<[f64]>>,
}

impl FloatHistogram {
    /// Whether the histogram lists its bounds.
    pub fn uses_custom_buckets(&self) -> bool {
        is_custom(self.schema)
    }

    /// The upper bounds of custom buckets without infinity; empty for exponential schemas.
    pub fn bounds(&self) -> &[f64] {
        match &self.custom_bounds {
            Some(bounds) if self.uses_custom_buckets() => bounds,
            _ => &[],
        }
    }

    /// Multiplies every count and the sum. A negative factor makes the histogram a gauge.
    pub fn mul(&mut self, factor: f64) {
        self.scale(|number| number * factor);
        if factor < 0.0 {
            self.counter_reset_hint = CounterReset::Gauge;
        }
    }

    /// Divides every count and the sum. A negative divisor makes the histogram a gauge; zero leaves no bucket.
    pub fn div(&mut self, divisor: f64) {
        self.scale(|number| number / divisor);
        if divisor == 0.0 {
            self.positive = Buckets::default();
            self.negative = Buckets::default();
        } else if divisor < 0.0 {
            self.counter_reset_hint = CounterReset::Gauge;
        }
    }

    fn scale(&mut self, scale: impl Fn(f64) -> f64) {
        for number in [&mut self.zero_count, &mut self.count, &mut self.sum] {
            *number = scale(*number);
        }
        for number in self.positive.counts.iter_mut().chain(&mut self.negative.counts) {
            *number = scale(*number);
        }
    }

    /// The same histogram in the coarser (or same) exponential schema `schema`.
    ///
    /// # Errors
    /// Custom buckets, on either side, and a finer schema.
    pub fn reduced_to(&self, schema: i32) -> Result<FloatHistogram, HistogramError> {
        if schema == self.schema {
            return Ok(self.clone());
        }
        let mut reduced =
            FloatHistogram { counter_reset_hint: CounterReset::Unknown, custom_bounds: None, ..self.clone() };
        reduced.reduce_resolution(schema)?;
        Ok(reduced)
    }

    /// Merges buckets until they are those of the coarser exponential schema `schema`.
    ///
    /// # Errors
    /// Custom buckets, on either side, and a schema that is not coarser. The histogram stays as it is.
    pub fn reduce_resolution(&mut self, schema: i32) -> Result<(), HistogramError> {
        if self.uses_custom_buckets() {
            return Err(HistogramError::ReduceCustom);
        }
        if is_custom(schema) {
            return Err(HistogramError::ReduceToCustom);
        }
        if schema >= self.schema {
            return Err(HistogramError::ReduceUpwards { from: self.schema, to: schema });
        }
        self.positive = self.positive.reduced(self.schema, schema);
        self.negative = self.negative.reduced(self.schema, schema);
        self.schema = schema;
        Ok(())
    }

    /// Whether any count, the sum or a bound is infinite: sums of many histograms may pass the largest number.
    pub fn has_overflow(&self) -> bool {
        let numbers = [self.zero_count, self.count, self.sum].into_iter();
        let counts = self.positive.counts.iter().chain(&self.negative.counts).copied();
        numbers.chain(counts).chain(self.bounds().iter().copied()).any(f64::is_infinite)
    }

    /// Bytes that Prometheus counts for this histogram; limits and statistics of queries are in this measure.
    pub fn size_bytes(&self) -> usize {
        let sides = [&self.positive, &self.negative];
        let parts: usize = sides.iter().map(|side| side.spans.len() + side.counts.len()).sum();
        STRUCT_BYTES + 8 * (parts + self.bounds().len())
    }

    /// How many float samples a query counts this histogram for, its timestamp included.
    pub fn sample_weight(&self) -> usize {
        (self.size_bytes() + 8) / SAMPLE_BYTES
    }
}

/// Equal means: the same numbers, bit by bit, in the same buckets. The counter reset hint does not matter.
impl PartialEq for FloatHistogram {
    fn eq(&self, other: &Self) -> bool {
        let bits =
            |histogram: &FloatHistogram| [histogram.count, histogram.sum, histogram.zero_count].map(f64::to_bits);
        let side_matches = |own: &Buckets, other: &Buckets| {
            let same = |((own, a), (other, b)): ((i32, f64), (i32, f64))| own == other && a.to_bits() == b.to_bits();
            own.counts.len() == other.counts.len() && own.indexed().zip(other.indexed()).all(same)
        };
        self.schema == other.schema
            && bits(self) == bits(other)
            && self.zero_threshold == other.zero_threshold
            && self.bounds() == other.bounds()
            && side_matches(&self.positive, &other.positive)
            && side_matches(&self.negative, &other.negative)
    }
}

/// What Prometheus counts for a histogram without its slices.
const STRUCT_BYTES: usize = 168;

/// What Prometheus counts for a float and its timestamp.
const SAMPLE_BYTES: usize = 16;
