//! What is asked of the archive: a range of time, and maybe names.

use std::collections::BTreeSet;

use crate::formats::parquet::{ArchiveMetadata, Batch, Filter};

/// Which rows are asked for.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The first second.
    pub(super) from_secs: i64,
    /// The last second, itself included.
    pub(super) last_secs: i64,
    /// This cluster alone.
    pub(super) cluster: Option<String>,
    /// These hosts alone; all when there are none.
    pub(super) hosts: BTreeSet<String>,
    /// These metrics alone; all when there are none.
    pub(super) metrics: BTreeSet<String>,
}

impl Question {
    /// Whether a file may hold such rows.
    pub(super) fn may_match(&self, metadata: &ArchiveMetadata) -> bool {
        let is_apart = |wanted: &Option<String>, found: &Option<String>| {
            wanted.as_ref().zip(found.as_ref()).is_some_and(|(wanted, found)| wanted != found)
        };
        let is_before = metadata.last_secs.is_some_and(|last| last < self.from_secs);
        let is_after = metadata.first_secs.is_some_and(|first| first > self.last_secs);
        metadata.rows > 0 && !is_before && !is_after && !is_apart(&self.cluster, &metadata.cluster)
    }

    /// What a reader is asked, one after the other, for rows in the order of hosts.
    pub(super) fn filters(&self) -> Vec<Filter> {
        let metric = match self.metrics.len() {
            1 => self.metrics.first().cloned(),
            _ => None,
        };
        let filter = |host| Filter { from_secs: self.from_secs, to_secs: self.last_secs, host, metric: metric.clone() };
        match self.hosts.is_empty() {
            true => vec![filter(None)],
            false => self.hosts.iter().map(|host| filter(Some(host.clone()))).collect(),
        }
    }

    /// Whether rows are asked for, as far as a reader does not know.
    pub(super) fn takes(&self, batch: &Batch) -> bool {
        (self.metrics.is_empty() || self.metrics.contains(&batch.metric))
            && self.cluster.as_ref().is_none_or(|cluster| *cluster == batch.cluster)
    }
}
