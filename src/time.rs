//! The clock and Go's durations.
//!
//! Owns every reading of the time of day: nothing else in the crate asks the operating system, so a test can replace
//! the clock and no test sleeps. Times are whole seconds since 1970 (`i64`) unless a name says otherwise.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the time of day comes from.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_millis(&self) -> i64;

    /// Microseconds since 1970, as exactly as the clock tells them.
    fn now_micros(&self) -> i64 {
        self.now_millis().saturating_mul(1000)
    }

    /// Seconds since 1970, rounded down.
    fn now_secs(&self) -> i64 {
        self.now_millis().div_euclid(1000)
    }
}

/// A clock that several modules share.
pub type SharedClock = Arc<dyn Clock>;

/// The operating system's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_millis(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            // A clock before 1970: no sample is older, so zero keeps every comparison sane.
            Err(_) => 0,
        }
    }

    fn now_micros(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(_) => 0,
        }
    }
}

/// Why a text is no duration in Go's notation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no duration: expected numbers with units like \"48h\", \"1h30m\", \"1.5h\" or \"300ms\"")]
pub struct DurationError {
    text: String,
}

/// Reads a duration as Go's `time.ParseDuration` does: `1h30m`, `1.5h`, `300ms`, `0`. Days are no unit there, nor
/// here, and neither are negative durations, for no setting has a use for them.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError { text: text.to_owned() };
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(error());
    }
    let mut nanos = 0u128;
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
        let (number, tail) = rest.split_at(digits_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit_nanos: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(error()),
        };
        nanos = nanos.checked_add(scaled(number, unit_nanos).ok_or_else(error)?).ok_or_else(error)?;
        rest = tail;
    }
    // Go keeps nanoseconds in an i64: what does not fit is an error there too.
    let nanos = i64::try_from(nanos).map_err(|_| error())?;
    Ok(Duration::from_nanos(nanos.unsigned_abs()))
}

/// `number × unit`, the number being digits with at most one point and at least one digit.
fn scaled(number: &str, unit_nanos: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(unit_nanos)?;
    let mut place = unit_nanos;
    for digit in fraction.bytes() {
        place /= 10;
        total = total.checked_add(u128::from(digit - b'0').checked_mul(place)?)?;
    }
    Some(total)
}

/// A duration as Go prints it (`1h30m0s`, `300ms`), for messages and generated configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoDuration(pub Duration);

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        if nanos < 1_000_000_000 {
            let (unit, name) = match nanos {
                0..1_000 => (1, "ns"),
                1_000..1_000_000 => (1_000, "µs"),
                _ => (1_000_000, "ms"),
            };
            return write!(f, "{}{name}", Decimal { whole: nanos / unit, rest: nanos % unit, one: unit });
        }
        let secs = self.0.as_secs();
        if secs >= 3600 {
            write!(f, "{}h", secs / 3600)?;
        }
        if secs >= 60 {
            write!(f, "{}m", secs / 60 % 60)?;
        }
        let one = 1_000_000_000;
        write!(f, "{}s", Decimal { whole: u128::from(secs % 60), rest: nanos % one, one })
    }
}

/// `whole + rest/one` in decimal without trailing zeros; `one` is a power of ten.
struct Decimal {
    whole: u128,
    rest: u128,
    one: u128,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.whole)?;
        if self.rest == 0 {
            return Ok(());
        }
        let width = self.one.ilog10() as usize;
        let digits = format!("{:0width$}", self.rest);
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

/// Year, month and day of a day since 1970: Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>).
pub fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_month)
}

/// Seconds since 1970 as RFC 3339 in UTC: `2026-11-21T16:13:39Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339(pub i64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(86_400));
        let second = self.0.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in
            [("48h", 172_800_000), ("1h30m", 5_400_000), ("1.5h", 5_400_000), ("300ms", 300), ("0", 0), (".5s", 500)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "1d", "5", "h", "1.2.3s", "-1h", "1h ", "99999999h", "."] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        for (millis, text) in [(5_400_000, "1h30m0s"), (300, "300ms"), (1_500, "1.5s"), (60_000, "1m0s"), (0, "0s")] {
            assert_eq!(GoDuration(Duration::from_millis(millis)).to_string(), text);
        }
    }

    #[test]
    fn dates_are_gregorian() {
        for (day, date) in [(0, (1970, 1, 1)), (-1, (1969, 12, 31)), (11_016, (2000, 2, 29)), (47_541, (2100, 3, 1))] {
            assert_eq!(civil(day), date);
        }
        for (secs, text) in [(1_795_277_619, "2026-11-21T16:13:39Z"), (-1, "1969-12-31T23:59:59Z")] {
            assert_eq!(Rfc3339(secs).to_string(), text);
        }
        for secs in [i64::MIN, i64::MAX] {
            assert!(Rfc3339(secs).to_string().ends_with('Z'));
        }
    }
}
