//! How much is measured with.

use std::time::Duration;

/// Hosts, ticks and repeats of all parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Hosts of the parts `ingest` and `nats`.
    pub ingest_hosts: u32,
    /// Their ticks.
    pub ingest_ticks: u32,
    /// Hosts of the parts `memory`, `queries` and `recovery`.
    pub days_hosts: u32,
    /// Their ticks.
    pub days_ticks: u32,
    /// Clusters that run the real job.
    pub job_clusters: u32,
    /// Samples that a series of the job has at least.
    pub job_ticks: u32,
    /// Hosts of the parts of `scale`.
    pub scale_hosts: &'static [u32],
    /// Their ticks.
    pub scale_ticks: u32,
    /// Hosts that `scale` keeps the days of, for the memory that a full host takes.
    pub scale_full_hosts: u32,
    /// How often a large question is asked.
    pub asked_large: u32,
    /// How often a small one is.
    pub asked_small: u32,
    /// How long a store is left alone before its memory is read.
    pub settle: Duration,
}

impl Sizes {
    /// Those that the goals are for.
    pub(super) const FULL: Sizes = Sizes {
        ingest_hosts: 64,
        ingest_ticks: 30,
        days_hosts: 16,
        days_ticks: 2880,
        job_clusters: 100,
        job_ticks: 1300,
        scale_hosts: &[100, 1_000, 10_000],
        scale_ticks: 12,
        scale_full_hosts: 8,
        asked_large: 5,
        asked_small: 400,
        settle: Duration::from_secs(5),
    };

    /// Seconds for everything, for tests: all ways are gone, no figure means anything.
    pub(super) const QUICK: Sizes = Sizes {
        ingest_hosts: 2,
        ingest_ticks: 4,
        days_hosts: 2,
        days_ticks: 70,
        job_clusters: 2,
        job_ticks: 1,
        scale_hosts: &[1, 2, 4],
        scale_ticks: 3,
        scale_full_hosts: 1,
        asked_large: 2,
        asked_small: 5,
        settle: Duration::from_millis(50),
    };
}
