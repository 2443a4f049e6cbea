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
    Definition, Entry, FileName, HorizonRecord, NativeError, Record, Section, SegmentReader, SnapshotReader,
};
use crate::model::{COMPONENT_DEPTH_MAX, Component, Sample, SeriesId};
use crate::store::{Host, SeriesPath};

use super::core::Engine;
use super::damage;
use super::log::SHARDS;
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
    let seconds = (engine.clock.now_millis() - begun_millis) as f64 / 1000.0;
    let Recovered { hosts, samples, skipped } = counts;
    let hosts = hosts.into_inner().max(engine.store.hosts().len() as u64);
    let (samples, skipped) = (samples.into_inner(), skipped.into_inner());
    tracing::info!("recovered {hosts} hosts and {samples} logged samples in {seconds:.1} s, {skipped} series skipped");
    Ok(starts.into_inner())
}

/// Reads one shard alone; answers where its log goes on.
pub(super) fn recover_one(engine: &Engine, shard: usize) -> Result<NativeStart, OpenError> {
    recover_shard(engine, shard, &Recovered::default())
}

fn recover_shard(engine: &Engine, shard: usize, counts: &Recovered) -> Result<NativeStart, OpenError> {
    let folder = engine.shard_folder(shard);
    let entries = match engine.disk.list(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(NativeStart { sequence: 1, log_bytes: 0 });
        }
        Err(error) => return Err(OpenError::Disk { path: folder, error }),
    };
    let mut snapshots: Vec<u64> = Vec::new();
    let mut segments: Vec<(u64, u64)> = Vec::new();
    for entry in entries {
        match FileName::parse(&entry.name) {
            Some(FileName::Snapshot(sequence)) => snapshots.push(sequence),
            Some(FileName::Segment(sequence)) => segments.push((sequence, entry.len)),
            None => {}
        }
    }
    snapshots.sort_unstable();
    segments.sort_unstable();
    let newest_snapshot = snapshots.last().copied().unwrap_or(0);
    // The newest whole one, and over it what is sound of those that are newer. The usual single one is read once.
    let path_of = |sequence: u64| folder.join(FileName::Snapshot(sequence).to_string());
    let mut covered = 0;
    let mut damaged = Vec::new();
    while let Some(sequence) = snapshots.pop() {
        let is_single = snapshots.is_empty() && damaged.is_empty();
        let is_whole = read_snapshot(engine, &path_of(sequence), is_single.then_some(counts))?;
        if is_whole {
            covered = sequence;
            if !is_single {
                read_snapshot(engine, &path_of(sequence), Some(counts))?;
            }
            break;
        }
        match is_single {
            true => damage::set_aside(&*engine.disk, &path_of(sequence)),
            false => damaged.push(sequence),
        }
    }
    for sequence in damaged.into_iter().rev() {
        read_snapshot(engine, &path_of(sequence), Some(counts))?;
        damage::set_aside(&*engine.disk, &path_of(sequence));
    }
    let mut log_bytes = 0;
    for (sequence, len) in segments.iter().filter(|(sequence, _)| *sequence >= covered) {
        read_segment(engine, &folder.join(FileName::Segment(*sequence).to_string()), counts)?;
        log_bytes += len;
    }
    let newest = segments.last().map_or(0, |(sequence, _)| *sequence);
    Ok(NativeStart { sequence: newest.max(covered).max(newest_snapshot) + 1, log_bytes })
}

/// Reads a snapshot's hosts, into memory when there are counts to keep; answers whether all of it was sound.
fn read_snapshot(engine: &Engine, path: &Path, counts: Option<&Recovered>) -> Result<bool, OpenError> {
    let note = |what: &dyn std::fmt::Display| damage::note(&engine.telemetry, "snapshot", path, what);
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
            Ok(Some(Section::Host(image))) => match engine.store.host_or_create(&image.cluster, &image.host) {
                Ok(_) if counts.is_none() => {}
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

/// Names of the current segment: a host for each number, its series for each of theirs.
#[derive(Default)]
struct SegmentNames {
    hosts: HashMap<u32, NamedHost>,
}

/// A host with the series of each number; `None` for those of metrics that are not configured.
struct NamedHost {
    host: Arc<Host>,
    series: HashMap<u32, Option<SeriesId>>,
}

fn read_segment(engine: &Engine, path: &Path, counts: &Recovered) -> Result<(), OpenError> {
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
    let mut names = SegmentNames::default();
    let mut samples = Vec::new();
    for entry in reader {
        match entry {
            Entry::Record { offset, payload } => match Record::parse(payload) {
                Ok(Record::Samples(record)) => {
                    names.define(engine, record.host, &record.definitions, &note);
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
                Ok(Record::Horizon(horizon)) => move_horizon(engine, &horizon),
                Err(error) => note(&format!("offset {offset}: {error}")),
            },
            Entry::Damage(found) => note(&found),
            Entry::Tail(found) => tracing::info!("{}: torn tail: {found}", path.display()),
        }
    }
    Ok(())
}

impl SegmentNames {
    fn define(
        &mut self,
        engine: &Engine,
        number: u32,
        definitions: &[Definition<'_>],
        note: &dyn Fn(&dyn std::fmt::Display),
    ) {
        let metrics = engine.store.metrics();
        for definition in definitions {
            match definition {
                Definition::Host { cluster, host } => match engine.store.host_or_create(cluster, host) {
                    Ok(host) => _ = self.hosts.insert(number, NamedHost { host, series: HashMap::new() }),
                    Err(limit) => note(&limit),
                },
                Definition::Series { series, path, is_device, metric } => {
                    let Some(NamedHost { host, series: known }) = self.hosts.get_mut(&number) else { continue };
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

    /// Applies samples whose series numbers are the segment's; answers how many came back, and how many have numbers
    /// whose definition was lost.
    fn apply(&self, engine: &Engine, number: u32, samples: &[Sample], received_secs: i64) -> (u64, u64) {
        let Some(NamedHost { host, series: known }) = self.hosts.get(&number) else { return (0, samples.len() as u64) };
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
}

fn move_horizon(engine: &Engine, horizon: &HorizonRecord<'_>) {
    let hosts = match horizon.host {
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
