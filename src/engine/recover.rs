//! Recovery: what logs and checkpoints of the last run hold comes back into memory.
//!
//! Whatever lies there is read, by content, not by name: native shards first, then the reference's files, which are
//! the newer ones when both are there. What can't be used is named with file and offset and left out; the only error
//! is a file of a newer version, for going on would lose what it holds.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::formats::native::{NativeError, Section, SnapshotReader};
use crate::model::Metadata;

use super::core::Engine;
use super::damage;
use super::inventory::Inventory;
use super::log::{SHARDS, shard_of};
use super::outcome::OpenError;
use super::replay::read_segment;

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
        counts.samples.fetch_add(read_segment(engine, shard, &file.path)?, Ordering::Relaxed);
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
                    restore_metadata(engine, &metrics, &note);
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
pub(super) fn refuse_newer(
    path: &Path,
    error: NativeError,
    note: &dyn Fn(&dyn std::fmt::Display),
) -> Result<(), OpenError> {
    if let NativeError::UnsupportedVersion { .. } = error {
        return Err(OpenError::Newer { path: path.to_owned(), reason: error.to_string() });
    }
    note(&error);
    Ok(())
}

/// Takes metadata over.
pub(super) fn restore_metadata(
    engine: &Engine,
    metrics: &[(Box<str>, Metadata)],
    note: &dyn Fn(&dyn std::fmt::Display),
) {
    let set = |(name, metadata): &(Box<str>, Metadata)| engine.store.set_metadata(name, metadata.clone());
    let refused: Vec<_> = metrics.iter().filter_map(|of_metric| set(of_metric).err()).collect();
    // One is enough: whoever lowered the limit is told once.
    if let Some(limit) = refused.last() {
        note(limit);
    }
}
