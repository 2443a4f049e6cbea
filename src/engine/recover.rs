//! Recovery: what logs and checkpoints of the last run hold comes back into memory.
//!
//! Whatever lies there is read, by content, not by name: native shards first, then the reference's files, which are
//! the newer ones when both are there. What can't be used is named with file and offset and left out; the only error
//! is a file of a newer version, for going on would lose what it holds.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::formats::native::{
    Definition, Entry, FILE_HEADER_BYTES, HorizonRecord, NativeError, Record, Section, SegmentReader, SnapshotReader,
    StampedRecord,
};
use crate::model::{
    COMPONENT_DEPTH_MAX, Component, Exemplar, Labels, Metadata, Sample, SeriesId, StampedId, StampedSample,
};
use crate::store::{Host, SeriesPath};

use super::core::Engine;
use super::damage;
use super::inventory::Inventory;
use super::log::{SHARDS, shard_of};
use super::outcome::OpenError;

/// Where the log of a shard goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NativeStart {
    /// The number of the next segment.
    pub(super) sequence: u64,
    /// Bytes of the segments that no snapshot covers.
    pub(super) log_bytes: u64,
}

/// Counts of what came back.
#[derive(Default)]
struct Recovered {
    hosts: AtomicU64,
    samples: AtomicU64,
    skipped: AtomicU64,
}

/// Reads everything; answers where the logs of the native shards go on.
pub(super) fn recover(engine: &Engine) -> Result<Vec<NativeStart>, OpenError> {
    let begun_millis = engine.clock.now_millis();
    let counts = Recovered::default();
    let starts: Mutex<Vec<NativeStart>> = Mutex::new(vec![NativeStart::default(); SHARDS]);
    let failure = Mutex::new(None);
    let done = AtomicU64::new(0);
    engine.in_parallel(SHARDS, |shard| {
        match recover_shard(engine, shard, &counts) {
            Ok(start) => starts.lock()[shard] = start,
            Err(error) => *failure.lock() = Some(error),
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::info!("recovery: {done} of {SHARDS} shards read");
    });
    if let Some(error) = failure.into_inner() {
        return Err(error);
    }
    super::adopt::adopt(engine)?;
    // A process that was killed may have left what no flush has reached, and no later one looks at its files again.
    if let Err(error) = engine.disk.sync_all(&engine.options.checkpoints) {
        tracing::error!("flushing what was recovered: {error}");
        engine.want_checkpoint();
    }
    let seconds = (engine.clock.now_millis() - begun_millis) as f64 / 1000.0;
    let Recovered { hosts, samples, skipped } = counts;
    let hosts = hosts.into_inner().max(engine.store.hosts().len() as u64);
    let (samples, skipped) = (samples.into_inner(), skipped.into_inner());
    tracing::info!("recovered {hosts} hosts and {samples} logged samples in {seconds:.1} s, {skipped} series skipped");
    if skipped > 0 {
        tracing::warn!(
            "{skipped} series are of metrics that the config does not name: they are left out, and the next checkpoint \
             will be without them. To keep them, stop without a checkpoint (kill -9), name the metrics, start again"
        );
    }
    Ok(starts.into_inner())
}

/// Reads one shard alone; answers where its log goes on.
pub(super) fn recover_one(engine: &Engine, shard: usize) -> Result<NativeStart, OpenError> {
    recover_shard(engine, shard, &Recovered::default())
}

fn recover_shard(engine: &Engine, shard: usize, counts: &Recovered) -> Result<NativeStart, OpenError> {
    let Inventory { mut snapshots, segments, newest } = Inventory::take(engine, shard)?;
    // The newest whole one, and over it what is sound of those that are newer. The usual single one is read once.
    let mut covered = 0;
    let mut damaged = Vec::new();
    while let Some(file) = snapshots.pop() {
        let is_single = snapshots.is_empty() && damaged.is_empty();
        let is_whole = read_snapshot(engine, shard, &file.path, is_single.then_some(counts))?;
        if is_whole {
            covered = file.sequence;
            if !is_single {
                read_snapshot(engine, shard, &file.path, Some(counts))?;
            }
            break;
        }
        match is_single {
            true => _ = damage::set_aside(&*engine.disk, &file.path),
            false => damaged.push(file.path),
        }
    }
    for path in damaged.into_iter().rev() {
        read_snapshot(engine, shard, &path, Some(counts))?;
        damage::set_aside(&*engine.disk, &path);
    }
    let mut log_bytes = 0;
    for file in segments.iter().filter(|file| file.sequence >= covered) {
        read_segment(engine, shard, &file.path, counts)?;
        log_bytes += file.len;
    }
    Ok(NativeStart { sequence: newest + 1, log_bytes })
}

/// Reads a snapshot's hosts, into memory when there are counts to keep; answers whether all of it was sound.
fn read_snapshot(engine: &Engine, shard: usize, path: &Path, counts: Option<&Recovered>) -> Result<bool, OpenError> {
    // What is wrong is said once, when the content counts.
    let note = |what: &dyn std::fmt::Display| {
        if counts.is_some() {
            damage::note(&engine.telemetry, "snapshot", path, what);
        }
    };
    let source = match engine.disk.open(path) {
        Ok(source) => source,
        Err(error) => {
            note(&error);
            return Ok(false);
        }
    };
    let mut reader = match SnapshotReader::open(source) {
        Ok(reader) => reader,
        Err(error) => return refuse_newer(path, error, &note).map(|()| false),
    };
    let metrics = engine.store.metrics();
    loop {
        match reader.next_section() {
            Ok(Some(Section::Host(_))) if counts.is_none() => {}
            Ok(Some(Section::Host(image))) if shard_of(&image.cluster, &image.host) != shard => {
                note(&format!("{}/{} belongs to another shard", image.cluster, image.host));
            }
            Ok(Some(Section::Host(image))) => match engine.store.host_or_create(&image.cluster, &image.host) {
                Ok(host) => {
                    let restored = host.restore(&image, &metrics, engine.store.limits());
                    if let Some(counts) = counts {
                        counts.hosts.fetch_add(1, Ordering::Relaxed);
                        counts.skipped.fetch_add(restored.unknown_metrics, Ordering::Relaxed);
                    }
                    if restored.refused > 0 {
                        note(&format!("{} blocks or series of {} refused", restored.refused, host.name()));
                    }
                }
                Err(limit) => note(&limit),
            },
            Ok(Some(Section::Metadata(metrics))) => {
                if counts.is_some() {
                    restore_metadata(engine, metrics, &note);
                }
            }
            Ok(Some(Section::Damage(found))) => note(&found),
            Ok(None) => return Ok(reader.is_complete()),
            Err(error) => {
                note(&error);
                return Ok(false);
            }
        }
    }
}

/// A newer version is an error; anything else that is wrong with a file's beginning is damage.
fn refuse_newer(path: &Path, error: NativeError, note: &dyn Fn(&dyn std::fmt::Display)) -> Result<(), OpenError> {
    if let NativeError::UnsupportedVersion { .. } = error {
        return Err(OpenError::Newer { path: path.to_owned(), reason: error.to_string() });
    }
    note(&error);
    Ok(())
}

/// Takes metadata over.
fn restore_metadata(engine: &Engine, metrics: Vec<(Box<str>, Metadata)>, note: &dyn Fn(&dyn std::fmt::Display)) {
    let refused = metrics.into_iter().filter_map(|(name, metadata)| engine.store.set_metadata(&name, metadata).err());
    // One is enough: whoever lowered the limit is told once.
    if let Some(limit) = refused.last() {
        note(&limit);
    }
}

/// Names of the current segment: a host for each number, its series for each of theirs.
struct SegmentNames {
    shard: usize,
    hosts: HashMap<u32, NamedHost>,
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

fn read_segment(engine: &Engine, shard: usize, path: &Path, counts: &Recovered) -> Result<(), OpenError> {
    let note = |what: &dyn std::fmt::Display| damage::note(&engine.telemetry, "log", path, what);
    let bytes = match engine.disk.read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            note(&error);
            damage::set_aside(&*engine.disk, path);
            return Ok(());
        }
    };
    let reader = match SegmentReader::open(&bytes) {
        Ok(reader) => reader,
        Err(error) => return refuse_newer(path, error, &note),
    };
    let mut names = SegmentNames { shard, hosts: HashMap::new() };
    let mut samples = Vec::new();
    let mut stamped = Vec::new();
    let mut is_foreseen = false;
    for entry in reader {
        match entry {
            Entry::Record { offset, payload } => match Record::parse(payload) {
                Ok(Record::Samples(record)) => {
                    names.define(engine, record.host, &record.definitions, true, &note);
                    match record.read(&mut samples) {
                        Ok(()) => {
                            let (applied, unnamed) = names.apply(engine, record.host, &samples, record.received_secs);
                            counts.samples.fetch_add(applied, Ordering::Relaxed);
                            if unnamed > 0 {
                                note(&format!("offset {offset}: {unnamed} samples of series that nothing names"));
                            }
                        }
                        Err(error) => note(&format!("offset {offset}: {error}")),
                    }
                }
                Ok(Record::Horizon(horizon)) => move_horizon(engine, shard, &horizon),
                Ok(Record::Stamped(record)) => {
                    names.define_stamped(engine, &record, true, &note);
                    match record.read(&mut stamped) {
                        Ok(()) => {
                            let (applied, unnamed) = names.apply_stamped(&record, &mut stamped);
                            counts.samples.fetch_add(applied, Ordering::Relaxed);
                            if unnamed > 0 {
                                note(&format!("offset {offset}: {unnamed} samples of series that nothing names"));
                            }
                        }
                        Err(error) => note(&format!("offset {offset}: {error}")),
                    }
                }
                Ok(Record::Metadata(metrics)) => restore_metadata(engine, metrics, &note),
                Err(error) => note(&format!("offset {offset}: {error}")),
            },
            Entry::Damage(found) => {
                note(&found);
                if !std::mem::replace(&mut is_foreseen, true) {
                    names.foresee(engine, &bytes);
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
    Ok(())
}

impl SegmentNames {
    /// Takes names over; `is_newest` says whether they replace those that are known.
    fn define(
        &mut self,
        engine: &Engine,
        number: u32,
        definitions: &[Definition<'_>],
        is_newest: bool,
        note: &dyn Fn(&dyn std::fmt::Display),
    ) {
        let metrics = engine.store.metrics();
        for definition in definitions {
            match definition {
                Definition::Host { cluster, host } => self.name(engine, number, (cluster, host), is_newest, note),
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
                        host.series(&path, engine.store.limits()).inspect_err(|limit| note(limit)).ok()
                    });
                    known.insert(series.0, id);
                }
            }
        }
    }

    /// Lets a number stand for a host.
    fn name(
        &mut self,
        engine: &Engine,
        number: u32,
        (cluster, host): (&str, &str),
        is_newest: bool,
        note: &dyn Fn(&dyn std::fmt::Display),
    ) {
        if let Some(NamedHost { host: known, .. }) = self.hosts.get(&number)
            && (!is_newest || (&**known.cluster(), &**known.name()) == (cluster, host))
        {
            return;
        }
        if shard_of(cluster, host) != self.shard {
            return note(&format!("{cluster}/{host} belongs to another shard"));
        }
        match engine.store.host_or_create(cluster, host) {
            Ok(host) => _ = self.hosts.insert(number, NamedHost::new(host)),
            Err(limit) => note(&limit),
        }
    }

    /// As [`define`](Self::define), of stamped series.
    fn define_stamped(
        &mut self,
        engine: &Engine,
        record: &StampedRecord<'_>,
        is_newest: bool,
        note: &dyn Fn(&dyn std::fmt::Display),
    ) {
        if let Some(names) = record.names {
            self.name(engine, record.host, names, is_newest, note);
        }
        let Some(NamedHost { host, stamped: known, .. }) = self.hosts.get_mut(&record.host) else { return };
        let is_wanted = |known: &HashMap<u32, _>, series: &StampedId| is_newest || !known.contains_key(&series.0);
        for (series, labels) in &record.definitions {
            if is_wanted(known, series) {
                let id = restore_stamped(engine, host, labels, note);
                known.insert(series.0, id);
            }
        }
    }

    /// Learns the names that are nowhere but in later records: those that a damaged record had are repeated there.
    fn foresee(&mut self, engine: &Engine, bytes: &[u8]) {
        for entry in SegmentReader::open(bytes).into_iter().flatten() {
            let Entry::Record { payload, .. } = entry else { continue };
            match Record::parse(payload) {
                Ok(Record::Samples(record)) => {
                    self.define(engine, record.host, &record.definitions, false, &|_| {});
                }
                Ok(Record::Stamped(record)) => self.define_stamped(engine, &record, false, &|_| {}),
                _ => {}
            }
        }
    }

    /// Applies samples whose series numbers are the segment's; answers how many came back, and how many have numbers
    /// whose definition was lost.
    fn apply(&self, engine: &Engine, number: u32, samples: &[Sample], received_secs: i64) -> (u64, u64) {
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
        (host.apply(&engine.store.metrics(), &own, received_secs).stored, unnamed)
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

/// Finds or creates a stamped series.
fn restore_stamped(
    engine: &Engine,
    host: &Host,
    labels: &Labels,
    note: &dyn Fn(&dyn std::fmt::Display),
) -> Option<StampedId> {
    host.stamped(labels, engine.store.limits()).inspect_err(|limit| note(limit)).ok()
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
