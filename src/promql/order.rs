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

/// Texts with runs of digits compared as numbers of any length; a total order, in which only equal texts are equal.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (chunks(a), chunks(b));
    loop {
        let order = match (left.next(), right.next()) {
            // The same but for leading zeros.
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(own), Some(other)) => match (digits(own), digits(other)) {
                (Some(own), Some(other)) => own.len().cmp(&other.len()).then_with(|| own.cmp(other)),
                _ => own.cmp(other),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// A run of digits without leading zeros.
fn digits(chunk: &str) -> Option<&str> {
    chunk.starts_with(|c: char| c.is_ascii_digit()).then(|| chunk.trim_start_matches('0'))
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
            assert_eq!(natural(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(natural(b, a), Ordering::Greater, "{b} {a}");
        }
    }

    /// `sort_by_label` over series some of which lack the label once panicked: the order said of an empty text and any
    /// other one that each comes behind the other, and so of numbers with leading zeros.
    #[test]
    fn the_order_is_total() {
        let huge = ["9".repeat(30), "10".repeat(15)];
        let texts =
            ["", "0", "00", "01", "1", "1a", "01a", "a", "a1", "a01", "a1b", "2", "10", "é", &huge[0], &huge[1]];
        for a in texts {
            for b in texts {
                assert_eq!(natural(a, b), natural(b, a).reverse(), "{a} {b}");
                assert_eq!(natural(a, b).is_eq(), a == b, "{a} {b}");
                for c in texts {
                    if natural(a, b).is_le() && natural(b, c).is_le() {
                        assert!(natural(a, c).is_le(), "{a} {b} {c}");
                    }
                }
            }
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
