//! Times and numbers in Go's forms.

use std::fmt;

use crate::time::civil;

/// Milliseconds since 1970 as Go prints a time: `2015-07-01 20:10:51.781 +0000 UTC`.
#[derive(Debug, Clone, Copy)]
pub(super) struct GoTime(i64);

impl GoTime {
    /// The time at these seconds, to the millisecond.
    pub(super) fn from_secs(secs: f64) -> Result<GoTime, String> {
        if (secs * 1e9).abs() >= 9.223_372_036_854_776e18 {
            let secs = crate::model::histogram::general_text(secs);
            return Err(format!("{secs} cannot be represented as a nanoseconds timestamp since it overflows int64"));
        }
        Ok(GoTime((secs * 1000.0).trunc() as i64))
    }
}

impl fmt::Display for GoTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_date_and_time(out, self.0, ' ')?;
        out.write_str(" +0000 UTC")
    }
}

/// Milliseconds since 1970 as JSON has them in Go: `2015-07-01T20:10:51.781Z`, no zeros behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339Millis(pub i64);

impl fmt::Display for Rfc3339Millis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_date_and_time(out, self.0, 'T')?;
        out.write_str("Z")
    }
}

fn write_date_and_time(out: &mut fmt::Formatter<'_>, time_ms: i64, between: char) -> fmt::Result {
    let (secs, millis) = (time_ms.div_euclid(1000), time_ms.rem_euclid(1000));
    let (year, month, day) = civil(secs.div_euclid(86_400));
    let second = secs.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(out, "{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}")?;
    if millis > 0 {
        let digits = format!("{millis:03}");
        write!(out, ".{}", digits.trim_end_matches('0'))?;
    }
    Ok(())
}

/// A number as Go's `%e` with as many digits as it takes: `1.5e+01`.
pub fn go_scientific(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}
