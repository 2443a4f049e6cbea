//! A native histogram as bytes, bit-exact.
//!
//! Its spans, then all its numbers as one column: thresholds, counts and bounds are mostly small integers, zeros and
//! repetitions, which cost little there.

use std::sync::Arc;

use super::bytes::{Cursor, put_signed, put_varint};
use super::{NativeError, values};
use crate::model::histogram::{Buckets, CounterReset, FloatHistogram, Span};

/// Appends a histogram.
///
/// # Errors
///
/// [`NativeError::TooLarge`] with more than [`NUMBERS_MAX`] buckets, spans and bounds; `out` is then unchanged.
pub(super) fn encode(out: &mut Vec<u8>, histogram: &FloatHistogram) -> Result<(), NativeError> {
    let found = numbers(histogram);
    if found > NUMBERS_MAX {
        return Err(NativeError::TooLarge {
            what: "numbers in a histogram",
            found: found as u64,
            limit: NUMBERS_MAX as u64,
        });
    }
    let FloatHistogram { schema, zero_threshold, zero_count, count, sum, positive, negative, custom_bounds, .. } =
        histogram;
    let bounds = custom_bounds.as_deref();
    out.push(hint_code(histogram.counter_reset_hint) | if bounds.is_some() { HAS_BOUNDS } else { 0 });
    put_signed(out, i64::from(*schema));
    for side in [positive, negative] {
        put_varint(out, side.spans.len() as u64);
        for span in &side.spans {
            put_signed(out, i64::from(span.offset));
            put_varint(out, u64::from(span.length));
        }
        put_varint(out, side.counts.len() as u64);
    }
    if let Some(bounds) = bounds {
        put_varint(out, bounds.len() as u64);
    }
    let mut all = Vec::with_capacity(SCALARS + found);
    all.extend_from_slice(&[*zero_threshold, *zero_count, *count, *sum]);
    all.extend_from_slice(&positive.counts);
    all.extend_from_slice(&negative.counts);
    all.extend_from_slice(bounds.unwrap_or(&[]));
    values::encode(out, all.iter().copied());
    Ok(())
}

/// Reads a histogram of at most `room` buckets, spans and bounds, and takes them off. Whether its parts agree with each
/// other is not looked at: what was written comes back.
pub(super) fn decode(cursor: &mut Cursor<'_>, room: &mut usize) -> Result<FloatHistogram, NativeError> {
    let malformed = cursor.malformed("flags of a histogram");
    let flags = cursor.u8("flags of a histogram")?;
    if flags > HINT_MASK | HAS_BOUNDS {
        return Err(malformed);
    }
    let schema = cursor.signed("a schema")?;
    let schema = i32::try_from(schema).map_err(|_| cursor.malformed("a schema of 32 bits"))?;
    let mut left = NUMBERS_MAX.min(*room);
    let before = left;
    let (positive_spans, positive_len) = side(cursor, &mut left)?;
    let (negative_spans, negative_len) = side(cursor, &mut left)?;
    let bounds_len = match flags & HAS_BOUNDS {
        0 => None,
        _ => Some(len(cursor, &mut left, "a number of bounds")?),
    };
    *room -= before - left;
    let count = SCALARS + positive_len + negative_len + bounds_len.unwrap_or(0);
    if count / 2 > cursor.rest().len() {
        return Err(cursor.malformed("the numbers of a histogram"));
    }
    let mut all = vec![0.0; count];
    values::decode(cursor, all.iter_mut(), |place: &mut f64, value| *place = value)?;
    let (scalars, all) = all.split_at(SCALARS);
    let (positive, all) = all.split_at(positive_len);
    let (negative, bounds) = all.split_at(negative_len);
    Ok(FloatHistogram {
        counter_reset_hint: HINTS[usize::from(flags & HINT_MASK)],
        schema,
        zero_threshold: scalars[0],
        zero_count: scalars[1],
        count: scalars[2],
        sum: scalars[3],
        positive: Buckets::new(positive_spans, positive.to_vec()),
        negative: Buckets::new(negative_spans, negative.to_vec()),
        custom_bounds: bounds_len.map(|_| Arc::from(bounds)),
    })
}

/// Buckets, spans and bounds: what a histogram may have many of.
pub(super) fn numbers(histogram: &FloatHistogram) -> usize {
    let sides = [&histogram.positive, &histogram.negative];
    let of_sides: usize = sides.iter().map(|side| side.spans.len() + side.counts.len()).sum();
    of_sides + histogram.custom_bounds.as_ref().map_or(0, |bounds| bounds.len())
}

/// The spans of one side, and how many counts it has.
fn side(cursor: &mut Cursor<'_>, left: &mut usize) -> Result<(Vec<Span>, usize), NativeError> {
    let count = len(cursor, left, "a number of spans")?;
    if count > cursor.rest().len() / SPAN_BYTES_MIN {
        return Err(cursor.malformed("a possible number of spans"));
    }
    let mut spans = Vec::with_capacity(count);
    for _ in 0..count {
        let offset = cursor.signed("a span's offset")?;
        let offset = i32::try_from(offset).map_err(|_| cursor.malformed("a span's offset of 32 bits"))?;
        let length = cursor.varint("a span's length")?;
        let length = u32::try_from(length).map_err(|_| cursor.malformed("a span's length of 32 bits"))?;
        spans.push(Span { offset, length });
    }
    Ok((spans, len(cursor, left, "a number of buckets")?))
}

/// Reads one of the lengths, for which there is only so much room.
fn len(cursor: &mut Cursor<'_>, left: &mut usize, expected: &'static str) -> Result<usize, NativeError> {
    let len = cursor.varint(expected)?;
    let len = usize::try_from(len).ok().filter(|&len| len <= *left);
    let len = len.ok_or_else(|| cursor.malformed(expected))?;
    *left -= len;
    Ok(len)
}

fn hint_code(hint: CounterReset) -> u8 {
    match hint {
        CounterReset::Unknown => 0,
        CounterReset::Reset => 1,
        CounterReset::NotReset => 2,
        CounterReset::Gauge => 3,
    }
}

/// Buckets, spans and bounds of one histogram at most; valid ones have fewer by far.
const NUMBERS_MAX: usize = 1 << 18;
const _: () = assert!(NUMBERS_MAX > crate::model::histogram::BUCKETS_MAX + crate::model::histogram::CUSTOM_BOUNDS_MAX);

/// Threshold and count of the zero bucket, count, sum.
const SCALARS: usize = 4;
const SPAN_BYTES_MIN: usize = 2;

/// The first byte: bits 0 and 1 the hint, bit 2 whether there are bounds.
const HINT_MASK: u8 = 3;
const HAS_BOUNDS: u8 = 1 << 2;
const HINTS: [CounterReset; 4] =
    [CounterReset::Unknown, CounterReset::Reset, CounterReset::NotReset, CounterReset::Gauge];

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::STALE;
    use proptest::prelude::*;

    pub(in super::super) fn any_histogram() -> impl Strategy<Value = FloatHistogram> {
        let number = prop_oneof![(0..500i32).prop_map(f64::from), any::<u64>().prop_map(f64::from_bits), Just(STALE)];
        let spans = prop::collection::vec((any::<i32>(), any::<u32>()), 0..4);
        let side = (spans, prop::collection::vec(number.clone(), 0..9)).prop_map(|(spans, counts)| {
            Buckets::new(spans.into_iter().map(|(offset, length)| Span { offset, length }).collect(), counts)
        });
        let scalars = [number.clone(), number.clone(), number.clone(), number.clone()];
        let bounds = prop::option::of(prop::collection::vec(number, 0..5));
        (0..4usize, any::<i32>(), scalars, [side.clone(), side], bounds).prop_map(
            |(hint, schema, [zero_threshold, zero_count, count, sum], [positive, negative], bounds)| FloatHistogram {
                counter_reset_hint: HINTS[hint],
                schema,
                zero_threshold,
                zero_count,
                count,
                sum,
                positive,
                negative,
                custom_bounds: bounds.map(Arc::from),
            },
        )
    }

    /// Everything by its bits.
    pub(in super::super) fn bits(histogram: &FloatHistogram) -> impl PartialEq + std::fmt::Debug + use<> {
        let all = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<u64>>();
        let FloatHistogram { zero_threshold, zero_count, count, sum, positive, negative, custom_bounds, .. } =
            histogram;
        (
            hint_code(histogram.counter_reset_hint),
            histogram.schema,
            all(&[*zero_threshold, *zero_count, *count, *sum]),
            (positive.spans.clone(), all(&positive.counts)),
            (negative.spans.clone(), all(&negative.counts)),
            custom_bounds.as_deref().map(all),
        )
    }

    fn back(bytes: &[u8]) -> Result<FloatHistogram, NativeError> {
        let mut cursor = Cursor::new(bytes);
        let histogram = decode(&mut cursor, &mut { usize::MAX })?;
        cursor.finish()?;
        Ok(histogram)
    }

    #[test]
    fn one_that_is_too_large_leaves_the_buffer_alone() {
        let positive = Buckets::contiguous(0, vec![1.0; NUMBERS_MAX]);
        let mut out = vec![7];
        let error = encode(&mut out, &FloatHistogram { positive, ..FloatHistogram::default() }).unwrap_err();
        assert!(matches!(error, NativeError::TooLarge { .. }), "{error}");
        assert_eq!(out, [7]);
    }

    #[test]
    fn a_short_one_cannot_claim_many_buckets() {
        let mut bytes = vec![0, 0, 0];
        put_varint(&mut bytes, NUMBERS_MAX as u64);
        bytes.extend_from_slice(&[0; 9]);
        assert!(back(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn histograms_come_back(histogram in any_histogram()) {
            let mut out = Vec::new();
            encode(&mut out, &histogram).unwrap();
            prop_assert_eq!(bits(&back(&out).unwrap()), bits(&histogram));
            for len in 0..out.len() {
                prop_assert!(back(&out[..len]).is_err(), "{} bytes", len);
            }
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = back(&bytes);
        }
    }
}
