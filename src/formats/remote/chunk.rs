//! Prometheus's chunks: at most 120 samples, floats (`XOR`) or histograms with float counts (`FLOAT_HISTOGRAM`).
//!
//! Times are differences of differences; values are what changed of the bits of the value before (T. Pelkonen et al.,
//! "Gorilla: A Fast, Scalable, In-Memory Time Series Database", 2015, with the bit widths that Prometheus chose).
//! Histograms in one chunk have one layout, and no counter reset between them: readers take that for granted.

use std::sync::Arc;

use super::super::protobuf::to_zigzag;
use super::bits::{Bits, fits};
use crate::model::histogram::{Buckets, CounterReset, FloatHistogram, is_custom};
use crate::model::is_stale;

/// A chunk that still grows.
#[derive(Debug)]
pub(super) struct Chunk {
    bits: Bits,
    samples: u16,
    min_time_ms: i64,
    max_time_ms: i64,
    delta: i64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Floats(Xor),
    Histograms(Box<Layout>),
}

/// What the histograms of a chunk have in common, and the last of them.
#[derive(Debug)]
struct Layout {
    last: Arc<FloatHistogram>,
    /// Count, zero count, sum, then the buckets.
    numbers: Vec<Xor>,
}

impl Chunk {
    /// A chunk that begins with a float.
    pub fn of_float(time_ms: i64, value: f64) -> Chunk {
        let mut bits = Bits::behind(vec![0; 2]);
        bits.put_varint(to_zigzag(time_ms));
        bits.put(value.to_bits(), 64);
        Chunk::begun(bits, time_ms, Content::Floats(Xor::new(value)))
    }

    /// A chunk that begins with a histogram.
    pub fn of_histogram(time_ms: i64, histogram: &Arc<FloatHistogram>) -> Chunk {
        let histogram = &stripped(histogram);
        let flag = match histogram.counter_reset_hint {
            CounterReset::Unknown => 0b0000_0000,
            CounterReset::Reset => 0b1000_0000,
            CounterReset::NotReset => 0b0100_0000,
            CounterReset::Gauge => 0b1100_0000,
        };
        let mut bits = Bits::behind(vec![0, 0, flag]);
        put_zero_threshold(&mut bits, histogram.zero_threshold);
        bits.put_signed(histogram.schema.into());
        for side in [&histogram.positive, &histogram.negative] {
            bits.put_unsigned(side.spans.len() as u64);
            for span in &side.spans {
                bits.put_unsigned(span.length.into());
                bits.put_signed(span.offset.into());
            }
        }
        if is_custom(histogram.schema) {
            bits.put_unsigned(histogram.bounds().len() as u64);
            histogram.bounds().iter().for_each(|&bound| put_bound(&mut bits, bound));
        }
        bits.put_signed(time_ms);
        let numbers: Vec<Xor> = numbers(histogram).map(Xor::new).collect();
        for number in &numbers {
            bits.put(number.last.to_bits(), 64);
        }
        let layout = Box::new(Layout { last: Arc::clone(histogram), numbers });
        Chunk::begun(bits, time_ms, Content::Histograms(layout))
    }

    fn begun(bits: Bits, time_ms: i64, content: Content) -> Chunk {
        let mut chunk = Chunk { bits, samples: 0, min_time_ms: time_ms, max_time_ms: time_ms, delta: 0, content };
        chunk.count();
        chunk
    }

    /// Appends a float, if this chunk has room for it.
    pub fn add_float(&mut self, time_ms: i64, value: f64) -> bool {
        let Content::Floats(last) = &mut self.content else { return false };
        if self.samples >= SAMPLES_MAX {
            return false;
        }
        let delta = time_ms.wrapping_sub(self.max_time_ms);
        let change = delta.wrapping_sub(self.delta);
        let bits = &mut self.bits;
        if self.samples == 1 {
            bits.put_varint(delta.cast_unsigned());
        } else if change == 0 {
            bits.put(0, 1);
        } else {
            let class = TIME_CLASSES.iter().find(|(width, ..)| fits(change, *width)).unwrap_or(&(64, 0b1111, 4));
            let (width, prefix, length) = *class;
            bits.put(prefix, length);
            bits.put(change.cast_unsigned(), width);
        }
        last.put(value, bits);
        self.advance(time_ms, delta);
        true
    }

    /// Appends a histogram, if this chunk has room for it, and can tell it from the ones before.
    pub fn add_histogram(&mut self, time_ms: i64, histogram: &Arc<FloatHistogram>) -> bool {
        let Content::Histograms(layout) = &mut self.content else { return false };
        let histogram = stripped(histogram);
        if self.samples >= SAMPLES_MAX || !layout.takes(&histogram) {
            return false;
        }
        let delta = time_ms.wrapping_sub(self.max_time_ms);
        self.bits.put_signed(delta.wrapping_sub(self.delta));
        for (number, value) in layout.numbers.iter_mut().zip(numbers(&histogram)) {
            number.put(value, &mut self.bits);
        }
        layout.last = histogram;
        self.advance(time_ms, delta);
        true
    }

    fn advance(&mut self, time_ms: i64, delta: i64) {
        self.delta = delta;
        self.max_time_ms = time_ms;
        self.count();
    }

    fn count(&mut self) {
        self.samples += 1;
        self.bits.bytes_mut()[..2].copy_from_slice(&self.samples.to_be_bytes());
    }

    /// The time of the first sample.
    pub fn min_time_ms(&self) -> i64 {
        self.min_time_ms
    }

    /// The time of the last sample.
    pub fn max_time_ms(&self) -> i64 {
        self.max_time_ms
    }

    /// The number of the encoding.
    pub fn encoding(&self) -> u64 {
        match self.content {
            Content::Floats(_) => 1,
            Content::Histograms(_) => 3,
        }
    }

    /// The chunk as it is sent.
    pub fn bytes(&self) -> &[u8] {
        self.bits.bytes()
    }
}

impl Layout {
    fn takes(&self, next: &FloatHistogram) -> bool {
        let last = &*self.last;
        let gauge = |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterReset::Gauge;
        let same_layout = last.schema == next.schema
            && last.zero_threshold.to_bits() == next.zero_threshold.to_bits()
            && last.positive.spans == next.positive.spans
            && last.negative.spans == next.negative.spans
            && last.bounds() == next.bounds()
            && is_stale(last.sum) == is_stale(next.sum);
        if !same_layout || gauge(last) != gauge(next) {
            return false;
        }
        gauge(next) || next.counter_reset_hint != CounterReset::Reset && !next.detect_reset(last)
    }
}

/// A stale histogram has nothing but its sum.
fn stripped(histogram: &Arc<FloatHistogram>) -> Arc<FloatHistogram> {
    let empty = histogram.positive.spans.is_empty() && histogram.negative.spans.is_empty();
    if is_stale(histogram.sum) && !(empty && histogram.schema == 0) {
        let counter_reset_hint = histogram.counter_reset_hint;
        return Arc::new(FloatHistogram { sum: histogram.sum, counter_reset_hint, ..FloatHistogram::default() });
    }
    Arc::clone(histogram)
}

/// The numbers of a histogram, as many from each side as its spans say.
fn numbers(histogram: &FloatHistogram) -> impl Iterator<Item = f64> + '_ {
    let side = |side: &Buckets| side.spans.iter().map(|span| span.length as usize).sum::<usize>();
    let padded = move |buckets| side(buckets).min(buckets.counts.len());
    let (positive, negative) = (padded(&histogram.positive), padded(&histogram.negative));
    let first = [histogram.count, histogram.zero_count, histogram.sum].into_iter();
    first
        .chain(histogram.positive.counts[..positive].iter().copied())
        .chain(histogram.negative.counts[..negative].iter().copied())
}

/// One byte for nothing and for powers of two, nine for every other threshold.
fn put_zero_threshold(bits: &mut Bits, threshold: f64) {
    let raw = threshold.to_bits();
    // A positive power of two has no digits behind its first one; its exponent stands above them.
    let exponent = (raw >> 52) as i64 - 1022;
    match threshold {
        0.0 => bits.put(0, 8),
        _ if raw << 12 == 0 && (-242..=11).contains(&exponent) => bits.put((exponent + 243) as u64, 8),
        _ => {
            bits.put(255, 8);
            bits.put(raw, 64);
        }
    }
}

/// Few bits for bounds of thousandths, nine bytes for every other bound.
fn put_bound(bits: &mut Bits, bound: f64) {
    let thousandths = bound * 1000.0;
    let whole = thousandths.round();
    if !(0.0..=33_554_430.0).contains(&thousandths) || whole / 1000.0 != bound {
        bits.put(0, 1);
        bits.put(bound.to_bits(), 64);
    } else {
        bits.put_unsigned(whole as u64 + 1);
    }
}

/// A row of floats, each told by the bits in which it differs from the one before.
#[derive(Debug)]
struct Xor {
    last: f64,
    /// Zeros before and behind the bits that were written last; none were yet if there are more than 64.
    leading: u32,
    trailing: u32,
}

impl Xor {
    fn new(first: f64) -> Xor {
        Xor { last: first, leading: u32::MAX, trailing: 0 }
    }

    fn put(&mut self, value: f64, bits: &mut Bits) {
        let change = value.to_bits() ^ self.last.to_bits();
        self.last = value;
        if change == 0 {
            return bits.put(0, 1);
        }
        bits.put(1, 1);
        let leading = change.leading_zeros().min(31);
        let trailing = change.trailing_zeros();
        if self.leading != u32::MAX && leading >= self.leading && trailing >= self.trailing {
            bits.put(0, 1);
            return bits.put(change >> self.trailing, 64 - self.leading - self.trailing);
        }
        (self.leading, self.trailing) = (leading, trailing);
        let significant = 64 - leading - trailing;
        bits.put(1, 1);
        bits.put(leading.into(), 5);
        // 64 of them are written as none.
        bits.put(significant.into(), 6);
        bits.put(change >> trailing, significant);
    }
}

/// Samples of a chunk: what Prometheus aims at.
const SAMPLES_MAX: u16 = 120;

/// Bits of a time's change, the prefix that tells so, and its length.
const TIME_CLASSES: [(u32, u64, u32); 3] = [(14, 0b10, 2), (17, 0b110, 3), (20, 0b1110, 4)];
