//! The seconds of a host's rows, as one reader needs them: when what a slot holds was measured.
//!
//! The reading side of [`Ticks`](crate::block::Ticks) and of the lanes' open rows. Invariant: the stretches of one grid
//! are sorted and do not overlap. A slot without a known second stands for its centre.

use crate::block::{NO_TICK, Ticks};

use super::host_data::HostData;
use super::lane::NO_SECOND;
use super::slots::phase;

/// The seconds of a host's rows, taken under its lock and not yet decoded.
#[derive(Debug)]
pub(super) struct SealedSeconds {
    sealed: Vec<Ticks>,
    open: Vec<Stretch>,
}

impl SealedSeconds {
    /// Takes the seconds of rows whose centres lie in `[from, to]`.
    pub(super) fn take(data: &HostData, from_secs: i64, to_secs: i64) -> SealedSeconds {
        let meets = |ticks: &&Ticks| ticks.start_secs() <= to_secs && ticks.end_secs() >= from_secs;
        let sealed = data.ticks.iter().filter(meets).cloned().collect();
        let open = data.lanes.iter().flatten().map(|lane| Stretch {
            frequency_secs: lane.frequency_secs,
            start_secs: lane.start_secs,
            offsets: lane.seconds.to_vec(),
        });
        SealedSeconds { sealed, open: open.collect() }
    }

    /// Decodes them.
    pub(super) fn open(self) -> Seconds {
        let mut stretches: Vec<Stretch> = self.sealed.iter().map(Stretch::of).chain(self.open).collect();
        stretches.sort_by_key(|stretch| (stretch.frequency_secs, stretch.phase(), stretch.start_secs));
        let mut joined: Vec<Stretch> = Vec::new();
        for stretch in stretches {
            match joined.last_mut() {
                Some(last) if last.goes_on_with(&stretch) => last.join(&stretch),
                _ => joined.push(stretch),
            }
        }
        Seconds { stretches: joined }
    }
}

/// The seconds of a host's rows.
#[derive(Debug)]
pub(super) struct Seconds {
    /// By frequency, phase and start.
    stretches: Vec<Stretch>,
}

impl Seconds {
    /// Puts the seconds of `count` slots behind each other into `out`, which is emptied before; slot 0 has this centre.
    pub(super) fn fill(&self, start_secs: i64, frequency_secs: u32, count: usize, out: &mut Vec<i64>) {
        let frequency = i64::from(frequency_secs);
        out.clear();
        out.extend((0..count as i64).map(|slot| start_secs + slot * frequency));
        let end_secs = start_secs + count as i64 * frequency;
        let grid = (frequency_secs, phase(start_secs, frequency_secs));
        let first = self.stretches.partition_point(|stretch| {
            (stretch.frequency_secs, stretch.phase()).cmp(&grid).then(stretch.end_secs().cmp(&start_secs)).is_le()
        });
        for stretch in &self.stretches[first..] {
            if (stretch.frequency_secs, stretch.phase()) != grid || stretch.start_secs >= end_secs {
                break;
            }
            let shift = (stretch.start_secs - start_secs) / frequency;
            // One of the two is 0: the stretch begins behind the slots' start, or the slots behind the stretch's.
            let (slot, row) = (shift.max(0) as usize, (-shift).max(0) as usize);
            for (second, &offset) in out[slot..].iter_mut().zip(&stretch.offsets[row..]) {
                if offset != NO_TICK {
                    *second += i64::from(offset);
                }
            }
        }
    }

    /// The second of one slot.
    pub(super) fn at(&self, centre_secs: i64, frequency_secs: u32) -> i64 {
        let mut second = Vec::with_capacity(1);
        self.fill(centre_secs, frequency_secs, 1, &mut second);
        second.first().copied().unwrap_or(centre_secs)
    }
}

const _: () = assert!(NO_SECOND == NO_TICK, "open rows without a second look like sealed ones");

/// Rows of one grid without a gap.
#[derive(Debug)]
struct Stretch {
    frequency_secs: u32,
    /// The centre of the first row.
    start_secs: i64,
    /// From each row's centre to its second, or [`NO_TICK`].
    offsets: Vec<i32>,
}

impl Stretch {
    fn of(ticks: &Ticks) -> Stretch {
        let mut offsets = vec![NO_TICK; ticks.len()];
        ticks.decode(0..ticks.len(), &mut offsets);
        Stretch { frequency_secs: ticks.frequency_secs(), start_secs: ticks.start_secs(), offsets }
    }

    fn phase(&self) -> i64 {
        phase(self.start_secs, self.frequency_secs)
    }

    /// The centre of the row behind the last.
    fn end_secs(&self) -> i64 {
        self.start_secs + self.offsets.len() as i64 * i64::from(self.frequency_secs)
    }

    /// Whether another stretch, which does not begin earlier, is of this grid and leaves no gap.
    fn goes_on_with(&self, other: &Stretch) -> bool {
        self.frequency_secs == other.frequency_secs
            && self.phase() == other.phase()
            && other.start_secs <= self.end_secs()
    }

    /// Takes over the rows of one that [goes on](Self::goes_on_with); where both know a row, the first one counts.
    fn join(&mut self, other: &Stretch) {
        let begin = ((other.start_secs - self.start_secs) / i64::from(self.frequency_secs)) as usize;
        let end = begin + other.offsets.len();
        if end > self.offsets.len() {
            self.offsets.resize(end, NO_TICK);
        }
        for (own, &offset) in self.offsets[begin..].iter_mut().zip(&other.offsets) {
            if *own == NO_TICK {
                *own = offset;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(stretches: &[(u32, i64, &[i32])]) -> Seconds {
        let sealed = stretches.iter().map(|&(frequency, start, offsets)| Ticks::seal(start, frequency, offsets));
        SealedSeconds { sealed: sealed.collect(), open: Vec::new() }.open()
    }

    #[test]
    fn slots_take_the_seconds_of_their_own_grid() {
        let known = seconds(&[
            (60, 600, &[1, 2, NO_TICK, 4]),
            (60, 840, &[5, 6]),
            (60, 1200, &[-7]),
            (60, 630, &[20, 20, 20]),
            (10, 600, &[3, 3]),
        ]);
        assert_eq!(known.stretches.len(), 4, "two of one grid meet");
        let mut out = Vec::new();
        known.fill(540, 60, 8, &mut out);
        assert_eq!(out, [540, 601, 662, 720, 784, 845, 906, 960]);
        known.fill(780, 60, 8, &mut out);
        assert_eq!(out, [784, 845, 906, 960, 1020, 1080, 1140, 1193]);
        known.fill(690, 60, 1, &mut out);
        assert_eq!(out, [710]);
        assert_eq!([known.at(610, 10), known.at(620, 10), known.at(601, 60)], [613, 620, 601]);
    }

    #[test]
    fn of_two_stretches_over_the_same_rows_the_first_counts() {
        let known = seconds(&[(60, 600, &[1, NO_TICK, 3]), (60, 600, &[9, 9]), (60, 660, &[8, 8, 8])]);
        let mut out = Vec::new();
        known.fill(600, 60, 4, &mut out);
        assert_eq!(out, [601, 669, 723, 788]);
    }
}
