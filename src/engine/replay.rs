//! The replay of a log: the records of a segment, applied in their order.
//!
//! Numbers stand for names inside one segment. Invariant: a damaged record costs no other, for what it named is looked
//! for in the records behind it.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::formats::native::{
    Definition, Entry, FILE_HEADER_BYTES, HorizonRecord, Record, SegmentReader, StampedRecord,
};
use crate::model::{COMPONENT_DEPTH_MAX, Component, Exemplar, Sample, SeriesId, StampedId, StampedSample};
use crate::store::{Host, SeriesPath};

use super::core::Engine;
use super::damage;
use super::log::shard_of;
use super::outcome::OpenError;
use super::recover::{refuse_newer, restore_metadata};

/// The replay of a segment. Its names: a host for each number, its series for each of theirs.
struct Replay<'e> {
    engine: &'e Engine,
    shard: usize,
    path: &'e Path,
    hosts: HashMap<u32, NamedHost>,
    /// Used again for each record.
    samples: Vec<Sample>,
    stamped: Vec<StampedSample>,
    replayed: u64,
}

/// A host with the series of each number; `None` for those of metrics that are not configured.
struct NamedHost {
    host: Arc<Host>,
    series: HashMap<u32, Option<SeriesId>>,
    /// `None` for those that a limit refused.
    stamped: HashMap<u32, Option<StampedId>>,
}

impl NamedHost {
    fn new(host: Arc<Host>) -> Self {
        NamedHost { host, series: HashMap::new(), stamped: HashMap::new() }
    }
}

/// Replays a segment; answers how many samples came back.
pub(super) fn read_segment(engine: &Engine, shard: usize, path: &Path) -> Result<u64, OpenError> {
    let note = |what: &dyn Display| damage::note(&engine.telemetry, "log", path, what);
    let bytes = match engine.disk.read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            note(&error);
            damage::set_aside(&*engine.disk, path);
            return Ok(0);
        }
    };
    let reader = match SegmentReader::open(&bytes) {
        Ok(reader) => reader,
        Err(error) => return refuse_newer(path, error, &note).map(|()| 0),
    };
    let (samples, stamped) = (Vec::new(), Vec::new());
    let mut replay = Replay { engine, shard, path, hosts: HashMap::new(), samples, stamped, replayed: 0 };
    let mut is_foreseen = false;
    for entry in reader {
        match entry {
            Entry::Record { offset, payload } => match Record::parse(payload) {
                Ok(record) => record.parts().iter().for_each(|record| replay.record(offset, record)),
                Err(error) => note(&format!("offset {offset}: {error}")),
            },
            Entry::Damage(found) => {
                note(&found);
                if !std::mem::replace(&mut is_foreseen, true) {
                    replay.foresee(&bytes);
                }
            }
            // Nothing of a log in the whole file: it is something else, and no checkpoint shall remove it.
            Entry::Tail(found)
                if found.offset == 0 && bytes.len() >= FILE_HEADER_BYTES && bytes.iter().any(|&byte| byte != 0) =>
            {
                note(&found);
                damage::set_aside(&*engine.disk, path);
            }
            Entry::Tail(found) => tracing::info!("{}: torn tail: {found}", path.display()),
        }
    }
    Ok(replay.replayed)
}

impl Replay<'_> {
    fn note(&self, what: &dyn Display) {
        damage::note(&self.engine.telemetry, "log", self.path, what);
    }

    fn record(&mut self, offset: u64, record: &Record<'_>) {
        let outcome = match record {
            Record::Samples(record) => {
                self.define(record.host, &record.definitions, true);
                let mut samples = std::mem::take(&mut self.samples);
                let outcome =
                    record.read(&mut samples).map(|()| self.apply(record.host, &samples, record.received_secs));
                self.samples = samples;
                outcome
            }
            Record::Stamped(record) => {
                self.define_stamped(record, true);
                let mut samples = std::mem::take(&mut self.stamped);
                let outcome = record.read(&mut samples).map(|()| self.apply_stamped(record, &mut samples));
                self.stamped = samples;
                outcome
            }
            Record::Horizon(horizon) => return move_horizon(self.engine, self.shard, horizon),
            Record::Metadata(metrics) => {
                return restore_metadata(self.engine, metrics, &|what| self.note(what));
            }
            // It is handed out by its parts.
            Record::Both(_) => return,
        };
        match outcome {
            Ok((applied, unnamed)) => {
                self.replayed += applied;
                if unnamed > 0 {
                    self.note(&format!("offset {offset}: {unnamed} samples of series that nothing names"));
                }
            }
            Err(error) => self.note(&format!("offset {offset}: {error}")),
        }
    }

    /// Takes names over; `is_newest` says whether they replace those that are known.
    fn define(&mut self, number: u32, definitions: &[Definition<'_>], is_newest: bool) {
        let (engine, file) = (self.engine, self.path);
        let metrics = engine.store.metrics();
        for definition in definitions {
            match definition {
                Definition::Host { cluster, host } => self.name(number, (cluster, host), is_newest),
                Definition::Series { series, path, is_device, metric } => {
                    let Some(NamedHost { host, series: known, .. }) = self.hosts.get_mut(&number) else { continue };
                    if !is_newest && known.contains_key(&series.0) {
                        continue;
                    }
                    let components: Vec<Component> =
                        path.as_slice().iter().map(|part| Component::new(part.kind, part.id)).collect();
                    debug_assert!(components.len() <= COMPONENT_DEPTH_MAX);
                    let id = metrics.find(metric).and_then(|metric| {
                        let path = SeriesPath { components: &components, is_device: *is_device, metric };
                        host.series(&path, engine.store.limits())
                            .inspect_err(|limit| damage::note(&engine.telemetry, "log", file, limit))
                            .ok()
                    });
                    known.insert(series.0, id);
                }
            }
        }
    }

    /// Lets a number stand for a host.
    fn name(&mut self, number: u32, (cluster, host): (&str, &str), is_newest: bool) {
        if let Some(NamedHost { host: known, .. }) = self.hosts.get(&number)
            && (!is_newest || (&**known.cluster(), &**known.name()) == (cluster, host))
        {
            return;
        }
        if shard_of(cluster, host) != self.shard {
            return self.note(&format!("{cluster}/{host} belongs to another shard"));
        }
        match self.engine.store.host_or_create(cluster, host) {
            Ok(host) => _ = self.hosts.insert(number, NamedHost::new(host)),
            Err(limit) => self.note(&limit),
        }
    }

    /// As [`define`](Self::define), of stamped series.
    fn define_stamped(&mut self, record: &StampedRecord<'_>, is_newest: bool) {
        let (engine, file) = (self.engine, self.path);
        if let Some(names) = record.names {
            self.name(record.host, names, is_newest);
        }
        let Some(NamedHost { host, stamped: known, .. }) = self.hosts.get_mut(&record.host) else { return };
        let is_wanted = |known: &HashMap<u32, _>, series: &StampedId| is_newest || !known.contains_key(&series.0);
        for (series, labels) in &record.definitions {
            if is_wanted(known, series) {
                let id = host.stamped(labels, engine.store.limits());
                let id = id.inspect_err(|limit| damage::note(&engine.telemetry, "log", file, limit));
                known.insert(series.0, id.ok());
            }
        }
    }

    /// Learns the names that are nowhere but in later records: those that a damaged record had are repeated there.
    fn foresee(&mut self, bytes: &[u8]) {
        for entry in SegmentReader::open(bytes).into_iter().flatten() {
            let Entry::Record { payload, .. } = entry else { continue };
            let Ok(record) = Record::parse(payload) else { continue };
            for record in record.parts() {
                match record {
                    Record::Samples(record) => self.define(record.host, &record.definitions, false),
                    Record::Stamped(record) => self.define_stamped(record, false),
                    _ => {}
                }
            }
        }
    }

    /// Applies samples whose series numbers are the segment's; answers how many came back, and how many have numbers
    /// whose definition was lost.
    fn apply(&self, number: u32, samples: &[Sample], received_secs: i64) -> (u64, u64) {
        let Some(NamedHost { host, series: known, .. }) = self.hosts.get(&number) else {
            return (0, samples.len() as u64);
        };
        let mut own = Vec::with_capacity(samples.len());
        let mut unnamed = 0;
        for sample in samples {
            match known.get(&sample.series.0) {
                Some(Some(series)) => own.push(Sample { series: *series, ..*sample }),
                // A metric that is not configured any more.
                Some(None) => {}
                None => unnamed += 1,
            }
        }
        (host.apply(&self.engine.store.metrics(), &own, received_secs).stored, unnamed)
    }

    /// As [`apply`](Self::apply), of stamped samples and exemplars. The samples' numbers become the host's.
    fn apply_stamped(&self, record: &StampedRecord<'_>, samples: &mut Vec<StampedSample>) -> (u64, u64) {
        let all = (samples.len() + record.exemplars.len()) as u64;
        let Some(NamedHost { host, stamped: known, .. }) = self.hosts.get(&record.host) else { return (0, all) };
        let mut unnamed = 0;
        let mut own = |series: StampedId| match known.get(&series.0) {
            Some(known) => *known,
            None => {
                unnamed += 1;
                None
            }
        };
        samples.retain_mut(|sample| own(sample.series).inspect(|id| sample.series = *id).is_some());
        let of_own = |(series, exemplar): &(StampedId, Exemplar)| Some((own(*series)?, exemplar.clone()));
        let exemplars: Vec<(StampedId, Exemplar)> = record.exemplars.iter().filter_map(of_own).collect();
        if !exemplars.is_empty() {
            host.add_exemplars(&exemplars);
        }
        (host.apply_stamped(samples, record.received_ms).stored, unnamed)
    }
}

fn move_horizon(engine: &Engine, shard: usize, horizon: &HorizonRecord<'_>) {
    let hosts = match horizon.host {
        Some(name) if shard_of(horizon.cluster, name) != shard => return,
        Some(name) => engine.store.host(horizon.cluster, name).into_iter().collect(),
        None => {
            let names = engine.store.host_names(horizon.cluster);
            names.iter().filter_map(|name| engine.store.host(horizon.cluster, name)).collect::<Vec<_>>()
        }
    };
    let path: Vec<String> = horizon.path.as_slice().iter().map(|part| format!("{}{}", part.kind, part.id)).collect();
    for host in hosts {
        host.move_horizon(path.iter().map(String::as_str), horizon.to_secs);
    }
}
