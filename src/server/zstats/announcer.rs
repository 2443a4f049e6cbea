//! Announcing spool entries to the reader that the config names.
//!
//! Invariant: whoever announces never waits; what waits for a reader is bounded, and every entry that is not
//! announced in the end is counted. A call that fails is repeated while the entry is there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::call::{Outcome, Reader};
use super::options::{AnnouncerError, AnnouncerOptions};
use super::queue::{Announcement, Queue};
use crate::disk::SharedDisk;
use crate::formats::zstats::Notification;
use crate::telemetry::{LogLimit, SharedTelemetry};

/// How long entries that wait are still announced at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Calls for an entry that the reader is there for and does not take.
const ATTEMPTS_MAX: u32 = 5;

/// Announces entries to one reader.
pub struct Announcer {
    queue: Arc<Queue>,
    /// Says that failed calls are not repeated any more.
    ending: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
    address: String,
}

impl Announcer {
    /// Begins to announce; calls run on `runtime`, and `disk` tells whether an entry is still there.
    ///
    /// # Errors
    /// An address that is none.
    pub fn start(
        options: AnnouncerOptions,
        disk: SharedDisk,
        telemetry: SharedTelemetry,
        runtime: &Handle,
    ) -> Result<Announcer, AnnouncerError> {
        // A connection belongs to a runtime.
        let entered = runtime.enter();
        let reader = Reader::new(&options.address, options.timeout)?;
        drop(entered);
        let queue = Arc::new(Queue::new(options.queue_max, Arc::clone(&telemetry)));
        let (ending, is_ending) = watch::channel(false);
        let address = options.address.clone();
        let line = Line { options, reader, disk, telemetry, queue: Arc::clone(&queue), failures: LogLimit::default() };
        let task = runtime.spawn(Arc::new(line).run(is_ending));
        Ok(Announcer { queue, ending, task: Mutex::new(Some(task)), address })
    }

    /// Lets an entry be announced. Never blocks: it copies a few hundred bytes.
    pub fn announce(&self, notification: &Notification<'_>) {
        self.queue.push(Announcement::of(notification));
    }

    /// Announces what waits, once and within two seconds, and ends.
    pub async fn stop(&self) {
        let Some(mut task) = self.task.lock().take() else { return };
        _ = self.ending.send(true);
        self.queue.close();
        if tokio::time::timeout(DRAIN_TIMEOUT, &mut task).await.is_err() {
            task.abort();
            // Ended, it counts nothing any more.
            _ = task.await;
        }
        let left = self.queue.give_up();
        if left > 0 {
            tracing::warn!("{left} spool entries were not announced to {}: the server ends", self.address);
        }
    }
}

/// The way to the reader.
struct Line {
    options: AnnouncerOptions,
    reader: Reader,
    disk: SharedDisk,
    telemetry: SharedTelemetry,
    queue: Arc<Queue>,
    failures: LogLimit,
}

impl Line {
    /// Announces until the queue is closed and empty.
    async fn run(self: Arc<Self>, is_ending: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(self.options.calls_max.max(1)));
        // Dropped, they end.
        let mut calls = JoinSet::new();
        loop {
            // It is never closed.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let Some(announcement) = self.queue.next().await else { break };
            let (line, is_ending) = (Arc::clone(&self), is_ending.clone());
            calls.spawn(async move {
                let came_of_it = line.announce(announcement, is_ending).await;
                line.queue.end(came_of_it);
                drop(slot);
            });
            while calls.try_join_next().is_some() {}
        }
        while calls.join_next().await.is_some() {}
    }

    /// Tells the reader until it knows, the entry is gone, or there is no sense in it; answers what came of it.
    async fn announce(&self, announcement: Announcement, mut is_ending: watch::Receiver<bool>) -> &'static str {
        let mut pause = self.options.pause_min;
        let mut attempts = 0;
        loop {
            let reason = match self.reader.tell(announcement.message.clone()).await {
                Outcome::Taken => return "ok",
                Outcome::NotNow(reason) => reason,
                Outcome::Failed(reason) => {
                    attempts += 1;
                    if attempts >= ATTEMPTS_MAX {
                        self.note_failure(&reason);
                        return "refused";
                    }
                    reason
                }
                Outcome::Refused(reason) => {
                    self.note_failure(&reason);
                    return "refused";
                }
            };
            self.note_failure(&reason);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = is_ending.wait_for(|is_ending| *is_ending) => return "unsent",
            }
            pause = pause.saturating_mul(2).min(self.options.pause_max);
            if self.is_gone(&announcement.manifest_path).await {
                return "gone";
            }
        }
    }

    /// Whether the entry is not there any more: a reader found it by itself, or it was too old.
    async fn is_gone(&self, manifest_path: &str) -> bool {
        let (disk, path) = (Arc::clone(&self.disk), PathBuf::from(manifest_path));
        let look = move || disk.open(Path::new(&path)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        tokio::task::spawn_blocking(look).await.unwrap_or(false)
    }

    fn note_failure(&self, reason: &str) {
        self.telemetry.spool.call_failures.inc();
        if let Some(count) = self.failures.note(1) {
            let address = &self.options.address;
            tracing::warn!("telling {address} of spool entries failed {count} times, last: {reason}");
        }
    }
}
