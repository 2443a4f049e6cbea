//! From names and values back to lines: what [`parse_key`](super::parse_key) and [`split`](super::split) read.
//!
//! Invariant: a line that is written reads back as the same names, the same time and the same value, bit by bit;
//! names and values for which no line exists are refused.

use std::io::Write as _;

use super::LINE_BYTES_MAX;
use super::key::Key;

/// Room that a line needs behind its key: ` value=`, the longest number, a time, a newline.
const REST_BYTES_MAX: usize = 64;
/// Beyond this, not every whole number is a float.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// What no line can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unwritable {
    /// A name with a control character, a backslash at its end, or none at all; a metric that looks like a comment.
    #[error("a name that line protocol has no spelling for")]
    Name,
    /// Names that make a line longer than [`LINE_BYTES_MAX`].
    #[error("names that are too long for a line")]
    TooLong,
    /// An infinity or no number.
    #[error("a value that is no finite number")]
    Value,
}

/// Appends metric and tags. Empty names are left out, as reading gives them back empty.
///
/// # Errors
///
/// Names that no line can hold; `out` is then as it was.
pub fn write_key(key: &Key<'_>, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    let start = out.len();
    let written = try_write_key(key, out).and_then(|()| match out.len() - start {
        bytes if bytes + REST_BYTES_MAX > LINE_BYTES_MAX => Err(Unwritable::TooLong),
        _ => Ok(()),
    });
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn try_write_key(key: &Key<'_>, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    if key.metric.is_empty() || key.metric.starts_with('#') {
        return Err(Unwritable::Name);
    }
    push_name(&key.metric, b", ", out)?;
    let tags = [
        ("cluster", key.cluster.as_deref().unwrap_or_default()),
        ("hostname", &key.host),
        ("type", &key.kind),
        ("type-id", &key.id),
        ("stype", &key.sub_kind),
        ("stype-id", &key.sub_id),
    ];
    for (name, value) in tags {
        if !value.is_empty() {
            out.push(b',');
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            push_name(value, b",= ", out)?;
        }
    }
    Ok(())
}

/// A backslash before a stop belongs to the stop, and one at the end would belong to what follows.
fn push_name(name: &str, stops: &[u8], out: &mut Vec<u8>) -> Result<(), Unwritable> {
    if name.ends_with('\\') || name.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(Unwritable::Name);
    }
    for byte in name.bytes() {
        if stops.contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
    Ok(())
}

/// Appends a line of a key that [`write_key`] wrote, with its newline; the time is in seconds.
///
/// # Errors
///
/// A value that no line can hold; `out` is then as it was.
pub fn write_line(key: &[u8], value: f64, secs: i64, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    if !value.is_finite() {
        return Err(Unwritable::Value);
    }
    out.extend_from_slice(key);
    out.extend_from_slice(b" value=");
    write_number(value, out);
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(secs).as_bytes());
    out.push(b'\n');
    Ok(())
}

/// Appends a number in the fewest digits that give it back exactly; infinities and NaN as `inf`, `-inf` and `NaN`.
pub fn write_number(value: f64, out: &mut Vec<u8>) {
    if value.abs() < EXACT_MAX && value.fract() == 0.0 && !(value == 0.0 && value.is_sign_negative()) {
        // Below 2^53 every whole float is an integer exactly.
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        // Writing into a Vec cannot fail.
        let _ = write!(out, "{value:?}");
    }
}

/// Appends a number that was kept as float32, in the fewest digits that give that float32 back: `0.1`, where its exact
/// value would be `0.10000000149011612`.
pub fn write_narrow_number(value: f32, out: &mut Vec<u8>) {
    let wide = f64::from(value);
    if wide.abs() < EXACT_MAX && wide.fract() == 0.0 && !(wide == 0.0 && wide.is_sign_negative()) {
        out.extend_from_slice(itoa::Buffer::new().format(wide as i64).as_bytes());
    } else {
        // Writing into a Vec cannot fail.
        let _ = write!(out, "{value:?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::line::{parse_key, split};

    fn written(key: &Key<'_>) -> Result<String, Unwritable> {
        let mut out = Vec::new();
        write_key(key, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_line_looks_as_a_collector_sends_it() {
        let key = Key {
            metric: "flops_any".into(),
            cluster: Some("alex".into()),
            host: "a0001".into(),
            kind: "hwthread".into(),
            id: "12".into(),
            ..Key::default()
        };
        let text = written(&key).unwrap();
        assert_eq!(text, "flops_any,cluster=alex,hostname=a0001,type=hwthread,type-id=12");
        let mut line = Vec::new();
        write_line(text.as_bytes(), 0.652, 1_770_244_800, &mut line).unwrap();
        assert_eq!(line, format!("{text} value=0.652 1770244800\n").as_bytes());
        assert_eq!(write_line(b"a", f64::NAN, 1, &mut line), Err(Unwritable::Value));
        assert_eq!(write_line(b"a", f64::INFINITY, 1, &mut line), Err(Unwritable::Value));
    }

    #[test]
    fn names_without_a_spelling_are_refused() {
        let named = |metric: &str, host: &str| Key {
            metric: metric.to_owned().into(),
            host: host.to_owned().into(),
            ..Key::default()
        };
        for (metric, host) in
            [("", "a"), ("#load", "a"), ("load\\", "a"), ("load", "a\\"), ("lo\tad", "a"), ("a", "\0")]
        {
            assert_eq!(written(&named(metric, host)), Err(Unwritable::Name), "{metric:?} {host:?}");
        }
        assert_eq!(written(&named(&"x".repeat(70_000), "a")), Err(Unwritable::TooLong));
        assert_eq!(written(&named("a b,c=d", "e f,g=h")).unwrap(), r"a\ b\,c=d,hostname=e\ f\,g\=h");
    }

    #[test]
    fn numbers_are_short() {
        let text = |value: f64| {
            let mut out = Vec::new();
            write_number(value, &mut out);
            String::from_utf8(out).unwrap()
        };
        for (value, expected) in [(1.0, "1"), (-0.0, "-0.0"), (0.1, "0.1"), (1e300, "1e300"), (-7.5, "-7.5")] {
            assert_eq!(text(value), expected);
        }
        let mut narrow = Vec::new();
        write_narrow_number(0.1, &mut narrow);
        assert_eq!(narrow, b"0.1");
    }

    proptest! {
        /// Names of any text with the characters that matter over-represented.
        #[test]
        fn every_line_reads_back(
            names in proptest::collection::vec("([a-z=, \\\\#]|\\PC){0,6}", 6),
            value: f64,
            narrow: f32,
            secs in -9_223_372_036i64..9_223_372_036,
        ) {
            let [metric, cluster, host, kind, id, sub] = &names[..] else { unreachable!() };
            let key = Key {
                metric: metric.into(),
                cluster: (!cluster.is_empty()).then(|| cluster.into()),
                host: host.into(),
                kind: kind.into(),
                id: id.into(),
                sub_kind: sub.into(),
                sub_id: sub.into(),
            };
            let mut text = Vec::new();
            if write_key(&key, &mut text).is_ok() {
                let mut line = Vec::new();
                if write_line(&text, value, secs, &mut line).is_ok() {
                    prop_assert_eq!(line.pop(), Some(b'\n'));
                    let split = split(&line).unwrap().unwrap();
                    prop_assert_eq!(split.value.to_bits(), value.to_bits());
                    prop_assert_eq!(split.time, Some(secs));
                    prop_assert_eq!(parse_key(split.key).unwrap(), key);
                }
            }
            let mut number = Vec::new();
            write_narrow_number(narrow, &mut number);
            let number = String::from_utf8(number).unwrap();
            prop_assert!(narrow.is_nan() || number.parse::<f32>().unwrap().to_bits() == narrow.to_bits());
        }
    }
}
