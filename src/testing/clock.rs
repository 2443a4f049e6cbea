//! A clock that stands still until a test moves it.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::time::Clock;

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    millis: AtomicI64,
}

impl ManualClock {
    /// A clock at this second.
    pub fn at(secs: i64) -> Self {
        ManualClock { millis: AtomicI64::new(secs * 1000) }
    }

    /// Sets the clock to a second.
    pub fn set(&self, secs: i64) {
        self.millis.store(secs * 1000, Ordering::Relaxed);
    }

    /// Moves the clock on.
    pub fn advance(&self, secs: i64) {
        self.millis.fetch_add(secs * 1000, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now_millis(&self) -> i64 {
        self.millis.load(Ordering::Relaxed)
    }
}
