//! Floats of range queries as JSON, fast: `[[1770000000,"1.5"],…]`.
//!
//! Invariant: what is printed is what [`push_value`] prints. Times are printed once a query, and each point goes into
//! room that is there already, in copies of known length.

use super::result::{push_time, push_value};
use crate::model::histogram::json_number;
use crate::promql::{Column, Steps};

/// What stands before a value: `,[`, the time, a comma and a quote.
pub(super) struct Before {
    bytes: [u8; BEFORE_BYTES],
    len: usize,
}

/// Sign, 16 digits of seconds and three of milliseconds, and what is around them.
const BEFORE_BYTES: usize = 32;

/// A number without exponent, its quote and its bracket.
const VALUE_BYTES: usize = 32;

/// A point.
const POINT_BYTES: usize = BEFORE_BYTES + VALUE_BYTES;

/// Points that are printed into room made for all of them.
const AT_ONCE: usize = 64;

/// Between these, the shortest digits are printed without an exponent.
const PLAIN: std::ops::Range<f64> = 1e-3..1e15;

/// What stands before the values of all steps; `None` if a time is longer than any that clients send.
pub(super) fn before(steps: Steps) -> Option<Vec<Before>> {
    let mut text = Vec::new();
    let each = (0..steps.count).map(|step| {
        text.clear();
        text.extend_from_slice(b",[");
        push_time(&mut text, steps.time_ms(step));
        text.extend_from_slice(b",\"");
        let mut bytes = [0; BEFORE_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(&text);
        Some(Before { bytes, len: text.len() })
    });
    each.collect()
}

/// Appends the points of a column with a comma before each of them.
pub(super) fn push_points(out: &mut Vec<u8>, before: &[Before], column: &Column) {
    let mut steps: [usize; AT_ONCE] = [0; AT_ONCE];
    let mut values = [0.0; AT_ONCE];
    let mut count = 0;
    column.for_floats(|step, value| {
        (steps[count], values[count]) = (step, value);
        count += 1;
        if count == AT_ONCE {
            push_batch(out, before, &steps, &values);
            count = 0;
        }
    });
    push_batch(out, before, &steps[..count], &values[..count]);
}

fn push_batch(out: &mut Vec<u8>, before: &[Before], steps: &[usize], values: &[f64]) {
    let mut at = out.len();
    out.resize(at + steps.len() * POINT_BYTES, 0);
    for (place, (step, value)) in steps.iter().zip(values).enumerate() {
        let Some(before) = before.get(*step) else { continue };
        match out[at..].first_chunk_mut() {
            Some(room) if is_plain(*value) => at += put_point(room, before, *value),
            _ => {
                // Rare: what may have an exponent. The quote comes with the value.
                out.truncate(at);
                out.extend_from_slice(&before.bytes[..before.len - 1]);
                push_value(out, *value);
                out.push(b']');
                at = out.len();
                out.resize(at + (steps.len() - place - 1) * POINT_BYTES, 0);
            }
        }
    }
    out.truncate(at);
}

/// Whether a number's shortest digits have no exponent, and it is either whole and small or has a fraction.
#[inline]
fn is_plain(value: f64) -> bool {
    PLAIN.contains(&value.abs()) || value.to_bits() == 0
}

/// Writes a point to the front of `room`; answers how many bytes it takes.
#[inline]
fn put_point(room: &mut [u8; POINT_BYTES], before: &Before, value: f64) -> usize {
    room[..BEFORE_BYTES].copy_from_slice(&before.bytes);
    let mut at = before.len;
    let whole = value as i64;
    if whole as f64 == value {
        let mut buffer = itoa::Buffer::new();
        at += put_text(room, at, buffer.format(whole).as_bytes());
    } else {
        let mut buffer = zmij::Buffer::new();
        at += put_text(room, at, buffer.format_finite(value).as_bytes());
    }
    room[at..at + 2].copy_from_slice(b"\"]");
    at + 2
}

/// Writes a text of up to 24 bytes; answers its length.
#[inline]
fn put_text(room: &mut [u8; POINT_BYTES], at: usize, text: &[u8]) -> usize {
    // Two copies of known length, which may overlap, instead of one of any length.
    match (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        (Some(head), Some(tail)) => {
            room[at..at + 16].copy_from_slice(head);
            let end = at + text.len();
            room[end - 16..end].copy_from_slice(tail);
        }
        _ => room[at..at + text.len()].copy_from_slice(text),
    }
    text.len()
}

/// Appends a float as Prometheus prints it, without quotes.
pub(super) fn push_float(out: &mut Vec<u8>, value: f64) {
    if is_plain(value) && value.trunc() != value {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(json_number(value).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    /// Numbers of all kinds, and those around which something changes.
    fn values(random: &mut Random) -> Vec<f64> {
        let mut values =
            vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324];
        for exponent in -25..25 {
            let power = 10f64.powi(exponent);
            for near in [power, power.next_up(), power.next_down(), power * 1.5, power * 0.3] {
                values.extend([near, -near]);
            }
        }
        for _ in 0..20_000 {
            values.push(f64::from_bits(random.bits()));
            values.push((random.bits() >> 24) as f64 / 1000.0);
            values.push((random.bits() >> 11) as f64 / 1e13);
            values.push(random.below(1 << 20) as f64);
        }
        values
    }

    /// The standard library's digits are the oracle.
    #[test]
    fn points_are_printed_as_the_plain_way_prints_them() {
        let mut random = Random::new(11);
        let mut all = values(&mut random);
        while !all.is_empty() {
            let here: Vec<f64> = all.drain(..all.len().min(1 + random.below(300))).collect();
            let mut column = Column::new(here.len());
            for (step, value) in
                here.iter().enumerate().filter(|(step, _)| here.len().is_multiple_of(2) || step % 7 > 0)
            {
                column.set(step, *value);
            }
            for (first_ms, step_ms) in [(1_770_000_000_000, 60_000), (-5_000, 1), (0, 1500), (9_007_199_254_740_991, 1)]
            {
                let steps = Steps { first_ms, step_ms, count: here.len(), is_instant: false };
                let mut printed = Vec::new();
                push_points(&mut printed, &before(steps).unwrap(), &column);
                let mut expected = Vec::new();
                for (step, value) in here.iter().enumerate().filter(|(step, _)| column.has_float(*step)) {
                    expected.extend_from_slice(b",[");
                    push_time(&mut expected, steps.time_ms(step));
                    expected.extend_from_slice(format!(",\"{}\"]", json_number(*value)).as_bytes());
                }
                assert_eq!(String::from_utf8(printed), String::from_utf8(expected));
            }
            for value in here {
                let mut printed = Vec::new();
                push_value(&mut printed, value);
                assert_eq!(String::from_utf8(printed).unwrap(), format!("\"{}\"", json_number(value)));
            }
        }
    }
}
