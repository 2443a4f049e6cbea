//! What an engine does by itself: flushes each second, checkpoints and cleanups at their intervals.
//!
//! Three threads, for a flush must not wait for a checkpoint, nor a checkpoint for a cleanup that fills an archive; a
//! fourth if scrapes are collected, for their accounts' locks are held as long as a spool takes.
//! They look at the clock they were given; between two looks they wait for the word to stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::allocator::{self, Thrift};
use crate::telemetry::Kind;

use super::core::Engine;
use super::folders;
use super::log::{FilesFlushed, SHARDS, Shard};
use super::options::{CheckpointFormat, WalSync};
use super::zstats::SpoolCleaning;

/// Between two looks at the clock.
const LOOK: Duration = Duration::from_secs(1);

/// Between a checkpoint and the next one that is wanted out of turn, doubled after each failure.
const RETRY_SECS_MIN: i64 = 5;
/// The longest pause after failures.
const RETRY_SECS_MAX: i64 = 600;

/// The threads of an engine; they end when this is dropped or stopped.
pub struct Background {
    stop: Arc<Stop>,
    /// The engine's: ends what is under way at the next chance.
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// The spool's own thread, if there is a spool.
    cleaning: Option<SpoolCleaning>,
}

#[derive(Debug, Default)]
struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Waits for the word to stop; `false` when it did not come in time.
    fn wait(&self, time: Duration) -> bool {
        let mut asked = self.asked.lock();
        if !*asked {
            self.changed.wait_for(&mut asked, time);
        }
        *asked
    }
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Background {
    /// Begins the background work of an engine that has recovered.
    pub fn start(engine: &Arc<Engine>) -> io::Result<Background> {
        let stop = Arc::new(Stop::default());
        engine.stopping.store(false, Ordering::Relaxed);
        let spawn = |name: &str, work: fn(&Engine, &Stop)| {
            let (engine, stop) = (Arc::clone(engine), Arc::clone(&stop));
            std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&engine, &stop))
        };
        let mut threads =
            vec![spawn("flush", flush_loop)?, spawn("checkpoint", checkpoint_loop)?, spawn("cleanup", cleanup_loop)?];
        if engine.collects_scrapes() {
            threads.push(spawn("zstats", scrapes_loop)?);
        }
        let cleaning = engine.spool().map(SpoolCleaning::start).transpose()?;
        Ok(Background { stop, stopping: Arc::clone(&engine.stopping), threads, cleaning })
    }

    /// Ends the work and waits for what is under way.
    pub fn stop(mut self) {
        self.ask();
        if let Some(cleaning) = self.cleaning.take() {
            cleaning.stop();
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a background thread had panicked");
            }
        }
    }

    fn ask(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        *self.stop.asked.lock() = true;
        self.stop.changed.notify_all();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.ask();
    }
}

fn flush_loop(engine: &Engine, stop: &Stop) {
    let mut thrift = Thrift::default();
    while !stop.wait(LOOK) {
        engine.check_place();
        if engine.options.wal_sync != WalSync::Never
            && let Err(error) = engine.flush()
        {
            tracing::error!("flushing the logs: {error}");
        }
        let failed = engine.shards.read().iter().filter(|shard| shard.lock().common().failure().is_some()).count();
        engine.telemetry.log_shards_failed.set(failed as i64);
        // Whatever comes in is written to a log.
        thrift.look(engine.store.freed_bytes(), engine.store.memory_bytes(), engine.telemetry.log_bytes.get());
    }
}

fn checkpoint_loop(engine: &Engine, stop: &Stop) {
    // What recovery read files into is free now.
    allocator::give_back();
    // What another form left comes under the promises of this one at once. A failure is logged, and tried again below.
    _ = engine.check_converted();
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).max(1);
    let mut checkpoint_secs = engine.clock.now_secs();
    let mut pause_secs = RETRY_SECS_MIN;
    let mut tried_secs = i64::MIN / 2;
    while !stop.wait(LOOK) {
        let now = engine.clock.now_secs();
        let is_due = now - checkpoint_secs >= seconds(engine.options.checkpoint_interval);
        let is_wanted = engine.wants_checkpoint.load(Ordering::Relaxed) || engine.logs_are_full();
        if (is_due || is_wanted) && now - tried_secs >= pause_secs.min(seconds(engine.options.checkpoint_interval)) {
            tried_secs = now;
            engine.wants_checkpoint.store(false, Ordering::Relaxed);
            let report = engine.checkpoint();
            // What files were made in is free now.
            allocator::give_back();
            if report.failed == 0 {
                checkpoint_secs = now;
                pause_secs = RETRY_SECS_MIN;
            } else {
                // A disk that is full or gone is not helped by one attempt after the other.
                pause_secs = (2 * pause_secs).min(RETRY_SECS_MAX);
                engine.want_checkpoint();
            }
        }
    }
}

fn cleanup_loop(engine: &Engine, stop: &Stop) {
    let mut cleanup = Cleanup { due_secs: engine.clock.now_secs(), pause_secs: RETRY_SECS_MIN, retry: None };
    while !stop.wait(LOOK) {
        cleanup.look(engine, engine.clock.now_secs());
    }
}

fn scrapes_loop(engine: &Engine, stop: &Stop) {
    while !stop.wait(LOOK) {
        engine.end_silent_targets();
    }
}

/// When cleanups are due.
struct Cleanup {
    /// When the last regular one was, or the start.
    due_secs: i64,
    /// How long to wait after a failure.
    pause_secs: i64,
    /// One has failed: when it is tried again, and whether it was a regular one.
    retry: Option<(i64, bool)>,
}

impl Cleanup {
    /// Does what is due.
    fn look(&mut self, engine: &Engine, now: i64) {
        let retention = i64::try_from(engine.options.retention.as_secs()).unwrap_or(i64::MAX);
        let is_regular = retention > 0 && now - self.due_secs >= retention;
        if is_regular {
            self.due_secs = now;
        }
        let is_regular = is_regular || self.retry.is_some_and(|(_, was_regular)| was_regular);
        if self.retry.is_some_and(|(retry_secs, _)| now < retry_secs) {
            self.retry = self.retry.map(|(retry_secs, _)| (retry_secs, is_regular));
            return;
        }
        let report = if is_regular { engine.retain() } else { engine.archive_wanted() };
        if report.is_failed {
            self.retry = Some((now + self.pause_secs, is_regular));
            self.pause_secs = (2 * self.pause_secs).min(RETRY_SECS_MAX);
        } else {
            self.retry = None;
            self.pause_secs = RETRY_SECS_MIN;
        }
    }
}

impl Engine {
    /// Asks for a checkpoint out of turn.
    pub(super) fn want_checkpoint(&self) {
        self.wants_checkpoint.store(true, Ordering::Relaxed);
    }

    /// Looks whether the checkpoint directory is still there. One that was moved away takes what is written to open
    /// files with it: they are closed, and writes are refused until it is back.
    pub(super) fn check_place(&self) {
        let Err(error) = folders::check_there(&*self.disk, &self.options.checkpoints) else { return };
        if error.kind() != io::ErrorKind::NotFound {
            // A disk that fails refuses writes by itself.
            return;
        }
        let closed = self.shards.read().iter().filter(|shard| shard.lock().common().close_files()).count();
        if closed > 0 {
            tracing::error!("{error}: writes are refused until it is back");
        }
    }

    /// Makes everything written so far durable.
    pub(super) fn flush(&self) -> io::Result<()> {
        let outcome = self.flush_logs();
        let kind = if outcome.is_ok() { "ok" } else { "failed" };
        if !matches!(outcome, Ok(false)) {
            self.telemetry.log_syncs.get_or_create(&Kind { kind }).inc();
        }
        outcome.map(|_| ())
    }

    /// Answers whether there was anything to do.
    fn flush_logs(&self) -> io::Result<bool> {
        match self.options.format {
            CheckpointFormat::Native => self.flush_segments(),
            CheckpointFormat::Wal | CheckpointFormat::Json => self.flush_files(&[0; SHARDS]),
        }
    }

    fn flush_segments(&self) -> io::Result<bool> {
        let mut outcome = Ok(false);
        for shard in self.shards.read().iter().filter(|shard| !shard.is_lost()) {
            match shard.flush(shard.written()) {
                Ok(was_dirty) => outcome = outcome.map(|any| any || was_dirty),
                Err(error) => {
                    // Only a snapshot brings what was lost to the disk.
                    self.want_checkpoint();
                    outcome = Err(error);
                }
            }
        }
        outcome
    }

    /// Thousands of files: one call makes all of them durable. Fails too when an earlier flush has lost one of these
    /// writes (0 for none of a shard): the system does not write again what it could not write.
    pub(super) fn flush_files(&self, writes: &[u64; SHARDS]) -> io::Result<bool> {
        let mut flushed = self.files_flushed.lock();
        if writes.iter().zip(&flushed.lost).any(|(write, lost)| *write > 0 && write <= lost) {
            return Err(io::Error::other("a flush that began after the write has failed"));
        }
        let shards = self.shards.read();
        // The sum of counters that only grow tells whether anything was written since.
        let written: u64 = shards.iter().map(Shard::written).sum();
        let has_lost = shards.iter().any(|shard| shard.lock().common().has_lost());
        if flushed.durable >= written && !has_lost {
            return Ok(false);
        }
        let synced = match has_lost {
            true => Err(io::Error::other("a log could not be flushed after a failed write")),
            false => self.disk.sync_all(&self.options.checkpoints),
        };
        if let Err(error) = synced {
            self.note_lost(&mut flushed, &error);
            return Err(error);
        }
        flushed.durable = written;
        Ok(true)
    }

    /// Makes everything below the checkpoint directory durable. A failure loses what the logs needed of it, too.
    pub(super) fn sync_files(&self) -> io::Result<()> {
        let mut flushed = self.files_flushed.lock();
        self.disk.sync_all(&self.options.checkpoints).inspect_err(|error| self.note_lost(&mut flushed, error))
    }

    /// Notes that a flush of the file system failed: all that was written so far may be on no disk.
    fn note_lost(&self, flushed: &mut FilesFlushed, error: &io::Error) {
        for (shard, lost) in self.shards.read().iter().zip(&mut flushed.lost) {
            let mut log = shard.lock();
            *lost = shard.written();
            log.common().flush_failed(error);
        }
        // Only a snapshot brings what was lost to the disk.
        self.want_checkpoint();
    }

    /// Whether the logs hold more than a recovery should have to replay.
    fn logs_are_full(&self) -> bool {
        let max = self.options.wal_bytes_max;
        if max == 0 {
            return false;
        }
        let shards = self.shards.read();
        match self.options.format {
            CheckpointFormat::Native => shards.iter().map(|shard| shard.lock().common().bytes()).sum::<u64>() > max,
            // There the bound is one host's.
            CheckpointFormat::Wal | CheckpointFormat::Json => {
                shards.iter().any(|shard| shard.lock().longest_bytes() > max)
            }
        }
    }
}
