//! Alerts that wait for one Alertmanager.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::message::Notification;
use crate::telemetry::{Alertmanager, LogLimit, SharedTelemetry};

/// A bounded queue: full, it loses its oldest.
pub(super) struct Queue {
    max: usize,
    label: Alertmanager,
    telemetry: SharedTelemetry,
    waiting: Mutex<Waiting>,
    /// There is something to do.
    changed: Notify,
    full: LogLimit,
}

#[derive(Default)]
struct Waiting {
    alerts: VecDeque<Arc<Notification>>,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(max: usize, label: Alertmanager, telemetry: SharedTelemetry) -> Queue {
        telemetry.notifications_queue_capacity.set(max as i64);
        telemetry.notifications_queue_length.get_or_create(&label).set(0);
        let (waiting, changed) = (Mutex::default(), Notify::new());
        Queue { max, label, telemetry, waiting, changed, full: LogLimit::default() }
    }

    /// How many may wait.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Lets alerts wait.
    pub(super) fn push(&self, alerts: &[Arc<Notification>]) {
        let mut waiting = self.waiting.lock();
        waiting.alerts.extend(alerts.iter().cloned());
        let dropped = waiting.alerts.len().saturating_sub(self.max);
        waiting.alerts.drain(..dropped);
        self.note_length(&waiting);
        drop(waiting);
        if dropped > 0 {
            self.note_dropped(dropped);
            if let Some(count) = self.full.note(dropped as u64) {
                let (max, url) = (self.max, &self.label.alertmanager);
                tracing::warn!("dropped {count} alerts: {max} that wait for {url} are the limit");
            }
        }
        self.changed.notify_one();
    }

    /// The next alerts, at most so many; waits for them. None when the queue is closed and empty.
    pub(super) async fn next(&self, max: usize) -> Option<Vec<Arc<Notification>>> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if !waiting.alerts.is_empty() {
                    let count = waiting.alerts.len().min(max);
                    let alerts = waiting.alerts.drain(..count).collect();
                    self.note_length(&waiting);
                    return Some(alerts);
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

    /// Counts alerts that are lost.
    pub(super) fn note_dropped(&self, count: usize) {
        self.telemetry.notifications_dropped.get_or_create(&self.label).inc_by(count as u64);
    }

    fn note_length(&self, waiting: &Waiting) {
        self.telemetry.notifications_queue_length.get_or_create(&self.label).set(waiting.alerts.len() as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::telemetry::Telemetry;

    fn alerts(range: std::ops::Range<i64>) -> Vec<Arc<Notification>> {
        let alert = |number| Notification {
            labels: Labels::empty(),
            annotations: Labels::empty(),
            starts_at_ms: Some(number),
            ends_at_ms: None,
            generator_url: "".into(),
        };
        range.map(|number| Arc::new(alert(number))).collect()
    }

    #[tokio::test]
    async fn a_full_queue_loses_its_oldest() {
        let telemetry = Arc::new(Telemetry::default());
        let label = Alertmanager { alertmanager: "am".to_owned() };
        let queue = Queue::new(10, label.clone(), Arc::clone(&telemetry));
        queue.push(&alerts(0..8));
        queue.push(&alerts(8..15));
        let numbers = |batch: Option<Vec<Arc<Notification>>>| {
            batch.map(|batch| batch.iter().filter_map(|alert| alert.starts_at_ms).collect::<Vec<_>>())
        };
        assert_eq!(telemetry.notifications_dropped.get_or_create(&label).get(), 5);
        assert_eq!(numbers(queue.next(4).await), Some(vec![5, 6, 7, 8]));
        assert_eq!(telemetry.notifications_queue_length.get_or_create(&label).get(), 6);
        queue.push(&alerts(100..150));
        assert_eq!(numbers(queue.next(100).await), Some((140..150).collect()), "more than fit");
        queue.push(&alerts(0..1));
        queue.close();
        assert_eq!(numbers(queue.next(100).await), Some(vec![0]), "what waits is not lost");
        assert_eq!(numbers(queue.next(100).await), None);
    }
}
