//! A run of sums of many series, sealed.
//!
//! A sum of decimals is a decimal but for what rounding left: so it is kept as the decimal and a small correction in
//! units of its last place, which takes half of what the sum itself takes. Invariant: what comes back is what was
//! sealed, bit by bit.

use std::ops::Range;

use crate::block::Block;
use crate::model::{Aggregation, EMPTY, is_empty};

use super::aggregate::answer_of;
use super::slots::GROUP;

/// Sums with the number of series that each of them counts.
#[derive(Debug, Clone)]
pub(super) struct Rolled {
    /// The sums, or the decimals next to them.
    sums: Block,
    /// What is to be added to the bit patterns of `sums`.
    corrections: Option<Block>,
    counts: Counts,
}

#[derive(Debug, Clone)]
enum Counts {
    /// Each sum counts so many.
    All(u32),
    /// One number a slot.
    Each(Block),
}

impl Rolled {
    /// Seals up to [`GROUP`] sums; those that count nothing are left out. `None` when all do.
    pub(super) fn seal(start_secs: i64, frequency_secs: u32, sums: &[f64], counts: &[u32]) -> Option<Rolled> {
        let is_held = |sum: f64, count: u32| count > 0 && !is_empty(sum);
        let held: Vec<f64> =
            sums.iter().zip(counts).map(|(&sum, &count)| if is_held(sum, count) { sum } else { EMPTY }).collect();
        let seal = |slots: &[f64]| Block::seal(start_secs, frequency_secs, slots);
        let exact = seal(&held)?;
        let (sums, corrections) = match decimals(&held) {
            Some((decimals, corrections)) => {
                let decimals = seal(&decimals)?;
                let corrections = seal(&corrections).filter(|block| block.constant() != Some(0.0));
                let bytes = decimals.memory_bytes() + corrections.as_ref().map_or(0, Block::memory_bytes);
                if bytes < exact.memory_bytes() { (decimals, corrections) } else { (exact, None) }
            }
            None => (exact, None),
        };
        let mut of_held = held.iter().zip(counts).filter(|(sum, _)| !is_empty(**sum)).map(|(_, &count)| count);
        let first = of_held.next()?;
        let counts = match of_held.all(|count| count == first) {
            true => Counts::All(first),
            false => {
                let slots = held.iter().zip(counts);
                let slots = slots.map(|(&sum, &count)| if is_empty(sum) { EMPTY } else { f64::from(count) });
                Counts::Each(seal(&slots.collect::<Vec<f64>>())?)
            }
        };
        Some(Rolled { sums, corrections, counts })
    }

    /// The centre of slot 0.
    pub(super) fn start_secs(&self) -> i64 {
        self.sums.start_secs()
    }

    /// The centre of the slot behind the last.
    pub(super) fn end_secs(&self) -> i64 {
        self.sums.end_secs()
    }

    /// Seconds between two slots.
    pub(super) fn frequency_secs(&self) -> u32 {
        self.sums.frequency_secs()
    }

    /// The number of slots.
    pub(super) fn len(&self) -> usize {
        self.sums.len()
    }

    /// Whether each of the last `slots` slots is a sum of so many series.
    pub(super) fn ends_with(&self, slots: usize, count: usize) -> bool {
        let len = self.len();
        let is_of_all = matches!(self.counts, Counts::All(all) if all as usize == count);
        is_of_all && slots <= len && {
            let mut last = [EMPTY; GROUP];
            let last = &mut last[..slots];
            self.sums.decode(len - slots..len, last);
            !last.iter().any(|&sum| is_empty(sum))
        }
    }

    /// Writes the sums of some slots and how many series they count.
    pub(super) fn decode(&self, slots: Range<usize>, sums: &mut [f64], counts: &mut [u32]) {
        self.decode_sums(slots.clone(), sums);
        match &self.counts {
            Counts::All(count) => {
                let held = sums.iter().map(|&sum| if is_empty(sum) { 0 } else { *count });
                counts.iter_mut().zip(held).for_each(|(to, count)| *to = count);
            }
            Counts::Each(block) => {
                let mut each = vec![EMPTY; slots.len()];
                block.decode(slots, &mut each);
                let each = each.iter().map(|&count| if is_empty(count) { 0 } else { count as u32 });
                counts.iter_mut().zip(each).for_each(|(to, count)| *to = count);
            }
        }
    }

    /// Writes what a metric with this aggregation answers for some slots.
    pub(super) fn answer(&self, slots: Range<usize>, aggregation: Aggregation, out: &mut [f64]) {
        match (&self.counts, aggregation) {
            (_, Aggregation::Sum | Aggregation::None) => self.decode_sums(slots, out),
            (Counts::All(count), Aggregation::Avg) => {
                self.decode_sums(slots, out);
                let count = f64::from(*count);
                // An empty slot would not stay as it is.
                out.iter_mut().for_each(|out| *out = if is_empty(*out) { EMPTY } else { *out / count });
            }
            (Counts::Each(_), Aggregation::Avg) => {
                let mut counts = vec![0; slots.len()];
                self.decode(slots, out, &mut counts);
                out.iter_mut().zip(counts).for_each(|(out, count)| *out = answer_of(*out, count, aggregation));
            }
        }
    }

    fn decode_sums(&self, slots: Range<usize>, out: &mut [f64]) {
        self.sums.decode(slots.clone(), out);
        if let Some(corrections) = &self.corrections {
            let mut units = [EMPTY; GROUP];
            for (begin, out) in slots.clone().step_by(GROUP).zip(out.chunks_mut(GROUP)) {
                let units = &mut units[..out.len()];
                corrections.decode(begin..begin + out.len(), units);
                for (out, units) in out.iter_mut().zip(units) {
                    // Empty in both, and 0 as a whole number.
                    *out = f64::from_bits(out.to_bits().wrapping_add_signed(*units as i32 as i64));
                }
            }
        }
    }

    /// Bytes on the heap.
    pub(super) fn memory_bytes(&self) -> usize {
        let counts = match &self.counts {
            Counts::All(_) => 0,
            Counts::Each(block) => block.memory_bytes(),
        };
        self.sums.memory_bytes() + self.corrections.as_ref().map_or(0, Block::memory_bytes) + counts
    }
}

/// The most decimals that sums are taken to have.
const DECIMALS_MAX: i32 = 6;

/// Sums farther from a decimal are no sums of decimals.
const CORRECTION_MAX: i64 = 1 << 12;

/// The decimals next to some sums, and how far the sums lie from them in units of the last place.
fn decimals(sums: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let apart = |sum: f64, power: f64| {
        let decimal = (sum * power).round() / power;
        let units = (sum.to_bits() as i64).wrapping_sub(decimal.to_bits() as i64);
        (units.unsigned_abs() <= CORRECTION_MAX as u64).then_some((decimal, units))
    };
    let filled = || sums.iter().copied().filter(|&sum| !is_empty(sum));
    let power = (0..=DECIMALS_MAX).map(|decimals| 10f64.powi(decimals));
    // A few tell for most series.
    let power = power.into_iter().find(|&power| filled().step_by(31).all(|sum| apart(sum, power).is_some()))?;
    let mut decimals = vec![EMPTY; sums.len()];
    let mut corrections = vec![EMPTY; sums.len()];
    for (at, &sum) in sums.iter().enumerate().filter(|(_, sum)| !is_empty(**sum)) {
        let (decimal, units) = apart(sum, power)?;
        (decimals[at], corrections[at]) = (decimal, units as f64);
    }
    Some((decimals, corrections))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => (-1_000_000i64..1_000_000).prop_map(|cents| (0..7).fold(0.0, |sum, _| sum + cents as f64 / 100.0)),
            1 => any::<u64>().prop_map(f64::from_bits),
            1 => prop::sample::select(vec![0.0, -0.0, f64::INFINITY, f64::NAN, 5e-324, 1e300]),
        ]
    }

    proptest! {
        #[test]
        fn sums_and_counts_come_back(
            slots in prop::collection::vec((sum(), prop_oneof![4 => Just(7u32), 1 => 0..9u32]), 1..GROUP),
            is_decimal: bool, is_of_all: bool, from in 0..GROUP, to in 0..GROUP,
        ) {
            let (mut sums, mut counts): (Vec<f64>, Vec<u32>) = slots.into_iter().unzip();
            if is_decimal {
                let seventh = |sum: f64| sum.clamp(-1e6, 1e6).round() / 8e2;
                sums.iter_mut().for_each(|sum| *sum = (0..7).fold(0.0, |all, _| all + seventh(*sum)));
            }
            if is_of_all {
                counts.iter_mut().for_each(|count| *count = 7 * u32::from(*count == 7));
            }
            let Some(rolled) = Rolled::seal(600, 60, &sums, &counts) else {
                prop_assert!(counts.iter().all(|&count| count == 0));
                return Ok(());
            };
            let first = ((rolled.start_secs() - 600) / 60) as usize;
            let outside = counts[..first].iter().chain(&counts[first + rolled.len()..]);
            prop_assert!(outside.copied().all(|count| count == 0));
            let (from, to) = (from.min(to).min(rolled.len()), from.max(to).min(rolled.len()));
            let (mut got, mut of) = (vec![1.0; to - from], vec![1; to - from]);
            rolled.decode(from..to, &mut got, &mut of);
            for aggregation in [Aggregation::Sum, Aggregation::Avg] {
                let mut answer = vec![1.0; to - from];
                rolled.answer(from..to, aggregation, &mut answer);
                for at in 0..to - from {
                    let (sum, count) = (sums[first + from + at], counts[first + from + at]);
                    prop_assert_eq!(of[at], count);
                    let expected = answer_of(sum, count, aggregation);
                    prop_assert_eq!(answer[at].to_bits(), expected.to_bits());
                    prop_assert!(count == 0 || got[at].to_bits() == sum.to_bits());
                }
            }
        }
    }

    #[test]
    fn sums_of_decimals_take_half_of_what_doubles_take() {
        let mut state = 1u64;
        let mut value = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 50) as f64 / 100.0
        };
        let sums: Vec<f64> = (0..GROUP).map(|_| (0..128).fold(0.0, |sum, _| sum + value())).collect();
        let rolled = Rolled::seal(0, 60, &sums, &[128; GROUP]).unwrap();
        let exact = Block::seal(0, 60, &sums).unwrap().memory_bytes();
        assert!(rolled.memory_bytes() * 2 < exact, "{} of {exact} bytes", rolled.memory_bytes());
    }
}
