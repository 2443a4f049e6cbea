//! Counter resets: what a sender says about them, and how they are found.

use super::buckets::Buckets;
use super::custom::{common_bounds, remapped};
use super::float_histogram::FloatHistogram;
use super::schema::{exponential_bound, is_exponential};

/// What the sender of a sample knew about its counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CounterReset {
    /// Nothing: a reset has to be looked for.
    #[default]
    Unknown,
    /// The counters started anew between the sample before and this one.
    Reset,
    /// They did not.
    NotReset,
    /// The counts go up and down as they please.
    Gauge,
}

impl CounterReset {
    /// The hint of a sum or difference of two histograms, and whether the two contradict each other.
    pub(super) fn combined(self, other: CounterReset) -> (CounterReset, bool) {
        use CounterReset::{Gauge, Unknown};
        match (self, other) {
            (own, other) if own == other => (own, false),
            (Gauge, _) | (_, Gauge) => (Gauge, false),
            (Unknown, _) | (_, Unknown) => (Unknown, false),
            _ => (Unknown, true),
        }
    }
}

impl FloatHistogram {
    /// Whether counters started anew between `previous` and this histogram.
    ///
    /// The hint decides if it can. Else: a count that fell, a populated bucket that is gone, a finer schema, a
    /// smaller zero bucket, or a zero bucket that grew into the middle of a populated bucket. A coarser schema or a
    /// larger zero bucket alone is no reset: `previous` is compared as it would look with them.
    pub fn detect_reset(&self, previous: &FloatHistogram) -> bool {
        match self.counter_reset_hint {
            CounterReset::Reset => return true,
            CounterReset::NotReset => return false,
            // A gauge under a function for counters is taken for a counter; the caller warns.
            CounterReset::Unknown | CounterReset::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.uses_custom_buckets() {
            if !previous.uses_custom_buckets() {
                return true;
            }
            if self.bounds() != previous.bounds() {
                return self.detect_reset_between_bounds(previous);
            }
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (previous_zero, threshold) = previous.zero_count_at(self.zero_threshold, None);
        if threshold != self.zero_threshold || self.zero_count < previous_zero.sum {
            return true;
        }
        let fell = |own: &Buckets, before: &Buckets| fell_somewhere(self, own, previous, before);
        fell(&self.positive, &previous.positive) || fell(&self.negative, &previous.negative)
    }

    /// Compares what lies between the bounds that both have.
    fn detect_reset_between_bounds(&self, previous: &FloatHistogram) -> bool {
        let common = common_bounds(self.bounds(), previous.bounds());
        let sums = |histogram: &FloatHistogram| {
            let mut sums = vec![0.0; common.len() + 1];
            for (target, count) in remapped(&histogram.positive, histogram.bounds(), &common) {
                sums[target] += count;
            }
            sums
        };
        sums(self).iter().zip(sums(previous)).any(|(&now, before)| now < before)
    }
}

/// Whether a bucket of `before` is populated and gone, or larger than it is now. Buckets inside of the zero bucket are
/// left out on both sides.
fn fell_somewhere(histogram: &FloatHistogram, now: &Buckets, previous: &FloatHistogram, before: &Buckets) -> bool {
    let schema = histogram.schema;
    let reduced;
    let before = if schema == previous.schema {
        before
    } else {
        reduced = before.reduced(previous.schema, schema);
        &reduced
    };
    let in_zero = |&(index, _): &(i32, f64)| {
        let threshold = histogram.zero_threshold;
        threshold != 0.0 && is_exponential(schema) && exponential_bound(index, schema) <= threshold
    };
    let mut now = now.indexed().skip_while(in_zero).peekable();
    before.indexed().skip_while(in_zero).any(|(index, count)| {
        while now.next_if(|&(at, _)| at < index).is_some() {}
        match now.peek() {
            Some(&(at, now)) if at == index => now < count,
            _ => count != 0.0,
        }
    })
}
