//! Subqueries: at which times their inside is evaluated.

use super::column::Steps;
use super::plan::Subquery;

/// The steps inside: multiples of the subquery's own step, for all windows of the steps around.
pub fn steps(subquery: &Subquery, around: Steps) -> Steps {
    let data = |step: i64| subquery.at_ms.unwrap_or(step) - subquery.offset_ms;
    let before = data(around.first_ms) - subquery.range_ms;
    // The first multiple after the left end, which is open; division truncates, as in Prometheus.
    let mut first = before / subquery.step_ms * subquery.step_ms;
    if first <= before {
        first += subquery.step_ms;
    }
    Steps::range(first, data(around.last_ms()), subquery.step_ms)
}
