//! From a subscription's queue into the store.
//!
//! Invariant: a batch is stored before the next is taken, whatever time that takes; only what can never be stored is
//! given up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info, warn};

use super::options::Subscription;
use super::queue::{Batch, Queue};
use crate::engine::{Engine, IngestError, IngestReport};
use crate::telemetry::LogLimit;
use crate::telemetry::SharedTelemetry;

/// Before a refused batch is tried again: from the first, doubling up to the last.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Where lines go: the engine, or a test's stand-in.
pub(super) trait Sink: Send + Sync + 'static {
    /// Stores whole lines. Blocks.
    fn ingest(&self, default_cluster: &str, lines: &[u8], report: &mut IngestReport) -> Result<(), IngestError>;
}

impl Sink for Engine {
    fn ingest(&self, default_cluster: &str, lines: &[u8], report: &mut IngestReport) -> Result<(), IngestError> {
        Engine::ingest(self, "nats", default_cluster, lines, report)
    }
}

/// Stores what one subscription received.
pub(super) struct Worker {
    pub subscription: Subscription,
    pub queue: Arc<Queue>,
    pub sink: Arc<dyn Sink>,
    pub telemetry: SharedTelemetry,
    pub bad: LogLimit,
    pub refused: LogLimit,
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
        let mut is_refused = false;
        loop {
            let (sink, cluster, lines) = (Arc::clone(&self.sink), self.subscription.cluster.clone(), Arc::clone(batch));
            let stored = tokio::task::spawn_blocking(move || {
                let mut report = IngestReport::default();
                sink.ingest(&cluster, lines.lines(), &mut report).map(|()| report)
            });
            match stored.await {
                Ok(Ok(report)) => {
                    if is_refused {
                        info!("NATS: messages on {:?} are stored again", self.subscription.subject);
                    }
                    self.log_bad_lines(batch, &report);
                    return true;
                }
                Ok(Err(IngestError::Closed)) => return false,
                Ok(Err(refusal)) => {
                    is_refused = true;
                    if self.refused.note(1).is_some() {
                        let subject = &self.subscription.subject;
                        warn!("NATS: messages on {subject:?} wait, they can't be stored now: {refusal}");
                    }
                }
                Err(failure) => {
                    // A defect of ours. The next batch may well do better.
                    error!("NATS: {} messages on {:?}: {failure}", batch.messages(), self.subscription.subject);
                    return false;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_PAUSES.1);
        }
    }

    /// Logs the first message with bad lines, if it is time for that.
    fn log_bad_lines(&self, batch: &Batch, report: &IngestReport) {
        if report.bad == 0 {
            return;
        }
        let Some(total) = self.bad.note(report.bad) else { return };
        let mut named = Vec::new();
        let mut first = None;
        for bad in &report.first_bad {
            let Some(place) = batch.message_of_line(bad.number) else { continue };
            let (message, _) = *first.get_or_insert((place.message, place.subject));
            if message != place.message {
                break;
            }
            named.push(format!("line {}: {}", place.line, bad.reason));
        }
        let subject = first.map_or(self.subscription.subject.as_str(), |(_, subject)| subject);
        let more = total.saturating_sub(named.len() as u64);
        let more = if more == 0 { String::new() } else { format!("; and {more} more bad lines up to now") };
        warn!("NATS: bad lines in a message on {subject:?}: {}{more}", named.join("; "));
    }
}
