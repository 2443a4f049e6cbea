//! A limit on how often one thing is logged.
//!
//! Invariant: a flood of equal troubles makes one line in a while, and that line tells how many it stands for.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lets one event through, then counts others until `pause` is over.
#[derive(Debug)]
pub struct LogLimit {
    pause: Duration,
    /// A plain lock: it is held for a few instructions, and only when something is wrong.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    held_back: u64,
}

impl LogLimit {
    /// One event in each `pause`.
    pub fn new(pause: Duration) -> Self {
        LogLimit { pause, state: Mutex::default() }
    }

    /// Notes `count` events; answers how many there were since the last that was logged, these included, when it is
    /// time to log again.
    pub fn note(&self, count: u64) -> Option<u64> {
        self.note_at(count, Instant::now())
    }

    fn note_at(&self, count: u64, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        state.held_back += count;
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < self.pause) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.held_back))
    }
}

/// Between two lines about the same trouble.
const LOG_PAUSE: Duration = Duration::from_secs(10);

impl Default for LogLimit {
    fn default() -> Self {
        LogLimit::new(LOG_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_in_a_while() {
        let limit = LogLimit::new(Duration::from_secs(10));
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        assert_eq!(limit.note_at(3, at(0)), Some(3));
        assert_eq!(limit.note_at(1, at(1)), None);
        assert_eq!(limit.note_at(2, at(9)), None);
        assert_eq!(limit.note_at(1, at(10)), Some(4));
        assert_eq!(limit.note_at(1, at(11)), None);
    }
}
