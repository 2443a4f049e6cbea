//! A column of `f64`, bit-exact and small without looking at more than one value at a time.
//!
//! First one nibble a value (its code, low nibble first), then what each code needs: nothing for +0 and for the value
//! before, one to six bytes for an integer, one to four for a number of two or three decimals (the integer that divided
//! by 100 or 1000 gives exactly the value's bits), four for what is exactly an `f32`, eight for everything else. The
//! decimal test is the one of ALP (Afroozeh, Kuffó, Boncz: "ALP: Adaptive Lossless floating-Point Compression", 2023);
//! the codes beside the data follow Stream VByte (Lemire, Kurz, Rupp, 2017).

use super::NativeError;
use super::bytes::Cursor;

/// Appends a column.
pub(super) fn encode(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = f64>) {
    let count = values.len();
    let codes_at = out.len();
    let mut at = codes_at + count.div_ceil(2);
    // Every value is stored as a whole word, of which only the first bytes stay: the end is cut off below.
    out.resize(at + (count + 1) * WORD_BYTES, 0);
    let mut previous = 0u64;
    for (position, value) in values.enumerate() {
        let (code, word) = code_of(value, previous);
        previous = value.to_bits();
        out[codes_at + position / 2] |= code << (4 * (position & 1));
        out[at..at + WORD_BYTES].copy_from_slice(&word.to_le_bytes());
        at += usize::from(LENGTHS[usize::from(code)]);
    }
    out.truncate(at);
}

/// Reads a column of as many values as `target` has places.
pub(super) fn decode<'t, T: 't>(
    cursor: &mut Cursor<'_>,
    target: impl ExactSizeIterator<Item = &'t mut T>,
    set: impl Fn(&mut T, f64),
) -> Result<(), NativeError> {
    let expected = "a column of values";
    let codes = cursor.take(target.len().div_ceil(2), expected)?;
    let data = cursor.rest();
    let mut at = 0usize;
    let mut previous = 0f64;
    for (position, place) in target.enumerate() {
        let code = codes[position / 2] >> (4 * (position & 1)) & 0xf;
        let len = usize::from(LENGTHS[usize::from(code)]);
        let word = match data.get(at..).and_then(|rest| rest.first_chunk::<WORD_BYTES>()) {
            Some(word) => u64::from_le_bytes(*word),
            None => last_word(data, at, len).ok_or_else(|| cursor.malformed(expected))?,
        };
        at += len;
        let value = match code {
            ZERO => 0.0,
            SAME => previous,
            SINGLE => f64::from(f32::from_bits(word as u32)),
            RAW => f64::from_bits(word),
            _ => {
                let unused = 64 - 8 * len as u32;
                ((word << unused) as i64 >> unused) as f64 / DIVISORS[usize::from(code)]
            }
        };
        set(place, value);
        previous = value;
    }
    cursor.take(at, expected)?;
    Ok(())
}

/// The code of a value and the bytes that go with it.
#[inline]
fn code_of(value: f64, previous: u64) -> (u8, u64) {
    let bits = value.to_bits();
    if bits == 0 {
        return (ZERO, 0);
    }
    if bits == previous {
        return (SAME, 0);
    }
    let integer = value as i64;
    if (integer as f64).to_bits() == bits && signed_bytes(integer) < INTEGER_CODES.len() {
        return (INTEGER_CODES[signed_bytes(integer)], integer as u64);
    }
    for (divisor, codes) in [(100.0, CENTS_CODES), (1000.0, MILLIS_CODES)] {
        let integer = nearest(value * divisor);
        if (integer as f64 / divisor).to_bits() == bits && signed_bytes(integer) < codes.len() {
            return (codes[signed_bytes(integer)], integer as u64);
        }
    }
    let single = value as f32;
    // NaNs go the raw way: a conversion need not keep their payload.
    if f64::from(single).to_bits() == bits && !value.is_nan() {
        return (SINGLE, u64::from(single.to_bits()));
    }
    (RAW, bits)
}

/// The nearest integer, for the magnitudes that matter; anything for others: the caller checks.
fn nearest(value: f64) -> i64 {
    // Adding and taking away 1.5·2^52 leaves no room for a fraction.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    ((value + SHIFT) - SHIFT) as i64
}

/// Bytes that hold a number in two's complement, at least 1.
fn signed_bytes(value: i64) -> usize {
    let magnitude = (value ^ (value >> 63)) as u64;
    (64 - magnitude.leading_zeros()) as usize / 8 + 1
}

/// The `len` bytes at `at`, where fewer than a whole word follow.
#[cold]
fn last_word(data: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = data.get(at..)?;
    if bytes.len() < len {
        return None;
    }
    Some(bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

const WORD_BYTES: usize = 8;

/// +0.0.
const ZERO: u8 = 0;
/// The bits of the value before.
const SAME: u8 = 1;
/// Exactly an `f32`.
const SINGLE: u8 = 14;
/// All eight bytes.
const RAW: u8 = 15;

/// The code of an integer of so many bytes.
const INTEGER_CODES: [u8; 7] = [RAW, 2, 3, 4, 5, 6, 6];
/// The code of a hundredfold.
const CENTS_CODES: [u8; 5] = [RAW, 7, 8, 9, 10];
/// The code of a thousandfold.
const MILLIS_CODES: [u8; 5] = [RAW, 11, 11, 12, 13];

/// Bytes that follow, by code.
const LENGTHS: [u8; 16] = [0, 0, 1, 2, 3, 4, 6, 1, 2, 3, 4, 2, 3, 4, 4, 8];
/// What an integer is divided by, by code.
const DIVISORS: [f64; 16] =
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 100.0, 100.0, 100.0, 100.0, 1000.0, 1000.0, 1000.0, 1.0, 1.0];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(values: &[f64]) -> Vec<u8> {
        let mut out = vec![0xee];
        encode(&mut out, values.iter().copied());
        assert_eq!(out.remove(0), 0xee, "what was there stays");
        out
    }

    fn back(bytes: &[u8], count: usize) -> Result<Vec<f64>, NativeError> {
        let mut cursor = Cursor::new(bytes);
        let mut values = vec![0.0; count];
        decode(&mut cursor, values.iter_mut(), |place, value| *place = value)?;
        cursor.finish()?;
        Ok(values)
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn each_kind_of_value_takes_what_it_should() {
        for (value, len) in [
            (0.0, 0),
            (1.0, 1),
            (-128.0, 1),
            (128.0, 2),
            (-32768.0, 2),
            (8388607.0, 3),
            (2147483647.0, 4),
            (2147483648.0, 6),
            (140737488355327.0, 6),
            (140737488355328.0, 4),
            (140737488355329.0, 8),
            (9007199254740991.0, 8),
            (0.01, 1),
            (1.27, 1),
            (99.99, 2),
            (0.1, 1),
            (12.345, 2),
            (-12.345, 2),
            (99.999, 3),
            (123456.789, 4),
            (21474836.47, 4),
            (21474836.49, 8),
            (0.0009765625, 4),
            (-0.0, 4),
            (1.0 / 3.0, 8),
            (f64::INFINITY, 4),
            (f64::NAN, 8),
            (crate::model::EMPTY, 8),
            (f64::MIN_POSITIVE, 8),
            (1e300, 8),
            (f64::MAX, 8),
            (i64::MIN as f64, 4),
        ] {
            let bytes = encoded(&[value]);
            assert_eq!(bytes.len(), 1 + len, "{value}");
            assert_eq!(bits(&back(&bytes, 1).unwrap()), bits(&[value]), "{value}");
        }
        assert_eq!(encoded(&[1.0 / 3.0; 5]).len(), 3 + 8, "repeated values cost their codes");
    }

    #[test]
    fn a_cut_column_is_refused() {
        let bytes = encoded(&[0.0, 1.0, 12.34, 1.0 / 3.0, 99.999]);
        for len in 0..bytes.len() {
            assert!(back(&bytes[..len], 5).is_err(), "{len} bytes");
        }
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            any::<i32>().prop_map(f64::from),
            any::<i64>().prop_map(|value| value as f64),
            any::<f32>().prop_map(f64::from),
            any::<i32>().prop_map(|value| f64::from(value) / 100.0),
            (-300_000..300_000i32).prop_map(|value| f64::from(value) / 1000.0),
            (-300..300i32).prop_map(|value| f64::from(value) / 10.0),
            Just(0.0),
            Just(-0.0),
            Just(crate::model::EMPTY),
        ]
    }

    proptest! {
        #[test]
        fn values_come_back_bit_by_bit(values in prop::collection::vec(any_value(), 0..100)) {
            let bytes = encoded(&values);
            prop_assert_eq!(bits(&back(&bytes, values.len()).unwrap()), bits(&values));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0..100usize) {
            let _ = back(&bytes, count);
        }
    }
}
