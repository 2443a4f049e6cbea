//! What searches and counts answer.

use std::sync::Arc;

use crate::model::{Labels, StampedId};

/// A series that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampedFound {
    /// The series inside its host.
    pub id: StampedId,
    /// All of its labels.
    pub labels: Labels,
}

/// How many stamped series there are, and what makes them so many. Lists are sorted by number, largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// Series.
    pub series: u64,
    /// Different pairs of a label's name and value.
    pub label_pairs: u64,
    /// Sealed chunks.
    pub chunks: u64,
    /// The first millisecond of any sample; `i64::MAX` without one.
    pub min_ms: i64,
    /// The last millisecond of any sample; `i64::MIN` without one.
    pub max_ms: i64,
    /// Series of each metric name.
    pub series_by_metric: Vec<(Arc<str>, u64)>,
    /// Different values of each label name.
    pub values_by_label: Vec<(Arc<str>, u64)>,
    /// Bytes of the values of each label name, counted once a series.
    pub bytes_by_label: Vec<(Arc<str>, u64)>,
    /// Series of each pair, printed as `name=value`.
    pub series_by_pair: Vec<(Arc<str>, u64)>,
}
