//! Compensated sums of floats.

/// A sum with the part that rounding lost (Kahan's summation with Neumaier's improvement).
///
/// The compensation is added once, at the end, by [`KahanSum::value`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct KahanSum {
    /// The sum as plain addition has it.
    pub sum: f64,
    /// What plain addition lost so far.
    pub compensation: f64,
}

impl KahanSum {
    /// A sum that starts at `sum`.
    pub fn new(sum: f64) -> Self {
        KahanSum { sum, compensation: 0.0 }
    }

    /// Adds a number. Once the sum is infinite, the compensation is zero.
    #[inline]
    pub fn add(&mut self, number: f64) {
        (self.sum, self.compensation) = increased(number, self.sum, self.compensation);
    }

    /// The sum with its compensation.
    pub fn value(self) -> f64 {
        self.sum + self.compensation
    }
}

/// The sum and the compensation after `number` was added.
#[inline]
pub(super) fn increased(number: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + number;
    let lost = if total.is_infinite() {
        return (total, 0.0);
    } else if sum.abs() >= number.abs() {
        (sum - total) + number
    } else {
        (number - total) + sum
    };
    (total, compensation + lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_part_survives_a_large_one() {
        let mut sum = KahanSum::default();
        for number in [1.0, 1e100, 1.0, -1e100] {
            sum.add(number);
        }
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn infinity_has_no_compensation() {
        let mut sum = KahanSum::new(1.0);
        sum.add(1e-20);
        assert_ne!(sum.compensation, 0.0);
        sum.add(f64::INFINITY);
        assert_eq!(sum.value(), f64::INFINITY);
        sum.add(f64::NEG_INFINITY);
        assert!(sum.value().is_nan());
    }
}
