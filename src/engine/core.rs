//! The engine itself: what it owns, and the way from opening to closing.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::disk::SharedDisk;
use crate::model::MetricTable;
use crate::store::Store;
use crate::telemetry::{LogLimit, SharedTelemetry};
use crate::time::SharedClock;

use super::archive::ArchiveState;
use super::convert::Conversion;
use super::files::FilesLog;
use super::folders;
use super::log::{FilesFlushed, SHARDS, Shard, ShardLog};
use super::metadata::Unlogged;
use super::native::{NativeLog, Place};
use super::options::{CheckpointFormat, CleanupMode, Options};
use super::outcome::{IngestError, OpenError};
use super::recover::{self, NativeStart};
use super::remote::Receiver;
use super::retain::{NodeProvider, Relief};
use super::zstats::Collected;

/// The name of Treering's own folder in the checkpoint directory.
pub(super) const OWN_FOLDER: &str = ".treering";

/// The store with its logs and checkpoints.
pub struct Engine {
    pub(super) options: Options,
    pub(super) store: Store,
    pub(super) disk: SharedDisk,
    pub(super) clock: SharedClock,
    pub(super) telemetry: SharedTelemetry,
    /// One a shard; empty until recovery has read what the logs of the last run left.
    pub(super) shards: RwLock<Vec<Shard>>,
    is_ready: AtomicBool,
    is_closed: AtomicBool,
    pub(super) conversion: Conversion,
    /// What is durable in the forms with files for each host. Held over a flush.
    pub(super) files_flushed: Mutex<FilesFlushed>,
    /// Whether a checkpoint is due out of turn.
    pub(super) wants_checkpoint: AtomicBool,
    /// Keeps other processes out of the checkpoint directory.
    _lock: Box<dyn std::any::Any + Send + Sync>,
    /// Held over a checkpoint: there is one at a time.
    pub(super) checkpoint: Mutex<()>,
    /// When the last checkpoint began, or else the engine was opened: seconds since 1970.
    pub(super) checkpointed_secs: AtomicI64,
    pub(super) nodes: RwLock<Option<Arc<dyn NodeProvider>>>,
    /// Held by the one who frees memory for the cap.
    pub(super) relief: Mutex<Relief>,
    /// When checkpoints have to end, in milliseconds since 1970: the end of the process waits for no longer.
    checkpoints_end_millis: AtomicI64,
    /// A flood of new names is a few lines of the log.
    pub(super) limits_logged: LogLimit,
    /// Metadata that no log has yet.
    pub(super) unlogged_metadata: Unlogged,
    /// What is known of the archive, in the cleanup mode that has one.
    pub(super) archive: ArchiveState,
    /// The rules for series with labels of their own, and what is remembered of them.
    pub(super) receiver: Receiver,
    /// The targets whose scrapes are collected, if any are.
    pub(super) collected: OnceLock<Collected>,
    /// Long work is to end at the next chance.
    pub(super) stopping: Arc<AtomicBool>,
}

impl Engine {
    /// An engine on a checkpoint directory, which is made when it is missing. It refuses writes until
    /// [`recover`](Self::recover) is over.
    pub fn open(
        options: Options,
        metrics: MetricTable,
        disk: SharedDisk,
        clock: SharedClock,
        telemetry: SharedTelemetry,
    ) -> Result<Engine, OpenError> {
        let own = options.checkpoints.join(OWN_FOLDER);
        folders::make_root(&*disk, &options.checkpoints)
            .map_err(|error| OpenError::Disk { path: own.clone(), error })?;
        let lock = disk.lock_dir(&own).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse { path: options.checkpoints.clone() },
            _ => OpenError::Disk { path: own, error },
        })?;
        let store = Store::new(metrics, options.limits);
        let store = match options.cleanup {
            CleanupMode::Archive(_) => store.keeping_departed(),
            CleanupMode::Delete => store,
        };
        let opened_secs = clock.now_secs();
        Ok(Engine {
            options,
            store,
            disk,
            clock,
            telemetry,
            shards: RwLock::default(),
            is_ready: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            conversion: Conversion::default(),
            files_flushed: Mutex::default(),
            wants_checkpoint: AtomicBool::new(false),
            _lock: lock,
            checkpoint: Mutex::new(()),
            checkpointed_secs: AtomicI64::new(opened_secs),
            nodes: RwLock::default(),
            relief: Mutex::default(),
            checkpoints_end_millis: AtomicI64::new(i64::MAX),
            limits_logged: LogLimit::default(),
            unlogged_metadata: Unlogged::default(),
            archive: ArchiveState::default(),
            receiver: Receiver::default(),
            collected: OnceLock::new(),
            stopping: Arc::default(),
        })
    }

    /// Brings back what logs and checkpoints hold, in parallel, and takes writes from then on. Blocks; progress goes
    /// to the log. A file that can't be used is named and left out; only one of a newer version is an error.
    pub fn recover(&self) -> Result<(), OpenError> {
        let starts = recover::recover(self)?;
        let shards = starts.into_iter().enumerate().map(|(shard, start)| Shard::new(self.shard_log(shard, start)));
        *self.shards.write() = shards.collect();
        if let CleanupMode::Archive(options) = &self.options.cleanup {
            self.open_archive(options);
        }
        self.note_foreign_files();
        let stamped: u64 = self.store.hosts().iter().map(|host| host.stamped_series()).sum();
        if self.options.format != CheckpointFormat::Native && stamped > 0 {
            tracing::warn!(
                "{stamped} series with labels of their own were read, and the configured file-format has no room for \
                 them: they can be asked until the next restart; the files that hold them are kept in \
                 {OWN_FOLDER}/adopted"
            );
        }
        self.is_ready.store(true, Ordering::Release);
        Ok(())
    }

    fn shard_log(&self, shard: usize, start: NativeStart) -> ShardLog {
        let disk = Arc::clone(&self.disk);
        match self.options.format {
            CheckpointFormat::Native => {
                let folder = self.shard_folder(shard);
                let clock = Arc::clone(&self.clock);
                let place = Place { checkpoints: self.options.checkpoints.clone(), folder, shard: shard as u32 };
                ShardLog::Native(NativeLog::new(disk, clock, place, start.sequence, start.log_bytes))
            }
            CheckpointFormat::Wal | CheckpointFormat::Json => {
                ShardLog::Files(FilesLog::new(disk, self.options.checkpoints.clone(), SHARDS))
            }
        }
    }

    /// What is in memory, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The own metrics that the engine counts in.
    pub fn telemetry(&self) -> &SharedTelemetry {
        &self.telemetry
    }

    /// Whether recovery is over.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// Who knows which hosts are in use; retention spares them.
    pub fn set_node_provider(&self, provider: Arc<dyn NodeProvider>) {
        *self.nodes.write() = Some(provider);
    }

    /// Takes over a reloaded metric table. Known series keep their data; a changed frequency holds from the next
    /// sample on.
    pub fn reload_metrics(&self, metrics: impl IntoIterator<Item = crate::model::Metric>) {
        self.store.set_metrics(self.store.metrics().reloaded(metrics));
        self.forget_targets();
    }

    /// Gives up checkpoints that are not over after `time`, the one under way too. The logs hold what they miss.
    pub fn end_checkpoints_within(&self, time: Duration) {
        let time_millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.checkpoints_end_millis.store(self.clock.now_millis().saturating_add(time_millis), Ordering::Relaxed);
    }

    /// Whether a checkpoint has to be given up.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.clock.now_millis() >= self.checkpoints_end_millis.load(Ordering::Relaxed)
    }

    /// Refuses writes from now on and makes durable what was taken: all that a start needs. Blocks.
    pub fn seal(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.stopping.store(true, Ordering::Relaxed);
        if self.is_ready()
            && let Err(error) = self.flush()
        {
            tracing::error!("flushing the logs at shutdown: {error}");
        }
    }

    /// [Seals](Self::seal) and writes a last checkpoint, so that the next start has no logs to replay. Blocks.
    pub fn close(&self) {
        self.seal();
        if !self.is_ready() {
            return;
        }
        let report = self.checkpoint();
        if report.is_abandoned {
            tracing::warn!("the last checkpoint was given up for want of time: the next start replays the logs");
        } else if report.failed > 0 {
            tracing::error!("{} parts of the last checkpoint failed; their logs are kept", report.failed);
        }
    }

    /// Whether writes are taken.
    pub(super) fn check_open(&self) -> Result<(), IngestError> {
        match (self.is_closed.load(Ordering::Acquire), self.is_ready()) {
            (true, _) => Err(IngestError::Closed),
            (false, false) => Err(IngestError::NotReady),
            (false, true) => self.check_converted(),
        }
    }

    pub(super) fn shard_folder(&self, shard: usize) -> std::path::PathBuf {
        self.options.checkpoints.join(OWN_FOLDER).join(crate::formats::native::shard_folder(shard as u32))
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("options", &self.options).finish_non_exhaustive()
    }
}
