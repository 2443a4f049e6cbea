//! What a cleanup offline leaves of the hosts, on its way into the places of the files it came from.
//!
//! Everything is written beside and gets its name when the archive has what is missing in it. In the forms with files
//! for each host a folder's older snapshots go before its log does: as long as both are there, the log has the last
//! word.

use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::{DiskFile, temporary};
use crate::formats::ccms::{CheckpointFile, SnapshotForm, Span, WAL_FILE};
use crate::formats::native::{FileHeader, SnapshotWriter};
use crate::model::HostImage;
use crate::store::Host;

use super::super::super::core::Engine;
use super::super::super::files::{host_folder, state_path, write_state_beside};
use super::super::super::log::SHARDS;
use super::super::super::options::CheckpointFormat;
use super::super::error::{ArchiveError, disk};
use super::sources::{remove_covered, snapshot_path};

/// Bytes that are gathered for each shard before they go to the disk.
const BUFFER_BYTES: usize = 1 << 16;

/// A host's files beside their places.
pub(super) struct FilesRest {
    folder: PathBuf,
    /// The snapshot's place; `None` when the host holds nothing any more.
    snapshot: Option<PathBuf>,
    /// Where the state lies, and its place.
    state: (PathBuf, PathBuf),
}

/// Writes what is left of a host beside the files that it was read from.
pub(super) fn write_files(
    engine: &Engine,
    host: &Arc<Host>,
    cutoff_secs: i64,
    now_secs: i64,
) -> Result<FilesRest, ArchiveError> {
    let form = match engine.options.format {
        CheckpointFormat::Json => SnapshotForm::Json,
        _ => SnapshotForm::Bin,
    };
    let folder = host_folder(&engine.options.checkpoints, host.cluster(), host.name());
    engine.disk.create_dir_all(&folder).map_err(disk(&folder))?;
    let entries = engine.disk.list(&folder).map_err(disk(&folder))?;
    let snapshots = entries.iter().filter_map(|entry| match CheckpointFile::parse(&entry.name)? {
        CheckpointFile::Snapshot { from_secs, .. } => Some(from_secs),
        CheckpointFile::Wal => None,
    });
    // cc-metric-store reads no file whose name is older than the retention.
    let from_secs = snapshots.max().filter(|newest| *newest > cutoff_secs).unwrap_or(now_secs);
    let path = folder.join(CheckpointFile::Snapshot { from_secs, form }.to_string());
    let span = Span { from_secs, to_secs: now_secs };
    let state =
        write_state_beside(&*engine.disk, &engine.options.checkpoints, &engine.store, host).map_err(disk(&folder))?;
    let is_written = engine.write_rest_beside(host, &path, form, span).map_err(disk(&path))?;
    let place = state_path(&engine.options.checkpoints, host.cluster(), host.name());
    Ok(FilesRest { folder, snapshot: is_written.then_some(path), state: (state, place) })
}

/// Puts the files of hosts into their places, and removes what they were read from.
pub(super) fn publish_files(engine: &Engine, rests: &[FilesRest]) -> Result<(), ArchiveError> {
    if rests.is_empty() {
        return Ok(());
    }
    let root = &engine.options.checkpoints;
    engine.disk.sync_all(root).map_err(disk(root))?;
    for rest in rests {
        if let Some(snapshot) = &rest.snapshot {
            engine.disk.rename(&temporary(snapshot), snapshot).map_err(disk(snapshot))?;
        }
        engine.disk.rename(&rest.state.0, &rest.state.1).map_err(disk(&rest.state.1))?;
    }
    engine.disk.sync_all(root).map_err(disk(root))?;
    for rest in rests {
        let kept = rest.snapshot.as_ref().and_then(|path| path.file_name()?.to_str());
        let entries = engine.disk.list(&rest.folder).map_err(disk(&rest.folder))?;
        let is_snapshot = |name: &str| matches!(CheckpointFile::parse(name), Some(CheckpointFile::Snapshot { .. }));
        let (logs, others): (Vec<_>, Vec<_>) =
            entries.iter().filter(|entry| !entry.is_dir).partition(|entry| entry.name == WAL_FILE);
        let covered = others
            .iter()
            .filter(|entry| Some(&*entry.name) != kept && (is_snapshot(&entry.name) || entry.name.ends_with(".tmp")));
        for entry in covered.chain(&logs) {
            let path = rest.folder.join(&entry.name);
            engine.disk.remove(&path).map_err(disk(&path))?;
        }
    }
    // Before a file of the archive counts as settled, nothing may bring back what these held.
    engine.disk.sync_all(root).map_err(disk(root))
}

/// New snapshots of the shards, beside the old ones.
pub(super) struct Shards<'e> {
    engine: &'e Engine,
    /// The number of each shard's old snapshot.
    sequences: &'e [Option<u64>],
    writers: Vec<Option<Writer>>,
    is_changed: Vec<bool>,
}

type Writer = SnapshotWriter<BufWriter<Box<dyn DiskFile>>>;

impl<'e> Shards<'e> {
    pub(super) fn new(engine: &'e Engine, sequences: &'e [Option<u64>]) -> Self {
        let writers = (0..SHARDS).map(|_| None).collect();
        Shards { engine, sequences, writers, is_changed: vec![false; SHARDS] }
    }

    /// Adds a host to its shard.
    pub(super) fn add(&mut self, shard: usize, image: &HostImage, is_changed: bool) -> Result<(), ArchiveError> {
        let path = self.path(shard);
        let writer = match &mut self.writers[shard] {
            Some(writer) => writer,
            none => none.insert(begin(self.engine, shard, self.sequences[shard].unwrap_or(0) + 1)?),
        };
        self.is_changed[shard] |= is_changed;
        writer.host(image).map_err(|error| disk(&path)(std::io::Error::other(error)))
    }

    /// Ends the snapshots, makes them durable, and puts those that differ from the old ones into their places.
    pub(super) fn publish(mut self) -> Result<(), ArchiveError> {
        for shard in 0..SHARDS {
            let path = self.path(shard);
            let Some(mut writer) = self.writers[shard].take() else { continue };
            if !self.is_changed[shard] {
                drop(writer);
                self.engine.disk.remove(&temporary(&path)).map_err(disk(&path))?;
                continue;
            }
            let metadata = self.engine.metadata_of_shard(shard);
            if !metadata.is_empty() {
                let metrics = metadata.iter().map(|(name, metadata)| (&**name, metadata));
                writer.metadata(metrics).map_err(|error| disk(&path)(std::io::Error::other(error)))?;
            }
            let (out, _) = writer.finish().map_err(|error| disk(&path)(std::io::Error::other(error)))?;
            let mut file = out.into_inner().map_err(|error| disk(&path)(error.into_error()))?;
            file.sync_data().map_err(disk(&path))?;
            self.engine.disk.rename(&temporary(&path), &path).map_err(disk(&path))?;
            let folder = self.engine.shard_folder(shard);
            self.engine.disk.sync_dir(&folder).map_err(disk(&folder))?;
            remove_covered(self.engine, shard, self.sequences[shard].unwrap_or(0) + 1)?;
        }
        Ok(())
    }

    /// Removes what was written.
    pub(super) fn discard(self) {
        for shard in (0..SHARDS).filter(|&shard| self.writers[shard].is_some()) {
            // The next cleanup writes over it, and so does the next checkpoint.
            _ = self.engine.disk.remove(&temporary(&self.path(shard)));
        }
    }

    fn path(&self, shard: usize) -> PathBuf {
        snapshot_path(self.engine, shard, self.sequences[shard].unwrap_or(0) + 1)
    }
}

fn begin(engine: &Engine, shard: usize, sequence: u64) -> Result<Writer, ArchiveError> {
    let folder = engine.shard_folder(shard);
    engine.disk.create_dir_all(&folder).map_err(disk(&folder))?;
    let path = temporary(&snapshot_path(engine, shard, sequence));
    let file = engine.disk.create(&path).map_err(disk(&path))?;
    let header = FileHeader { shard: shard as u32, sequence, created_secs: engine.clock.now_secs() };
    SnapshotWriter::begin(BufWriter::with_capacity(BUFFER_BYTES, file), &header)
        .map_err(|error| disk(&path)(std::io::Error::other(error)))
}
