//! Quantiles of plain values, and when two values are nearly the same.

use std::cmp::Ordering;

/// The `q`-quantile of `values`, which get sorted; between two values it is interpolated.
///
/// NaN for no values or a `q` that is NaN, -Inf below 0, +Inf above 1. NaN values count as the smallest.
pub fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    values.sort_unstable_by(|a, b| {
        a.partial_cmp(b).unwrap_or_else(|| match (a.is_nan(), b.is_nan()) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ => Ordering::Equal,
        })
    });
    let rank = q * (values.len() - 1) as f64;
    let lower = (rank.floor() as usize).min(values.len() - 1);
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// Whether two values differ by less than `epsilon` times the sum of their sizes; a NaN equals every NaN.
pub fn almost_equal(a: f64, b: f64, epsilon: f64) -> bool {
    if a == b || a.is_nan() && b.is_nan() {
        return true;
    }
    let difference = (a - b).abs();
    let size = a.abs() + b.abs();
    if a == 0.0 || b == 0.0 || size < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / size.min(f64::MAX) < epsilon
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let of = |q| quantile(q, &mut [4.0, 1.0, 3.0, 2.0]);
        assert_eq!([0.0, 0.5, 0.75, 1.0].map(of), [1.0, 2.5, 3.25, 4.0]);
        assert_eq!([-0.1, 1.1].map(of), [f64::NEG_INFINITY, f64::INFINITY]);
        assert!(of(f64::NAN).is_nan() && quantile(0.5, &mut []).is_nan());
        assert_eq!(quantile(1.0, &mut [7.0, f64::NAN]), 7.0, "NaN is the smallest");
        assert!(quantile(0.0, &mut [7.0, f64::NAN]).is_nan());
    }

    #[test]
    fn nearly_is_relative() {
        assert!(almost_equal(1e15, 1e15 + 1.0, 1e-12));
        assert!(!almost_equal(1.0, 1.0 + 1e-6, 1e-12));
        assert!(almost_equal(0.0, -0.0, 1e-12) && !almost_equal(0.0, 1e-300, 1e-12));
        assert!(almost_equal(f64::NAN, -f64::NAN, 0.0) && !almost_equal(f64::NAN, 1.0, 1.0));
        assert!(almost_equal(f64::INFINITY, f64::INFINITY, 0.0));
        assert!(!almost_equal(f64::INFINITY, f64::NEG_INFINITY, 1e-12));
    }
}
