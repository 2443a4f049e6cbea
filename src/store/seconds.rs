//! The seconds of a host's rows, as one reader needs them: when what a slot holds was measured, in milliseconds.
//!
//! The reading side of [`Ticks`](crate::block::Ticks) and of the lanes' open rows. They are decoded once for all series
//! of a host. Invariant: the timelines of one grid are sorted and do not overlap. A slot without a known second stands
//! for its centre.

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
        Seconds { timelines: joined.iter().map(Timeline::of).collect() }
    }
}

/// The times of a host's rows.
#[derive(Debug)]
pub(super) struct Seconds {
    /// By frequency, phase and start.
    timelines: Vec<Timeline>,
}

impl Seconds {
    /// The times of `count` slots, of which slot 0 has this centre, if the rows of all are known and their times ascend
    /// strictly.
    pub(super) fn ascending(&self, start_secs: i64, frequency_secs: u32, count: usize) -> Option<&[i64]> {
        let timeline = self.behind(start_secs, frequency_secs).next()?;
        let first = usize::try_from((start_secs - timeline.start_secs) / i64::from(frequency_secs)).ok()?;
        let times = timeline.times_ms.get(first..first + count).filter(|_| start_secs >= timeline.start_secs)?;
        let descent = timeline.descents.partition_point(|&row| row <= first);
        timeline.descents.get(descent).is_none_or(|&row| row >= first + count).then_some(times)
    }

    /// Puts the times of `count` slots behind each other into `out`, which is emptied before; slot 0 has this centre.
    pub(super) fn fill(&self, start_secs: i64, frequency_secs: u32, count: usize, out: &mut Vec<i64>) {
        let frequency = i64::from(frequency_secs);
        out.clear();
        out.extend((0..count as i64).map(|slot| millis(start_secs + slot * frequency)));
        let end_secs = start_secs + count as i64 * frequency;
        for timeline in self.behind(start_secs, frequency_secs) {
            if timeline.start_secs >= end_secs {
                break;
            }
            let shift = (timeline.start_secs - start_secs) / frequency;
            // One of the two is 0: the timeline begins behind the slots' start, or the slots behind the timeline's.
            let (slot, row) = (shift.max(0) as usize, (-shift).max(0) as usize);
            out[slot..].iter_mut().zip(&timeline.times_ms[row..]).for_each(|(time, known)| *time = *known);
        }
    }

    /// The time of one slot.
    pub(super) fn at(&self, centre_secs: i64, frequency_secs: u32) -> i64 {
        let timeline = self.behind(centre_secs, frequency_secs).next();
        let known = timeline.filter(|timeline| timeline.start_secs <= centre_secs).and_then(|timeline| {
            timeline.times_ms.get(((centre_secs - timeline.start_secs) / i64::from(frequency_secs)) as usize)
        });
        known.copied().unwrap_or(millis(centre_secs))
    }

    /// The same times, of which no two are known to ascend.
    #[cfg(test)]
    pub(super) fn one_by_one(&self) -> Seconds {
        let timelines = self.timelines.iter().map(|timeline| Timeline {
            times_ms: timeline.times_ms.clone(),
            descents: (0..timeline.times_ms.len()).collect(),
            ..*timeline
        });
        Seconds { timelines: timelines.collect() }
    }

    /// The timelines of the grid that a slot with this centre belongs to, from the first one on that ends behind it.
    fn behind(&self, start_secs: i64, frequency_secs: u32) -> impl Iterator<Item = &Timeline> {
        let grid = (frequency_secs, phase(start_secs, frequency_secs));
        let first = self
            .timelines
            .partition_point(|timeline| timeline.grid.cmp(&grid).then(timeline.end_secs().cmp(&start_secs)).is_le());
        self.timelines[first..].iter().take_while(move |timeline| timeline.grid == grid)
    }
}

/// Whole seconds as milliseconds.
fn millis(secs: i64) -> i64 {
    secs.saturating_mul(1000)
}

/// The times of rows of one grid without a gap.
#[derive(Debug)]
struct Timeline {
    /// Frequency and phase.
    grid: (u32, i64),
    /// The centre of the first row.
    start_secs: i64,
    times_ms: Vec<i64>,
    /// The rows that are not behind the row before them.
    descents: Vec<usize>,
}

impl Timeline {
    fn of(stretch: &Stretch) -> Timeline {
        let centres = (0..).map(|row: i64| stretch.start_secs + row * i64::from(stretch.frequency_secs));
        let time = |(centre, &offset): (i64, &i32)| {
            millis(if offset == NO_TICK { centre } else { centre + i64::from(offset) })
        };
        let times_ms: Vec<i64> = centres.zip(&stretch.offsets).map(time).collect();
        let descents = (1..times_ms.len()).filter(|&row| times_ms[row] <= times_ms[row - 1]).collect();
        let grid = (stretch.frequency_secs, stretch.phase());
        Timeline { grid, start_secs: stretch.start_secs, times_ms, descents }
    }

    /// The centre of the row behind the last.
    fn end_secs(&self) -> i64 {
        self.start_secs + self.times_ms.len() as i64 * i64::from(self.grid.0)
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
        assert_eq!(known.timelines.len(), 4, "two of one grid meet");
        let mut out = Vec::new();
        let mut filled = |start: i64, count: usize| {
            known.fill(start, 60, count, &mut out);
            out.iter().map(|time| time / 1000).collect::<Vec<i64>>()
        };
        assert_eq!(filled(540, 8), [540, 601, 662, 720, 784, 845, 906, 960]);
        assert_eq!(filled(780, 8), [784, 845, 906, 960, 1020, 1080, 1140, 1193]);
        assert_eq!(filled(690, 1), [710]);
        assert_eq!([known.at(610, 10), known.at(620, 10), known.at(601, 60)], [613_000, 620_000, 601_000]);
    }

    /// What is handed out as it lies is what would be filled in, slot by slot.
    #[test]
    fn whole_runs_of_slots_are_those_one_by_one() {
        let rows: Vec<i32> = (0..40).map(|row| [3, NO_TICK, -5, 70, 0][row as usize % 5]).collect();
        let known = seconds(&[(60, 600, &rows), (60, 6000, &[1, 2, 3]), (60, 630, &[20, 20, 20])]);
        let mut out = Vec::new();
        let mut ascend = 0;
        for start in (300..6600).step_by(30) {
            for count in [1, 2, 3, 4, 40] {
                known.fill(start, 60, count, &mut out);
                assert_eq!(known.at(start, 60), out[0], "{start}");
                if let Some(times) = known.ascending(start, 60, count) {
                    assert_eq!(times, out, "{count} from {start}");
                    assert!(times.is_sorted_by(|a, b| a < b), "{count} from {start}");
                    ascend += 1;
                }
            }
        }
        assert!(ascend > 100, "{ascend}");
    }

    #[test]
    fn of_two_stretches_over_the_same_rows_the_first_counts() {
        let known = seconds(&[(60, 600, &[1, NO_TICK, 3]), (60, 600, &[9, 9]), (60, 660, &[8, 8, 8])]);
        let mut out = Vec::new();
        known.fill(600, 60, 4, &mut out);
        assert_eq!(out, [601_000, 669_000, 723_000, 788_000]);
    }
}
