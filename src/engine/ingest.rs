//! From lines to samples of hosts, and from there under a shard's lock into its log and into memory.
//!
//! A body is read piece by piece. Its samples are gathered by host, so that a host costs one lock and one log record a
//! piece. Invariant: when [`Engine::ingest`] answers, every sample that the report counts as stored is in the log.

use std::borrow::Cow;

use parking_lot::{ArcMutexGuard, RawMutex};

use crate::formats::line::{self, Key};
use crate::model::{Component, Sample, Scope, SeriesId};
use crate::store::{KeyCache, LimitReached, SeriesPath};
use crate::telemetry::Source;

use super::commit::{Batches, Committed};
use super::core::Engine;
use super::names;
use super::outcome::{IngestError, IngestReport};

impl Engine {
    /// Stores whole lines of line protocol: the log holds them before this returns. `report` goes on from piece to
    /// piece of one body. Blocks on locks and on the disk: not to be called from an async task directly.
    pub fn ingest(
        &self,
        source: &'static str,
        default_cluster: &str,
        lines: &[u8],
        report: &mut IngestReport,
    ) -> Result<(), IngestError> {
        self.check_open()?;
        self.check_memory()?;
        let mut reading = Reading::new(self, default_cluster);
        for line in line::lines(lines) {
            report.lines += 1;
            reading.line(line, report);
        }
        reading.finish(source, report)
    }
}

/// What is known while a piece of a body is read.
struct Reading<'e> {
    engine: &'e Engine,
    default_cluster: &'e str,
    now_millis: i64,
    now_secs: i64,
    latest_secs: i64,
    /// The host of the line before, with the keys of its sender.
    current: Option<Current>,
    batches: Batches,
    dropped: Dropped,
}

struct Current {
    batch: usize,
    /// Whether lines without a cluster belong to this host's cluster.
    is_default: bool,
    keys: ArcMutexGuard<RawMutex, KeyCache>,
    keys_bytes: usize,
}

/// Counts of what is skipped without being an error.
#[derive(Default)]
struct Dropped {
    unknown_metric: u64,
    refused_name: u64,
    future: u64,
    limits: Vec<LimitReached>,
    /// Who reached the first of these limits.
    offender: Option<String>,
}

impl<'e> Reading<'e> {
    fn new(engine: &'e Engine, default_cluster: &'e str) -> Self {
        let now_millis = engine.clock.now_millis();
        let now_secs = now_millis.div_euclid(1000);
        let tolerance = i64::try_from(engine.options.future_tolerance.as_secs()).unwrap_or(i64::MAX);
        Reading {
            engine,
            default_cluster,
            now_millis,
            now_secs,
            latest_secs: now_secs.saturating_add(tolerance),
            current: None,
            batches: Batches::default(),
            dropped: Dropped::default(),
        }
    }

    fn line(&mut self, bytes: &[u8], report: &mut IngestReport) {
        let split = match line::split(bytes) {
            Ok(Some(split)) => split,
            Ok(None) => return,
            Err(error) => return self.bad_line(bytes, error, report),
        };
        let secs = split.time.map_or(self.now_secs, line::seconds);
        let series = match &mut self.current {
            Some(current) => current.keys.find(split.key, current.is_default),
            None => None,
        };
        let series = match series {
            Some(Some(series)) => Some(series),
            Some(None) => {
                self.dropped.unknown_metric += 1;
                None
            }
            None => {
                let limits_before = self.dropped.limits.len();
                match self.look_up(split.key, report) {
                    Ok(found) => match self.dropped.limits.get(limits_before) {
                        // The sender learns of it: what is answered as good can be read.
                        Some(limit) => return report.note_bad(report.lines, limit.to_string()),
                        None => found,
                    },
                    Err(error) => return self.bad_line(bytes, error, report),
                }
            }
        };
        let (Some(series), Some(current)) = (series, &self.current) else {
            report.skipped += 1;
            return;
        };
        if secs > self.latest_secs {
            self.dropped.future += 1;
            report.skipped += 1;
            return;
        }
        self.batches.at_mut(current.batch).samples.push(Sample { series, secs, value: split.value });
    }

    /// A line of a metric that is not configured is nobody's error, whatever else stands in it.
    fn bad_line(&mut self, bytes: &[u8], error: line::LineError, report: &mut IngestReport) {
        let metric = line::metric_of(bytes);
        if metric.is_some_and(|metric: Cow<'_, str>| self.engine.store.metrics().find(&metric).is_none()) {
            self.dropped.unknown_metric += 1;
            report.skipped += 1;
            return;
        }
        report.note_bad(report.lines, error.to_string());
    }

    /// Finds the series of a key that is not in the cache, and makes its host the current one; `None` when the line is
    /// to be skipped.
    fn look_up(&mut self, bytes: &[u8], report: &mut IngestReport) -> Result<Option<SeriesId>, line::LineError> {
        let key = line::parse_key(bytes)?;
        let needs_default = key.cluster.is_none();
        let cluster = key.cluster.as_deref().unwrap_or(self.default_cluster);
        let Some(metric) = self.engine.store.metrics().find(&key.metric) else {
            if let Some(current) = &mut self.current
                && self.batches.at(current.batch).is_of(cluster, &key.host)
            {
                current.keys.insert(bytes, None, needs_default);
            }
            self.dropped.unknown_metric += 1;
            return Ok(None);
        };
        if names::leave_folder(cluster, &key.host) {
            self.dropped.refused_name += 1;
            report.note_refused(report.lines, cluster, &key.host);
            return Ok(None);
        }
        let found = self.check_names(cluster, &key).and_then(|()| self.switch(cluster, &key.host)).and_then(|()| {
            let (components, is_device) = components_of(&key.kind, &key.id, &key.sub_kind, &key.sub_id);
            let Some(current) = &mut self.current else { return Ok(None) };
            // The cache may know the key all the same, when the line before was another host's.
            if let Some(known) = current.keys.find(bytes, current.is_default) {
                return Ok(known);
            }
            let path = SeriesPath { components: &components, is_device, metric };
            let series = self.batches.at(current.batch).host.series(&path, self.engine.store.limits())?;
            current.keys.insert(bytes, Some(series), needs_default);
            Ok(Some(series))
        });
        Ok(found.unwrap_or_else(|limit| {
            self.dropped.offender.get_or_insert_with(|| format!("{} of host {cluster}/{}", key.metric, key.host));
            self.dropped.limits.push(limit);
            None
        }))
    }

    /// Whether all forms of files can hold these names: components by their joined names, clusters and hosts as names
    /// of folders.
    fn check_names(&self, cluster: &str, key: &Key<'_>) -> Result<(), LimitReached> {
        let limit = self.engine.store.limits().name_bytes_max;
        let joined = (key.kind.len() + key.id.len()).max(key.sub_kind.len() + key.sub_id.len());
        let fits = joined <= limit && names::fit_folders(cluster, &key.host);
        if fits { Ok(()) } else { Err(LimitReached::Name(limit)) }
    }

    /// Makes a host the current one.
    fn switch(&mut self, cluster: &str, name: &str) -> Result<(), LimitReached> {
        if self.current.as_ref().is_some_and(|current| self.batches.at(current.batch).is_of(cluster, name)) {
            return Ok(());
        }
        // One host's keys at a time: two readers that each held one and asked for the other's would wait for ever.
        self.leave();
        let host = self.engine.store.host_or_create(cluster, name)?;
        let batch = self.batches.place_of(&host);
        let keys = host.keys().lock_arc();
        let is_default = **host.cluster() == *self.default_cluster;
        self.current = Some(Current { batch, is_default, keys_bytes: keys.memory_bytes(), keys });
        Ok(())
    }

    fn leave(&mut self) {
        let Some(current) = self.current.take() else { return };
        let bytes = current.keys.memory_bytes();
        drop(current.keys);
        if bytes != current.keys_bytes {
            self.batches.at(current.batch).host.count_keys(bytes);
        }
    }

    /// Writes what was gathered.
    fn finish(mut self, source: &'static str, report: &mut IngestReport) -> Result<(), IngestError> {
        self.leave();
        let mut committed = Committed::default();
        let outcome = self.engine.commit(&self.batches, self.now_millis, &mut committed);
        report.stored += committed.samples;
        report.skipped += committed.samples_before_horizon;
        // Whoever is refused sends the same again: it is counted when it is stored, once.
        if outcome.is_ok() {
            let telemetry = &self.engine.telemetry;
            telemetry.samples.get_or_create(&Source { source }).inc_by(committed.samples);
            telemetry.drop_samples("unknown_metric", self.dropped.unknown_metric);
            telemetry.drop_samples("refused_name", self.dropped.refused_name);
            telemetry.drop_samples("future", self.dropped.future);
            telemetry.drop_samples("before_horizon", committed.samples_before_horizon);
            self.dropped.limits.iter().for_each(|limit| telemetry.drop_samples(limit.reason(), 1));
        }
        if let (Some(limit), Some(offender)) = (self.dropped.limits.first(), &self.dropped.offender)
            && let Some(count) = self.engine.limits_logged.note(self.dropped.limits.len() as u64)
        {
            tracing::warn!("{count} samples refused: {limit}, for {offender}");
        }
        self.engine.relieve();
        outcome
    }
}

/// The components that a key's words name, and whether the first is a device of the host.
pub(super) fn components_of(kind: &str, id: &str, sub_kind: &str, sub_id: &str) -> (Vec<Component>, bool) {
    let names_host = kind == Scope::Node.name() || (kind.is_empty() && id.is_empty());
    let has_sub = !sub_kind.is_empty() || !sub_id.is_empty();
    match (names_host, has_sub) {
        (true, false) => (Vec::new(), false),
        (true, true) => (vec![Component::new(sub_kind, sub_id)], true),
        (false, false) => (vec![Component::new(kind, id)], false),
        (false, true) => (vec![Component::new(kind, id), Component::new(sub_kind, sub_id)], false),
    }
}
