//! The frequency of a metric that lies in logs alone: logs hold seconds, no frequencies.
//!
//! It is the median of the gaps between the samples of a series: neither jitter nor a few missing samples move it.

use std::collections::BTreeMap;

/// Different gaps that are counted; a steady sender has a handful.
const GAPS_MAX: usize = 4096;
/// The frequency of a metric with one sample a series.
const FREQUENCY_SECS: u32 = 60;

/// Counts of gaps by their length in seconds.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    counts: BTreeMap<u32, u64>,
}

impl Gaps {
    /// Notes two samples of one series that follow each other.
    pub(super) fn see(&mut self, before_secs: i64, secs: i64) {
        // Late samples and those of one second say nothing.
        let Some(gap) = secs.checked_sub(before_secs).and_then(|gap| u32::try_from(gap).ok()) else { return };
        if gap > 0 && (self.counts.len() < GAPS_MAX || self.counts.contains_key(&gap)) {
            *self.counts.entry(gap).or_default() += 1;
        }
    }

    /// Adds the gaps of another log.
    pub(super) fn add(&mut self, other: Gaps) {
        for (gap, count) in other.counts {
            if self.counts.len() < GAPS_MAX || self.counts.contains_key(&gap) {
                *self.counts.entry(gap).or_default() += count;
            }
        }
    }

    /// The median gap.
    pub(super) fn frequency_secs(&self) -> u32 {
        let half = self.counts.values().sum::<u64>().div_ceil(2);
        let mut seen = 0;
        for (gap, count) in &self.counts {
            seen += count;
            if seen >= half {
                return *gap;
            }
        }
        FREQUENCY_SECS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_and_holes_do_not_move_the_frequency() {
        let mut gaps = Gaps::default();
        let mut before = 0;
        for tick in 1..100i64 {
            if tick % 7 == 0 {
                continue;
            }
            let secs = tick * 30 + [0, 0, 1, 0, -2][(tick % 5) as usize];
            gaps.see(before, secs);
            before = secs;
        }
        gaps.see(before, before);
        gaps.see(before, before - 500);
        assert_eq!(gaps.frequency_secs(), 30);
        assert_eq!(Gaps::default().frequency_secs(), FREQUENCY_SECS);
    }
}
