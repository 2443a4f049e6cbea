//! Numbers and durations as they are written.

use super::quote::quote;

/// The value of a number: decimal with `_` between digits, hexadecimal (`0x1F`), octal (`017`), `Inf` or `NaN`.
pub(super) fn parse_number(text: &str) -> Result<f64, String> {
    if text.ends_with('_') {
        return Err(refused(text, "invalid syntax"));
    }
    if let Some(integer) = parse_integer(text) {
        return Ok(integer as f64);
    }
    let plain: String = text.chars().filter(|character| *character != '_').collect();
    let is_word = matches!(text.to_ascii_lowercase().as_str(), "inf" | "nan");
    let is_decimal = text.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    match plain.parse::<f64>() {
        Ok(value) if is_word || is_decimal && value.is_finite() => Ok(value),
        Ok(_) if is_decimal => Err(refused(text, "value out of range")),
        _ => Err(refused(text, "invalid syntax")),
    }
}

fn refused(text: &str, reason: &str) -> String {
    format!("error parsing number: strconv.ParseFloat: parsing {}: {reason}", quote(text))
}

/// An integer with the bases of Go's literals; a leading 0 makes it octal.
fn parse_integer(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.strip_prefix('0') {
        None | Some("") => (10, lower.as_str()),
        Some(rest) => match rest.strip_prefix('x') {
            Some(digits) => (16, digits),
            None => (8, rest),
        },
    };
    let digits: String = digits.chars().filter(|character| *character != '_').collect();
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&digits, radix).ok()
}

const UNITS_MS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// A duration such as `1h30m`, in milliseconds: units in this order, each at most once.
pub fn parse_duration_ms(text: &str) -> Result<i64, String> {
    match text {
        "0" => return Ok(0),
        "" => return Err("empty duration string".to_owned()),
        _ => {}
    }
    let refused = || format!("not a valid duration string: {}", quote(text));
    let mut millis: u64 = 0;
    let mut units = UNITS_MS.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count = rest[..digits].parse::<u64>().map_err(|_| refused())?;
        let (unit, behind) = rest[digits..].split_at(rest[digits..].find(is_digit).unwrap_or(rest.len() - digits));
        if unit.is_empty() {
            return Err(refused());
        }
        if !UNITS_MS.iter().any(|(name, _)| *name == unit) {
            return Err(format!("unknown unit {} in duration {}", quote(unit), quote(text)));
        }
        let (_, unit_ms) = units.find(|(name, _)| *name == unit).ok_or_else(refused)?;
        let sum = count.checked_mul(*unit_ms).and_then(|added| added.checked_add(millis));
        millis = sum.filter(|sum| *sum <= MILLIS_MAX).ok_or("duration out of range")?;
        rest = behind;
    }
    // At most MILLIS_MAX.
    Ok(millis as i64)
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

/// What fits into 64 bits of nanoseconds.
const MILLIS_MAX: u64 = i64::MAX as u64 / 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_all_forms() {
        for (text, value) in [
            ("0", 0.0),
            ("1_000_000", 1e6),
            ("0x1F", 31.0),
            ("0X_ff", 255.0),
            ("017", 15.0),
            ("08", 8.0),
            ("1.5e3", 1500.0),
            (".5", 0.5),
            ("1_2.5_0e1_0", 12.5e10),
            ("5.", 5.0),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("iNf", f64::INFINITY),
        ] {
            assert_eq!(parse_number(text), Ok(value), "{text}");
        }
        assert!(parse_number("NaN").unwrap().is_nan());
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let error = "error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range";
        assert_eq!(parse_number("1e400"), Err(error.to_owned()));
        assert!(parse_number("0xffffffffffffffffff").unwrap_err().ends_with("invalid syntax"));
    }

    #[test]
    fn durations_are_in_order_and_in_range() {
        assert_eq!(parse_duration_ms("1h30m"), Ok(5_400_000));
        assert_eq!(parse_duration_ms("1y2w3d4h5m6s7ms"), Ok(33_019_506_007));
        assert_eq!(parse_duration_ms("0"), Ok(0));
        assert_eq!(parse_duration_ms("30m1h").unwrap_err(), "not a valid duration string: \"30m1h\"");
        assert_eq!(parse_duration_ms("5").unwrap_err(), "not a valid duration string: \"5\"");
        assert_eq!(parse_duration_ms("300y").unwrap_err(), "duration out of range");
        assert!(parse_duration_ms("99999999999999999999s").unwrap_err().starts_with("not a valid duration"));
        assert_eq!(parse_duration_ms("1hs").unwrap_err(), "unknown unit \"hs\" in duration \"1hs\"");
    }
}
