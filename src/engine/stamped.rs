//! Writes of stamped series, and of what comes with them: grid samples, exemplars, metadata.
//!
//! A [`StampedWrite`] gathers a body by host and writes it at its end. Invariant, as in `ingest`: what the report
//! counts as stored is in the log when [`StampedWrite::finish`] answers, and of what it refuses nothing is in memory,
//! but for the names of series.

use std::sync::Arc;

use crate::model::{Exemplar, Metadata, Sample, StampedId, StampedSample, StampedValue};
use crate::store::{Host, LimitReached};
use crate::telemetry::Source;

use super::commit::{Batches, Committed};
use super::core::Engine;
use super::names;
use super::options::CheckpointFormat;
use super::outcome::IngestError;

/// At most this many skipped samples are explained.
const EXPLANATIONS_MAX: usize = 10;

/// What became of a body of stamped series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StampedReport {
    /// Numbers stored, in stamped series and in the grid.
    pub samples: u64,
    /// Those of them that went to the grid.
    pub grid: u64,
    /// Native histograms stored.
    pub histograms: u64,
    /// Exemplars taken: kept, there already, or pushed out at once by newer ones of their series.
    pub exemplars: u64,
    /// Metrics whose metadata is new or has changed.
    pub metadata: u64,
    /// What was not stored, by reason, as `treering_dropped_total` counts it: `before_horizon`, `future`,
    /// `invalid_histogram`, the reasons of limits, and those that [`StampedWrite::refuse`] was given.
    pub skipped: Vec<(&'static str, u64)>,
    /// The first few of these, explained.
    pub explanations: Vec<String>,
}

impl StampedReport {
    /// How many samples were skipped for this reason.
    pub fn skipped_for(&self, reason: &str) -> u64 {
        self.skipped.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count)
    }

    /// How many samples were skipped.
    pub fn skipped_in_all(&self) -> u64 {
        self.skipped.iter().map(|(_, count)| count).sum()
    }

    fn skip(&mut self, reason: &'static str, count: u64, explanation: impl FnOnce() -> String) {
        if count == 0 {
            return;
        }
        self.count_skipped(reason, count);
        if self.explanations.len() < EXPLANATIONS_MAX {
            self.explanations.push(explanation());
        }
    }

    fn count_skipped(&mut self, reason: &'static str, count: u64) {
        match self.skipped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, counted)) => *counted += count,
            None => self.skipped.push((reason, count)),
        }
    }

    /// Takes another report over into this one.
    fn add(&mut self, other: StampedReport) {
        self.samples += other.samples;
        self.grid += other.grid;
        self.histograms += other.histograms;
        self.exemplars += other.exemplars;
        self.metadata += other.metadata;
        for (reason, count) in other.skipped {
            self.count_skipped(reason, count);
        }
        let room = EXPLANATIONS_MAX.saturating_sub(self.explanations.len());
        self.explanations.extend(other.explanations.into_iter().take(room));
    }
}

/// A body of stamped series on its way into the store. Nothing of it is stored before [`finish`](Self::finish); one
/// that is dropped before leaves nothing but the names of series.
pub struct StampedWrite<'e> {
    engine: &'e Engine,
    source: &'static str,
    now_millis: i64,
    latest_millis: i64,
    batches: Batches,
    /// The host of the sample before, by address, and the place of its batch.
    current: (usize, usize),
    metadata: Vec<(Box<str>, Metadata)>,
    /// What was skipped so far.
    report: StampedReport,
}

impl Engine {
    /// Whether a write would be taken now: what [`StampedWrite::finish`] would refuse whatever it holds is refused
    /// here before anything is read. `has_stamped` says whether it is to hold more than grid samples.
    ///
    /// # Errors
    ///
    /// [`IngestError::Closed`], [`IngestError::NotReady`], [`IngestError::Busy`] at the memory cap,
    /// [`IngestError::LogFailed`], and [`IngestError::GridOnly`].
    pub fn check_writable(&self, has_stamped: bool) -> Result<(), IngestError> {
        self.check_open()?;
        if has_stamped && self.options.format != CheckpointFormat::Native {
            return Err(IngestError::GridOnly);
        }
        self.check_memory()
    }

    /// Begins a write; `source` is what `treering_samples_total` counts it under.
    pub fn write_stamped(&self, source: &'static str) -> StampedWrite<'_> {
        let now_millis = self.clock.now_millis();
        let tolerance = i64::try_from(self.options.future_tolerance.as_millis()).unwrap_or(i64::MAX);
        StampedWrite {
            engine: self,
            source,
            now_millis,
            latest_millis: now_millis.saturating_add(tolerance),
            batches: Batches::default(),
            current: (0, 0),
            metadata: Vec::new(),
            report: StampedReport::default(),
        }
    }
}

impl StampedWrite<'_> {
    /// Finds or creates a host. A refusal is the caller's to count, by [`refuse`](Self::refuse).
    ///
    /// # Errors
    ///
    /// Too many hosts, and names that no file could carry.
    pub fn host(&self, cluster: &str, host: &str) -> Result<Arc<Host>, LimitReached> {
        let store = &self.engine.store;
        if let Some(host) = store.host(cluster, host) {
            return Ok(host);
        }
        if names::leave_folder(cluster, host) {
            return Err(LimitReached::RefusedName);
        }
        if !names::fit_folders(cluster, host) {
            return Err(LimitReached::Name(store.limits().name_bytes_max));
        }
        store.host_or_create(cluster, host)
    }

    /// Takes a sample of a stamped series of this host ([`Host::stamped`]). One too far in the future, or a histogram
    /// that contradicts itself, is counted and left out.
    pub fn sample(&mut self, host: &Arc<Host>, sample: StampedSample) {
        if sample.time_ms > self.latest_millis {
            return self.skip_future("a sample", sample.time_ms);
        }
        if let StampedValue::Histogram(histogram) = &sample.value
            && let Err(error) = histogram.validate()
        {
            return self.report.skip("invalid_histogram", 1, || error.to_string());
        }
        let place = self.place_of(host);
        self.batches.at_mut(place).stamped.push(sample);
    }

    /// Takes a sample of a grid series of this host ([`Host::series`]). One too far in the future is counted and left
    /// out.
    pub fn grid_sample(&mut self, host: &Arc<Host>, sample: Sample) {
        if sample.secs > self.latest_millis.div_euclid(1000) {
            return self.skip_future("a sample", sample.secs.saturating_mul(1000));
        }
        let place = self.place_of(host);
        self.batches.at_mut(place).samples.push(sample);
    }

    /// Takes an exemplar of a stamped series of this host. One too far in the future is counted and left out.
    pub fn exemplar(&mut self, host: &Arc<Host>, series: StampedId, exemplar: Exemplar) {
        if exemplar.time_ms > self.latest_millis {
            return self.skip_future("an exemplar", exemplar.time_ms);
        }
        let place = self.place_of(host);
        self.batches.at_mut(place).exemplars.push((series, exemplar));
    }

    /// Takes what a metric is.
    pub fn metadata(&mut self, name: &str, metadata: Metadata) {
        self.metadata.push((name.into(), metadata));
    }

    /// Counts samples that the caller leaves out, under a reason in `snake_case` (that of a
    /// [`LimitReached`] for one). Only the first few are explained.
    pub fn refuse(&mut self, reason: &'static str, count: u64, explanation: impl FnOnce() -> String) {
        self.report.skip(reason, count, explanation);
    }

    fn skip_future(&mut self, what: &str, time_ms: i64) {
        let now = self.now_millis;
        self.report.skip("future", 1, || {
            format!("{what} of {time_ms} ms since 1970 lies too far in the future: it is {now} here")
        });
    }

    #[inline]
    fn place_of(&mut self, host: &Arc<Host>) -> usize {
        let address = Arc::as_ptr(host) as usize;
        if self.current.0 != address {
            self.current = (address, self.batches.place_of(host));
        }
        self.current.1
    }

    /// Writes what was gathered: the logs hold what the report counts as stored before this returns. Blocks on locks
    /// and on the disk: not to be called from an async task directly.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::check_writable`]. What was stored before a log failed is counted in the report.
    pub fn finish(self, report: &mut StampedReport) -> Result<(), IngestError> {
        let StampedWrite { engine, source, now_millis, batches, metadata, report: mut own, .. } = self;
        let has_stamped =
            !metadata.is_empty() || batches.iter().any(|batch| batch.stamped.len() + batch.exemplars.len() > 0);
        engine.check_writable(has_stamped)?;
        let mut committed = Committed::default();
        own.metadata = engine.commit_metadata(&metadata, &mut committed, |name, limit| {
            own.skip(limit.reason(), 1, || format!("metadata of {name}: {limit}"));
        })?;
        let outcome = engine.commit(&batches, now_millis, &mut committed);
        own.samples = committed.samples + committed.floats;
        own.grid = committed.samples;
        own.histograms = committed.histograms;
        own.exemplars = committed.exemplars;
        let before_horizon = committed.samples_before_horizon + committed.stamped_before_horizon;
        own.skip("before_horizon", before_horizon, || "samples lie before what their host keeps".into());
        let before_horizon = committed.exemplars_before_horizon;
        own.skip("before_horizon", before_horizon, || "exemplars lie before what their host keeps".into());
        // Whoever is refused sends the same again: it is counted when it is stored, once.
        if outcome.is_ok() {
            engine.telemetry.samples.get_or_create(&Source { source }).inc_by(committed.stored());
            own.skipped.iter().for_each(|(reason, count)| engine.telemetry.drop_samples(reason, *count));
        }
        report.add(own);
        engine.relieve();
        outcome
    }
}
