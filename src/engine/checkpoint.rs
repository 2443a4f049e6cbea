//! Checkpoints: everything in memory becomes durable files, and the logs that they cover go.
//!
//! The order is what makes it safe (design, section 7): cut the log, take the hosts one by one, write beside, make
//! durable, rename, make the folder durable, and only then drop what is covered. No writer waits for more than the cut.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::disk::{Entry, temporary};
use crate::formats::ccms::{self, Head, Level, SnapshotForm, Span};
use crate::formats::native::{self, FileHeader, FileName, SnapshotWriter};
use crate::model::SeriesId;
use crate::store::{Host, Store};
use crate::telemetry::{Kind, Telemetry};

use super::archive::ArchiveError;
use super::core::{Engine, OWN_FOLDER};
use super::files::{FilesLog, host_folder, state_path, write_state_beside, write_tail_beside};
use super::folders;
use super::log::{SHARDS, ShardLog, shard_of};
use super::options::{ArchiveOptions, CheckpointFormat, CleanupMode};
use super::outcome::CheckpointReport;

/// Hosts whose files are made durable together, in the forms with files for each host.
const BATCH_HOSTS: usize = 512;

/// What a file system keeps for itself where it is mounted.
const LOST_AND_FOUND: &str = "lost+found";

impl Engine {
    /// Writes a checkpoint of everything in memory. A part that fails is logged and counted, its log is kept, and the
    /// others go on. Blocks; writers do not wait.
    pub fn checkpoint(&self) -> CheckpointReport {
        let _one = self.checkpoint.lock();
        let begun_millis = self.clock.now_millis();
        let begun_secs = self.clock.now_secs();
        let archived = self.archive.dropped();
        let report = match self.options.format {
            CheckpointFormat::Native => self.checkpoint_native(),
            CheckpointFormat::Wal => self.checkpoint_files(SnapshotForm::Bin),
            CheckpointFormat::Json => self.checkpoint_files(SnapshotForm::Json),
        };
        if report.failed == 0 {
            self.checkpointed_secs.store(begun_secs, Ordering::Relaxed);
            self.telemetry.checkpoint_timestamp_seconds.set(self.clock.now_secs());
            match self.move_foreign_files() {
                Ok(()) => self.note_converted(),
                Err(error) => tracing::error!("moving files of another form to {OWN_FOLDER}/adopted: {error}"),
            }
            if let CleanupMode::Archive(options) = &self.options.cleanup
                && let Err(error) = self.settle_archived(options, &archived)
            {
                // The next checkpoint tries again; until then a start would look for rows in vain.
                tracing::error!("archive: {error}");
            }
        }
        let seconds = (self.clock.now_millis() - begun_millis) as f64 / 1000.0;
        self.telemetry.checkpoint_seconds.observe(seconds);
        let kind = if report.failed == 0 { "ok" } else { "failed" };
        self.telemetry.checkpoints.get_or_create(&Kind { kind }).inc();
        tracing::info!("checkpoint of {} hosts in {seconds:.1} s, {} failed", report.hosts, report.failed);
        report
    }

    /// Settles files of the archive whose rows no checkpoint has any more.
    fn settle_archived(&self, options: &ArchiveOptions, archived: &[(String, String)]) -> Result<(), ArchiveError> {
        if !archived.is_empty() && self.options.format != CheckpointFormat::Native {
            // Logs and snapshots that were removed a moment ago have these rows, and a power failure brings them back.
            let root = &self.options.checkpoints;
            self.sync_files().map_err(|error| ArchiveError::Disk { path: root.clone(), error })?;
        }
        self.archive.settle(&*self.disk, options, archived)
    }

    fn checkpoint_native(&self) -> CheckpointReport {
        let (hosts, failed, abandoned) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        self.in_parallel(SHARDS, |shard| match self.checkpoint_shard(shard) {
            Ok(written) => _ = hosts.fetch_add(written, Ordering::Relaxed),
            Err(_) if self.is_out_of_time() => {
                abandoned.store(true, Ordering::Relaxed);
                failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::error!("checkpoint of shard {shard}: {error}");
                failed.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (hosts, failed) = (hosts.into_inner(), failed.into_inner());
        CheckpointReport { hosts, failed, is_abandoned: abandoned.into_inner() }
    }

    /// Answers how many hosts were written.
    fn checkpoint_shard(&self, shard: usize) -> io::Result<u64> {
        self.check_time()?;
        let shards = self.shards.read();
        let sequence = match &mut *shards[shard].lock() {
            ShardLog::Native(log) => log.cut(),
            ShardLog::Files(_) => return Ok(0),
        };
        // After the cut: a host that is new since then has all its samples in segments that stay.
        let mut hosts = self.store.hosts();
        hosts.retain(|host| shard_of(host.cluster(), host.name()) == shard);
        let folder = self.shard_folder(shard);
        let has_files = self.disk.list(&folder).is_ok_and(|entries| !entries.is_empty());
        let metadata = self.metadata_of_shard(shard);
        if hosts.is_empty() && metadata.is_empty() && !has_files {
            return Ok(0);
        }
        folders::make_durable(&*self.disk, &self.options.checkpoints, &folder)?;
        let header = FileHeader { shard: shard as u32, sequence, created_secs: self.clock.now_secs() };
        let path = folder.join(FileName::Snapshot(sequence).to_string());
        let metrics = self.store.metrics();
        let written = self.disk.replace(&path, &mut |out| {
            let mut writer = SnapshotWriter::begin(out, &header)?;
            for host in &hosts {
                self.check_time()?;
                writer.host(&host.image(&metrics))?;
            }
            if !metadata.is_empty() {
                writer.metadata(metadata.iter().map(|(name, metadata)| (&**name, metadata)))?;
            }
            writer.finish()?;
            Ok(())
        });
        if let Err(error) = written {
            // A full disk must not be filled further by what is left of each attempt.
            _ = self.disk.remove(&temporary(&path));
            return Err(error);
        }
        for entry in self.disk.list(&folder)? {
            let is_covered = match FileName::parse(&entry.name) {
                Some(FileName::Segment(segment)) => segment < sequence,
                Some(FileName::Snapshot(snapshot)) => snapshot != sequence,
                None => entry.name.ends_with(".tmp"),
            };
            if is_covered && !entry.is_dir {
                self.disk.remove(&folder.join(&entry.name))?;
            }
        }
        if let ShardLog::Native(log) = &mut *shards[shard].lock() {
            log.covered(sequence);
        }
        for host in &hosts {
            // Under the log's lock: of what is forgotten no write is on its way.
            let _log = shards[shard].lock();
            host.sweep_stamped();
        }
        Ok(hosts.len() as u64)
    }

    /// An error when a checkpoint has to be given up.
    fn check_time(&self) -> io::Result<()> {
        if self.is_out_of_time() { Err(io::Error::other("given up for want of time")) } else { Ok(()) }
    }

    fn checkpoint_files(&self, form: SnapshotForm) -> CheckpointReport {
        let hosts = self.store.hosts();
        let span = Span { from_secs: self.checkpointed_secs.load(Ordering::Relaxed), to_secs: self.clock.now_secs() };
        let failed = AtomicU64::new(0);
        let mut written = 0;
        for batch in hosts.chunks(BATCH_HOSTS) {
            if self.is_out_of_time() {
                failed.fetch_add((hosts.len() - written) as u64, Ordering::Relaxed);
                break;
            }
            self.checkpoint_batch(batch, form, span, &failed);
            written += batch.len();
        }
        CheckpointReport { hosts: written as u64, failed: failed.into_inner(), is_abandoned: written < hosts.len() }
    }

    /// Each step for all hosts of a batch, so that a few flushes of the file system serve all of them.
    fn checkpoint_batch(&self, hosts: &[Arc<Host>], form: SnapshotForm, span: Span, failed: &AtomicU64) {
        let written: Vec<Mutex<Option<Written>>> = hosts.iter().map(|_| Mutex::new(None)).collect();
        let fail = |host: &Host, error: &dyn std::fmt::Display| {
            tracing::error!("checkpoint of {}/{}: {error}", host.cluster(), host.name());
            failed.fetch_add(1, Ordering::Relaxed);
        };
        self.in_parallel(hosts.len(), |at| match self.write_host(&hosts[at], form, span) {
            Ok(done) => *written[at].lock() = done,
            Err(error) => fail(&hosts[at], &error),
        });
        let all_hosts_fail = |error: io::Error| hosts.iter().for_each(|host| fail(host, &error));
        if let Err(error) = self.sync_files() {
            return all_hosts_fail(error);
        }
        self.in_parallel(hosts.len(), |at| {
            let mut written = written[at].lock();
            if let Some(Err(error)) = written.as_ref().map(|written| self.publish(&hosts[at], written)) {
                *written = None;
                fail(&hosts[at], &error);
            }
        });
        if let Err(error) = self.sync_files() {
            return all_hosts_fail(error);
        }
        let tails: Vec<Mutex<Option<Tail>>> = hosts.iter().map(|_| Mutex::new(None)).collect();
        self.in_parallel(hosts.len(), |at| {
            match written[at].lock().as_ref().map(|it| self.drop_covered(&hosts[at], it)) {
                None => {}
                Some(Ok(tail)) => *tails[at].lock() = tail,
                Some(Err(error)) => fail(&hosts[at], &error),
            }
        });
        let with_tail: Vec<(&Arc<Host>, Tail)> =
            hosts.iter().zip(tails).filter_map(|(host, end)| Some((host, end.into_inner()?))).collect();
        if with_tail.is_empty() {
            return;
        }
        if let Err(error) = self.sync_files() {
            return with_tail.iter().for_each(|(host, _)| fail(host, &error));
        }
        self.in_parallel(with_tail.len(), |at| {
            let (host, tail) = with_tail[at];
            if let Err(error) = self.keep_tail(host, tail) {
                fail(host, &error);
            }
        });
    }

    /// Writes a host's snapshot and state beside their places.
    fn write_host(&self, host: &Arc<Host>, form: SnapshotForm, span: Span) -> io::Result<Option<Written>> {
        let (covered_bytes, flushes_failed) =
            match &mut *self.shards.read()[shard_of(host.cluster(), host.name())].lock() {
                ShardLog::Files(log) => {
                    log.make_whole(host)?;
                    (log.len(host)?, log.flushes_failed())
                }
                ShardLog::Native(_) => return Ok(None),
            };
        let level = HostLevel::of(host, &self.store, &self.telemetry);
        let folder = host_folder(&self.options.checkpoints, host.cluster(), host.name());
        folders::make(&*self.disk, &self.options.checkpoints, &folder)?;
        // Before the state is taken: a horizon that moves from here on is newer than it.
        let horizon_moves = host.horizon_moves();
        let state = write_state_beside(&*self.disk, &self.options.checkpoints, &self.store, host)?;
        let entries = self.disk.list(&folder)?;
        let span = Span { from_secs: free_name(&entries, span.from_secs, form), ..span };
        let name = ccms::CheckpointFile::Snapshot { from_secs: span.from_secs, form }.to_string();
        let snapshot = folder.join(&name);
        let superfluous = superfluous(&entries, &name).map(|name| folder.join(name)).collect();
        self.disk.write_temporary(&snapshot, &mut |mut out| {
            let written = match form {
                SnapshotForm::Bin => ccms::write_bin(&mut out, span, &level),
                SnapshotForm::Json => ccms::write_json(&mut out, span, &level),
            };
            written.map_err(io::Error::other)
        })?;
        Ok(Some(Written {
            snapshot,
            state,
            horizon_moves,
            superfluous,
            log: folder.join(ccms::WAL_FILE),
            covered_bytes,
            flushes_failed,
        }))
    }

    /// Writes a host's snapshot beside its place; `false` when the host holds nothing.
    pub(super) fn write_rest_beside(
        &self,
        host: &Arc<Host>,
        path: &Path,
        form: SnapshotForm,
        span: Span,
    ) -> io::Result<bool> {
        let level = HostLevel::of(host, &self.store, &self.telemetry);
        if level.metrics.is_empty() && level.children.is_empty() {
            return Ok(false);
        }
        self.disk.write_temporary(path, &mut |mut out| {
            let written = match form {
                SnapshotForm::Bin => ccms::write_bin(&mut out, span, &level),
                SnapshotForm::Json => ccms::write_json(&mut out, span, &level),
            };
            written.map_err(io::Error::other)
        })?;
        Ok(true)
    }

    /// Puts a host's files in their places.
    fn publish(&self, host: &Arc<Host>, written: &Written) -> io::Result<()> {
        if let ShardLog::Files(log) = &*self.shards.read()[shard_of(host.cluster(), host.name())].lock() {
            check_flushes(log, written.flushes_failed)?;
        }
        // The snapshot first: a state that is newer than it would name rows that no file has.
        self.disk.rename(&temporary(&written.snapshot), &written.snapshot)?;
        let shards = self.shards.read();
        let _log = shards[shard_of(host.cluster(), host.name())].lock();
        if host.horizon_moves() == written.horizon_moves {
            self.disk.rename(&written.state, &state_path(&self.options.checkpoints, host.cluster(), host.name()))
        } else {
            // What was freed meanwhile is in the state file already, and not in this one.
            self.disk.remove(&written.state)
        }
    }

    /// Drops of a host's log and older snapshots what a durable snapshot has made superfluous. When more came to the
    /// log meanwhile, its tail lies beside it then.
    fn drop_covered(&self, host: &Arc<Host>, written: &Written) -> io::Result<Option<Tail>> {
        if let ShardLog::Files(log) = &*self.shards.read()[shard_of(host.cluster(), host.name())].lock() {
            check_flushes(log, written.flushes_failed)?;
        }
        // The log last: as long as an older snapshot lies there, which a start reads later if the clock was set back,
        // the log holds all that the new one holds beyond it.
        for path in &written.superfluous {
            match self.disk.remove(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let end = match &mut *self.shards.read()[shard_of(host.cluster(), host.name())].lock() {
            ShardLog::Files(log) => log.remove_covered(host, written.covered_bytes)?,
            ShardLog::Native(_) => None,
        };
        let Some(end) = end else { return Ok(None) };
        write_tail_beside(&*self.disk, &written.log, written.covered_bytes, end)?;
        Ok(Some(Tail { end, flushes_failed: written.flushes_failed }))
    }

    /// Puts the durable tail of a host's log in its place.
    fn keep_tail(&self, host: &Arc<Host>, tail: Tail) -> io::Result<()> {
        match &mut *self.shards.read()[shard_of(host.cluster(), host.name())].lock() {
            ShardLog::Files(log) => {
                check_flushes(log, tail.flushes_failed)?;
                log.keep_tail(host, tail.end)
            }
            ShardLog::Native(_) => Ok(()),
        }
    }

    /// The folders of other forms, and where they lie.
    fn foreign_folders(&self) -> io::Result<(PathBuf, Vec<String>)> {
        let (folder, is_foreign): (PathBuf, fn(&str) -> bool) = match self.options.format {
            CheckpointFormat::Native => {
                (self.options.checkpoints.clone(), |name| name != OWN_FOLDER && name != LOST_AND_FOUND)
            }
            _ => (self.options.checkpoints.join(OWN_FOLDER), |name| native::parse_shard_folder(name).is_some()),
        };
        let mut entries = self.disk.list(&folder)?;
        entries.retain(|entry| entry.is_dir && is_foreign(&entry.name));
        Ok((folder, entries.into_iter().map(|entry| entry.name).collect()))
    }

    /// Whether files of another form lie in the checkpoint directory.
    pub(super) fn has_foreign_files(&self) -> bool {
        self.foreign_folders().map_or(true, |(_, names)| !names.is_empty())
    }

    /// Moves the files of other forms out of the way, durably, once a checkpoint in the current form holds what they
    /// held.
    pub(super) fn move_foreign_files(&self) -> io::Result<()> {
        let (folder, names) = self.foreign_folders()?;
        if names.is_empty() {
            return Ok(());
        }
        let adopted = self.options.checkpoints.join(OWN_FOLDER).join("adopted");
        folders::make_durable(&*self.disk, &self.options.checkpoints, &adopted)?;
        names.iter().try_for_each(|name| self.adopt_folder(&folder.join(name), name, &adopted))?;
        self.disk.sync_dir(&adopted)?;
        self.disk.sync_dir(&folder)
    }

    fn adopt_folder(&self, from: &Path, name: &str, adopted: &Path) -> io::Result<()> {
        let is_taken = self.disk.list(adopted)?.iter().any(|entry| entry.name == name);
        let to = if is_taken { format!("{name}.{}", self.clock.now_millis()) } else { name.to_owned() };
        self.disk.rename(from, &adopted.join(to))?;
        tracing::info!("{} is in the checkpoint now; the files are kept in {OWN_FOLDER}/adopted", from.display());
        Ok(())
    }

    /// Runs `work` for `0..count` on as many threads as the options allow.
    pub(super) fn in_parallel(&self, count: usize, work: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        let run = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= count {
                    return;
                }
                work(at);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.options.workers.min(count).max(1) {
                scope.spawn(run);
            }
            run();
        });
    }
}

/// An error when a flush has failed since there were so many: it may have lost what was written beside its place.
fn check_flushes(log: &FilesLog, flushes_failed: u64) -> io::Result<()> {
    if log.flushes_failed() == flushes_failed {
        return Ok(());
    }
    Err(io::Error::other("a flush has failed since it was written"))
}

/// The time that names a host's next snapshot: this one, or later when a snapshot is named so already. The last one by
/// name is the newest, also after a clock was set back.
fn free_name(entries: &[Entry], from_secs: i64, form: SnapshotForm) -> i64 {
    let others = entries.iter().filter_map(|entry| match ccms::CheckpointFile::parse(&entry.name) {
        Some(ccms::CheckpointFile::Snapshot { from_secs, form: other }) => Some((from_secs, other == form)),
        _ => None,
    });
    // The file of this very name is replaced atomically.
    let newest = others.filter(|(other, is_same)| *other > from_secs || !is_same).map(|(other, _)| other).max();
    newest.map_or(from_secs, |newest| from_secs.max(newest.saturating_add(1)))
}

/// The files of a host that its new snapshot makes superfluous.
fn superfluous<'e>(entries: &'e [Entry], snapshot: &'e str) -> impl Iterator<Item = &'e str> {
    let names = entries.iter().filter(|entry| !entry.is_dir).map(|entry| &*entry.name);
    names.filter(move |name| {
        let is_snapshot = matches!(ccms::CheckpointFile::parse(name), Some(ccms::CheckpointFile::Snapshot { .. }));
        *name != snapshot && (is_snapshot || name.ends_with(".tmp"))
    })
}

/// Files of a host that lie beside their places.
struct Written {
    snapshot: PathBuf,
    /// Beside its place.
    state: PathBuf,
    /// How often a horizon of the host had moved.
    horizon_moves: u64,
    /// Older snapshots, and what earlier attempts have left.
    superfluous: Vec<PathBuf>,
    log: PathBuf,
    /// Bytes of the host's log that the snapshot covers.
    covered_bytes: u64,
    /// Flushes that had failed before any of these files was written.
    flushes_failed: u64,
}

/// What lies beside a host's log, to take its place.
#[derive(Clone, Copy)]
struct Tail {
    /// Where it ends in the log.
    end: u64,
    /// As in [`Written`].
    flushes_failed: u64,
}

/// A level of a host as the reference's files show it: one run of slots a series.
struct HostLevel<'h> {
    host: &'h Host,
    telemetry: &'h Telemetry,
    metrics: Vec<LevelSeries>,
    /// By joined name, sorted.
    children: Vec<(String, HostLevel<'h>)>,
}

struct LevelSeries {
    metric: Box<str>,
    id: SeriesId,
    frequency_secs: u32,
}

impl<'h> HostLevel<'h> {
    fn empty(host: &'h Host, telemetry: &'h Telemetry) -> Self {
        HostLevel { host, telemetry, metrics: Vec::new(), children: Vec::new() }
    }

    /// The host's level, with those below it. Series of metrics that are not configured any more are left out.
    fn of(host: &'h Host, store: &Store, telemetry: &'h Telemetry) -> Self {
        let metrics = store.metrics();
        let mut series: Vec<(Vec<String>, LevelSeries)> = Vec::new();
        for id in host.series_with_data() {
            let description = host.describe(id, &metrics);
            let Some(metric) = metrics.find(&description.metric) else { continue };
            let frequency_secs = metrics.get(metric).frequency_secs;
            let path = description.components.iter().map(ToString::to_string).collect();
            series.push((path, LevelSeries { metric: description.metric, id, frequency_secs }));
        }
        // Sorted by path, the levels come one behind the other, and the last child is the one at hand.
        series.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut root = HostLevel::empty(host, telemetry);
        for (path, series) in series {
            let mut level = &mut root;
            for name in path {
                if level.children.last().is_none_or(|(last, _)| *last != name) {
                    level.children.push((name, HostLevel::empty(host, telemetry)));
                }
                let last = level.children.len() - 1;
                level = &mut level.children[last].1;
            }
            level.metrics.push(series);
        }
        root
    }
}

impl Level for HostLevel<'_> {
    fn metrics(&self) -> usize {
        self.metrics.len()
    }

    fn metric<'a>(&'a self, index: usize, slots: &mut Vec<f64>) -> Head<'a> {
        let LevelSeries { metric, id, frequency_secs } = &self.metrics[index];
        // A series that was freed a moment ago has no slots any more, and any start is right.
        let (start_secs, left_out) = self.host.slots(*id, *frequency_secs, slots).unwrap_or((0, 0));
        if left_out > 0 {
            self.telemetry.checkpoint_series_cut.inc();
            tracing::warn!(
                "checkpoint of {}/{}: a series of {metric} is too long for a file: what lies before second {start_secs} \
                 is left out",
                self.host.cluster(),
                self.host.name()
            );
        }
        Head { name: metric, frequency_secs: *frequency_secs, start_secs }
    }

    fn children(&self) -> usize {
        self.children.len()
    }

    fn child(&self, index: usize) -> (&str, &dyn Level) {
        let (name, level) = &self.children[index];
        (name, level)
    }
}
