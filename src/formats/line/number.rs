//! Values: decimal floats and integers, read fast and rounded correctly.
//!
//! Every value is the `f64` nearest to what the text says, ties to even. Where the text's digits and its power of ten
//! are both exact in an `f64`, one multiplication or division rounds once and is right (W. D. Clinger, "How to Read
//! Floating Point Numbers Accurately", 1990, the fast case); everything else goes to the standard library.

use super::error::{Excerpt, LineError};
use super::hexadecimal;

/// Reads a plain number at the start of `bytes`: a decimal float, or digits with `i` or `u`. Gives the value and how
/// many bytes it takes; nothing if there is no such number, or one that is out of range. The caller looks at what
/// follows.
#[inline]
pub(super) fn scan(bytes: &[u8]) -> Option<(f64, usize)> {
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut mantissa = 0u64;
    let mut at = take_digits(bytes, start, &mut mantissa);
    let mut digits = at - start;
    let mut exponent = 0i32;
    match bytes.get(at) {
        Some(b'.') => {
            let from = at + 1;
            at = take_digits(bytes, from, &mut mantissa);
            digits += at - from;
            exponent = -i32::try_from(at - from).ok()?;
        }
        Some(b'i') => return Some((integer(negative, mantissa, digits)?, at + 1)),
        Some(b'u') if !negative => return Some((unsigned(mantissa, digits)?, at + 1)),
        _ => {}
    }
    if digits == 0 {
        return None;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let (written, end) = take_exponent(bytes, at + 1)?;
        exponent += written;
        at = end;
    }
    if digits > DIGITS_MAX || mantissa > EXACT_MAX || exponent.unsigned_abs() > 22 {
        return Some((decimal(&bytes[..at])?, at));
    }
    // At most 2^53, so the conversion is exact.
    let mantissa = mantissa as f64;
    let power = POWERS_OF_TEN[exponent.unsigned_abs() as usize];
    let value = if exponent < 0 { mantissa / power } else { mantissa * power };
    Some((if negative { -value } else { value }, at))
}

/// Reads a value that is all of `text`: whatever [`scan`] reads, and the forms that the reference's `ParseFloat` takes
/// beyond it (hexadecimal floats, underscores between digits). Says what is wrong with everything else.
pub(super) fn parse(text: &[u8]) -> Result<f64, LineError> {
    if let Some((value, length)) = scan(text)
        && length == text.len()
    {
        return Ok(value);
    }
    let wrong = |expected| LineError::Value { found: Excerpt::of(text), expected };
    let out_of_range = |expected| LineError::Range { found: Excerpt::of(text), expected };
    match text {
        [] => return Err(wrong("a number behind \"value=\"")),
        [b'"', ..] => return Err(wrong("a number, not a string")),
        _ if BOOLEANS.contains(&text) => return Err(wrong("a number, not a boolean")),
        [digits @ .., b'i'] if is_integer(digits) => {
            // The digits may begin with any number of zeros.
            return ascii(digits)
                .parse::<i64>()
                .map(|value| value as f64)
                .map_err(|_| out_of_range("an integer of 64 bits"));
        }
        [digits @ .., b'u'] if is_integer(digits) && digits[0] != b'-' => {
            return ascii(digits)
                .parse::<u64>()
                .map(|value| value as f64)
                .map_err(|_| out_of_range("an integer of 64 bits"));
        }
        _ => {}
    }
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if NOT_FINITE.iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
        return Err(out_of_range("a finite number"));
    }
    // The reference looks at the first byte to tell the type, and takes no plus there.
    if !matches!(unsigned.first(), Some(b'0'..=b'9' | b'.')) || !underscores_are_fine(unsigned) {
        return Err(wrong("a number"));
    }
    let plain: Vec<u8> = unsigned.iter().copied().filter(|&byte| byte != b'_').collect();
    let value = match &plain[..] {
        [b'0', b'x' | b'X', rest @ ..] => hexadecimal::parse(rest),
        _ => ascii(&plain).parse::<f64>().ok(),
    };
    match value {
        None => Err(wrong("a number")),
        Some(value) if !value.is_finite() => Err(out_of_range("a finite number")),
        Some(value) => Ok(if negative { -value } else { value }),
    }
}

/// The number that eight ASCII digits write; nothing if one of them is no digit. Works on all eight at once (D. Lemire,
/// "Number parsing at a gigabyte per second", 2021).
#[inline]
pub(super) fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(bytes);
    let high = word & 0xf0f0_f0f0_f0f0_f0f0;
    let carried = word.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0;
    if high != 0x3030_3030_3030_3030 || carried != high {
        return None;
    }
    let ones = word & 0x0f0f_0f0f_0f0f_0f0f;
    let tens = ones.wrapping_mul(10).wrapping_add(ones >> 8);
    let pairs = 0x0000_00ff_0000_00ff;
    let first = (tens & pairs).wrapping_mul(0x000f_4240_0000_0064);
    let second = ((tens >> 16) & pairs).wrapping_mul(0x0000_2710_0000_0001);
    Some(first.wrapping_add(second) >> 32)
}

/// Appends the digits from `at` on to `number` and gives the place behind them. More than [`DIGITS_MAX`] digits wrap:
/// the caller counts them.
#[inline]
fn take_digits(bytes: &[u8], mut at: usize, number: &mut u64) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>)
        && let Some(value) = eight_digits(*eight)
    {
        *number = number.wrapping_mul(100_000_000).wrapping_add(value);
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        *number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

/// An exponent of up to six digits from `at` on (behind the `e`), and the place behind it.
#[inline]
fn take_exponent(bytes: &[u8], mut at: usize) -> Option<(i32, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    if let Some(b'-' | b'+') = bytes.get(at) {
        at += 1;
    }
    let start = at;
    let mut exponent = 0i32;
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        exponent = exponent * 10 + i32::from(digit - b'0');
        at += 1;
        if at - start > 6 {
            return None;
        }
    }
    (at > start).then_some((if negative { -exponent } else { exponent }, at))
}

fn integer(negative: bool, magnitude: u64, digits: usize) -> Option<f64> {
    if !(1..=DIGITS_MAX).contains(&digits) {
        return None;
    }
    let value = if negative { 0i64.checked_sub_unsigned(magnitude) } else { 0i64.checked_add_unsigned(magnitude) };
    value.map(|value| value as f64)
}

fn unsigned(magnitude: u64, digits: usize) -> Option<f64> {
    (1..=DIGITS_MAX).contains(&digits).then_some(magnitude as f64)
}

/// A decimal float by the standard library; nothing when it overflows.
#[cold]
fn decimal(text: &[u8]) -> Option<f64> {
    ascii(text).parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The text, or nothing when it is not ASCII: no number is written otherwise.
fn ascii(text: &[u8]) -> &str {
    if text.is_ascii() { std::str::from_utf8(text).unwrap_or_default() } else { "" }
}

/// Whether it is digits, with or without a `-` before them.
fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Go's rule: an underscore stands between two digits, or between the prefix `0x` and a digit.
fn underscores_are_fine(text: &[u8]) -> bool {
    let is_hex = matches!(text, [b'0', b'x' | b'X', ..]);
    let is_digit = |byte: &u8| byte.is_ascii_digit() || is_hex && byte.is_ascii_hexdigit();
    (0..text.len()).filter(|&at| text[at] == b'_').all(|at| {
        let behind_prefix = is_hex && at == 2;
        at > 0 && (behind_prefix || is_digit(&text[at - 1])) && text.get(at + 1).is_some_and(is_digit)
    })
}

/// 10^19 − 1 is the longest run of nines that a `u64` holds.
const DIGITS_MAX: usize = 19;

/// Every integer up to here is an `f64`.
const EXACT_MAX: u64 = 1 << 53;

/// The powers of ten that an `f64` holds exactly.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

const BOOLEANS: [&[u8]; 10] = [b"t", b"T", b"true", b"True", b"TRUE", b"f", b"F", b"false", b"False", b"FALSE"];

const NOT_FINITE: [&[u8]; 3] = [b"nan", b"inf", b"infinity"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn assert_is(text: &str, value: f64) {
        let parsed = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(parsed.to_bits(), value.to_bits(), "{text} gave {parsed:?}");
        if let Some((scanned, length)) = scan(text.as_bytes())
            && length == text.len()
        {
            assert_eq!(scanned.to_bits(), value.to_bits(), "{text} scanned as {scanned:?}");
        }
    }

    #[test]
    fn every_form_of_a_number_is_read() {
        for (text, value) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("0.652", 0.652),
            ("-12.5", -12.5),
            ("1.", 1.0),
            (".5", 0.5),
            ("-.5", -0.5),
            ("007", 7.0),
            ("1e3", 1e3),
            ("1E+3", 1e3),
            ("1.2345675e+06", 1_234_567.5),
            ("5e-05", 5e-5),
            ("190.0124077152176", 190.012_407_715_217_6),
            ("17976931348623157e292", f64::MAX),
            ("4.9e-324", f64::from_bits(1)),
            ("1e-400", 0.0),
            ("-1e-9999999", -0.0),
            ("0e9999999", 0.0),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("9007199254740993.00000000000000000000001", 9_007_199_254_740_994.0),
            ("0.00000000000000000000000000001", 1e-29),
            ("7i", 7.0),
            ("-3i", -3.0),
            ("-0i", 0.0),
            ("9u", 9.0),
            ("9007199254740993i", 9_007_199_254_740_992.0),
            ("9223372036854775807i", 9_223_372_036_854_775_808.0),
            ("-9223372036854775808i", -9_223_372_036_854_775_808.0),
            ("18446744073709551615u", 18_446_744_073_709_551_616.0),
            ("0000000000000000000000012i", 12.0),
            ("1_000.2_5", 1000.25),
            ("1e1_0", 1e10),
            ("0x1p-2", 0.25),
            ("-0X_1.8P+1", -3.0),
        ] {
            assert_is(text, value);
        }
    }

    #[test]
    fn what_is_no_number_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", r#"value "": expected a number behind "value=""#),
            ("\"abc\"", r#"value "\"abc\"": expected a number, not a string"#),
            ("true", r#"value "true": expected a number, not a boolean"#),
            ("F", r#"value "F": expected a number, not a boolean"#),
            ("1.2.3", r#"value "1.2.3": expected a number"#),
            ("1e400", r#"value "1e400" is out of range: expected a finite number"#),
            ("-1e400", r#"value "-1e400" is out of range: expected a finite number"#),
            ("0x1p1024", r#"value "0x1p1024" is out of range: expected a finite number"#),
            ("NaN", r#"value "NaN" is out of range: expected a finite number"#),
            ("-Inf", r#"value "-Inf" is out of range: expected a finite number"#),
            ("infinity", r#"value "infinity" is out of range: expected a finite number"#),
            ("9223372036854775808i", r#"value "9223372036854775808i" is out of range: expected an integer of 64 bits"#),
            (
                "99999999999999999999u",
                r#"value "99999999999999999999u" is out of range: expected an integer of 64 bits"#,
            ),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), reason);
        }
        let plain = "+1 - . -. e5 1e 1e+ 1e5. i -i u -3u -0u 1.5i .i 1ii --1 1- \
            0x1 0x1f 0xp1 0x.p1 0x1p 0x1p+ 0x1.2.3p1 0x1p1_ 0x_p1 1__0 _1 1_ 1._5 0b1 0o7 3,5 12abc 1d5 0_x1p1";
        for text in plain.split_whitespace().chain(["1\t", "1 ", "1\u{b2}", "1\u{ff}", "\u{1}"]) {
            assert!(matches!(parse(text.as_bytes()), Err(LineError::Value { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_scan_ends_where_the_number_ends() {
        assert_eq!(scan(b"1.5 1770245220"), Some((1.5, 3)));
        assert_eq!(scan(b"12345678,"), Some((12_345_678.0, 8)));
        assert_eq!(scan(b"7i,value=8"), Some((7.0, 2)));
        assert_eq!(scan(b"-7u"), Some((-7.0, 2)), "the caller sees the u");
        assert_eq!(scan(b"x"), None);
        assert_eq!(scan(b""), None);
    }

    proptest! {
        #[test]
        fn eight_digits_are_what_they_say(number in 0u64..100_000_000, spoilt in 0usize..8, byte: u8) {
            let mut text = [0; 8];
            text.copy_from_slice(format!("{number:08}").as_bytes());
            prop_assert_eq!(eight_digits(text), Some(number));
            text[spoilt] = byte;
            prop_assert_eq!(eight_digits(text).is_some(), byte.is_ascii_digit());
        }

        #[test]
        fn floats_come_back_bit_for_bit(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            for text in [format!("{value}"), format!("{value:e}"), format!("{value:?}")] {
                prop_assert_eq!(parse(text.as_bytes()).map(f64::to_bits), Ok(value.to_bits()), "{}", text);
            }
        }

        #[test]
        fn decimals_round_as_the_standard_library_rounds(text in "-?[0-9]{1,22}(\\.[0-9]{0,22})?([eE][-+]?[0-9]{1,3})?") {
            let expected: f64 = text.parse().unwrap();
            match parse(text.as_bytes()) {
                Ok(value) => prop_assert_eq!(value.to_bits(), expected.to_bits(), "{}", text),
                Err(_) => prop_assert!(expected.is_infinite(), "{}", text),
            }
        }

        #[test]
        fn short_decimals_round_as_the_standard_library_rounds(text in "-?[0-9]{1,9}\\.[0-9]{1,8}(e[-+][0-9]{1,2})?") {
            let expected: f64 = text.parse().unwrap();
            let scanned = scan(text.as_bytes()).map(|(value, length)| (value.to_bits(), length));
            prop_assert_eq!(scanned, Some((expected.to_bits(), text.len())), "{}", text);
        }
    }
}
