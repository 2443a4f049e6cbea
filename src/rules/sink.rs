//! Where results go.

use crate::model::{Labels, StampedValue};

/// A sample that a rule made.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultSample {
    /// Its series, the metric's name among them.
    pub labels: Labels,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// The value; the staleness marker ends the series.
    pub value: StampedValue,
}

/// A sample that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSample {
    /// Its place among those that were to be stored.
    pub at: usize,
    /// Why.
    pub reason: String,
}

/// Stores what rules make. Called on threads that may block.
pub trait ResultSink: Send + Sync + 'static {
    /// Stores samples; an error means that none of them can be relied on.
    fn store(&self, samples: &[ResultSample]) -> Result<Vec<RefusedSample>, String>;
}
