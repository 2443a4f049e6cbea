//! Numbers of an answer: three decimals for data, two for statistics.
//!
//! Invariant: what is printed is the exact binary value rounded once, half to even, as C's `%.3f` does it; what is no
//! number or infinite is `null`, for JSON has no word for it.

use std::io::Write as _;

/// Appends an array of data, three decimals each: `[1.500,null,-0.125]`.
pub fn write_data(out: &mut Vec<u8>, data: &[f64]) {
    out.push(b'[');
    write_data_items(out, data);
    out.push(b']');
}

/// Appends the items of such an array with commas between them, without the brackets.
pub fn write_data_items(out: &mut Vec<u8>, data: &[f64]) {
    out.reserve(data.len() * DATA_BYTES_TYPICAL);
    for (index, &value) in data.iter().enumerate() {
        if index != 0 {
            out.push(b',');
        }
        write_fixed::<3>(out, value);
    }
}

/// Appends one statistic, two decimals.
pub fn write_statistic(out: &mut Vec<u8>, value: f64) {
    write_fixed::<2>(out, value);
}

/// Appends an integer.
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// What a value of real data takes with its comma, roughly.
const DATA_BYTES_TYPICAL: usize = 9;

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

    fn check(value: f64) -> Result<(), TestCaseError> {
        prop_assert_eq!(data(value), format!("{value:.3}"), "{:e}", value);
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
