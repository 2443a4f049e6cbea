//! Aggregation: many series as one, slot by slot (design, section 5).
//!
//! A child is *absent* before its first sample and from the sixth slot of any hole: then it does not contribute. The
//! first five slots of a hole are *incomplete*: the whole slot is empty, for a sum that silently lacks a part is
//! wrong. So one quiet child or a skewed clock never spoils an answer, and a slot older than five frequencies changes
//! only by late data.

use crate::model::{Aggregation, EMPTY, is_empty};

use super::view::{SeriesView, output_at, signed_output_at};

/// Slots of a hole in which a child is awaited.
pub(super) const AWAITED: usize = 5;

/// Combines children over outputs that stand for `from + i · f`.
pub(super) fn combine(
    children: &[SeriesView],
    aggregation: Aggregation,
    from_secs: i64,
    frequency_secs: u32,
    outputs: usize,
) -> Vec<f64> {
    // The slots before the range tell how long a hole has lasted when the range begins.
    let begin_secs = from_secs - AWAITED as i64 * i64::from(frequency_secs);
    let mut sums = vec![0.0; outputs];
    let mut contributors = vec![0u32; outputs];
    let mut incomplete = vec![false; outputs];
    let mut slots = vec![EMPTY; outputs + AWAITED];
    for child in children {
        slots.fill(EMPTY);
        child.fill(begin_secs, frequency_secs, &mut slots);
        let first = output_at(begin_secs, frequency_secs, child.first_secs, frequency_secs).unwrap_or(0);
        let mut missing = 0;
        for (at, &value) in slots.iter().enumerate() {
            if is_empty(value) {
                missing += 1;
                if at >= AWAITED && at >= first && missing <= AWAITED {
                    incomplete[at - AWAITED] = true;
                }
                continue;
            }
            missing = 0;
            if let Some(output) = at.checked_sub(AWAITED) {
                sums[output] += value;
                contributors[output] += 1;
            }
        }
    }
    for ((sum, &count), &incomplete) in sums.iter_mut().zip(&contributors).zip(&incomplete) {
        *sum = match aggregation {
            _ if incomplete || count == 0 => EMPTY,
            Aggregation::Avg => *sum / f64::from(count),
            Aggregation::Sum | Aggregation::None => *sum,
        };
    }
    sums
}

/// Cuts trailing outputs off for which a child is still awaited: one whose last sample lies shortly before them.
pub(super) fn cut_awaited(
    values: &mut Vec<f64>,
    last_secs: impl Iterator<Item = i64>,
    from_secs: i64,
    frequency_secs: u32,
) {
    if !values.last().is_some_and(|&value| is_empty(value)) {
        return;
    }
    // Negative for a child that ended before the range: one that did so long ago is not awaited any more.
    let last: Vec<i64> =
        last_secs.map(|last| signed_output_at(from_secs, frequency_secs, last, frequency_secs)).collect();
    let is_awaited = |output: usize| {
        let output = output as i64;
        last.iter().any(|&last| last < output && output <= last + AWAITED as i64)
    };
    while values.last().is_some_and(|&value| is_empty(value)) && is_awaited(values.len() - 1) {
        values.pop();
    }
}
