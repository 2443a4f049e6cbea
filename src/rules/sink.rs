//! Where results go.

use crate::engine::{Engine, RuleReport};
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

/// What became of samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The places of those that have no series.
    pub refused: Vec<usize>,
    /// What was left out and why, if anything was.
    pub complaint: Option<String>,
}

/// Stores what rules make. Called on threads that may block.
pub trait ResultSink: Send + Sync + 'static {
    /// Stores samples; an error means that none of them can be relied on.
    fn store(&self, samples: &[ResultSample]) -> Result<Stored, String>;
}

impl ResultSink for Engine {
    fn store(&self, samples: &[ResultSample]) -> Result<Stored, String> {
        let samples = samples.iter().map(|sample| (&sample.labels, sample.time_ms, &sample.value));
        let RuleReport { refused, complaint } = self.write_results(samples).map_err(|error| error.to_string())?;
        Ok(Stored { refused, complaint })
    }
}
