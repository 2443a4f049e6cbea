//! The seam below the evaluator: whoever implements [`Source`] can be asked in PromQL.
//!
//! A source hands out series, and each series hands out its samples in order of time, a batch at a time, in columns.
//! The evaluator reads a series once, from front to back; it may read several series at once, from several threads.

use std::sync::Arc;

use crate::model::histogram::FloatHistogram;
use crate::model::{Labels, Matcher};

/// What series are read from.
pub trait Source: Sync {
    /// The series that fit all matchers and may have samples in the hinted range, in any order, no label set twice.
    fn select(&self, matchers: &[Matcher], hints: &Hints) -> Result<Selection<'_>, SourceError>;
}

/// Why a source could not answer; its text goes into the query's error as it is.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// What the evaluator is going to do with the series: sources may use it to read less, and never have to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hints {
    /// First millisecond that is looked at, inclusive; includes the lookback.
    pub start_ms: i64,
    /// Last millisecond that is looked at, inclusive.
    pub end_ms: i64,
    /// Milliseconds between two steps; 0 for an instant query.
    pub step_ms: i64,
    /// Milliseconds of the range selector; 0 for an instant selector.
    pub range_ms: i64,
    /// The innermost function or aggregation around the selector; empty without one.
    pub function: String,
    /// The grouping of the aggregation directly around the selector.
    pub grouping: Vec<String>,
    /// Whether the grouping says which labels stay (`by`) or which go (`without`).
    pub by: bool,
}

/// The series that fit, and what the user ought to know about them.
#[derive(Default)]
pub struct Selection<'a> {
    /// The series.
    pub series: Vec<Box<dyn Series + 'a>>,
    /// Warnings, as they shall be printed.
    pub warnings: Vec<String>,
    /// The number of series that the source hands out at most, if more than that fit; then it hands out none.
    pub exceeds: Option<usize>,
}

/// One series of a selection.
pub trait Series: Send + Sync {
    /// What tells it from the others.
    fn labels(&self) -> &Labels;

    /// How long a sample stays current, in milliseconds, where the series knows better than the query; sources use it
    /// for series whose samples come more rarely than the usual lookback.
    fn lookback_ms(&self) -> Option<i64> {
        None
    }

    /// A cursor over the samples with `start_ms <= time <= end_ms`; more samples around that range do no harm.
    fn cursor(&self, start_ms: i64, end_ms: i64) -> Box<dyn Cursor + '_>;
}

/// Hands out the samples of one series, ascending by time, no time twice.
pub trait Cursor {
    /// Appends the next samples to `batch` and tells whether there were any; a few hundred at once is a good number.
    fn next_batch(&mut self, batch: &mut Samples) -> Result<bool, SourceError>;
}

/// Samples in columns.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// Milliseconds since 1970, strictly ascending.
    pub times: Vec<i64>,
    /// The values, as many as times; what stands at a histogram's place means nothing.
    pub values: Vec<f64>,
    /// The histograms with their places in `times`, ascending.
    pub histograms: Vec<(u32, Arc<FloatHistogram>)>,
    /// When each sample's counting began, in milliseconds, 0 for unknown; empty where no sample has one, else as many
    /// as times.
    pub starts: Vec<i64>,
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Forgets all samples and keeps the memory.
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.histograms.clear();
        self.starts.clear();
    }

    /// Appends a float.
    pub fn push_float(&mut self, time_ms: i64, value: f64) {
        self.times.push(time_ms);
        self.values.push(value);
        self.pad_starts();
    }

    /// Appends a histogram.
    pub fn push_histogram(&mut self, time_ms: i64, histogram: Arc<FloatHistogram>) {
        self.histograms.push((self.times.len() as u32, histogram));
        self.times.push(time_ms);
        self.values.push(0.0);
        self.pad_starts();
    }

    /// Says when the counting of the last sample began.
    pub fn set_last_start(&mut self, start_ms: i64) {
        if self.starts.is_empty() && start_ms != 0 {
            self.starts.resize(self.times.len(), 0);
        }
        if let Some(last) = self.starts.last_mut() {
            *last = start_ms;
        }
    }

    fn pad_starts(&mut self) {
        if !self.starts.is_empty() {
            self.starts.push(0);
        }
    }
}
