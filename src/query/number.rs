//! Numbers of an answer: three decimals for data, two for statistics.
//!
//! Invariant: what is printed is the exact binary value rounded once, half to even, as C's `%.3f` does it; what is no
//! number or infinite is `null`, for JSON has no word for it.
//!
//! Data are printed a chunk at a time into room that is there already, three digits at a time from a table and always
//! four bytes at once: no value costs a copy of unknown length.

use std::io::Write as _;

/// Appends an array of data, three decimals each: `[1.500,null,-0.125]`.
pub fn write_data(out: &mut Vec<u8>, data: &[f64]) {
    out.push(b'[');
    write_data_items(out, data);
    out.push(b']');
}

/// Appends the items of such an array with commas between them, without the brackets.
pub fn write_data_items(out: &mut Vec<u8>, data: &[f64]) {
    if data.is_empty() {
        return;
    }
    for chunk in data.chunks(CHUNK) {
        if chunk.iter().any(|value| value.is_finite() && value.abs() >= INTEGERS_MIN) {
            // Rare, and a digit for every power of ten: the general way is good enough.
            for &value in chunk {
                write_fixed::<3>(out, value);
                out.push(b',');
            }
            continue;
        }
        let begin = out.len();
        out.resize(begin + chunk.len() * ITEM_BYTES_MAX, 0);
        let mut at = begin;
        for &value in chunk {
            at += put_item(&mut out[at..], value);
        }
        out.truncate(at);
    }
    // The comma behind the last item.
    out.pop();
}

/// Appends one statistic, two decimals.
pub fn write_statistic(out: &mut Vec<u8>, value: f64) {
    write_fixed::<2>(out, value);
}

/// Appends an integer.
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Values that are printed into room made for all of them.
const CHUNK: usize = 64;

/// From here on floats have no fraction.
const INTEGERS_MIN: f64 = (1u64 << f64::MANTISSA_DIGITS) as f64;

/// Sign, six groups of three digits, point, three decimals, comma.
const ITEM_BYTES_MAX: usize = 24;

const _: () = assert!(INTEGERS_MIN < 1e18, "six groups of three digits");

/// Sign, the 16 digits of 2^53, point, three decimals; 24 leaves room.
const FIXED_BYTES_MAX: usize = 24;

const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
const EXPONENT_BIAS: i32 = f64::MAX_EXP - 1;

// The mantissa times the scale has to fit into 63 bits, or half a unit at shift 64 would not exceed it.
const _: () = assert!((1u128 << f64::MANTISSA_DIGITS) * 10u128.pow(DECIMALS_MAX) < 1 << 63);
const DECIMALS_MAX: u32 = 3;

fn write_fixed<const DECIMALS: u32>(out: &mut Vec<u8>, value: f64) {
    const { assert!(DECIMALS <= DECIMALS_MAX) };
    if !value.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    let bits = value.to_bits();
    let biased = ((bits >> MANTISSA_BITS) & 0x7FF) as i32;
    let fraction = bits & ((1 << MANTISSA_BITS) - 1);
    // Subnormal numbers have no hidden bit and the exponent of the smallest normal ones.
    let mantissa = if biased == 0 { fraction } else { fraction | 1 << MANTISSA_BITS };
    let exponent = biased.max(1) - EXPONENT_BIAS - MANTISSA_BITS as i32;
    if exponent > 0 {
        // An integer of 2^53 and more; rare, so the general way is good enough. Writing to a Vec does not fail.
        let _ = write!(out, "{:.*}", DECIMALS as usize, value);
        return;
    }
    let scale = const { 10u64.pow(DECIMALS) };
    let units = shift_half_even(mantissa * scale, exponent.unsigned_abs());
    write_units::<DECIMALS>(out, value.is_sign_negative(), units);
}

/// Writes a value below [`INTEGERS_MIN`] with three decimals and a comma to the front of `room`, which holds at least
/// [`ITEM_BYTES_MAX`] bytes; answers how many it takes.
#[inline(always)]
fn put_item(room: &mut [u8], value: f64) -> usize {
    let Some(room) = room.first_chunk_mut::<ITEM_BYTES_MAX>() else { return 0 };
    let bits = value.to_bits();
    let biased = ((bits >> MANTISSA_BITS) & 0x7FF) as i32;
    if biased == 0x7FF {
        room[..8].copy_from_slice(b"null,   ");
        return 5;
    }
    let fraction = bits & ((1 << MANTISSA_BITS) - 1);
    let mantissa = if biased == 0 { fraction } else { fraction | 1 << MANTISSA_BITS };
    let shift = (EXPONENT_BIAS + MANTISSA_BITS as i32 - biased.max(1)) as u32;
    let units = match shift {
        1..64 => {
            // Half a unit less one, and one more if the unit is odd: ties go to the even one.
            let number = mantissa * 1000;
            (number + ((1 << (shift - 1)) - 1) + (number >> shift & 1)) >> shift
        }
        _ => shift_half_even(mantissa * 1000, shift),
    };
    room[0] = b'-';
    let mut at = usize::from(value.is_sign_negative());
    let (mut whole, decimals) = (units / 1000, (units % 1000) as usize);
    if whole >= 1000 {
        let mut groups = [0; 5];
        let mut count = 0;
        while whole >= 1000 && count < groups.len() {
            groups[count] = (whole % 1000) as usize;
            whole /= 1000;
            count += 1;
        }
        at += put_leading(room, at, whole as usize) - 1;
        for &group in groups[1..count].iter().rev() {
            put(room, at, GROUPS[group]);
            at += 3;
        }
        put(room, at, GROUPS[groups[0]]);
        at += 4;
    } else {
        at += put_leading(room, at, whole as usize);
    }
    let [hundreds, tens, ones, _] = GROUPS[decimals];
    put(room, at, [hundreds, tens, ones, b',']);
    at + 4
}

/// Writes the digits of a number below 1000 without leading zeros, and a point; answers how many bytes those are.
#[inline(always)]
fn put_leading(room: &mut [u8; ITEM_BYTES_MAX], at: usize, number: usize) -> usize {
    let zeros = u32::from(number < 100) + u32::from(number < 10);
    let digits = u32::from_le_bytes(GROUPS[number % GROUPS.len()]) >> (8 * zeros);
    put(room, at, digits.to_le_bytes());
    4 - zeros as usize
}

#[inline(always)]
fn put(room: &mut [u8; ITEM_BYTES_MAX], at: usize, bytes: [u8; 4]) {
    if let Some(place) = room.get_mut(at..at + 4) {
        place.copy_from_slice(&bytes);
    }
}

/// `000.`, `001.`, … `999.`
static GROUPS: [[u8; 4]; 1000] = {
    let mut groups = [*b"000."; 1000];
    let mut number = 0;
    while number < groups.len() {
        groups[number][0] += (number / 100) as u8;
        groups[number][1] += (number / 10 % 10) as u8;
        groups[number][2] += (number % 10) as u8;
        number += 1;
    }
    groups
};

/// `number / 2^shift`, rounded to the nearest integer, ties to the even one; `number` below 2^63.
fn shift_half_even(number: u64, shift: u32) -> u64 {
    match shift {
        0 => number,
        1..64 => {
            let floor = number >> shift;
            let rest = number & ((1 << shift) - 1);
            let half = 1 << (shift - 1);
            floor + u64::from(rest > half || (rest == half && floor & 1 == 1))
        }
        // Half a unit is 2^63 at least, more than the number.
        _ => 0,
    }
}

/// Appends `units / 10^DECIMALS`, digits from the back.
fn write_units<const DECIMALS: u32>(out: &mut Vec<u8>, negative: bool, units: u64) {
    let mut buffer = [0u8; FIXED_BYTES_MAX];
    let mut at = FIXED_BYTES_MAX;
    let scale = const { 10u64.pow(DECIMALS) };
    let mut decimals = units % scale;
    for _ in 0..DECIMALS {
        at -= 1;
        buffer[at] = b'0' + (decimals % 10) as u8;
        decimals /= 10;
    }
    at -= 1;
    buffer[at] = b'.';
    let mut whole = units / scale;
    while whole >= 100 {
        let pair = (whole % 100) as usize * 2;
        whole /= 100;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if whole >= 10 {
        let pair = whole as usize * 2;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        buffer[at] = b'0' + whole as u8;
    }
    if negative {
        at -= 1;
        buffer[at] = b'-';
    }
    out.extend_from_slice(&buffer[at..]);
}

/// `00`, `01`, … `99`.
static PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[number * 2] = b'0' + (number / 10) as u8;
        pairs[number * 2 + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data(value: f64) -> String {
        let mut out = Vec::new();
        write_fixed::<3>(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    fn statistic(value: f64) -> String {
        let mut out = Vec::new();
        write_statistic(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rounds_the_exact_value() {
        // 0.0005 lies a little above the tie, 1.0005 below it, 2.675 below 2.675.
        assert_eq!(data(0.0005), "0.001");
        assert_eq!(data(1.0005), "1.000");
        assert_eq!(statistic(2.675), "2.67");
        assert_eq!(data(1234567.8915), "1234567.891");
    }

    #[test]
    fn exact_ties_go_to_the_even_digit() {
        assert_eq!(data(0.0625), "0.062");
        assert_eq!(data(0.1875), "0.188");
        assert_eq!(statistic(0.125), "0.12");
        assert_eq!(statistic(0.375), "0.38");
        assert_eq!(statistic(-77.125), "-77.12");
    }

    #[test]
    fn the_sign_of_zero_stays() {
        assert_eq!(data(-0.0), "-0.000");
        assert_eq!(data(-0.0001), "-0.000");
        assert_eq!(data(0.0), "0.000");
        assert_eq!(data(f64::from_bits(1)), "0.000");
    }

    #[test]
    fn what_is_no_number_is_null() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, crate::model::EMPTY] {
            assert_eq!(data(value), "null");
            assert_eq!(statistic(value), "null");
        }
    }

    #[test]
    fn large_numbers_print_all_their_digits() {
        assert_eq!(data(9007199254740992.0), "9007199254740992.000");
        assert_eq!(data(-9007199254740991.0), "-9007199254740991.000");
        assert_eq!(data(1e20), "100000000000000000000.000");
        assert_eq!(data(1e300), format!("{:.3}", 1e300));
        assert_eq!(data(f64::MAX), format!("{:.3}", f64::MAX));
    }

    #[test]
    fn an_array_has_commas_between() {
        let mut out = Vec::new();
        write_data(&mut out, &[1.5, f64::NAN, -0.125]);
        assert_eq!(out, b"[1.500,null,-0.125]");
        out.clear();
        write_data(&mut out, &[]);
        assert_eq!(out, b"[]");
    }

    /// A value in an array, which another way prints, between two others.
    fn item(value: f64) -> String {
        let mut out = Vec::new();
        write_data(&mut out, &[0.5, value, 1e5]);
        let text = String::from_utf8(out).unwrap();
        text.strip_prefix("[0.500,").unwrap().strip_suffix(",100000.000]").unwrap().to_owned()
    }

    #[test]
    fn every_number_of_digits_is_right_in_an_array() {
        let mut values = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, crate::model::EMPTY];
        for exponent in 0..18 {
            let power = 10f64.powi(exponent);
            values.extend([power, power - 0.001, power - 1.0, power + 1.0, power / 1000.0, 1.2345 * power]);
        }
        values.extend([
            INTEGERS_MIN,
            INTEGERS_MIN - 1.0,
            INTEGERS_MIN / 2.0 - 0.5,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
        ]);
        for value in values.into_iter().flat_map(|value| [value, -value]) {
            assert_eq!(item(value), data(value), "{value:e}");
        }
    }

    #[test]
    fn chunks_join() {
        for len in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            for large in [None, Some(0), Some(len / 2), Some(len - 1)] {
                let mut values: Vec<f64> = (0..len).map(|at| at as f64 * 1234.567).collect();
                if let Some(large) = large {
                    values[large] = -1e300;
                }
                let mut out = Vec::new();
                write_data_items(&mut out, &values);
                let expected: Vec<_> = values.iter().map(|value| format!("{value:.3}")).collect();
                assert_eq!(String::from_utf8(out).unwrap(), expected.join(","));
            }
        }
    }

    fn check(value: f64) -> Result<(), TestCaseError> {
        prop_assert_eq!(data(value), format!("{value:.3}"), "{:e}", value);
        prop_assert_eq!(item(value), data(value), "{:e}", value);
        prop_assert_eq!(statistic(value), format!("{value:.2}"), "{:e}", value);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn agrees_with_the_standard_library_for_any_bits(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            check(value)?;
        }

        #[test]
        fn agrees_with_the_standard_library_at_usual_magnitudes(mantissa in -1e4..1e4f64, exponent in -6i32..16) {
            check(mantissa * 10f64.powi(exponent))?;
        }

        #[test]
        fn agrees_with_the_standard_library_near_ties(units in -20_000_000i64..20_000_000, step in -2i64..=2) {
            let tie = units as f64 / 2000.0;
            check(f64::from_bits((tie.to_bits() as i64).wrapping_add(step) as u64))?;
            check(units as f64 / 16.0)?;
            check(units as f64 / 1024.0)?;
        }
    }
}
