//! What the user reads: times, numbers, blocks of text on standard output.

use crate::cli::print;

/// Prints a line. Nobody is left to tell when standard output is gone.
pub(super) fn say(text: &str) {
    print(&format!("{text}\n"));
}

/// The time of day in UTC.
pub(super) fn time_of_day(secs: i64) -> String {
    let secs = secs.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// A whole number with commas between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(time_of_day(86_400 + 3_661), "01:01:01");
    }
}
