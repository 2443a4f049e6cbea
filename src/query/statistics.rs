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
        let mut signs = 0;
        for &value in data {
            if !value.is_finite() {
                continue;
            }
            count += 1;
            sum += value;
            // Without branches: these are as good as random.
            min = if value < min { value } else { min };
            max = if value > max { value } else { max };
            signs |= value.to_bits();
        }
        if count == 0 {
            return Statistics::NONE;
        }
        // A negative zero is less than a positive one, which `<` does not see.
        if signs >> 63 == 1 && min == 0.0 {
            min = -0.0;
        }
        if signs >> 63 == 1 && max == 0.0 {
            let has_positive = data.iter().any(|value| *value == 0.0 && value.is_sign_positive());
            max = if has_positive { 0.0 } else { -0.0 };
        }
        Statistics { avg: sum / count as f64, min, max }
    }

    /// All three times a factor.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Statistics { avg: self.avg * factor, min: self.min * factor, max: self.max * factor }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// The statistics as they are written down, with a branch for each question.
    fn plain(data: &[f64]) -> Statistics {
        let values: Vec<f64> = data.iter().copied().filter(|value| value.is_finite()).collect();
        let order = |a: &&f64, b: &&f64| a.total_cmp(b);
        let (Some(&min), Some(&max)) = (values.iter().min_by(order), values.iter().max_by(order)) else {
            return Statistics::NONE;
        };
        Statistics { avg: values.iter().fold(0.0, |sum, value| sum + value) / values.len() as f64, min, max }
    }

    proptest! {
        #[test]
        fn they_are_those_of_the_plain_way(
            data in prop::collection::vec(
                prop_oneof![
                    8 => -10.0..10.0f64,
                    2 => (-1..2i32).prop_map(f64::from),
                    2 => prop::sample::select(vec![0.0, -0.0]),
                    1 => any::<f64>(),
                ],
                0..40,
            ),
            sign in prop::sample::select(vec![-1.0, 0.0, 1.0]),
        ) {
            let one_sided: Vec<f64> = data.iter().map(|value| value.abs() * sign).collect();
            for data in [data, one_sided] {
                let (found, expected) = (Statistics::of(&data), plain(&data));
                let bits = |of: Statistics| [of.avg, of.min, of.max].map(|value| (value.is_nan(), value.to_bits()));
                prop_assert!(found == expected && bits(found) == bits(expected) || found.avg.is_nan(), "{:?}", data);
                prop_assert_eq!(found.avg.is_nan(), expected.avg.is_nan());
                prop_assert_eq!(bits(found)[1..].to_vec(), bits(expected)[1..].to_vec());
            }
        }
    }

    #[test]
    fn a_factor_scales_all() {
        let found = Statistics::of(&[1.0, 3.0]).scaled(2.0);
        assert_eq!(found, Statistics { avg: 4.0, min: 2.0, max: 6.0 });
    }
}
