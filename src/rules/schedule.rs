//! When a group is evaluated: at its interval, on a grid of its own.
//!
//! The grid is Prometheus's: multiples of the interval, moved by a hash of the group's file and name, so that groups
//! of one interval do not all begin at the same moment, and a group keeps its moments over restarts.

use crate::model::Labels;

/// The evaluations of one group.
#[derive(Debug)]
pub(super) struct Schedule {
    interval_ms: i64,
    /// Nanoseconds between multiples of the interval and the group's times.
    offset_nanos: i64,
    /// The time of the last evaluation, or the one before the first.
    last_ms: i64,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing for so many milliseconds.
    Wait(i64),
    /// An evaluation for this time; so many were missed before it.
    Due {
        /// Milliseconds since 1970.
        time_ms: i64,
        /// Evaluations that found no time.
        missed: u64,
    },
}

impl Schedule {
    /// The schedule of a group that begins now: the first evaluation is at the next of its times.
    pub(super) fn new(file: &str, name: &str, interval_ms: i64, now_ms: i64) -> Schedule {
        let interval_ms = interval_ms.max(1);
        let hash = Labels::from_pairs([("name", name), ("file", file)]).prometheus_hash();
        let interval_nanos = interval_ms.saturating_mul(1_000_000);
        // Less than the interval, which is positive.
        let offset_nanos = (hash % interval_nanos.unsigned_abs()) as i64;
        let mut schedule = Schedule { interval_ms, offset_nanos, last_ms: 0 };
        schedule.last_ms = schedule.before(now_ms);
        schedule
    }

    /// The last of the group's times at or before this one.
    fn before(&self, time_ms: i64) -> i64 {
        let interval_nanos = i128::from(self.interval_ms) * 1_000_000;
        let moved = i128::from(time_ms) * 1_000_000 - i128::from(self.offset_nanos);
        let nanos = moved - moved.rem_euclid(interval_nanos) + i128::from(self.offset_nanos);
        // Near a time that fits.
        nanos.div_euclid(1_000_000) as i64
    }

    /// What there is to do now.
    pub(super) fn look(&mut self, now_ms: i64) -> Look {
        // A clock that was set back does not stop the evaluation.
        if now_ms < self.last_ms - self.interval_ms {
            self.last_ms = self.before(now_ms);
        }
        let steps = (now_ms - self.last_ms) / self.interval_ms;
        if steps < 1 {
            return Look::Wait(self.last_ms + self.interval_ms - now_ms);
        }
        self.last_ms += steps * self.interval_ms;
        Look::Due { time_ms: self.last_ms, missed: (steps - 1).unsigned_abs() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_770_000_000_000;

    #[test]
    fn times_are_those_of_the_group() {
        for name in ["a", "b", "c"] {
            let mut schedule = Schedule::new("f.yml", name, 60_000, NOW);
            let Look::Wait(wait_ms) = schedule.look(NOW) else { panic!("due at once") };
            assert!((1..=60_000).contains(&wait_ms), "{wait_ms}");
            let first_ms = NOW + wait_ms;
            assert_eq!(schedule.look(first_ms - 1), Look::Wait(1));
            assert_eq!(schedule.look(first_ms), Look::Due { time_ms: first_ms, missed: 0 });
            assert_eq!(schedule.look(first_ms + 59_999), Look::Wait(1));
            // A start at any other moment has the same times.
            let mut later = Schedule::new("f.yml", name, 60_000, first_ms + 240_001);
            let Look::Wait(wait_ms) = later.look(first_ms + 240_001) else { panic!("due at once") };
            assert_eq!(wait_ms, 59_999);
        }
        let offset = |name| Schedule::new("f.yml", name, 60_000, NOW).offset_nanos;
        assert!(offset("a") != offset("b") && offset("b") != offset("c"));
    }

    #[test]
    fn what_finds_no_time_is_missed() {
        let mut schedule = Schedule::new("f.yml", "a", 10_000, NOW);
        let begin_ms = schedule.last_ms;
        assert_eq!(schedule.look(begin_ms + 10_500), Look::Due { time_ms: begin_ms + 10_000, missed: 0 });
        assert_eq!(schedule.look(begin_ms + 45_000), Look::Due { time_ms: begin_ms + 40_000, missed: 2 });
        assert_eq!(schedule.look(begin_ms + 45_000), Look::Wait(5000));
    }

    #[test]
    fn a_clock_that_goes_back_stops_nothing() {
        let mut schedule = Schedule::new("f.yml", "a", 10_000, NOW);
        assert!(matches!(schedule.look(NOW - 86_400_000), Look::Wait(ms) if ms <= 10_000));
        assert!(matches!(schedule.look(NOW - 86_390_000), Look::Due { missed: 0, .. }));
    }
}
