//! Timestamps: their digits and their unit.
//!
//! A line does not say in which unit its time is; the magnitude tells. The bounds are those at which the nanoseconds
//! since 1970 leave an `i64`, so every unit reaches until the year 2262; only times in the first months of 1970 are
//! taken for another unit.

use super::number::eight_digits;

/// Whole seconds since 1970 of a timestamp in seconds, milliseconds, microseconds or nanoseconds, rounded down.
#[inline]
pub fn seconds(raw: i64) -> i64 {
    let magnitude = raw.unsigned_abs();
    if magnitude <= SECONDS_MAX {
        raw
    } else if magnitude <= MILLIS_MAX {
        raw.div_euclid(1_000)
    } else if magnitude <= MICROS_MAX {
        raw.div_euclid(1_000_000)
    } else {
        raw.div_euclid(1_000_000_000)
    }
}

/// Reads a timestamp of 8 to 19 digits that is all of `bytes`; nothing for every other text, be it a time or not.
#[inline]
pub(super) fn scan(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 19 {
        return None;
    }
    let (first, rest) = bytes.split_first_chunk::<8>()?;
    let mut number = eight_digits(*first)?;
    let rest = match rest.split_first_chunk::<8>() {
        Some((second, rest)) => {
            number = number * 100_000_000 + eight_digits(*second)?;
            rest
        }
        None => rest,
    };
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    // 19 digits are less than 2^64.
    i64::try_from(number).ok()
}

/// Reads any timestamp: an optional `-` and digits that an `i64` holds.
pub(super) fn parse(bytes: &[u8]) -> Option<i64> {
    if bytes.first() == Some(&b'+') {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

const NANOS_MAX: u64 = i64::MAX as u64;
const MICROS_MAX: u64 = NANOS_MAX / 1_000;
const MILLIS_MAX: u64 = NANOS_MAX / 1_000_000;
const SECONDS_MAX: u64 = NANOS_MAX / 1_000_000_000;

const _: () = assert!(SECONDS_MAX == 9_223_372_036);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_magnitude_tells_the_unit() {
        for (raw, secs) in [
            (1_770_245_220, 1_770_245_220),
            (1_770_245_220_999, 1_770_245_220),
            (1_770_245_220_999_999, 1_770_245_220),
            (1_770_245_220_999_999_999, 1_770_245_220),
            (9_223_372_036, 9_223_372_036),
            (9_223_372_037, 9_223_372),
            (9_223_372_036_854, 9_223_372_036),
            (9_223_372_036_855, 9_223_372),
            (9_223_372_036_854_775, 9_223_372_036),
            (9_223_372_036_854_776, 9_223_372),
            (i64::MAX, 9_223_372_036),
            (0, 0),
            (-1, -1),
            (-10_000_000_001, -10_000_001),
            (i64::MIN, -9_223_372_037),
        ] {
            assert_eq!(seconds(raw), secs, "{raw}");
        }
    }

    #[test]
    fn odd_times_are_told_apart() {
        for (text, time) in [
            ("0", Some(0)),
            ("-5", Some(-5)),
            ("0001770245220", Some(1_770_245_220)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("+5", None),
            ("-", None),
            ("", None),
            ("5-5", None),
            ("--5", None),
            ("12x4", None),
            ("1e9", None),
            ("1.5", None),
        ] {
            assert_eq!(parse(text.as_bytes()), time, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_agrees_with_the_slow_one(text in "[0-9]{0,20}|[0-9]{8,18}|[-+0-9a/:]{7,19}") {
            if let Some(time) = scan(text.as_bytes()) {
                prop_assert_eq!(Some(time), parse(text.as_bytes()));
            } else if (8..=18).contains(&text.len()) {
                prop_assert!(text.bytes().any(|byte| !byte.is_ascii_digit()));
            }
        }

        #[test]
        fn a_time_means_the_same_in_every_unit(secs in 1_000_000_000i64..=9_223_372_035, below in 0i64..1_000) {
            let millis = secs * 1_000 + below;
            let micros = millis * 1_000 + below;
            let nanos = micros * 1_000 + below;
            for raw in [secs, millis, micros, nanos] {
                prop_assert_eq!(seconds(raw), secs);
            }
        }
    }
}
