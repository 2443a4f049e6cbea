//! Alerts on their way to Alertmanagers.
//!
//! Invariant: each Alertmanager has a queue of its own, so that one that is slow or down costs the others nothing; a
//! queue that is full loses its oldest alerts, counted. What is lost comes again: alerts are sent again and again
//! while they fire.

mod message;
mod queue;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use message::Notification;
pub use sender::{AlertmanagerOptions, Credentials, SenderError};

use self::queue::Queue;
use self::sender::Sender;
use crate::disk::SharedDisk;
use crate::model::Labels;
use crate::model::relabel::Rule;
use crate::telemetry::SharedTelemetry;

/// How long alerts that wait are still sent at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Takes alerts; never blocks.
pub(super) trait Receiver: Send + Sync {
    fn send(&self, alerts: Vec<Notification>);
}

/// How alerts are sent.
#[derive(Debug, Clone)]
pub struct NotifyOptions {
    /// Where to.
    pub alertmanagers: Vec<AlertmanagerOptions>,
    /// Alerts that wait for one of them, at most.
    pub queue_max: usize,
    /// Labels that alerts get unless they have them.
    pub external_labels: Labels,
    /// What changes and chooses alerts before they are sent.
    pub relabel: Vec<Rule>,
}

impl Default for NotifyOptions {
    fn default() -> Self {
        NotifyOptions {
            alertmanagers: Vec::new(),
            queue_max: 10_000,
            external_labels: Labels::empty(),
            relabel: Vec::new(),
        }
    }
}

/// Sends alerts to all Alertmanagers.
pub(super) struct Notifier {
    runtime: Handle,
    telemetry: SharedTelemetry,
    disk: SharedDisk,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    options: NotifyOptions,
    /// By their options, so that a reload keeps those that stay with all that waits for them.
    lanes: Vec<Lane>,
}

/// The way to one Alertmanager.
struct Lane {
    options: AlertmanagerOptions,
    queue: Arc<Queue>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Notifier {
    pub(super) fn new(runtime: Handle, telemetry: SharedTelemetry, disk: SharedDisk) -> Notifier {
        Notifier { runtime, telemetry, disk, state: Mutex::default() }
    }

    /// Begins to send to new Alertmanagers, and ends it with those that are no more.
    pub(super) fn apply(&self, options: NotifyOptions) -> Result<(), SenderError> {
        let mut state = self.state.lock();
        let mut kept: Vec<Lane> = Vec::new();
        let is_kept =
            |lane: &Lane| options.queue_max == lane.queue.max() && options.alertmanagers.contains(&lane.options);
        // All or nothing: a client that cannot be made leaves everything as it was.
        let new: Vec<&AlertmanagerOptions> = options
            .alertmanagers
            .iter()
            .filter(|new| !state.lanes.iter().any(|lane| is_kept(lane) && lane.options == **new))
            .collect();
        let sender = |new: &AlertmanagerOptions| Ok((new.clone(), Sender::new(new, Arc::clone(&self.disk))?));
        let senders = new.into_iter().map(sender).collect::<Result<Vec<_>, SenderError>>()?;
        for lane in std::mem::take(&mut state.lanes) {
            if is_kept(&lane) {
                kept.push(lane);
            } else {
                _ = lane.stop.send(true);
                self.forget(&lane.options);
            }
        }
        state.lanes = kept;
        for (alertmanager, sender) in senders {
            let queue = Arc::new(Queue::new(options.queue_max, sender.label(), Arc::clone(&self.telemetry)));
            let (stop, stopped) = watch::channel(false);
            let task = self.runtime.spawn(sender.run(Arc::clone(&queue), Arc::clone(&self.telemetry), stopped));
            state.lanes.push(Lane { options: alertmanager, queue, stop, task });
        }
        self.telemetry.notifications_alertmanagers_discovered.set(state.lanes.len() as i64);
        state.options = options;
        Ok(())
    }

    fn forget(&self, options: &AlertmanagerOptions) {
        let label = options.label();
        self.telemetry.notifications_sent.remove(&label);
        self.telemetry.notifications_errors.remove(&label);
        self.telemetry.notifications_dropped.remove(&label);
        self.telemetry.notifications_queue_length.remove(&label);
    }

    /// Sends what waits, within a bounded time, and ends.
    pub(super) async fn stop(&self) {
        let lanes = std::mem::take(&mut self.state.lock().lanes);
        for lane in &lanes {
            lane.queue.close();
        }
        let drained = async {
            for lane in lanes {
                // A task that panicked has nothing to send.
                _ = lane.task.await;
                drop(lane.stop);
            }
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!("alerts that still waited for an Alertmanager are not sent");
        }
    }

    /// The URLs that alerts are sent to.
    pub(super) fn urls(&self) -> Vec<String> {
        self.state.lock().lanes.iter().map(|lane| lane.options.shown_url()).collect()
    }
}

impl Receiver for Notifier {
    fn send(&self, alerts: Vec<Notification>) {
        let state = self.state.lock();
        if state.lanes.is_empty() {
            return;
        }
        let NotifyOptions { external_labels, relabel, .. } = &state.options;
        let alerts: Vec<Arc<Notification>> = alerts
            .into_iter()
            .filter_map(|alert| alert.with_labels(external_labels).relabelled(relabel).map(Arc::new))
            .collect();
        for lane in &state.lanes {
            lane.queue.push(&alerts);
        }
    }
}
