//! Times and durations as parameters have them.

use super::super::Refusal;
use super::failure::bad_parameter;
use super::form::Form;
use crate::promql::parse::parse_duration_ms;

/// Numbers from here on are milliseconds: as seconds they would lie behind the year 5000.
const MILLIS_FROM: f64 = 1e11;

/// The boundaries that Prometheus's own clients send for "always": no calendar reaches them.
const ALWAYS: [(&str, i64); 2] =
    [("-292273086-05-16T16:47:06Z", i64::MIN / 2), ("292277025-08-18T07:12:54.999999999Z", i64::MAX / 2)];

/// A time of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    /// Milliseconds since 1970.
    pub(super) ms: i64,
    /// Whether it was given in milliseconds: then a step beside it is, too.
    pub(super) is_millis: bool,
}

impl Form {
    /// A time that may be left out.
    pub(super) fn time_or(&self, name: &str, default_ms: i64) -> Result<Time, Refusal> {
        match self.value(name) {
            "" => Ok(Time { ms: default_ms, is_millis: false }),
            text => parse_time(text).ok_or_else(|| {
                let text = format!("invalid time value for '{name}': {}", unreadable(text));
                bad_parameter(name, text)
            }),
        }
    }

    /// A time that must be there.
    pub(super) fn time(&self, name: &str) -> Result<Time, Refusal> {
        let text = self.value(name);
        parse_time(text).ok_or_else(|| bad_parameter(name, unreadable(text)))
    }

    /// A duration, in milliseconds; `None` without the parameter.
    pub(super) fn duration_ms(&self, name: &str, number_is_millis: bool) -> Result<Option<i64>, Refusal> {
        match self.value(name) {
            "" => Ok(None),
            text => match duration_ms(text, number_is_millis) {
                Ok(ms) => Ok(Some(ms)),
                Err(error) => Err(bad_parameter(name, error)),
            },
        }
    }
}

fn unreadable(text: &str) -> String {
    format!("cannot parse {text:?} to a valid timestamp")
}

/// A time as float seconds (or milliseconds, where the magnitude says so) or in the form of RFC 3339.
fn parse_time(text: &str) -> Option<Time> {
    if let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) {
        let is_millis = number.abs() >= MILLIS_FROM;
        // Casts of floats saturate.
        let ms = if is_millis {
            number.round() as i64
        } else {
            (number.trunc() * 1000.0) as i64 + (number.fract() * 1000.0).round() as i64
        };
        return Some(Time { ms: ms.clamp(i64::MIN / 2, i64::MAX / 2), is_millis });
    }
    let always = ALWAYS.iter().find(|(name, _)| *name == text).map(|&(_, ms)| ms);
    always.or_else(|| parse_rfc3339(text)).map(|ms| Time { ms, is_millis: false })
}

/// `2026-02-05T12:00:00.5+01:00`; parts of a millisecond are cut off.
fn parse_rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i64>().ok())?;
    let part = |text: &str, separator: u8, at: usize, from: usize| {
        (text.as_bytes().get(at) == Some(&separator)).then(|| number(text.get(from..from + 2)?))?
    };
    let (year, month, day) = (number(date.get(..4)?)?, part(date, b'-', 4, 5)?, part(date, b'-', 7, 8)?);
    let (hour, minute, second) = (number(clock.get(..2)?)?, part(clock, b':', 2, 3)?, part(clock, b':', 5, 6)?);
    let (millis, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => {
            let end = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len());
            let digits = format!("{:0<3}", rest.get(..end.min(3))?);
            (number(&digits).filter(|_| end > 0)?, &rest[end..])
        }
    };
    let offset_minutes = match zone.as_bytes().first()? {
        b'Z' | b'z' if zone.len() == 1 => 0,
        sign @ (b'+' | b'-') if zone.len() == 6 => {
            let (hours, minutes) = (number(zone.get(1..3)?)?, part(zone, b':', 3, 4)?);
            let offset = (hours <= 23 && minutes <= 59).then_some(hours * 60 + minutes)?;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1000 + millis)
}

/// Howard Hinnant's `days_from_civil` (chrono-compatible low-level date algorithms).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// A duration as float seconds (or milliseconds) or like `1h30m`.
fn duration_ms(text: &str, number_is_millis: bool) -> Result<i64, String> {
    if let Ok(number) = text.parse::<f64>() {
        let ms = if number_is_millis { number } else { number * 1000.0 };
        // What nanoseconds in 64 bits can hold, as in Prometheus.
        if ms.is_nan() || ms.abs() > 9.223_372_036_854e12 {
            return Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"));
        }
        return Ok(ms as i64);
    }
    parse_duration_ms(text).map_err(|_| format!("cannot parse {text:?} to a valid duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_three_forms() {
        let ms = |text: &str| parse_time(text).map(|time| time.ms);
        assert_eq!(ms("1435781451.781"), Some(1_435_781_451_781));
        assert_eq!(ms("0"), Some(0));
        assert_eq!(ms("-1.5"), Some(-1500));
        assert_eq!(parse_time("1770000000123"), Some(Time { ms: 1_770_000_000_123, is_millis: true }));
        assert_eq!(parse_time("1770000000"), Some(Time { ms: 1_770_000_000_000, is_millis: false }));
        assert_eq!(ms("2015-07-01T20:10:51.781Z"), Some(1_435_781_451_781));
        assert_eq!(ms("2015-07-01T22:10:51+02:00"), Some(1_435_781_451_000));
        assert_eq!(ms("2024-02-29T00:00:00.5Z"), Some(1_709_164_800_500));
        assert_eq!(ms("1969-12-31T23:59:59.999999999Z"), Some(-1));
        assert_eq!(ms("-292273086-05-16T16:47:06Z"), Some(i64::MIN / 2));
        for bad in [
            "",
            "x",
            "NaN",
            "Inf",
            "2015-07-01",
            "2015-07-01T20:10:51",
            "2023-02-29T00:00:00Z",
            "2015-13-01T00:00:00Z",
            "2015-07-01T24:00:00Z",
            "2015-07-01T20:10:51.Z",
            "2015-07-01 20:10:51Z",
            "2015-07-01T20:10:51+2:00",
            "ü015-07-01T20:10:51Z",
            "2015-07-01T20:10:51ü",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_come_in_two_forms() {
        assert_eq!(duration_ms("15", false), Ok(15_000));
        assert_eq!(duration_ms("0.5", false), Ok(500));
        assert_eq!(duration_ms("15000", true), Ok(15_000));
        assert_eq!(duration_ms("1h30m", true), Ok(5_400_000));
        assert!(duration_ms("1e30", false).unwrap_err().ends_with("It overflows int64"));
        assert_eq!(duration_ms("x", false).unwrap_err(), "cannot parse \"x\" to a valid duration");
    }
}
