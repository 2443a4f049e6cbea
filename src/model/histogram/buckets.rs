//! One side of a histogram: counts, and the spans that say which bucket indexes they belong to.

/// A run of neighbouring buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Buckets left out before the run; for the first span the index of its first bucket, which may be negative.
    pub offset: i32,
    /// Buckets in the run.
    pub length: u32,
}

/// The buckets of one side, in ascending order of index.
///
/// The lengths of the spans add up to the number of counts; where they don't, the surplus of either is ignored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Buckets {
    /// Which indexes the counts belong to.
    pub spans: Vec<Span>,
    /// The count of each bucket: absolute, not cumulative.
    pub counts: Vec<f64>,
}

impl Buckets {
    /// The buckets with these spans and counts.
    pub fn new(spans: Vec<Span>, counts: Vec<f64>) -> Self {
        Buckets { spans, counts }
    }

    /// Neighbouring buckets from index `offset` on; no counts, no span.
    pub fn contiguous(offset: i32, counts: Vec<f64>) -> Self {
        let length = u32::try_from(counts.len()).unwrap_or(u32::MAX);
        let spans = if counts.is_empty() { Vec::new() } else { vec![Span { offset, length }] };
        Buckets { spans, counts }
    }

    /// Whether there is no bucket, not even one that counted nothing.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Index and count of every bucket, in ascending order of index.
    pub fn indexed(&self) -> Indexed<'_> {
        Indexed::new(&self.spans, &self.counts)
    }

    /// Appends a bucket behind the last one. `end` is the index behind the last bucket so far, and moves on.
    ///
    /// Indexes must ascend; the first may be any.
    pub(super) fn push(&mut self, end: &mut i32, index: i32, count: f64) {
        match self.spans.last_mut() {
            Some(last) if *end == index => last.length += 1,
            Some(_) => self.spans.push(Span { offset: index.saturating_sub(*end), length: 1 }),
            None => self.spans.push(Span { offset: index, length: 1 }),
        }
        self.counts.push(count);
        *end = index.saturating_add(1);
    }

    /// The buckets of the coarser schema `to`, of which each holds the sum of those of schema `from` inside of it.
    pub(super) fn reduced(&self, from: i32, to: i32) -> Buckets {
        let mut reduced = Buckets { spans: Vec::new(), counts: Vec::with_capacity(self.counts.len()) };
        let mut end = 0;
        for (index, count) in self.indexed() {
            let index = super::schema::target_index(index, from, to);
            match reduced.counts.last_mut() {
                Some(last) if index < end => *last += count,
                _ => reduced.push(&mut end, index, count),
            }
        }
        reduced
    }
}

/// Walks over the buckets of one side, from either end.
#[derive(Debug, Clone)]
pub struct Indexed<'a> {
    spans: &'a [Span],
    counts: &'a [f64],
    front: Cursor,
    back: Cursor,
}

/// A place among the spans: before the bucket it stands at from the front, behind it from the back.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    span: usize,
    in_span: u32,
    index: i32,
}

impl<'a> Indexed<'a> {
    fn new(spans: &'a [Span], counts: &'a [f64]) -> Self {
        let front = Cursor { span: 0, in_span: 0, index: spans.first().map_or(0, |span| span.offset) };
        let mut back = Cursor { span: 0, in_span: 0, index: 0 };
        let mut left = counts.len();
        for (at, span) in spans.iter().enumerate() {
            if left == 0 {
                break;
            }
            let taken = left.min(span.length as usize);
            left -= taken;
            // At most the span's length, which is a u32.
            back.in_span = taken as u32;
            back.span = at;
            back.index = back.index.saturating_add(span.offset).saturating_add_unsigned(taken as u32);
        }
        Indexed { spans, counts: &counts[..counts.len() - left], front, back }
    }
}

impl Iterator for Indexed<'_> {
    type Item = (i32, f64);

    fn next(&mut self) -> Option<(i32, f64)> {
        let (&count, rest) = self.counts.split_first()?;
        while self.front.in_span >= self.spans.get(self.front.span)?.length {
            self.front.span += 1;
            self.front.in_span = 0;
            self.front.index = self.front.index.saturating_add(self.spans.get(self.front.span)?.offset);
        }
        self.counts = rest;
        let index = self.front.index;
        self.front.index = index.saturating_add(1);
        self.front.in_span += 1;
        Some((index, count))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.counts.len(), Some(self.counts.len()))
    }
}

impl DoubleEndedIterator for Indexed<'_> {
    fn next_back(&mut self) -> Option<(i32, f64)> {
        let (&count, rest) = self.counts.split_last()?;
        while self.back.in_span == 0 {
            let offset = self.spans.get(self.back.span)?.offset;
            self.back.index = self.back.index.saturating_sub(offset);
            self.back.span = self.back.span.checked_sub(1)?;
            self.back.in_span = self.spans.get(self.back.span)?.length;
        }
        self.counts = rest;
        self.back.index = self.back.index.saturating_sub(1);
        self.back.in_span -= 1;
        Some((self.back.index, count))
    }
}

impl ExactSizeIterator for Indexed<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn gapped() -> Buckets {
        let spans = [(-2, 2), (0, 0), (3, 1), (0, 0), (1, 2), (5, 0)];
        let spans = spans.map(|(offset, length)| Span { offset, length }).to_vec();
        Buckets::new(spans, vec![1.0, 2.0, 3.0, 4.0, 5.0])
    }

    #[test]
    fn indexes_follow_the_spans_from_both_ends() {
        let expected = [(-2, 1.0), (-1, 2.0), (3, 3.0), (5, 4.0), (6, 5.0)];
        assert_eq!(gapped().indexed().collect::<Vec<_>>(), expected);
        let mut backwards: Vec<_> = gapped().indexed().rev().collect();
        backwards.reverse();
        assert_eq!(backwards, expected);
        let side = gapped();
        let mut both = side.indexed();
        assert_eq!((both.next(), both.next_back(), both.len()), (Some((-2, 1.0)), Some((6, 5.0)), 3));
    }

    #[test]
    fn counts_and_spans_that_disagree_end_early() {
        let mut short = gapped();
        short.counts.truncate(3);
        assert_eq!(short.indexed().nth(2), Some((3, 3.0)));
        assert_eq!(short.indexed().next_back(), Some((3, 3.0)));
        let mut long = gapped();
        long.counts.extend([7.0, 8.0]);
        assert_eq!(long.indexed().count(), 5);
        assert_eq!(long.indexed().next_back(), Some((6, 5.0)));
        let far = Buckets::new(vec![Span { offset: i32::MAX, length: u32::MAX }], vec![1.0, 1.0]);
        assert_eq!(far.indexed().count(), 2, "no overflow");
    }

    #[test]
    fn pushing_rebuilds_the_shortest_spans() {
        let mut rebuilt = Buckets::default();
        let mut end = 0;
        for (index, count) in gapped().indexed() {
            rebuilt.push(&mut end, index, count);
        }
        let spans: Vec<_> = rebuilt.spans.iter().map(|span| (span.offset, span.length)).collect();
        assert_eq!(spans, [(-2, 2), (3, 1), (1, 2)]);
        assert_eq!(rebuilt.indexed().collect::<Vec<_>>(), gapped().indexed().collect::<Vec<_>>());
    }

    #[test]
    fn a_coarser_schema_sums_neighbours() {
        let fine = Buckets::contiguous(-3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let coarse: Vec<_> = fine.reduced(1, 0).indexed().collect();
        assert_eq!(coarse, [(-1, 3.0), (0, 7.0), (1, 11.0), (2, 7.0)]);
    }
}
