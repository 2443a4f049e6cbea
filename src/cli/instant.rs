//! Times on the command line: RFC 3339, a date, or seconds since 1970.

use crate::time::civil;

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time: expected 2026-11-21T16:13:39Z (or +01:00 for Z), 2026-11-21 (UTC), or seconds since 1970")]
pub(super) struct InstantError(String);

/// Seconds since 1970; fractions of a second are cut off downwards.
///
/// # Errors
///
/// Anything else than the three forms, and dates that no calendar has.
pub(super) fn parse_instant(text: &str) -> Result<i64, InstantError> {
    text.parse().ok().or_else(|| parse(text)).ok_or_else(|| InstantError(text.to_owned()))
}

fn parse(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let midnight = day_of(year, month, day)? * 86_400;
    if parts.next().is_some() {
        return None;
    }
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else { return rest.is_empty().then_some(midnight) };
    let (clock, rest) = rest.split_at_checked(8)?;
    let mut parts = clock.split(':');
    let (hour, minute, second) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    // A leap second counts as the one behind it.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return None;
            }
            zone
        }
        None => rest,
    };
    Some(midnight + hour * 3600 + minute * 60 + second - offset_secs(zone)?)
}

/// The seconds that a zone is ahead of UTC.
fn offset_secs(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The day since 1970: Howard Hinnant's `days_from_civil`
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn day_of(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    // The 30th of February is another day on the way back.
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Rfc3339;

    #[test]
    fn three_forms_are_read() {
        for (text, secs) in [
            ("1795277619", 1_795_277_619),
            ("-5", -5),
            ("2026-11-21", 1_795_219_200),
            ("2026-11-21T16:13:39Z", 1_795_277_619),
            ("2026-11-21t17:13:39.999+01:00", 1_795_277_619),
            ("2026-11-21 08:13:39-08:00", 1_795_277_619),
            ("2000-02-29", 951_782_400),
        ] {
            assert_eq!(parse_instant(text), Ok(secs), "{text}");
        }
    }

    #[test]
    fn everything_else_is_an_error_that_says_what_is_expected() {
        for text in [
            "",
            "now",
            "2026-11",
            "2026-02-30",
            "2026-13-01",
            "2026-11-21T",
            "2026-11-21T16:13Z",
            "2026-11-21T16:13:39",
            "2026-11-21T24:00:00Z",
            "2026-11-21T16:13:39.Z",
            "2026-11-21T16:13:39+1:00",
            "2026-11-21Z",
            "99999999999999999999",
            "２026-11-21",
        ] {
            let error = parse_instant(text).expect_err(text);
            assert!(error.to_string().contains("expected 2026-11-21T16:13:39Z"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(secs in -62_135_596_800i64..253_402_300_800) {
            prop_assert_eq!(parse_instant(&Rfc3339(secs).to_string()), Ok(secs));
        }
    }
}
