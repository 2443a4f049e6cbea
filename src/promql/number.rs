//! Numbers as Prometheus adds and prints them: compensated sums and Go's float formats.
//!
//! The sums give the same bits as Prometheus's for the same values in the same order; nothing here may be reordered.

use crate::model::histogram::general_text;

/// Adds with Neumaier's improvement of Kahan's summation: the new sum and the new compensation.
#[inline(always)]
pub fn kahan_add(increment: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + increment;
    let lost = if sum.abs() >= increment.abs() { (sum - total) + increment } else { (increment - total) + sum };
    (total, if total.is_infinite() { 0.0 } else { compensation + lost })
}

/// Adds as [`kahan_add`] as long as all numbers are finite, without a branch; else the compensation may be NaN.
///
/// What rounding takes from one addition is a float itself, and both ways find it exactly: Neumaier's by asking which
/// number is larger, this one (Knuth's two-sum) by four more additions.
#[inline(always)]
pub fn kahan_add_finite(increment: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + increment;
    let added = total - sum;
    (total, compensation + ((sum - (total - added)) + (increment - added)))
}

/// A sum with its compensation; an infinite sum has none.
#[inline(always)]
pub fn kahan_total(sum: f64, compensation: f64) -> f64 {
    if sum.is_infinite() { sum } else { sum + compensation }
}

/// A running compensated sum.
#[derive(Debug, Clone, Copy, Default)]
pub struct KahanSum {
    /// The sum without its compensation.
    pub sum: f64,
    /// What rounding took away so far.
    pub compensation: f64,
}

impl KahanSum {
    /// Adds a value.
    #[inline(always)]
    pub fn add(&mut self, value: f64) {
        (self.sum, self.compensation) = kahan_add(value, self.sum, self.compensation);
    }

    /// The sum with its compensation.
    pub fn total(self) -> f64 {
        self.sum + self.compensation
    }
}

/// A mean that sums directly while the sum is finite, and goes on incrementally from where it would overflow.
#[derive(Debug, Clone, Copy)]
pub struct Mean {
    count: f64,
    /// The sum, or once `incremental`, the mean so far.
    value: f64,
    compensation: f64,
    incremental: bool,
}

impl Mean {
    /// The mean of one value.
    pub fn new(first: f64) -> Mean {
        Mean { count: 1.0, value: first, compensation: 0.0, incremental: false }
    }

    /// The mean of so many values whose compensated sum is known.
    pub fn resume(count: f64, sum: f64, compensation: f64) -> Mean {
        Mean { count, value: sum, compensation, incremental: false }
    }

    /// Takes one more value in.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.incremental {
            let (sum, compensation) = kahan_add(value, self.value, self.compensation);
            if !sum.is_infinite() {
                (self.value, self.compensation) = (sum, compensation);
                return;
            }
            self.incremental = true;
            self.value /= self.count - 1.0;
            self.compensation /= self.count - 1.0;
        }
        let share = (self.count - 1.0) / self.count;
        (self.value, self.compensation) = kahan_add(value / self.count, share * self.value, share * self.compensation);
    }

    /// The mean of all values so far.
    pub fn get(self) -> f64 {
        if self.incremental {
            self.value + self.compensation
        } else {
            self.value / self.count + self.compensation / self.count
        }
    }
}

/// A float with all its digits and no exponent, as Go's `'f'` with the shortest precision.
pub fn format_plain(value: f64) -> String {
    special(value).unwrap_or_else(|| value.to_string())
}

/// A float as OpenMetrics writes it: as [`general_text`], with `.0` at whole numbers.
pub fn format_open_metrics(value: f64) -> String {
    let text = general_text(value);
    if value.is_finite() && !text.contains(['.', 'e']) { text + ".0" } else { text }
}

/// A float as Go's `%.2g` prints it.
pub fn format_two_digits(value: f64) -> String {
    if let Some(text) = special(value) {
        return text;
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.1e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..2).contains(&exponent) {
        return format!("{}{}", trim_zeros(digits), go_exponent(exponent));
    }
    trim_zeros(&format!("{value:.*}", usize::try_from(1 - exponent).unwrap_or(0))).to_owned()
}

fn trim_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

fn go_exponent(exponent: i32) -> String {
    format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn special(value: f64) -> Option<String> {
    if value.is_nan() {
        Some("NaN".to_owned())
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go prints.
    #[test]
    fn floats_look_like_gos() {
        let cases = [
            (100_000.0, "100000", "1e+05"),
            (1e6, "1e+06", "1e+06"),
            (1_234_567.0, "1.234567e+06", "1.2e+06"),
            (0.0001, "0.0001", "0.0001"),
            (0.000_012_34, "1.234e-05", "1.2e-05"),
            (-0.5, "-0.5", "-0.5"),
            (12.0, "12", "12"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
            (f64::NAN, "NaN", "NaN"),
        ];
        for (value, shortest, two) in cases {
            assert_eq!(general_text(value), shortest);
            assert_eq!(format_two_digits(value), two);
        }
        assert_eq!(format_open_metrics(0.5), "0.5");
        assert_eq!(format_open_metrics(3.0), "3.0");
        assert_eq!(format_plain(1e21), "1000000000000000000000");
    }

    /// Both ways to add give the same bits, whatever the numbers' sizes and signs.
    #[test]
    fn two_sum_is_neumaier() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Exponents up to those where sums of a few stay finite, zeros and numbers near each other among them.
            let value = f64::from_bits(state % 0x7FC0_0000_0000_0000) * if state & 1 == 0 { 1.0 } else { -1.0 };
            [value, value % 3.0, 0.0, -1.5, value % 1e-3][(state >> 32) as usize % 5]
        };
        for _ in 0..20_000 {
            let (mut plain, mut fast) = ((0.0, 0.0), (0.0, 0.0));
            for _ in 0..8 {
                let value = next();
                plain = kahan_add(value, plain.0, plain.1);
                fast = kahan_add_finite(value, fast.0, fast.1);
                assert_eq!(plain.0.to_bits(), fast.0.to_bits());
                assert_eq!(plain.1.to_bits(), fast.1.to_bits(), "{value}");
            }
        }
    }

    #[test]
    fn compensation_keeps_what_rounding_drops() {
        let mut sum = KahanSum::default();
        [1e100, 1.0, -1e100].into_iter().for_each(|value| sum.add(value));
        assert_eq!(sum.total(), 1.0);
        let mut mean = Mean::new(f64::MAX);
        mean.add(f64::MAX);
        assert_eq!(mean.get(), f64::MAX);
    }
}
