//! Evenly spaced times: what sealed times count from.
//!
//! All arithmetic wraps, and sealing and reading use the same, so every `i64` is fine.

/// Times at even distances, in 1024ths of a millisecond: clocks that run a little fast or slow drift away from whole
/// ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    /// Time 0, milliseconds since 1970.
    pub(super) first_ms: i64,
    /// The distance of two times in 1024ths of a millisecond.
    pub(super) step: i64,
}

/// The bits of the part of a step below a millisecond.
const FRACTION_BITS: u32 = 10;

impl Grid {
    /// The grid on which all times lie exactly, if the distances are equal.
    pub(super) fn exact(times_ms: &[i64]) -> Option<Grid> {
        let first_ms = *times_ms.first()?;
        let step_ms = times_ms.get(1).map_or(0, |second| second.wrapping_sub(first_ms));
        let grid = Grid { first_ms, step: step_ms.wrapping_shl(FRACTION_BITS) };
        (0u64..).zip(times_ms).all(|(at, time_ms)| grid.at(at) == *time_ms).then_some(grid)
    }

    /// Grids that times may lie close to.
    pub(super) fn candidates(times_ms: &[i64]) -> impl Iterator<Item = Grid> {
        let first_ms = times_ms.first().copied().unwrap_or_default();
        let steps = Grid::steps(times_ms);
        let is_new = move |at: usize| !steps[..at].contains(&steps[at]);
        (0..steps.len()).filter(move |at| is_new(*at)).map(move |at| Grid { first_ms, step: steps[at] })
    }

    /// A slope that a gap does not change much, the same in whole milliseconds, and the mean.
    fn steps(times_ms: &[i64]) -> [i64; 3] {
        let (Some(first_ms), Some(last_ms)) = (times_ms.first(), times_ms.last()) else { return [0; 3] };
        let per_step = |span_ms: i128, steps: usize| {
            let steps = steps.max(1) as i128;
            ((span_ms << FRACTION_BITS) + steps / 2).div_euclid(steps) as i64
        };
        let distance = (times_ms.len() / 4).max(1);
        let later = times_ms.get(distance..).unwrap_or_default();
        let mut spans: Vec<i128> =
            times_ms.iter().zip(later).map(|(time_ms, later)| i128::from(*later) - i128::from(*time_ms)).collect();
        let middle = spans.len() / 2;
        let slope = match spans.is_empty() {
            true => 0,
            false => per_step(*spans.select_nth_unstable(middle).1, distance),
        };
        let whole = slope.wrapping_add(1 << (FRACTION_BITS - 1)) >> FRACTION_BITS << FRACTION_BITS;
        [slope, whole, per_step(i128::from(*last_ms) - i128::from(*first_ms), times_ms.len() - 1)]
    }

    /// Time `at`.
    #[inline]
    pub(super) fn at(&self, at: u64) -> i64 {
        self.first_ms.wrapping_add((at.wrapping_mul(self.step as u64) >> FRACTION_BITS) as i64)
    }

    /// Adds to each of `out` the time of its place, which for the first is `from`.
    #[inline]
    pub(super) fn add(&self, from: u64, out: &mut [i64]) {
        let mut sum = from.wrapping_mul(self.step as u64);
        for out in out {
            *out = out.wrapping_add(self.first_ms).wrapping_add((sum >> FRACTION_BITS) as i64);
            sum = sum.wrapping_add(self.step as u64);
        }
    }
}
