//! Days, months and years of a time in UTC.
//!
//! Years from days by Howard Hinnant's `civil_from_days`, <https://howardhinnant.github.io/date_algorithms.html>.

const DAY_SECS: i64 = 86_400;

/// A time of day on a day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// The year; before year 1 it is 0 or negative.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 6, from Sunday on.
    pub weekday: u8,
    /// 1 to 366.
    pub year_day: u16,
    /// Seconds since midnight.
    pub secs: u32,
}

impl Date {
    /// The date at some seconds since 1970.
    pub fn from_unix(secs: i64) -> Date {
        let (days, of_day) = (secs.div_euclid(DAY_SECS), secs.rem_euclid(DAY_SECS));
        let (year, month, day) = civil(days);
        Date {
            year,
            month,
            day,
            weekday: (days + 4).rem_euclid(7) as u8,
            year_day: (days - days_before(year)) as u16 + 1,
            secs: of_day as u32,
        }
    }

    /// 28 to 31.
    pub fn days_in_month(self) -> u8 {
        match self.month {
            2 if is_leap(self.year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

/// Year, month and day of a number of days since 1970.
fn civil(days: i64) -> (i64, u8, u8) {
    // Years begin in March here, so that the day that comes and goes is the last one.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

/// Days from 1970 to the first of January of a year.
fn days_before(year: i64) -> i64 {
    let before = year - 1;
    365 * (year - 1970) + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 477
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// Seconds since 1970 as `2006-01-02T15:04:05Z`.
pub fn format_rfc3339(secs: i64) -> String {
    let date = Date::from_unix(secs);
    let (hour, minute, second) = (date.secs / 3600, date.secs / 60 % 60, date.secs % 60);
    format!("{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", date.year, date.month, date.day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(format_rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(format_rfc3339(951_782_400 + 3_661), "2000-02-29T01:01:01Z");
        assert_eq!(format_rfc3339(-1), "1969-12-31T23:59:59Z");
        let date = Date::from_unix(1_709_164_800);
        assert_eq!((date.year, date.month, date.day, date.weekday, date.year_day), (2024, 2, 29, 4, 60));
        assert_eq!(date.days_in_month(), 29);
        assert_eq!(Date::from_unix(1_735_603_200).year_day, 366);
    }

    #[test]
    fn the_ends_of_time_are_dates() {
        for secs in [i64::MIN, i64::MAX] {
            let date = Date::from_unix(secs);
            assert!((1..=12).contains(&date.month) && (1..=366).contains(&date.year_day));
        }
    }
}
