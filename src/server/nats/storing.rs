//! One attempt to store a batch of messages, and what is logged of it.
//!
//! Invariant: what an attempt calls stored is in the log, but for lines that never can be: those are counted and named.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::{error, info, warn};

use super::options::Subscription;
use super::queue::Batch;
use crate::engine::{Engine, IngestError, IngestReport};
use crate::telemetry::LogLimit;

/// Before a refused batch is tried again: from the first, doubling up to the last.
pub(super) const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

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
pub(super) struct Storing {
    pub subscription: Subscription,
    sink: Arc<dyn Sink>,
    bad: LogLimit,
    refused: LogLimit,
    /// Whether the last attempt was refused.
    is_refused: AtomicBool,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Every good line is in the log.
    Stored,
    /// A later attempt may succeed.
    Refused,
    /// The store takes nothing any more.
    Closed,
    /// A defect of ours, which the same batch would meet again.
    Defect,
}

impl Storing {
    pub(super) fn new(subscription: Subscription, sink: Arc<dyn Sink>) -> Self {
        let (bad, refused) = (LogLimit::default(), LogLimit::default());
        Storing { subscription, sink, bad, refused, is_refused: AtomicBool::new(false) }
    }

    /// Tries once.
    pub(super) async fn attempt(&self, batch: &Arc<Batch>) -> Attempt {
        let (sink, cluster, lines) = (Arc::clone(&self.sink), self.subscription.cluster.clone(), Arc::clone(batch));
        let subject = &self.subscription.subject;
        let stored = tokio::task::spawn_blocking(move || {
            let mut report = IngestReport::default();
            sink.ingest(&cluster, lines.lines(), &mut report).map(|()| report)
        });
        match stored.await {
            Ok(Ok(report)) => {
                if self.is_refused.swap(false, Ordering::Relaxed) {
                    info!("NATS: messages on {subject:?} are stored again");
                }
                self.log_bad_lines(batch, &report);
                Attempt::Stored
            }
            Ok(Err(IngestError::Closed)) => Attempt::Closed,
            Ok(Err(refusal)) => {
                self.is_refused.store(true, Ordering::Relaxed);
                if self.refused.note(1).is_some() {
                    warn!("NATS: messages on {subject:?} wait, they can't be stored now: {refusal}");
                }
                Attempt::Refused
            }
            Err(failure) => {
                error!("NATS: {} messages on {subject:?}: {failure}", batch.messages());
                Attempt::Defect
            }
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
