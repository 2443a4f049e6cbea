//! From a subscription's queue into the store.
//!
//! Invariant: a batch is stored before the next is taken, whatever time that takes; only what can never be stored is
//! given up.

use std::sync::Arc;

use tokio::sync::watch;

use super::queue::{Batch, Queue};
use super::storing::{Attempt, RETRY_PAUSES, Storing};
use crate::telemetry::SharedTelemetry;

/// Stores what one subscription received.
pub(super) struct Worker {
    pub storing: Storing,
    pub queue: Arc<Queue>,
    pub telemetry: SharedTelemetry,
}

impl Worker {
    /// Stores until the queue is closed and empty.
    pub(super) async fn work(self, mut ready: watch::Receiver<bool>) {
        // Nobody may be left to say that recovery is over; then the engine's answers tell.
        let _ = ready.wait_for(|&ready| ready).await;
        while let Some(batch) = self.queue.next().await {
            let batch = Arc::new(batch);
            if !self.store(&batch).await {
                self.telemetry.nats_dropped.inc_by(batch.messages());
            }
            self.queue.done(&batch);
        }
    }

    /// Stores a batch, however often it takes; `false` when that is impossible.
    async fn store(&self, batch: &Arc<Batch>) -> bool {
        let mut pause = RETRY_PAUSES.0;
        loop {
            match self.storing.attempt(batch).await {
                Attempt::Stored => return true,
                Attempt::Refused => {}
                // The next batch may well do better.
                Attempt::Closed | Attempt::Defect => return false,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_PAUSES.1);
        }
    }
}
