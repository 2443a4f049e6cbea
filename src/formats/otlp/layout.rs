//! Dense counts of OpenTelemetry's histograms as sparse buckets.
//!
//! Index 0 is the bucket above 1 there and the one below 1 here, so exponential indexes move by one. Gaps of up to two
//! empty buckets are filled, longer ones start a new span, as Prometheus's clients do.

use crate::model::histogram::{Buckets, Span};

/// The buckets of these counts, of which 2^`coarser` neighbours become one. `moved` for exponential ones.
pub(super) fn sparse(counts: &[u64], offset: i32, coarser: u32, moved: bool) -> Buckets {
    if counts.is_empty() {
        return Buckets::default();
    }
    let offset = i64::from(offset);
    let target = |at: usize| ((offset + at as i64) >> coarser.min(62)) + 1;
    let first = if moved { target(0) } else { offset };
    let mut builder = Builder { buckets: Buckets::default() };
    builder.buckets.spans.push(Span { offset: clamped(first), length: 0 });
    let (mut end, mut count) = (target(0), 0u64);
    for (at, &number) in counts.iter().enumerate() {
        let next = target(at);
        if next == end {
            count = count.wrapping_add(number);
        } else if count == 0 {
            // Nothing was counted yet behind the last bucket: the gap grows.
            count = number;
        } else {
            builder.gap(next - end - 1);
            builder.push(count);
            count = number;
            end = next;
        }
    }
    builder.gap(target(counts.len() - 1) - end);
    builder.push(count);
    builder.buckets
}

struct Builder {
    buckets: Buckets,
}

impl Builder {
    fn gap(&mut self, length: i64) {
        if length > GAP_MAX {
            self.buckets.spans.push(Span { offset: clamped(length), length: 0 });
        } else {
            (0..length).for_each(|_| self.push(0));
        }
    }

    fn push(&mut self, count: u64) {
        if let Some(span) = self.buckets.spans.last_mut() {
            span.length += 1;
        }
        self.buckets.counts.push(count as f64);
    }
}

fn clamped(number: i64) -> i32 {
    number.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// The longest gap that is filled.
const GAP_MAX: i64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// The last bucket of a run of counts, and what stands before an index that was merged into it.
    #[track_caller]
    fn assert_is(counts: &[u64], offset: i32, coarser: u32, expected: &[(i32, f64)]) {
        let buckets = sparse(counts, offset, coarser, true);
        let found: Vec<(i32, f64)> = buckets.indexed().filter(|&(_, count)| count != 0.0).collect();
        assert_eq!(found, expected, "{counts:?} {offset} {coarser} {buckets:?}");
        let length: u32 = buckets.spans.iter().map(|span| span.length).sum();
        assert_eq!(length as usize, buckets.counts.len());
    }

    #[test]
    fn counts_keep_their_places() {
        assert_is(&[], 5, 0, &[]);
        assert_is(&[4, 3, 2, 1], 0, 0, &[(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)]);
        assert_is(&[4, 3, 2, 1], 0, 1, &[(1, 7.0), (2, 3.0)]);
        assert_is(&[4, 3, 2, 1], 0, 2, &[(1, 10.0)]);
        assert_is(&[4, 3, 2, 1], 1, 2, &[(1, 9.0), (2, 1.0)]);
        assert_is(&[0, 0, 0, 0, 0, 7, 0, 0, 3], -5, 0, &[(1, 7.0), (4, 3.0)]);
        assert_is(&[5, 0, 0, 0, 0, 0, 6], -2, 0, &[(-1, 5.0), (5, 6.0)]);
        assert_is(&[1, 1], i32::MAX - 2, 0, &[(i32::MAX - 1, 1.0), (i32::MAX, 1.0)]);
        assert_is(&[1, 1, 1], -3, 100, &[(0, 3.0)]);
        assert_eq!(sparse(&[1, 2], 0, 0, true).spans, [Span { offset: 1, length: 2 }]);
        assert_eq!(sparse(&[1, 2], 3, 0, false).spans, [Span { offset: 3, length: 2 }]);
    }
}
