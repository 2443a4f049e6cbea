//! A body on its way in: series find their targets, samples go to the hosts.
//!
//! Invariant: nothing is stored before [`Intake::finish`], and whatever is left out is counted under a reason, with an
//! explanation for the sender. A body that is dropped unfinished leaves nothing but the names of series.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLockReadGuard;

use super::super::core::Engine;
use super::super::options::CheckpointFormat;
use super::super::outcome::IngestError;
use super::super::stamped::{StampedReport, StampedWrite};
use super::grid::GridTarget;
use super::known::{Known, NONE, Target};
use super::options::RemoteOptions;
use super::receiver::KeyKind;
use super::report::RemoteReport;
use super::write::RemoteError;
use crate::model::histogram::FloatHistogram;
use crate::model::relabel::relabel;
use crate::model::{
    Exemplar, Labels, METRIC_NAME, Metadata, MetricTable, Sample, StampedSample, StampedValue, is_stale,
};
use crate::store::{Host, LimitReached};

/// A series for which samples come now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Current {
    target: Target,
    host: HostAt,
    /// What is remembered of it; [`NONE`] for a series that is new.
    index: u32,
}

/// Where a host is found.
#[derive(Debug, Clone, Copy)]
enum HostAt {
    /// Among those that are remembered.
    Known(u32),
    /// Among those of this body.
    New(usize),
    /// Nowhere: the series is dropped.
    Nowhere,
}

/// A series that was not remembered.
struct Learnt {
    key: Box<[u8]>,
    target: Target,
    host: HostAt,
    metadata: u32,
    after: After,
}

/// The series before one.
#[derive(Clone, Copy)]
enum After {
    Nothing,
    Known(u32),
    Learnt(usize),
}

/// Why a series has no target.
pub(super) struct Refused {
    reason: &'static str,
    text: String,
}

/// A body on its way in.
pub(super) struct Intake<'e> {
    engine: &'e Engine,
    kind: KeyKind,
    options: Arc<RemoteOptions>,
    metrics: Arc<MetricTable>,
    takes_stamped: bool,
    known: RwLockReadGuard<'e, Known>,
    write: StampedWrite<'e>,
    previous: After,
    /// What is taken to come next. Looked up once: another body may change it between the question and the answer.
    expected: u32,
    /// Its key; empty if nobody knows.
    expected_key: Vec<u8>,
    /// The remembered host that was looked at last, and whether what is remembered of it holds.
    checked: (u32, bool),
    learnt: Vec<Learnt>,
    /// Hosts of new series, with their generation before the first of them was found.
    hosts: Vec<(Arc<Host>, u64)>,
    /// The place of each of them, by address.
    places: HashMap<usize, usize, foldhash::fast::RandomState>,
    report: RemoteReport,
}

impl<'e> Intake<'e> {
    pub(super) fn new(engine: &'e Engine, kind: KeyKind, source: &'static str) -> Self {
        // Before the rules are looked up: when they change, all is forgotten after it.
        let known = engine.receiver.known(kind);
        Intake {
            engine,
            kind,
            options: engine.receiver.options(),
            metrics: engine.store.metrics(),
            takes_stamped: engine.options.format == CheckpointFormat::Native,
            known,
            write: engine.write_stamped(source),
            previous: After::Nothing,
            expected: NONE,
            expected_key: Vec::new(),
            checked: (NONE, false),
            learnt: Vec::new(),
            hosts: Vec::new(),
            places: HashMap::default(),
            report: RemoteReport::default(),
        }
    }

    /// The key of the series that is taken to come next; empty if nobody knows.
    #[inline]
    pub(super) fn expected(&self) -> &[u8] {
        &self.expected_key
    }

    /// Takes a series for the one that comes next.
    #[inline]
    fn expect(&mut self, index: u32) {
        self.expected = index;
        self.known.copy_key(index, &mut self.expected_key);
    }

    /// Finds a series that is remembered.
    #[inline]
    pub(super) fn find(&mut self, key: &[u8], is_expected: bool) -> Option<Current> {
        let index = if is_expected { self.expected } else { self.known.find(key)? };
        let (target, place) = self.known.target(index);
        if !target.is_dropped && !self.is_fresh(place) {
            return None;
        }
        if let After::Known(before) = self.previous
            && !is_expected
        {
            self.known.set_next(before, index);
        }
        self.previous = After::Known(index);
        self.expect(self.known.next(index));
        let host = if target.is_dropped { HostAt::Nowhere } else { HostAt::Known(place) };
        Some(Current { target, host, index })
    }

    /// Whether what is remembered of a host still holds.
    #[inline]
    fn is_fresh(&mut self, place: u32) -> bool {
        if self.checked.0 != place {
            let host = self.known.host(place);
            let is_fresh = host.is_some_and(|known| known.host.stamped_generation() == known.generation);
            self.checked = (place, is_fresh);
        }
        self.checked.1
    }

    /// Works out where a series goes, and remembers it.
    pub(super) fn learn(&mut self, key: &[u8], labels: &Labels) -> Result<Current, Refused> {
        let (target, host) = self.target_of(labels, false)?;
        Ok(self.remember(key, target, host))
    }

    fn remember(&mut self, key: &[u8], target: Target, host: HostAt) -> Current {
        self.learnt.push(Learnt { key: key.into(), target, host, metadata: 0, after: self.previous });
        self.previous = After::Learnt(self.learnt.len() - 1);
        self.expect(NONE);
        Current { target, host, index: NONE }
    }

    /// Gives a series of the grid a stamped series beside it, for what the grid has no room for. That is not
    /// remembered: the series' numbers go on to the grid alone.
    pub(super) fn stamp(&mut self, labels: &Labels) -> Result<Current, Refused> {
        let (target, host) = self.target_of(labels, true)?;
        Ok(Current { target, host, index: NONE })
    }

    /// Where a series goes by the rules in force; `stamp` asks for a stamped series in any case.
    fn target_of(&mut self, labels: &Labels, stamp: bool) -> Result<(Target, HostAt), Refused> {
        let options = Arc::clone(&self.options);
        let Some(labels) = relabel(&options.relabel, labels) else { return Ok((Target::DROPPED, HostAt::Nowhere)) };
        if labels.metric_name().is_empty() {
            let text = format!("series {labels} has no {METRIC_NAME} after relabelling");
            return Err(Refused { reason: "invalid_labels", text });
        }
        let place = options.placing.place(&labels);
        let refused = |limit: LimitReached| {
            let text = format!("{limit}, for series {labels}");
            Refused { reason: limit.reason(), text }
        };
        let mapped = options.mappings.iter().find_map(|mapping| mapping.target(&labels, &self.metrics));
        let mapped = mapped.or_else(|| GridTarget::of(&options.placing, place, &labels, &self.metrics));
        let needs_stamped = stamp || mapped.as_ref().is_none_or(|mapped| mapped.keep);
        if needs_stamped && !self.takes_stamped {
            return Err(Refused { reason: "grid_only", text: format!("{}: {labels}", IngestError::GridOnly) });
        }
        let host = self.write.host(place.cluster, place.host).map_err(refused)?;
        let at = self.host_at(&host);
        let limits = self.engine.store.limits();
        let stamped = match needs_stamped {
            true => Some(host.stamped(&labels, limits).map_err(refused)?),
            false => None,
        };
        let (mut grid, mut scale) = (None, 1.0);
        if let Some(mapped) = mapped {
            (grid, scale) = (Some(mapped.series(&host, limits).map_err(refused)?), mapped.scale);
        }
        Ok((Target { grid, scale, stamped, is_dropped: false }, at))
    }

    /// The place of a host in this body. Its generation is that from before its series were looked for.
    fn host_at(&mut self, host: &Arc<Host>) -> HostAt {
        HostAt::New(*self.places.entry(Arc::as_ptr(host) as usize).or_insert_with(|| {
            self.hosts.push((Arc::clone(host), host.stamped_generation()));
            self.hosts.len() - 1
        }))
    }

    /// Takes a number.
    #[inline]
    pub(super) fn float(&mut self, current: &Current, time_ms: i64, start_ms: i64, value: f64) {
        let Target { grid, scale, stamped, is_dropped } = current.target;
        if self.options.reject_non_finite && !value.is_finite() && !is_stale(value) {
            let text = || format!("{value} is refused by remote-write.reject-non-finite");
            return self.write.refuse("non_finite", 1, text);
        }
        let Some(host) = host_of(&self.known, &self.hosts, current) else {
            self.report.dropped += u64::from(is_dropped);
            return;
        };
        if let Some(series) = stamped {
            self.write.sample(host, StampedSample { series, time_ms, start_ms, value: StampedValue::Float(value) });
        }
        match grid {
            None => {}
            // A gap says the same in the grid.
            Some(_) if is_stale(value) => self.report.ended += u64::from(stamped.is_none()),
            Some(series) => {
                // What is not scaled stays as it is, bit by bit.
                let value = if scale == 1.0 { value } else { value * scale };
                self.write.grid_sample(host, Sample { series, secs: time_ms.div_euclid(1000), value });
                self.report.doubled += u64::from(stamped.is_some());
            }
        }
    }

    /// Whether histograms and exemplars of a series have somewhere to go.
    pub(super) fn is_stamped(&self, current: &Current) -> bool {
        current.target.stamped.is_some() || current.target.is_dropped
    }

    /// Takes a native histogram of a series that [is stamped](Self::is_stamped).
    pub(super) fn histogram(&mut self, current: &Current, time_ms: i64, start_ms: i64, histogram: Arc<FloatHistogram>) {
        let host = host_of(&self.known, &self.hosts, current);
        let Some((host, series)) = host.zip(current.target.stamped) else {
            self.report.dropped_histograms += u64::from(current.target.is_dropped);
            return;
        };
        let value = StampedValue::Histogram(histogram);
        self.write.sample(host, StampedSample { series, time_ms, start_ms, value });
    }

    /// Takes an exemplar; those of series that are not stamped have no place.
    pub(super) fn exemplar(&mut self, current: &Current, exemplar: Exemplar) {
        match host_of(&self.known, &self.hosts, current).zip(current.target.stamped) {
            Some((host, series)) => self.write.exemplar(host, series, exemplar),
            None => self.report.dropped_exemplars += 1,
        }
    }

    /// Takes what a metric is.
    pub(super) fn metadata(&mut self, metric: &str, metadata: Metadata) {
        if self.takes_stamped {
            self.write.metadata(metric, metadata);
        }
    }

    /// Whether metadata with this hash are news for a series.
    pub(super) fn note_metadata(&mut self, current: &Current, hash: u32) -> bool {
        match (current.index, self.learnt.last_mut()) {
            (NONE, Some(learnt)) => {
                learnt.metadata = hash;
                true
            }
            (NONE, None) => true,
            (index, _) => self.known.note_metadata(index, hash),
        }
    }

    /// Counts samples that are left out.
    pub(super) fn refuse(&mut self, reason: &'static str, count: u64, explain: impl FnOnce() -> String) {
        self.write.refuse(reason, count, explain);
    }

    /// Counts the samples of a series without a target.
    pub(super) fn refuse_series(&mut self, refused: Refused, samples: usize) {
        self.write.refuse(refused.reason, samples.max(1) as u64, || refused.text);
    }

    /// Writes what was taken: what the report counts as stored is in the logs when this returns, and so is what an
    /// error counts.
    pub(super) fn finish(self) -> Result<RemoteReport, RemoteError> {
        let Intake { engine, kind, known, write, learnt, hosts, mut report, .. } = self;
        let epoch = known.epoch();
        drop(known);
        if !learnt.is_empty() {
            engine.receiver.learn(engine, kind, epoch, |known| add(known, &learnt, &hosts));
        }
        let mut stored = StampedReport::default();
        let outcome = write.finish(&mut stored);
        report.stored = stored;
        if let Err(error) = outcome {
            // Whoever is refused sends the same again: it is counted then.
            return Err(RemoteError::Store { error, written: Box::new(report) });
        }
        engine.telemetry.drop_samples("relabelled", report.dropped + report.dropped_histograms);
        engine.telemetry.drop_samples("exemplar_of_grid", report.dropped_exemplars);
        Ok(report)
    }
}

/// The host of a series, which is remembered or among those of this body.
#[inline]
fn host_of<'h>(known: &'h Known, hosts: &'h [(Arc<Host>, u64)], current: &Current) -> Option<&'h Arc<Host>> {
    match current.host {
        HostAt::Known(place) => known.host(place).map(|known| &known.host),
        HostAt::New(place) => hosts.get(place).map(|(host, _)| host),
        HostAt::Nowhere => None,
    }
}

/// Adds what a body taught.
fn add(known: &mut Known, learnt: &[Learnt], hosts: &[(Arc<Host>, u64)]) {
    let places: Vec<u32> =
        hosts.iter().map(|(host, generation)| known.add_host(Arc::clone(host), *generation)).collect();
    let mut indices = Vec::with_capacity(learnt.len());
    for series in learnt {
        let host = match series.host {
            HostAt::New(place) => places[place],
            HostAt::Known(place) => place,
            HostAt::Nowhere => NONE,
        };
        let index = known.insert(&series.key, series.target, host, series.metadata);
        match series.after {
            After::Known(before) => known.set_next(before, index),
            After::Learnt(before) => known.set_next(indices[before], index),
            After::Nothing => {}
        }
        indices.push(index);
    }
}
