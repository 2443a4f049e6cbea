//! What a spool believes to hold, between two passes that look.
//!
//! Invariant: entries are counted by a pass or here, never by both: a pass leaves out what was named since it began.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::options::SpoolOptions;
use crate::telemetry::SpoolTelemetry;

/// What lies in a spool.
#[derive(Default)]
pub(super) struct Held {
    state: Mutex<State>,
    /// There is too much, or it is time to end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    entries: u64,
    bytes: u64,
    /// Written since the last pass began.
    entries_since: u64,
    bytes_since: u64,
    /// The name of the newest entry, microseconds.
    last_us: i64,
    is_ending: bool,
}

impl Held {
    /// A name that no other entry has: the clock's microseconds, or the next ones that are free.
    pub(super) fn next_us(&self, now_us: i64) -> i64 {
        let mut state = self.state.lock();
        state.last_us = now_us.max(state.last_us.saturating_add(1));
        state.last_us
    }

    /// The name of the newest entry.
    pub(super) fn last_us(&self) -> i64 {
        self.state.lock().last_us
    }

    /// An entry was written. Whoever waits for the spool to become too much is woken when it is.
    pub(super) fn add(&self, bytes: u64, options: &SpoolOptions, telemetry: &SpoolTelemetry) {
        let mut state = self.state.lock();
        state.entries += 1;
        state.bytes += bytes;
        state.entries_since += 1;
        state.bytes_since += bytes;
        let is_too_much = state.is_too_much(options);
        state.show(telemetry);
        drop(state);
        if is_too_much {
            self.changed.notify_all();
        }
    }

    /// A pass begins; answers the name of the newest entry.
    pub(super) fn begin_pass(&self) -> i64 {
        let mut state = self.state.lock();
        (state.entries_since, state.bytes_since) = (0, 0);
        state.last_us
    }

    /// A pass has found this many entries that were there when it began, and left them.
    pub(super) fn end_pass(&self, entries: u64, bytes: u64, telemetry: &SpoolTelemetry) {
        let mut state = self.state.lock();
        state.entries = entries + state.entries_since;
        state.bytes = bytes + state.bytes_since;
        state.show(telemetry);
    }

    /// Waits until there is too much, it is time to end, or the time is over; answers whether it is time to end.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.is_ending {
            self.changed.wait_for(&mut state, time);
        }
        state.is_ending
    }

    /// Whether there is too much.
    pub(super) fn is_too_much(&self, options: &SpoolOptions) -> bool {
        self.state.lock().is_too_much(options)
    }

    /// Whether it is time to end.
    pub(super) fn is_ending(&self) -> bool {
        self.state.lock().is_ending
    }

    /// Says whether it is time to end.
    pub(super) fn set_ending(&self, is_ending: bool) {
        self.state.lock().is_ending = is_ending;
        self.changed.notify_all();
    }
}

impl State {
    fn is_too_much(&self, options: &SpoolOptions) -> bool {
        self.entries > options.entries_max as u64 || (options.bytes_max > 0 && self.bytes > options.bytes_max)
    }

    fn show(&self, telemetry: &SpoolTelemetry) {
        telemetry.entries.set(i64::try_from(self.entries).unwrap_or(i64::MAX));
        telemetry.bytes.set(i64::try_from(self.bytes).unwrap_or(i64::MAX));
    }
}
