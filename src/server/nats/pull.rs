//! Pulls: requests for some messages of a durable consumer, and what the server answers to them.
//!
//! Invariant: one request is under way at a time, and it asks for bounded messages and bytes; so what waits here and in
//! the client is bounded too, and nothing is dropped.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use futures_util::{FutureExt, StreamExt};
use serde_json::json;
use tokio::time::Instant;

use super::delivery::Delivery;
use super::queue::BATCH_BYTES;

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// Messages.
    pub messages: usize,
    /// Bytes, with subjects and headers.
    pub bytes: usize,
    /// How long the server keeps the request.
    pub expires: Duration,
    /// How often the server says that it is still there.
    pub heartbeat: Duration,
}

/// How a pull ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// As it should: so many messages, so many bytes, or so much time.
    Done,
    /// The next message has more bytes than the pull may bring.
    TooLarge,
    /// The consumer is not there any more, or refuses; the text says why.
    Refused(String),
    /// No word from the server, neither messages nor heartbeats.
    Silent,
    /// The client is no more.
    Closed,
}

/// The messages of one consumer on their way.
pub(super) struct Inflow {
    client: Client,
    subscriber: Subscriber,
    /// Replies come to this subject, a token with the pull's number behind it.
    inbox: String,
    /// Where requests go.
    next: String,
    /// Taken from the client, in their order.
    waiting: VecDeque<Delivery>,
    /// The number of the pull.
    pull: u64,
    /// Messages that the pull may still bring.
    left: usize,
    /// Whether it has brought one.
    has_brought: bool,
    end: Option<End>,
    heartbeat: Duration,
    heard: Instant,
}

impl Inflow {
    /// Listens for answers; `None` when the client is no more.
    pub(super) async fn open(client: &Client, stream: &str, durable: &str) -> Option<Inflow> {
        let inbox = client.new_inbox();
        let subscriber = client.subscribe(format!("{inbox}.*")).await.ok()?;
        Some(Inflow {
            client: client.clone(),
            subscriber,
            inbox,
            next: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"),
            waiting: VecDeque::new(),
            pull: 0,
            left: 0,
            has_brought: false,
            end: Some(End::Done),
            heartbeat: Duration::ZERO,
            heard: Instant::now(),
        })
    }

    /// Asks for the next messages; the request before must have ended.
    pub(super) async fn request(&mut self, request: &Request) {
        self.pull += 1;
        self.left = request.messages;
        self.has_brought = false;
        self.heartbeat = request.heartbeat;
        self.heard = Instant::now();
        let body = json!({
            "batch": request.messages,
            "max_bytes": request.bytes,
            "expires": nanos(request.expires),
            "idle_heartbeat": nanos(request.heartbeat),
        });
        let reply = format!("{}.{}", self.inbox, self.pull);
        let sent = self.client.publish_with_reply(self.next.clone(), reply, body.to_string().into()).await;
        self.end = if sent.is_ok() { None } else { Some(End::Closed) };
    }

    /// Waits until a message is here (`None`), or the pull has ended and none is. Nothing is lost when it is dropped.
    pub(super) async fn arrival(&mut self) -> Option<End> {
        loop {
            self.absorb();
            if let Some(last) = self.waiting.back() {
                let more_comes_again = last.attempt > 1 && self.end.is_none();
                if !more_comes_again {
                    return None;
                }
                match tokio::time::timeout(AGAIN_WAIT, self.subscriber.next()).await {
                    Ok(Some(message)) => self.note(message),
                    Ok(None) => self.end = Some(End::Closed),
                    Err(_) => return None,
                }
                continue;
            }
            if let Some(end) = &self.end {
                return Some(end.clone());
            }
            let silent = self.heard + 2 * self.heartbeat + SLACK;
            match tokio::time::timeout_at(silent, self.subscriber.next()).await {
                Ok(Some(message)) => self.note(message),
                Ok(None) => self.end = Some(End::Closed),
                Err(_) => self.end = Some(End::Silent),
            }
        }
    }

    /// Whether the pull has brought a message.
    pub(super) fn has_brought(&self) -> bool {
        self.has_brought
    }

    /// Takes over what the client has, without waiting.
    pub(super) fn absorb(&mut self) {
        while let Some(Some(message)) = self.subscriber.next().now_or_never() {
            self.note(message);
        }
    }

    /// Takes over what comes until `until` has come.
    pub(super) async fn absorb_until<T>(&mut self, until: impl Future<Output = T>) {
        tokio::pin!(until);
        loop {
            tokio::select! {
                // What came first is taken first.
                biased;
                message = self.subscriber.next() => match message {
                    Some(message) => self.note(message),
                    None => return,
                },
                _ = &mut until => return,
            }
        }
    }

    /// Nothing more is to come.
    pub(super) async fn close(&mut self) {
        self.absorb();
        // It fails when the client is no more, and then nothing comes either.
        let _ = self.subscriber.unsubscribe().await;
        self.absorb();
    }

    /// The next messages in their order, as many as make a batch.
    pub(super) fn take(&mut self) -> Vec<Delivery> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(first) = self.waiting.front() {
            bytes += first.bytes();
            if !taken.is_empty() && bytes > BATCH_BYTES {
                break;
            }
            taken.extend(self.waiting.pop_front());
        }
        taken
    }

    /// Puts messages back, before all others.
    pub(super) fn put_back(&mut self, taken: impl DoubleEndedIterator<Item = Delivery>) {
        taken.rev().for_each(|delivery| self.waiting.push_front(delivery));
    }

    /// What was not taken yet.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Delivery> {
        self.waiting.iter()
    }

    fn note(&mut self, message: Message) {
        self.heard = Instant::now();
        let Some(status) = message.status else {
            if let Some(delivery) = Delivery::of(message) {
                // The server gives back first what it waited for longest, whatever its place in the stream.
                let is_later = |other: &&Delivery| {
                    delivery.attempt > 1 && other.attempt > 1 && other.place.sequence > delivery.place.sequence
                };
                let behind = self.waiting.iter().rev().take_while(is_later).count();
                self.waiting.insert(self.waiting.len() - behind, delivery);
                self.has_brought = true;
                self.left = self.left.saturating_sub(1);
                if self.left == 0 {
                    self.end.get_or_insert(End::Done);
                }
            }
            return;
        };
        let of_this = message.subject.rsplit('.').next() == Some(self.pull.to_string().as_str());
        if of_this && let Some(end) = end_of(status.as_u16(), message.description.as_deref(), self.has_brought) {
            self.end.get_or_insert(end);
        }
    }
}

/// What a status of the server means for a pull; `None` for heartbeats, which end nothing.
fn end_of(status: u16, description: Option<&str>, has_brought: bool) -> Option<End> {
    let text = description.unwrap_or_default();
    match status {
        100 => None,
        404 | 408 => Some(End::Done),
        409 if text.contains("Exceeds MaxBytes") => Some(if has_brought { End::Done } else { End::TooLarge }),
        503 => Some(End::Refused("nobody answers: is the consumer deleted, or JetStream off?".to_owned())),
        _ => Some(End::Refused(format!("{text} (status {status})"))),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How long to wait for one more message that comes again, so that all of them can be put in their order.
const AGAIN_WAIT: Duration = Duration::from_millis(50);

/// Heartbeats may be late on a busy machine.
const SLACK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_end_pulls() {
        assert_eq!(end_of(100, Some("Idle Heartbeat"), false), None);
        assert_eq!(end_of(408, Some("Request Timeout"), false), Some(End::Done));
        let too_large = Some("Message Size Exceeds MaxBytes");
        assert_eq!(end_of(409, too_large, false), Some(End::TooLarge));
        assert_eq!(end_of(409, too_large, true), Some(End::Done));
        assert!(
            matches!(end_of(409, Some("Consumer Deleted"), true), Some(End::Refused(text)) if text.contains("Deleted"))
        );
        assert!(matches!(end_of(503, None, false), Some(End::Refused(_))));
    }
}
