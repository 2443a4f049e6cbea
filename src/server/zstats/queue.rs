//! Entries that wait to be announced.
//!
//! Invariant: whatever is pushed comes out of [`Queue::next`] or is counted as dropped; the gauge tells how many wait
//! or are under way.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::formats::zstats::Notification;
use crate::telemetry::{Kind, LogLimit, SharedTelemetry};

/// An entry to announce.
#[derive(Debug)]
pub(super) struct Announcement {
    /// What is sent.
    pub message: Bytes,
    /// The entry's manifest: the entry is there as long as this is.
    pub manifest_path: String,
}

impl Announcement {
    pub(super) fn of(notification: &Notification<'_>) -> Announcement {
        let message = Bytes::from(notification.encode());
        Announcement { message, manifest_path: notification.manifest_path.to_owned() }
    }
}

/// A bounded queue: full, it loses its oldest.
pub(super) struct Queue {
    max: usize,
    telemetry: SharedTelemetry,
    /// A plain lock: it is held for a few instructions.
    waiting: Mutex<Waiting>,
    /// There is something to do.
    changed: Notify,
    full: LogLimit,
}

#[derive(Default)]
struct Waiting {
    announcements: VecDeque<Announcement>,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(max: usize, telemetry: SharedTelemetry) -> Queue {
        let (waiting, changed, full) = (Mutex::default(), Notify::new(), LogLimit::default());
        Queue { max: max.max(1), telemetry, waiting, changed, full }
    }

    /// Lets an entry wait. Once the queue is closed nothing is taken any more.
    pub(super) fn push(&self, announcement: Announcement) {
        let mut waiting = self.waiting.lock();
        if waiting.is_closed {
            drop(waiting);
            return self.count("unsent", 1);
        }
        self.telemetry.spool.waiting.inc();
        let is_full = waiting.announcements.len() >= self.max;
        if is_full {
            waiting.announcements.pop_front();
        }
        waiting.announcements.push_back(announcement);
        drop(waiting);
        if is_full {
            self.end("queue_full");
            if let Some(count) = self.full.note(1) {
                let max = self.max;
                tracing::warn!("{count} spool entries are not announced: {max} that wait are the limit");
            }
        }
        self.changed.notify_one();
    }

    /// The next entry; waits for it. None when the queue is closed and empty. For one caller at a time.
    pub(super) async fn next(&self) -> Option<Announcement> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if let Some(announcement) = waiting.announcements.pop_front() {
                    return Some(announcement);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Says that nothing comes any more.
    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Counts an entry that is announced or given up.
    pub(super) fn end(&self, kind: &'static str) {
        self.telemetry.spool.waiting.dec();
        self.count(kind, 1);
    }

    /// Gives up all that waits or is under way; answers how many these were. Nobody works on them any more.
    pub(super) fn give_up(&self) -> u64 {
        self.close();
        self.waiting.lock().announcements.clear();
        let left = u64::try_from(self.telemetry.spool.waiting.set(0)).unwrap_or(0);
        self.count("unsent", left);
        left
    }

    fn count(&self, kind: &'static str, count: u64) {
        if count > 0 {
            self.telemetry.spool.announced.get_or_create(&Kind { kind }).inc_by(count);
        }
    }
}
