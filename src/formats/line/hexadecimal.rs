//! Hexadecimal floats (`0x1.8p3`), which the reference takes as values though no collector sends them.
//!
//! Rounded to nearest, ties to even, from any number of digits, down to the subnormal numbers.

/// A hexadecimal float behind its `0x`: digits with at most one point, `p`, a decimal exponent of two. Infinite when it
/// overflows.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    let at = text.iter().position(|byte| matches!(byte, b'p' | b'P'))?;
    let (digits, exponent) = (&text[..at], &text[at + 1..]);
    let mut mantissa = 0u64;
    let mut shift = 0i64;
    let mut rest_is_zero = true;
    let mut point = None;
    let mut count = 0usize;
    for (place, byte) in digits.iter().enumerate() {
        if *byte == b'.' {
            if point.replace(place).is_some() {
                return None;
            }
            continue;
        }
        let digit = char::from(*byte).to_digit(16)?;
        count += 1;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            shift -= if point.is_some() { 4 } else { 0 };
        } else {
            rest_is_zero &= digit == 0;
            shift += if point.is_some() { 0 } else { 4 };
        }
    }
    let (negative, exponent) = match exponent {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, exponent),
    };
    if count == 0 || exponent.is_empty() || !exponent.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Beyond a million the shift of a 64 KiB line no longer matters.
    let exponent = exponent.iter().fold(0i64, |sum, byte| (sum * 10 + i64::from(byte - b'0')).min(1 << 40));
    Some(from_binary(mantissa, shift + if negative { -exponent } else { exponent }, rest_is_zero))
}

/// `mantissa · 2^exponent`, plus less than one unit of the mantissa unless `exact`, rounded to nearest, ties to even.
fn from_binary(mantissa: u64, exponent: i64, exact: bool) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let zeros = mantissa.leading_zeros();
    let mantissa = u128::from(mantissa << zeros);
    // The power of two of the leading bit.
    let leading = exponent - i64::from(zeros) + 63;
    if leading > 1023 {
        return f64::INFINITY;
    }
    // 53 bits stay; fewer below the smallest normal number.
    let dropped = 11 + (-1022 - leading).max(0);
    if dropped > 64 {
        return 0.0;
    }
    let half = 1u128 << (dropped - 1);
    let kept = (mantissa >> dropped) as u64;
    let rest = mantissa & (2 * half - 1);
    let up = rest > half || rest == half && (!exact || kept & 1 == 1);
    let kept = kept + u64::from(up);
    // The leading bit of a normal number is not stored: it adds the one that is missing in the exponent. A carry out of
    // the mantissa goes there as well, up to infinity.
    let biased = (leading + 1022).max(0).cast_unsigned();
    f64::from_bits((biased << 52) + kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_round_to_the_nearest_even() {
        for (text, value) in [
            (".8p1", 1.0),
            ("1p-1074", f64::from_bits(1)),
            ("0.8p-1074", 0.0),
            ("0.80000000000000000000000001p-1074", f64::from_bits(1)),
            ("1.8p-1074", f64::from_bits(2)),
            ("0.fffffffffffff8p-1022", f64::MIN_POSITIVE),
            ("1.fffffffffffff7p1023", f64::MAX),
            ("1.00000000000008p0", 1.0),
            ("1.00000000000008000000000000001p0", 1.0 + f64::EPSILON),
            ("10000000000000000000000p-88", 1.0),
            ("1p-99999999999999999999", 0.0),
        ] {
            assert_eq!(parse(text.as_bytes()).map(f64::to_bits), Some(value.to_bits()), "{text}");
        }
    }

    #[test]
    fn an_overflow_is_infinite() {
        for text in ["1p1024", "1.fffffffffffff8p1023", "1p99999999999999999999"] {
            assert_eq!(parse(text.as_bytes()), Some(f64::INFINITY), "{text}");
        }
    }

    #[test]
    fn what_is_no_float_is_nothing() {
        for text in ["", "1", "1f", "p1", ".p1", "1p", "1p+", "1.2.3p1", "1p1p1", "-1p1", "1p1.5", "gp1"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn floats_come_back_bit_for_bit(bits in 0u64..0x7ff << 52) {
            let biased = (bits >> 52).cast_signed();
            let (leading, exponent) = if biased == 0 { (0, -1022) } else { (1, biased - 1023) };
            let text = format!("{leading}.{:013x}p{exponent}", bits & ((1 << 52) - 1));
            prop_assert_eq!(parse(text.as_bytes()).map(f64::to_bits), Some(bits), "{}", text);
        }
    }
}
