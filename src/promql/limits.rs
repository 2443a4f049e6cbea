//! What a query may use: samples held at once, and time.
//!
//! Samples count as in Prometheus: each point of each intermediate result that a whole-matrix evaluation would hold, a
//! histogram as many as its bytes would hold floats. The evaluator holds far less, since it folds series one by one,
//! but a query that one of the two accepts the other accepts too.

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::QueryError;

/// How an evaluation is stopped from outside; polled per series and every few steps.
pub trait Interrupt: Sync {
    /// Why to stop, if so.
    fn poll(&self) -> Option<Stop>;
}

/// Why an evaluation is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Its time is over.
    TimedOut,
    /// Nobody waits for it.
    Canceled,
}

/// Nothing stops the evaluation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl Interrupt for Unlimited {
    fn poll(&self) -> Option<Stop> {
        None
    }
}

/// How many samples an evaluation read and held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Samples looked at, the whole window at each step.
    pub samples_total: u64,
    /// Samples held at once, at most.
    pub samples_peak: u64,
}

/// Samples held by one evaluation.
#[derive(Debug, Default)]
pub(super) struct Budget {
    max: u64,
    current: AtomicU64,
    peak: AtomicU64,
    total: AtomicU64,
    inner_steps: AtomicU64,
}

impl Budget {
    /// A budget of so many samples.
    pub fn new(max: u64) -> Budget {
        Budget { max, ..Budget::default() }
    }

    /// Holds more samples.
    pub fn hold(&self, samples: u64) -> Result<(), QueryError> {
        let now = self.current.fetch_add(samples, Ordering::Relaxed) + samples;
        self.peak.fetch_max(now, Ordering::Relaxed);
        if now > self.max { Err(QueryError::TooManySamples) } else { Ok(()) }
    }

    /// Holds more samples for a moment only.
    pub fn pass(&self, samples: u64) -> Result<(), QueryError> {
        let now = self.current.load(Ordering::Relaxed) + samples;
        self.peak.fetch_max(now, Ordering::Relaxed);
        if now > self.max { Err(QueryError::TooManySamples) } else { Ok(()) }
    }

    /// Takes room for the columns of a subquery, a value a step: all subqueries of a query have theirs at once while
    /// the innermost one is evaluated, before any sample is held.
    pub fn reserve_steps(&self, steps: u64) -> Result<(), QueryError> {
        let all = self.inner_steps.fetch_add(steps, Ordering::Relaxed).saturating_add(steps);
        if all > self.max { Err(QueryError::TooManySamples) } else { Ok(()) }
    }

    /// Counts samples that were looked at.
    pub fn read(&self, samples: u64) {
        self.total.fetch_add(samples, Ordering::Relaxed);
    }

    /// Samples held now.
    pub fn held(&self) -> u64 {
        self.current.load(Ordering::Relaxed)
    }

    /// Says how many samples are held, after intermediate results went.
    pub fn set_held(&self, samples: u64) -> Result<(), QueryError> {
        self.current.store(samples, Ordering::Relaxed);
        self.pass(0)
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        Stats { samples_total: self.total.load(Ordering::Relaxed), samples_peak: self.peak.load(Ordering::Relaxed) }
    }
}
