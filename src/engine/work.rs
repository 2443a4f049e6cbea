//! What an engine does by itself: flushes each second, checkpoints and cleanups at their intervals.
//!
//! Two threads, for a flush must not wait for a checkpoint. They look at the clock they were given; between two looks
//! they wait for the word to stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::telemetry::Kind;

use super::core::{Engine, OWN_FOLDER};
use super::log::Shard;
use super::options::{CheckpointFormat, WalSync};

/// Between two looks at the clock.
const LOOK: Duration = Duration::from_secs(1);

/// Between a checkpoint and the next one that is wanted out of turn, doubled after each failure.
const RETRY_SECS_MIN: i64 = 5;
/// The longest pause after failures.
const RETRY_SECS_MAX: i64 = 600;

/// The threads of an engine; they end when this is dropped or stopped.
#[derive(Debug)]
pub struct Background {
    stop: Arc<Stop>,
    /// The engine's: ends what is under way at the next chance.
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
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

impl Background {
    /// Begins the background work of an engine that has recovered.
    pub fn start(engine: &Arc<Engine>) -> io::Result<Background> {
        let stop = Arc::new(Stop::default());
        engine.stopping.store(false, Ordering::Relaxed);
        let spawn = |name: &str, work: fn(&Engine, &Stop)| {
            let (engine, stop) = (Arc::clone(engine), Arc::clone(&stop));
            std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&engine, &stop))
        };
        let threads = vec![spawn("flush", flush_loop)?, spawn("checkpoint", checkpoint_loop)?];
        Ok(Background { stop, stopping: Arc::clone(&engine.stopping), threads })
    }

    /// Ends the work and waits for what is under way.
    pub fn stop(mut self) {
        self.ask();
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
    while !stop.wait(LOOK) {
        if engine.options.wal_sync != WalSync::Never
            && let Err(error) = engine.flush()
        {
            tracing::error!("flushing the logs: {error}");
        }
        let failed = engine.shards.read().iter().filter(|shard| shard.lock().common().failure().is_some()).count();
        engine.telemetry.log_shards_failed.set(failed as i64);
    }
}

fn checkpoint_loop(engine: &Engine, stop: &Stop) {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).max(1);
    let mut checkpoint_secs = engine.clock.now_secs();
    if engine.must_convert() {
        // What another form left comes under the promises of this one at once.
        engine.want_checkpoint();
    }
    let mut cleanup = Cleanup { due_secs: checkpoint_secs, pause_secs: RETRY_SECS_MIN, retry: None };
    let mut pause_secs = RETRY_SECS_MIN;
    let mut tried_secs = i64::MIN / 2;
    while !stop.wait(LOOK) {
        let now = engine.clock.now_secs();
        cleanup.look(engine, now);
        let is_due = now - checkpoint_secs >= seconds(engine.options.checkpoint_interval);
        let is_wanted = engine.wants_checkpoint.load(Ordering::Relaxed) || engine.logs_are_full();
        if (is_due || is_wanted) && now - tried_secs >= pause_secs.min(seconds(engine.options.checkpoint_interval)) {
            tried_secs = now;
            engine.wants_checkpoint.store(false, Ordering::Relaxed);
            if engine.checkpoint().failed == 0 {
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
            CheckpointFormat::Wal | CheckpointFormat::Json => self.flush_files(),
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

    /// Thousands of files: one call makes all of them durable.
    fn flush_files(&self) -> io::Result<bool> {
        let mut flushed = self.files_flushed.lock();
        let shards = self.shards.read();
        // The sum of counters that only grow tells whether anything was written since.
        let written: u64 = shards.iter().map(Shard::written).sum();
        if *flushed >= written {
            return Ok(false);
        }
        if let Err(error) = self.disk.sync_all(&self.options.checkpoints) {
            shards.iter().for_each(|shard| shard.lock().common().flush_failed(&error));
            return Err(error);
        }
        *flushed = written;
        Ok(true)
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

    /// Whether files of another form lie in the checkpoint directory.
    fn must_convert(&self) -> bool {
        let list = |path: &std::path::Path| self.disk.list(path).unwrap_or_default();
        match self.options.format {
            CheckpointFormat::Native => {
                list(&self.options.checkpoints).iter().any(|entry| entry.is_dir && entry.name != OWN_FOLDER)
            }
            _ => list(&self.options.checkpoints.join(OWN_FOLDER))
                .iter()
                .any(|entry| crate::formats::native::parse_shard_folder(&entry.name).is_some()),
        }
    }
}
