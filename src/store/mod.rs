//! Memory: the tree of clusters, hosts and components with their series. No I/O, no async.

mod limits;
mod read;

pub use limits::Limits;
pub use read::{Answer, ReadError};

use std::sync::Arc;

use crate::model::{MetricTable, Selector};

/// All that is in memory.
#[derive(Debug)]
pub struct Store {}

impl Store {
    /// The metrics that are configured now.
    pub fn metrics(&self) -> Arc<MetricTable> {
        todo!()
    }

    /// The names of a cluster's hosts, sorted.
    pub fn host_names(&self, _cluster: &str) -> Vec<Arc<str>> {
        todo!()
    }

    /// Reads a metric over `[from, to)`, both in seconds (design, section 5).
    pub fn read(&self, _selector: &Selector, _metric: &str, _from: i64, _to: i64) -> Result<Answer, ReadError> {
        todo!()
    }

    /// What lies below a path of names, for debugging and health checks; `None` when the path leads nowhere.
    pub fn summary(&self, _path: &[String]) -> Option<LevelSummary> {
        todo!()
    }

    /// Where memory goes, in bytes, by kind.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        todo!()
    }

    /// How many things there are, by kind (`clusters`, `hosts`, `components`, `series`, `lanes`, `blocks`).
    pub fn objects(&self) -> Vec<(&'static str, u64)> {
        todo!()
    }
}

/// A level of the tree as `/api/debug` and `/api/healthcheck` see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LevelSummary {
    /// The level's own series by metric, sorted by name.
    pub metrics: Vec<(Box<str>, Vec<RunSummary>)>,
    /// The levels below, sorted by name.
    pub children: Vec<(Box<str>, LevelSummary)>,
}

/// A run of slots of one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSummary {
    /// Seconds between two slots.
    pub frequency_secs: u32,
    /// The centre of the first slot, seconds since 1970.
    pub start_secs: i64,
    /// Slots up to the last one that holds a value.
    pub len: u32,
    /// Whether the slots are sealed in a block.
    pub sealed: bool,
}
