//! Leaving out empty buckets.

use super::buckets::{Buckets, Span};
use super::float_histogram::FloatHistogram;

impl FloatHistogram {
    /// Leaves out empty buckets, but keeps (or fills in) runs of up to `empty_max` of them between populated ones.
    pub fn compact(&mut self, empty_max: usize) {
        self.positive.compact(None, empty_max);
        self.negative.compact(None, empty_max);
    }
}

impl Buckets {
    /// See [`FloatHistogram::compact`]. `lost`, if given, is kept parallel to the counts; a bucket is empty if both are
    /// zero.
    pub(super) fn compact(&mut self, lost: Option<&mut Vec<f64>>, empty_max: usize) {
        let dense = |span: &Span| span.length > 0 && usize::try_from(span.offset).is_ok_and(|gap| gap > empty_max);
        if self.counts.iter().all(|&count| count != 0.0) && self.spans.iter().skip(1).all(dense) {
            let first = self.spans.first().is_none_or(|span| span.length > 0);
            if first && self.spans.is_empty() == self.counts.is_empty() {
                return;
            }
        }
        let mut compacted = Buckets::default();
        let mut compacted_lost = Vec::new();
        let mut end = 0;
        for (at, (index, count)) in self.indexed().enumerate() {
            let compensation = lost.as_ref().and_then(|lost| lost.get(at)).copied().unwrap_or(0.0);
            if count == 0.0 && compensation == 0.0 {
                continue;
            }
            let gap = i64::from(index) - i64::from(end);
            if !compacted.is_empty() && usize::try_from(gap).is_ok_and(|gap| gap <= empty_max) {
                while end < index {
                    let between = end;
                    compacted.push(&mut end, between, 0.0);
                    compacted_lost.push(0.0);
                }
            }
            compacted.push(&mut end, index, count);
            compacted_lost.push(compensation);
        }
        *self = compacted;
        if let Some(lost) = lost {
            *lost = compacted_lost;
        }
    }
}
