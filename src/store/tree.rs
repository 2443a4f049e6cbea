//! The tree above the hosts: clusters by name, hosts by name, and what all of them share.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use parking_lot::RwLock;

use crate::model::{MetricTable, Selector};

use super::host::Host;
use super::limits::{LimitReached, Limits};
use super::memory::{SharedBytes, Use};
use super::read::{self, Answer, ReadError};
use super::stamped::MetadataTable;
use super::summary::{self, LevelSummary};

type Names<T> = HashMap<Arc<str>, T, foldhash::fast::RandomState>;

/// All that is in memory.
#[derive(Debug)]
pub struct Store {
    metrics: ArcSwap<MetricTable>,
    limits: Limits,
    /// Whether hosts keep what lies before a horizon.
    keeps_departed: bool,
    /// One lock for both levels: hosts are created once and looked up by name once a body.
    clusters: RwLock<Names<Names<Arc<Host>>>>,
    hosts: AtomicUsize,
    bytes: Arc<SharedBytes>,
    metadata: MetadataTable,
    /// Bytes of what is remembered of the series of all senders.
    known_bytes: AtomicI64,
}

impl Store {
    /// An empty store.
    pub fn new(metrics: MetricTable, limits: Limits) -> Self {
        Store {
            metrics: ArcSwap::from_pointee(metrics),
            limits,
            keeps_departed: false,
            clusters: RwLock::default(),
            hosts: AtomicUsize::new(0),
            bytes: Arc::new(SharedBytes::new(limits.exemplars_per_series_max)),
            metadata: MetadataTable::default(),
            known_bytes: AtomicI64::new(0),
        }
    }

    /// The store of an engine with an archive: what lies before a horizon is out of reach, but stays until the archive
    /// has it.
    #[must_use]
    pub fn keeping_departed(mut self) -> Self {
        self.keeps_departed = true;
        self
    }

    /// The metrics that are configured now.
    pub fn metrics(&self) -> Arc<MetricTable> {
        self.metrics.load_full()
    }

    /// Takes over a reloaded table: one made by [`MetricTable::reloaded`] from the one in use.
    pub fn set_metrics(&self, metrics: MetricTable) {
        let metrics = Arc::new(metrics);
        self.metrics.store(Arc::clone(&metrics));
        for host in self.hosts() {
            let mut keys = host.keys().lock();
            keys.clear();
            host.count_keys(keys.memory_bytes());
            drop(keys);
            host.follow_config(&metrics);
        }
    }

    /// The bounds against floods of names.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Finds a host.
    pub fn host(&self, cluster: &str, host: &str) -> Option<Arc<Host>> {
        self.clusters.read().get(cluster)?.get(host).cloned()
    }

    /// Finds or creates a host.
    pub fn host_or_create(&self, cluster: &str, host: &str) -> Result<Arc<Host>, LimitReached> {
        if let Some(host) = self.host(cluster, host) {
            return Ok(host);
        }
        if cluster.len().max(host.len()) > self.limits.name_bytes_max {
            return Err(LimitReached::Name(self.limits.name_bytes_max));
        }
        let mut clusters = self.clusters.write();
        if let Some(host) = clusters.get(cluster).and_then(|hosts| hosts.get(host)) {
            return Ok(Arc::clone(host));
        }
        if self.hosts.load(Ordering::Relaxed) >= self.limits.hosts_max {
            return Err(LimitReached::Hosts(self.limits.hosts_max));
        }
        self.hosts.fetch_add(1, Ordering::Relaxed);
        let cluster_name =
            clusters.get_key_value(cluster).map_or_else(|| Arc::from(cluster), |(name, _)| Arc::clone(name));
        let created = Arc::new(Host::new(
            Arc::clone(&cluster_name),
            Arc::from(host),
            Arc::clone(&self.bytes),
            self.keeps_departed,
        ));
        clusters.entry(cluster_name).or_default().insert(Arc::clone(created.name()), Arc::clone(&created));
        Ok(created)
    }

    /// Takes a host out of the tree. For those who work on one host after the other: whoever writes to it refers to it
    /// for as long as the process lives.
    pub fn forget(&self, host: &Host) {
        let mut clusters = self.clusters.write();
        let gone = clusters.get_mut(&**host.cluster()).and_then(|hosts| hosts.remove(&**host.name()));
        if let Some(gone) = gone {
            self.hosts.fetch_sub(1, Ordering::Relaxed);
            gone.stop_counting();
        }
    }

    /// The clusters' names, sorted.
    pub fn cluster_names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self.clusters.read().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The names of a cluster's hosts, sorted.
    pub fn host_names(&self, cluster: &str) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> =
            self.clusters.read().get(cluster).map(|hosts| hosts.keys().cloned().collect()).unwrap_or_default();
        names.sort_unstable();
        names
    }

    /// All hosts, sorted by cluster and name.
    pub fn hosts(&self) -> Vec<Arc<Host>> {
        let mut hosts: Vec<Arc<Host>> =
            self.clusters.read().values().flat_map(|hosts| hosts.values().cloned()).collect();
        hosts.sort_unstable_by(|a, b| (a.cluster(), a.name()).cmp(&(b.cluster(), b.name())));
        hosts
    }

    /// The hosts with stamped series, sorted by cluster and name. Costs nothing where there are none.
    pub fn stamped_hosts(&self) -> Vec<Arc<Host>> {
        if self.bytes.stamped_series().load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let has_some = |host: &&Arc<Host>| host.stamped_series() > 0;
        let mut hosts: Vec<Arc<Host>> =
            self.clusters.read().values().flat_map(|hosts| hosts.values().filter(has_some).cloned()).collect();
        hosts.sort_unstable_by(|a, b| (a.cluster(), a.name()).cmp(&(b.cluster(), b.name())));
        hosts
    }

    /// Reads a metric over `[from, to)`, both in seconds (design, section 5).
    pub fn read(&self, selector: &Selector, metric: &str, from: i64, to: i64) -> Result<Answer, ReadError> {
        self.read_into(selector, metric, from, to, Vec::new())
    }

    /// As [`read`](Self::read); the room of `spare`, whatever it holds, is used for the values where it can be.
    pub fn read_into(
        &self,
        selector: &Selector,
        metric: &str,
        from: i64,
        to: i64,
        spare: Vec<f64>,
    ) -> Result<Answer, ReadError> {
        if from > to {
            return Err(ReadError::InvalidRange);
        }
        let metrics = self.metrics.load();
        let id = metrics.find(metric).ok_or_else(|| ReadError::UnknownMetric(metric.to_owned()))?;
        let host = self.host(&selector.cluster, &selector.host).ok_or(ReadError::NotFound)?;
        read::read(&host, &selector.below, id, metrics.get(id), from, to, spare)
    }

    /// A host, or what lies below a path of names in it (cluster, host, …), for debugging and health checks; `None`
    /// when the path leads nowhere.
    pub fn summary(&self, path: &[String]) -> Option<LevelSummary> {
        let [cluster, host, below @ ..] = path else { return None };
        summary::of_host(&*self.host(cluster, host)?, below, &self.metrics.load())
    }

    /// Notes by how much memory changed that holds what is remembered of the series of all senders.
    pub fn count_known(&self, change_bytes: i64) {
        self.known_bytes.fetch_add(change_bytes, Ordering::Relaxed);
        self.bytes.add(Use::Keys, change_bytes);
    }

    /// Notes by how much memory changed that holds what senders' next messages are added to.
    pub fn count_kept(&self, change_bytes: i64) {
        self.bytes.add(Use::Keys, change_bytes);
    }

    /// Bytes of what is remembered of the series of all senders.
    pub fn known_bytes(&self) -> u64 {
        self.known_bytes.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    /// Counted bytes of all that grows with data.
    pub fn memory_bytes(&self) -> u64 {
        self.bytes.total()
    }

    pub(super) fn metadata_table(&self) -> &MetadataTable {
        &self.metadata
    }

    pub(super) fn shared_bytes(&self) -> &SharedBytes {
        &self.bytes
    }

    /// Bytes that were freed since the start.
    pub fn freed_bytes(&self) -> u64 {
        self.bytes.freed()
    }

    /// Where memory goes, in bytes, by kind.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        self.bytes.by_use()
    }

    /// How many things there are, by kind.
    pub fn objects(&self) -> Vec<(&'static str, u64)> {
        let hosts = self.hosts();
        let mut counts = [0; 6];
        for host in &hosts {
            host.count(&mut counts);
        }
        let [components, series, lanes, blocks, stamped_series, stamped_chunks] = counts;
        vec![
            ("clusters", self.clusters.read().len() as u64),
            ("hosts", hosts.len() as u64),
            ("components", components),
            ("series", series),
            ("lanes", lanes),
            ("blocks", blocks),
            ("stamped_series", stamped_series),
            ("stamped_chunks", stamped_chunks),
        ]
    }
}
