//! Statistics of an answer: average, minimum and maximum of the data at full resolution.
//!
//! Invariant: what prints as `null` in the data does not count; when nothing counts, all three are NaN and print as
//! `null` themselves.

/// Average, minimum and maximum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// The sum in the order of time, divided by the number of values.
    pub avg: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

impl Statistics {
    /// What stands in an answer that was asked for without statistics.
    pub const NOT_ASKED: Statistics = Statistics { avg: 0.0, min: 0.0, max: 0.0 };

    /// Those of no value at all.
    pub const NONE: Statistics = Statistics { avg: f64::NAN, min: f64::NAN, max: f64::NAN };

    /// The statistics of these values, NaN and infinities left out.
    pub fn of(data: &[f64]) -> Self {
        let mut count = 0u64;
        let mut sum = 0.0;
        let mut min = f64::INFINITY;
        let mut max = f64::NEG_INFINITY;
        for &value in data {
            if !value.is_finite() {
                continue;
            }
            count += 1;
            sum += value;
            // A negative zero is less than a positive one, which `<` does not see.
            if value < min || (value == min && value.is_sign_negative()) {
                min = value;
            }
            if value > max || (value == max && value.is_sign_positive()) {
                max = value;
            }
        }
        if count == 0 { Statistics::NONE } else { Statistics { avg: sum / count as f64, min, max } }
    }

    /// All three times a factor.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Statistics { avg: self.avg * factor, min: self.min * factor, max: self.max * factor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_skipped() {
        let found = Statistics::of(&[f64::NAN, 3.0, f64::NAN, -1.0, 4.0]);
        assert_eq!(found, Statistics { avg: 2.0, min: -1.0, max: 4.0 });
    }

    #[test]
    fn infinities_print_as_null_and_are_skipped_too() {
        let found = Statistics::of(&[f64::INFINITY, 3.0, f64::NEG_INFINITY, 5.0]);
        assert_eq!(found, Statistics { avg: 4.0, min: 3.0, max: 5.0 });
    }

    #[test]
    fn of_nothing_there_are_none() {
        for data in [&[][..], &[f64::NAN, f64::NAN], &[f64::INFINITY]] {
            let found = Statistics::of(data);
            assert!(found.avg.is_nan() && found.min.is_nan() && found.max.is_nan(), "{data:?}");
        }
    }

    #[test]
    fn values_are_summed_in_their_order() {
        let data = [1e16, 1.0, 1.0, -1e16];
        assert_eq!(Statistics::of(&data).avg, (1e16 + 1.0 + 1.0 - 1e16) / 4.0);
    }

    #[test]
    fn negative_zero_is_below_zero() {
        let found = Statistics::of(&[0.0, -0.0]);
        assert!(found.min.is_sign_negative() && found.max.is_sign_positive());
        let found = Statistics::of(&[-0.0, 0.0]);
        assert!(found.min.is_sign_negative() && found.max.is_sign_positive());
    }

    #[test]
    fn a_factor_scales_all() {
        let found = Statistics::of(&[1.0, 3.0]).scaled(2.0);
        assert_eq!(found, Statistics { avg: 4.0, min: 2.0, max: 6.0 });
    }
}
