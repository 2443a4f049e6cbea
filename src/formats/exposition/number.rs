//! Numbers of expositions: what Go's `strconv.ParseFloat` takes, without hexadecimal ones and underscores.

/// The NaN that a text stands for, whatever its sign: Prometheus's own one, never the staleness marker.
const NAN: f64 = f64::from_bits(0x7FF8_0000_0000_0001);

/// Reads a float; nothing for a text that is none, or is out of range.
pub(super) fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.eq_ignore_ascii_case("nan") {
        return (digits.len() == text.len()).then_some(NAN);
    }
    let value: f64 = text.parse().ok()?;
    let named = digits.starts_with(['i', 'I']);
    (value.is_finite() || named).then_some(value)
}

/// A time in seconds, as milliseconds, cut towards zero as Prometheus does.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let secs = float(text).filter(|secs| secs.is_finite())?;
    // Out of range ends at the last millisecond there is.
    Some((secs * 1000.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_go() {
        for (text, value) in [
            ("1", 1.0),
            ("+1.", 1.0),
            (".5", 0.5),
            ("-1e-3", -0.001),
            ("Inf", f64::INFINITY),
            ("1E400", f64::NAN),
            ("-inf", f64::NEG_INFINITY),
            ("+Infinity", f64::INFINITY),
            ("1e-400", 0.0),
        ] {
            assert_eq!(float(text), (!value.is_nan()).then_some(value), "{text}");
        }
        assert_eq!(float("NaN").map(f64::to_bits), Some(0x7FF8_0000_0000_0001));
        for text in ["", ".", "+nan", "0x1p3", "1_0", "1 ", "e5", "--1", "infin"] {
            assert_eq!(float(text), None, "{text:?}");
        }
        assert_eq!(seconds("1700000000.1239"), Some(1_700_000_000_123));
        assert_eq!(seconds("-1.5"), Some(-1500));
        assert_eq!((seconds("NaN"), seconds("+Inf")), (None, None));
        assert_eq!(seconds("1e300"), Some(i64::MAX));
    }
}
