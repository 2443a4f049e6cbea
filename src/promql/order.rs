//! Orders in which series are answered: by value, and by labels as people sort them.

use std::cmp::Ordering;

/// Ascending, NaN last.
pub fn ascending(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    }
}

/// Descending, NaN last.
pub fn descending(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    }
}

/// Whether `a` comes before `b`, with runs of digits compared as numbers; only for texts that differ.
pub fn natural_less(a: &str, b: &str) -> bool {
    let (mut left, mut right) = (chunks(a).peekable(), chunks(b).peekable());
    while let Some(own) = left.next() {
        let Some(other) = right.next() else { return false };
        let numbers = (own.parse::<i64>(), other.parse::<i64>());
        let order = match numbers {
            (Ok(own), Ok(other)) => own.cmp(&other),
            _ => own.cmp(other),
        };
        match order {
            Ordering::Less => return true,
            Ordering::Greater => return false,
            Ordering::Equal if left.peek().is_none() => return true,
            Ordering::Equal if right.peek().is_none() => return false,
            Ordering::Equal => {}
        }
    }
    false
}

/// Runs of digits and runs of anything else, in turn.
fn chunks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_digits = rest.bytes().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digits).unwrap_or(rest.len());
        let (chunk, after) = rest.split_at(end);
        rest = after;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_numbers() {
        for (a, b) in [("a2", "a10"), ("2", "10"), ("a", "b"), ("node9-x", "node10-a"), ("a", "a1")] {
            assert!(natural_less(a, b), "{a} {b}");
            assert!(!natural_less(b, a), "{b} {a}");
        }
    }

    #[test]
    fn nan_is_last_both_ways() {
        let mut values = [2.0, f64::NAN, 1.0];
        values.sort_by(|a, b| ascending(*a, *b));
        assert_eq!(values[..2], [1.0, 2.0]);
        values.sort_by(|a, b| descending(*a, *b));
        assert_eq!(values[..2], [2.0, 1.0]);
    }
}
