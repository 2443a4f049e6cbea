//! What an engine does by itself: flushes each second, checkpoints and cleanups at their intervals.
//!
//! Two threads, for a flush must not wait for a checkpoint. They look at the clock they were given; between two looks
//! they wait for the word to stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::telemetry::Kind;

use super::core::{Engine, OWN_FOLDER};
use super::options::{CheckpointFormat, WalSync};

/// Between two looks at the clock.
const LOOK: Duration = Duration::from_secs(1);

/// The threads of an engine; they end when this is dropped or stopped.
#[derive(Debug)]
pub struct Background {
    stop: Arc<Stop>,
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
        let spawn = |name: &str, work: fn(&Engine, &Stop)| {
            let (engine, stop) = (Arc::clone(engine), Arc::clone(&stop));
            std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&engine, &stop))
        };
        let threads = vec![spawn("flush", flush_loop)?, spawn("checkpoint", checkpoint_loop)?];
        Ok(Background { stop, threads })
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
    let mut cleanup_secs = checkpoint_secs;
    if engine.must_convert() {
        // What another form left comes under the promises of this one at once.
        engine.checkpoint();
    }
    while !stop.wait(LOOK) {
        let now = engine.clock.now_secs();
        if engine.options.retention > Duration::ZERO && now - cleanup_secs >= seconds(engine.options.retention) {
            cleanup_secs = now;
            engine.retain();
        }
        if now - checkpoint_secs >= seconds(engine.options.checkpoint_interval) || engine.logs_are_full() {
            checkpoint_secs = now;
            engine.checkpoint();
        }
    }
}

impl Engine {
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
        let shards = self.shards.read();
        let mut was_dirty = false;
        for shard in shards.iter() {
            was_dirty |= shard.flush()?;
        }
        if was_dirty && self.options.format != CheckpointFormat::Native {
            // Thousands of files: one call for all of them.
            self.disk.sync_all(&self.options.checkpoints)?;
        }
        Ok(was_dirty)
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

    /// When the last checkpoint began, or else the engine was opened: seconds since 1970.
    pub fn checkpointed_secs(&self) -> i64 {
        self.checkpointed_secs.load(Ordering::Relaxed)
    }
}
