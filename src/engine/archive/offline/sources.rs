//! Where the hosts of a checkpoint directory are: in snapshots of shards, in folders of their own, or in both.
//!
//! A shard is read through its one whole snapshot. One that has logs, or anything but that snapshot, is first made so:
//! it alone is recovered and written anew, which takes the memory of a sixteenth of the store.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::formats::native::{FileHeader, FileName, Section, SnapshotReader, SnapshotWriter};
use crate::model::HostImage;

use super::super::super::adopt;
use super::super::super::core::Engine;
use super::super::super::log::SHARDS;
use super::super::super::recover;
use super::super::error::{ArchiveError, disk};

/// A host and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) cluster: String,
    pub(super) host: String,
    /// The shard whose snapshot has it.
    pub(super) shard: Option<usize>,
    /// The folder of its files.
    pub(super) folder: Option<PathBuf>,
}

/// All hosts, by cluster and name.
pub(super) struct Sources {
    pub(super) hosts: Vec<Source>,
    /// The number of each shard's snapshot; `None` for those without.
    pub(super) sequences: Vec<Option<u64>>,
}

impl Sources {
    /// Looks for all hosts.
    pub(super) fn find(engine: &Engine) -> Result<Sources, ArchiveError> {
        let mut found: BTreeMap<(String, String), Source> = BTreeMap::new();
        let mut sequences = Vec::with_capacity(SHARDS);
        for shard in 0..SHARDS {
            let (sequence, names) = shard_hosts(engine, shard)?;
            sequences.push(sequence);
            for (cluster, host) in names {
                found.insert(
                    (cluster.clone(), host.clone()),
                    Source { cluster, host, shard: Some(shard), folder: None },
                );
            }
        }
        for (cluster, host, folder) in adopt::host_folders(engine)? {
            let source = found.entry((cluster.clone(), host.clone())).or_insert_with(|| Source {
                cluster,
                host,
                shard: None,
                folder: None,
            });
            source.folder = Some(folder);
        }
        Ok(Sources { hosts: found.into_values().collect(), sequences })
    }

    /// Whether some hosts lie in folders.
    pub(super) fn has_folders(&self) -> bool {
        self.hosts.iter().any(|source| source.folder.is_some())
    }
}

/// The snapshots of the shards, read side by side.
pub(super) struct Images<'e> {
    engine: &'e Engine,
    sequences: &'e [Option<u64>],
    readers: Vec<Option<SnapshotReader<Box<dyn Read + Send>>>>,
}

impl<'e> Images<'e> {
    pub(super) fn new(engine: &'e Engine, sequences: &'e [Option<u64>]) -> Self {
        Images { engine, sequences, readers: (0..SHARDS).map(|_| None).collect() }
    }

    /// The image of the next host of a shard, which must be this one.
    pub(super) fn next(&mut self, shard: usize, source: &Source) -> Result<HostImage, ArchiveError> {
        let path = snapshot_path(self.engine, shard, self.sequences[shard].unwrap_or(0));
        let failed = |reason: String| disk(&path)(std::io::Error::other(reason));
        if self.readers[shard].is_none() {
            let file = self.engine.disk.open(&path).map_err(disk(&path))?;
            self.readers[shard] = Some(SnapshotReader::open(file).map_err(|error| failed(error.to_string()))?);
        }
        let Some(reader) = &mut self.readers[shard] else { return Err(failed("not open".to_owned())) };
        match reader.next_section().map_err(|error| failed(error.to_string()))? {
            Some(Section::Host(image)) if *image.cluster == *source.cluster && *image.host == *source.host => Ok(image),
            _ => Err(failed(format!("expected the host {}/{} next", source.cluster, source.host))),
        }
    }
}

pub(super) fn snapshot_path(engine: &Engine, shard: usize, sequence: u64) -> PathBuf {
    engine.shard_folder(shard).join(FileName::Snapshot(sequence).to_string())
}

/// A cluster's and a host's name.
type Names = (String, String);

/// The number of a shard's snapshot and the hosts in it; the shard is made whole first if it is not.
fn shard_hosts(engine: &Engine, shard: usize) -> Result<(Option<u64>, Vec<Names>), ArchiveError> {
    let folder = engine.shard_folder(shard);
    if let Some(sequence) = single_snapshot(engine, &folder)?
        && let Some(names) = names_in(engine, &snapshot_path(engine, shard, sequence))
    {
        return Ok((Some(sequence), names));
    }
    match make_whole(engine, shard)? {
        None => Ok((None, Vec::new())),
        Some(sequence) => {
            let path = snapshot_path(engine, shard, sequence);
            let names = names_in(engine, &path);
            let names = names.ok_or_else(|| disk(&path)(std::io::Error::other("the new snapshot is not whole")))?;
            Ok((Some(sequence), names))
        }
    }
}

/// The number of the snapshot that is all there is.
fn single_snapshot(engine: &Engine, folder: &Path) -> Result<Option<u64>, ArchiveError> {
    let entries = match engine.disk.list(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(disk(folder))?,
    };
    let files: Vec<FileName> = entries.iter().filter_map(|entry| FileName::parse(&entry.name)).collect();
    match files[..] {
        [FileName::Snapshot(sequence)] => Ok(Some(sequence)),
        _ => Ok(None),
    }
}

/// The hosts of a snapshot, if it is whole and in order.
fn names_in(engine: &Engine, path: &Path) -> Option<Vec<Names>> {
    let mut reader = SnapshotReader::open(engine.disk.open(path).ok()?).ok()?;
    let mut names: Vec<Names> = Vec::new();
    while let Some(section) = reader.next_section().ok()? {
        match section {
            Section::Host(image) => names.push((image.cluster.into(), image.host.into())),
            // It goes into the new snapshot as it is; what a limit refuses here is refused at a start, too.
            Section::Metadata(metrics) => metrics.into_iter().for_each(|(name, metadata)| {
                _ = engine.store.set_metadata(&name, metadata);
            }),
            Section::Damage(_) => return None,
        }
    }
    (reader.is_complete() && names.is_sorted()).then_some(names)
}

/// Recovers a shard and writes a snapshot that holds all of it; `None` when there is nothing.
fn make_whole(engine: &Engine, shard: usize) -> Result<Option<u64>, ArchiveError> {
    let start = recover::recover_one(engine, shard)?;
    let hosts = engine.store.hosts();
    let folder = engine.shard_folder(shard);
    let metadata = engine.metadata_of_shard(shard);
    if hosts.is_empty() && metadata.is_empty() {
        return Ok(None);
    }
    tracing::info!("{}: logs and snapshot are made one snapshot of {} hosts", folder.display(), hosts.len());
    let header = FileHeader { shard: shard as u32, sequence: start.sequence, created_secs: engine.clock.now_secs() };
    let path = snapshot_path(engine, shard, start.sequence);
    let metrics = engine.store.metrics();
    let written = engine.disk.replace(&path, &mut |out| {
        let mut writer = SnapshotWriter::begin(out, &header)?;
        for host in &hosts {
            writer.host(&host.image(&metrics))?;
        }
        if !metadata.is_empty() {
            writer.metadata(metadata.iter().map(|(name, metadata)| (&**name, metadata)))?;
        }
        writer.finish()?;
        Ok(())
    });
    written.map_err(disk(&path))?;
    hosts.iter().for_each(|host| engine.store.forget(host));
    remove_covered(engine, shard, start.sequence)?;
    Ok(Some(start.sequence))
}

/// Removes what a shard's snapshot of this number has made superfluous.
pub(super) fn remove_covered(engine: &Engine, shard: usize, sequence: u64) -> Result<(), ArchiveError> {
    let folder = engine.shard_folder(shard);
    for entry in engine.disk.list(&folder).map_err(disk(&folder))? {
        let is_covered = match FileName::parse(&entry.name) {
            Some(FileName::Segment(segment)) => segment < sequence,
            Some(FileName::Snapshot(snapshot)) => snapshot != sequence,
            None => entry.name.ends_with(".tmp"),
        };
        if is_covered {
            let path = folder.join(&entry.name);
            engine.disk.remove(&path).map_err(disk(&path))?;
        }
    }
    Ok(())
}
