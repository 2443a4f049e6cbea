//! Finds the mapping of a series' values to whole numbers: the decimals that they were written with.

use super::mapping::{DECIMALS_MAX, Mapping, RECIPROCAL_DIGITS_MAX};

/// Values that are looked at before all are.
const SAMPLES_MIN: usize = 8;
const SAMPLES_MAX: usize = 16;

/// Beyond this many decimals, a value more likely is the result of a division than something that was measured.
const DECIMALS_LIKELY: u32 = 6;

/// The mappings that are worth a try, the bit pattern not among them.
pub(super) fn candidates(values: &[f64]) -> impl Iterator<Item = Mapping> {
    let samples: Vec<f64> = samples(values).collect();
    let (mut fitting, mut most) = (0, 0);
    for value in &samples {
        if Mapping::Decimal(most).number_of(*value).is_some() {
            fitting += 1;
        } else if let Some(decimals) = decimals_of(*value) {
            fitting += 1;
            most = most.max(decimals);
        }
    }
    let decimal = (fitting * 2 > samples.len()).then_some(most);
    let is_likely = decimal.is_some_and(|decimals| decimals <= DECIMALS_LIKELY);
    let reciprocal = if is_likely { None } else { reciprocal(&samples) };
    decimal.map(Mapping::Decimal).into_iter().chain(reciprocal)
}

/// The fewest decimals with which `value` can be written exactly; `None` when there are too many, or it is no number.
pub(super) fn decimals_of(value: f64) -> Option<u32> {
    // Who has k decimals also has k + 1, as long as the scaled number is not too large. So ask for the most first.
    let exponent = (value.to_bits() >> 52 & 0x7FF) as i32 - 1022;
    let room = ((51 - exponent) as f64 * std::f64::consts::LOG10_2).floor().clamp(0.0, f64::from(DECIMALS_MAX));
    let most = room as u32;
    Mapping::Decimal(most).number_of(value)?;
    (0..most).find(|decimals| Mapping::Decimal(*decimals).number_of(value).is_some()).or(Some(most))
}

/// The mapping by reciprocals that holds for most of the samples.
fn reciprocal(samples: &[f64]) -> Option<Mapping> {
    let fits = |mapping: Mapping| samples.iter().filter(|value| mapping.number_of(**value).is_some()).count();
    let needed = samples.len() * 3 / 4;
    let widest = [Mapping::ReciprocalRounded(RECIPROCAL_DIGITS_MAX), Mapping::Reciprocal(RECIPROCAL_DIGITS_MAX)];
    let best = widest.into_iter().max_by_key(|mapping| fits(*mapping))?;
    if fits(best) < needed.max(1) {
        return None;
    }
    let narrower = |digits| match best {
        Mapping::Reciprocal(_) => Mapping::Reciprocal(digits),
        _ => Mapping::ReciprocalRounded(digits),
    };
    (0..=RECIPROCAL_DIGITS_MAX).map(narrower).find(|mapping| fits(*mapping) >= needed.max(1))
}

/// Some of the values, evenly spread.
fn samples(values: &[f64]) -> impl Iterator<Item = f64> {
    let count = (values.len() / 16).clamp(SAMPLES_MIN, SAMPLES_MAX).min(values.len());
    (0..count).map(move |index| values[index * values.len() / count])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_counted_exactly() {
        let cases = [(0.0, 0), (7.0, 0), (2600.02, 2), (0.001, 3), (-3.5, 1), (1e15, 0), (123456.789012, 6)];
        for (value, decimals) in cases {
            assert_eq!(decimals_of(value), Some(decimals), "{value}");
        }
        for value in [-0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 5e-324, 1e300, std::f64::consts::PI, 0.1 + 0.2]
        {
            assert_eq!(decimals_of(value), None, "{value}");
        }
    }

    #[test]
    fn the_instructions_per_cycle_of_a_real_job_are_reciprocals() {
        let values = ["1.61290322580645", "1.78571428571429", "1.51515151515152", "0.833333333333333", "2"];
        let values = values.map(|text| text.parse().unwrap());
        assert!(candidates(&values).any(|mapping| mapping == Mapping::ReciprocalRounded(2)));
        let exact = [62.0, 56.0, 66.0, 170.0, 131.0].map(|number| 100.0 / number);
        assert!(candidates(&exact).any(|mapping| mapping == Mapping::Reciprocal(2)));
    }
}
