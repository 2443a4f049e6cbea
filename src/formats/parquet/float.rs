//! What the encoder of values needs of float32 and float64.

use parquet::file::statistics::Statistics;

/// A type of the column `value`.
pub(super) trait Float: Copy + PartialOrd + 'static {
    /// Bits of a value that the dictionary does not hold, compressed: the mantissa and a little.
    const PLAIN_BITS: usize;

    /// Equal for the same bits, so that a negative zero and every bit of a float64 survive.
    fn bits(self) -> u64;
    /// Appends the value in PLAIN encoding.
    fn write(self, out: &mut Vec<u8>);
    /// The greatest and the least value: what no value is beyond.
    const LIMITS: (Self, Self);
    /// Zero as a lower bound is negative and as an upper one positive, as the format wants it.
    fn bounds(min: Self, max: Self) -> (Self, Self);
    /// The statistics of a column chunk.
    fn statistics(min: Self, max: Self) -> Statistics;
}

impl Float for f32 {
    const PLAIN_BITS: usize = 27;
    const LIMITS: (Self, Self) = (f32::INFINITY, f32::NEG_INFINITY);

    fn bits(self) -> u64 {
        self.to_bits().into()
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn bounds(min: Self, max: Self) -> (Self, Self) {
        (if min == 0.0 { -0.0 } else { min }, if max == 0.0 { 0.0 } else { max })
    }

    fn statistics(min: Self, max: Self) -> Statistics {
        Statistics::float(Some(min), Some(max), None, Some(0), false)
    }
}

impl Float for f64 {
    const PLAIN_BITS: usize = 58;
    const LIMITS: (Self, Self) = (f64::INFINITY, f64::NEG_INFINITY);

    fn bits(self) -> u64 {
        self.to_bits()
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn bounds(min: Self, max: Self) -> (Self, Self) {
        (if min == 0.0 { -0.0 } else { min }, if max == 0.0 { 0.0 } else { max })
    }

    fn statistics(min: Self, max: Self) -> Statistics {
        Statistics::double(Some(min), Some(max), None, Some(0), false)
    }
}
