//! Leaving memory: retention, freeing on request, and the memory cap.
//!
//! All three move horizons, and a moved horizon is recorded like a sample, so that no replay brings anything back. In
//! the cleanup mode `archive` nothing leaves but through the archive: freeing hides, and asks for a pass.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::store::Host;
use crate::telemetry::Reason;

use super::archive::{Archived, Plan};
use super::core::Engine;
use super::log::{SHARDS, shard_of};
use super::options::{ArchiveOptions, CheckpointFormat, CleanupMode, WalSync};
use super::outcome::{CleanupReport, IngestError};

/// Hosts that jobs use, by cluster.
pub type UsedNodes = HashMap<String, HashSet<String>>;

/// Who knows which hosts are in use. The server implements it over cc-backend's API.
pub trait NodeProvider: Send + Sync {
    /// The hosts used by jobs that began before `before_secs`. Blocks; an error says why nobody knows.
    fn used_nodes(&self, before_secs: i64) -> Result<UsedNodes, String>;
}

/// From this share of the cap on, the oldest data is freed.
const RELIEF_BEGINS: f64 = 0.9;
/// Down to this share, so that not every body pays for a little.
const RELIEF_ENDS: f64 = 0.8;
/// How long an answer about hosts in use is good enough for freeing.
const USED_NODES_SECS: i64 = 60;
/// After a pass that could free nothing.
const PAUSE_SECS: i64 = 10;
/// The width of a step of age that is fine enough.
const FINEST_STEP_SECS: i64 = 60;
/// Steps of age in which the cap frees.
const AGE_STEPS: usize = 64;

impl Engine {
    /// Frees what lies before `to` below each selector (`[]`, `[cluster]`, `[cluster, host]`, `[cluster, host,
    /// component…]`); answers how many blocks went. Names that do not exist are no error. Blocks.
    pub fn free(&self, selectors: &[Vec<String>], to: i64) -> Result<u64, IngestError> {
        self.check_open()?;
        let mut dropped = 0;
        let mut writes = [0; SHARDS];
        for selector in selectors {
            let (hosts, path) = match selector.as_slice() {
                [] => (self.store.hosts(), &[][..]),
                [cluster] => {
                    let names = self.store.host_names(cluster);
                    (names.iter().filter_map(|name| self.store.host(cluster, name)).collect(), &[][..])
                }
                [cluster, host, path @ ..] => (self.store.host(cluster, host).into_iter().collect(), path),
            };
            for host in hosts {
                dropped += self.free_host(&host, path, to, "free", &mut writes)?;
            }
        }
        self.flush_horizons(&writes)?;
        self.archive.want_pass();
        Ok(dropped)
    }

    /// Makes moved horizons durable where every write is, up to these writes.
    pub(super) fn flush_horizons(&self, writes: &[u64; SHARDS]) -> Result<(), IngestError> {
        // The other forms keep horizons in files that are durable once they are written.
        match (self.options.wal_sync, self.options.format) {
            (WalSync::Always, CheckpointFormat::Native) => self.flush_shards(writes),
            _ => Ok(()),
        }
    }

    /// Moves a host's horizon, in the log first: what the log does not have would come back with the next start.
    /// Notes the number of the write.
    pub(super) fn free_host(
        &self,
        host: &Arc<Host>,
        path: &[String],
        to: i64,
        reason: &'static str,
        writes: &mut [u64; SHARDS],
    ) -> Result<u64, IngestError> {
        let shards = self.shards.read();
        let at = shard_of(host.cluster(), host.name());
        let shard = &shards[at];
        let mut log = shard.lock();
        if !host.has_component(path.iter().map(String::as_str)) {
            // A horizon over nothing would wait in the log for a component that is sent later.
            return Ok(0);
        }
        let to_secs = to.min(host.newest_secs().saturating_add(1));
        let written = log.common().append_horizon(&self.store, host, path, to_secs);
        written.map_err(|error| IngestError::LogFailed(error.to_string()))?;
        let dropped = host.move_horizon(path.iter().map(String::as_str), to_secs);
        writes[at] = shard.note_write();
        self.telemetry.blocks_dropped.get_or_create(&Reason { reason }).inc_by(dropped);
        Ok(dropped)
    }

    /// A cleanup pass: what is older than the retention leaves memory, but for hosts in use. When nobody can say which
    /// are, everything is kept, but for what was freed. Blocks.
    pub fn retain(&self) -> CleanupReport {
        let to_secs = self.cutoff_secs();
        let used = match self.used_nodes(to_secs) {
            Ok(used) => used,
            Err(error) => {
                tracing::warn!("cleanup: nobody knows which nodes are in use, all data is kept: {error}");
                return match &self.options.cleanup {
                    CleanupMode::Archive(options) => self.archive_now(options, &Plan::default(), to_secs),
                    CleanupMode::Delete => CleanupReport::default(),
                };
            }
        };
        if let CleanupMode::Archive(options) = &self.options.cleanup {
            let plan = Plan { cutoff_secs: Some(to_secs), spared: used, only: None };
            return self.archive_now(options, &plan, to_secs);
        }
        let mut dropped = 0;
        let mut writes = [0; SHARDS];
        for host in self.store.hosts().iter().filter(|host| !is_used(&used, host)) {
            if host.oldest_secs().is_none_or(|oldest| oldest >= to_secs) {
                continue;
            }
            match self.free_host(host, &[], to_secs, "retention", &mut writes) {
                Ok(blocks) => dropped += blocks,
                Err(error) => tracing::error!("cleanup of {}/{}: {error}", host.cluster(), host.name()),
            }
        }
        if let Err(error) = self.flush_horizons(&writes) {
            tracing::error!("cleanup: {error}");
        }
        tracing::info!("cleanup: {dropped} blocks older than {to_secs} dropped");
        CleanupReport { blocks: dropped, ..CleanupReport::default() }
    }

    /// Archives what was freed since the last pass, and what the memory cap wants to go, if there is any of either.
    /// Blocks.
    pub fn archive_wanted(&self) -> CleanupReport {
        let CleanupMode::Archive(options) = &self.options.cleanup else { return CleanupReport::default() };
        let (pass, relief) = self.archive.take_wanted();
        let mut report = CleanupReport::default();
        if pass {
            report = self.archive_now(options, &Plan::default(), self.cutoff_secs());
        }
        if relief && !report.is_failed {
            let relieved = self.archive_oldest(options);
            report.files += relieved.files;
            report.rows += relieved.rows;
            report.bytes += relieved.bytes;
            report.is_failed = relieved.is_failed;
        }
        if report.is_failed {
            self.archive.want_pass();
        }
        report
    }

    /// What a cleanup at this moment has as its cutoff; passes for other reasons take it for the names of their files.
    fn cutoff_secs(&self) -> i64 {
        let retention = i64::try_from(self.options.retention.as_secs()).unwrap_or(i64::MAX);
        self.clock.now_secs().saturating_sub(retention)
    }

    fn archive_now(&self, options: &ArchiveOptions, plan: &Plan, name_secs: i64) -> CleanupReport {
        let (archived, outcome) = self.archive_pass(options, plan, name_secs);
        let Archived { files, rows, bytes } = archived;
        match &outcome {
            Ok(()) => tracing::info!("cleanup: {rows} rows archived in {files} files"),
            Err(error) => tracing::error!("cleanup: {error}; {rows} rows archived in {files} files"),
        }
        CleanupReport { blocks: 0, files, rows, bytes, is_failed: outcome.is_err() }
    }

    /// Near the memory cap, archives the oldest data: of hosts that are not in use first.
    fn archive_oldest(&self, options: &ArchiveOptions) -> CleanupReport {
        let mut relief = self.relief.lock();
        let used = relief.used_nodes(self);
        let (busy, idle): (Vec<_>, Vec<_>) = self.store.hosts().into_iter().partition(|host| is_used(used, host));
        let cap = self.options.memory_bytes_max;
        let goal = (RELIEF_ENDS * cap as f64) as u64;
        let mut report = CleanupReport::default();
        for hosts in [idle, busy] {
            let excess = self.store.memory_bytes().saturating_sub(goal);
            if excess == 0 || report.is_failed {
                break;
            }
            let only = hosts.iter().map(|host| (host.cluster().to_string(), host.name().to_string())).collect();
            let to_secs = oldest_bytes_end(&hosts, excess);
            let plan = Plan { cutoff_secs: Some(to_secs), spared: UsedNodes::new(), only: Some(only) };
            let done = self.archive_now(options, &plan, self.cutoff_secs());
            report.files += done.files;
            report.rows += done.rows;
            report.bytes += done.bytes;
            report.is_failed = done.is_failed;
        }
        relief.paused_until_secs = if report.rows == 0 { self.clock.now_secs() + PAUSE_SECS } else { i64::MIN };
        tracing::warn!(
            "memory-cap: {} of {cap} bytes are held after archiving the oldest data",
            self.store.memory_bytes()
        );
        report
    }

    pub(super) fn used_nodes(&self, before_secs: i64) -> Result<UsedNodes, String> {
        match self.nodes.read().clone() {
            Some(provider) => provider.used_nodes(before_secs),
            None => Ok(UsedNodes::new()),
        }
    }

    /// Refuses writes while memory is full of what can't be freed.
    pub(super) fn check_memory(&self) -> Result<(), IngestError> {
        let cap = self.options.memory_bytes_max;
        if cap == 0 || self.store.memory_bytes() < cap {
            return Ok(());
        }
        self.relieve();
        let held = self.store.memory_bytes();
        match held < cap {
            true => Ok(()),
            false => {
                let by = match self.options.cleanup {
                    CleanupMode::Delete => "held by open rows and names",
                    CleanupMode::Archive(_) => "held until the archive has the oldest data",
                };
                Err(IngestError::Busy(format!("memory-cap: {held} of {cap} bytes are {by}")))
            }
        }
    }

    /// Near the memory cap, lets the oldest data go: of hosts that are not in use first.
    pub(super) fn relieve(&self) {
        let cap = self.options.memory_bytes_max;
        if cap == 0 || (self.store.memory_bytes() as f64) < RELIEF_BEGINS * cap as f64 {
            return;
        }
        if let CleanupMode::Archive(_) = self.options.cleanup {
            // A pass that is under way holds the lock, and makes room.
            let is_time =
                self.relief.try_lock().is_some_and(|relief| self.clock.now_secs() >= relief.paused_until_secs);
            if is_time {
                self.archive.want_relief();
            }
            return;
        }
        let mut relief = self.relief.lock();
        if self.clock.now_secs() < relief.paused_until_secs {
            return;
        }
        if (self.store.memory_bytes() as f64) < RELIEF_BEGINS * cap as f64 {
            // Somebody else did it while this one waited.
            return;
        }
        let used = relief.used_nodes(self);
        let (busy, idle): (Vec<_>, Vec<_>) = self.store.hosts().into_iter().partition(|host| is_used(used, host));
        let goal = (RELIEF_ENDS * cap as f64) as u64;
        let mut dropped = 0;
        for hosts in [idle, busy] {
            let excess = self.store.memory_bytes().saturating_sub(goal);
            if excess > 0 {
                dropped += self.free_oldest(&hosts, excess);
            }
        }
        relief.paused_until_secs = if dropped == 0 { self.clock.now_secs() + PAUSE_SECS } else { i64::MIN };
        tracing::warn!(
            "memory-cap: {} of {cap} bytes are held after freeing the oldest data",
            self.store.memory_bytes()
        );
    }

    /// Frees about `excess` bytes of the oldest sealed data of these hosts; open rows stay, but for those of series
    /// that ended before. Answers how many blocks went.
    fn free_oldest(&self, hosts: &[Arc<Host>], excess: u64) -> u64 {
        let to_secs = oldest_bytes_end(hosts, excess);
        let mut dropped = 0;
        for host in hosts.iter().filter(|host| host.oldest_secs().is_some_and(|oldest| oldest < to_secs)) {
            let Some(to_secs) = host.freeable_to_secs(to_secs) else { continue };
            match self.free_host(host, &[], to_secs, "memory_cap", &mut [0; SHARDS]) {
                Ok(blocks) => dropped += blocks,
                Err(error) => tracing::error!("memory-cap: {}/{}: {error}", host.cluster(), host.name()),
            }
        }
        dropped
    }
}

/// The second before which the sealed blocks of these hosts hold about `bytes`. Found by halving in steps of age, for
/// one sample of a clock that was decades off must not make the steps too coarse for the rest.
fn oldest_bytes_end(hosts: &[Arc<Host>], bytes: u64) -> i64 {
    let Some(mut from_secs) = hosts.iter().filter_map(|host| host.oldest_secs()).min() else { return i64::MIN };
    let newest = hosts.iter().map(|host| host.newest_secs()).max().unwrap_or(from_secs);
    let mut width = (newest - from_secs) / AGE_STEPS as i64 + 1;
    let mut wanted = bytes;
    loop {
        let mut by_age = [0; AGE_STEPS];
        hosts.iter().for_each(|host| host.bytes_by_age(from_secs, width, &mut by_age));
        let mut step = 0;
        while step < AGE_STEPS - 1 && by_age[step] < wanted {
            wanted -= by_age[step];
            step += 1;
        }
        from_secs += step as i64 * width;
        if width <= FINEST_STEP_SECS {
            return from_secs + width;
        }
        width = width / AGE_STEPS as i64 + 1;
    }
}

/// What freeing for the cap knows; its lock lets one free at a time.
#[derive(Default)]
pub(super) struct Relief {
    used: UsedNodes,
    asked_secs: Option<i64>,
    /// Nothing could be freed: it is not tried again before this second.
    paused_until_secs: i64,
}

impl Relief {
    /// The hosts in use, asked for once in a while only: writers wait for this. When nobody knows, all hosts count
    /// alike, for the cap holds in any case.
    fn used_nodes(&mut self, engine: &Engine) -> &UsedNodes {
        let now = engine.clock.now_secs();
        if self.asked_secs.is_none_or(|asked| now - asked >= USED_NODES_SECS) {
            self.used = engine.used_nodes(now).unwrap_or_default();
            self.asked_secs = Some(engine.clock.now_secs());
        }
        &self.used
    }
}

pub(super) fn is_used(used: &UsedNodes, host: &Host) -> bool {
    used.get(&**host.cluster()).is_some_and(|hosts| hosts.contains(&**host.name()))
}
