//! Quantiles of plain values.

use std::cmp::Ordering;

/// Ascending, NaN before everything else.
pub fn nan_first(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
    }
}

/// Descending, NaN after everything else; the order of [`nan_first`] turned round except for NaN's place is
/// [`nan_last_descending`]'s.
pub fn nan_last_descending(a: f64, b: f64) -> Ordering {
    nan_first(b, a)
}

/// Ascending, NaN after everything else.
pub fn nan_last_ascending(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    }
}

/// The value at a rank from 0 to 1, between two values by their weighted mean; sorts the values.
pub fn of_values(rank: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || rank.is_nan() {
        return f64::NAN;
    }
    if rank < 0.0 {
        return f64::NEG_INFINITY;
    }
    if rank > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| nan_first(*a, *b));
    let last = (values.len() - 1) as f64;
    let place = rank * last;
    let lower = place.floor().max(0.0);
    let upper = (lower + 1.0).min(last);
    let weight = place - place.floor();
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}
