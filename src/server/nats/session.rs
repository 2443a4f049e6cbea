//! A client and its subscriptions: those of what is published at the moment, each with its queue, and those of streams.
//!
//! Invariant: taking a message over into a queue never waits, so the client never has to drop one while there is room.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Subscriber};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::connect::{Link, connect};
use super::consumer::Consumer;
use super::echo::echo;
use super::options::Options;
use super::queue::Queue;
use super::storing::{Sink, Storing};
use crate::telemetry::SharedTelemetry;

/// Before a client that gave up is replaced.
const RESTART_PAUSE: Duration = Duration::from_secs(5);
/// How long messages on their way may take at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Where messages come from and go to.
pub(super) struct Session {
    pub options: Options,
    pub telemetry: SharedTelemetry,
    pub link: Arc<Link>,
    /// One a subscription; those of streams leave theirs empty.
    pub queues: Vec<Arc<Queue>>,
    /// Where messages of streams are stored.
    pub sink: Arc<dyn Sink>,
    /// Becomes `true` when recovery is over.
    pub ready: watch::Receiver<bool>,
    /// Becomes `true` at the end.
    pub stop: watch::Receiver<bool>,
}

impl Session {
    /// Receives until it is told to stop, with one client after the other should one give up, which they don't.
    pub(super) async fn receive(mut self) {
        while !*self.stop.borrow() {
            match connect(&self.options, &self.link).await {
                Ok(client) => self.receive_from(client).await,
                Err(failure) => {
                    // An address of the config is at fault, which no second attempt changes.
                    error!("NATS: nothing is received: {failure}");
                    let _ = self.stop.wait_for(|&stop| stop).await;
                    break;
                }
            }
            if *self.stop.borrow() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(RESTART_PAUSE) => {}
                // An error means that nobody is left to say more, which is the end as well.
                _ = self.stop.wait_for(|&stop| stop) => break,
            }
        }
    }

    async fn receive_from(&mut self, client: Client) {
        let mut readers = JoinSet::new();
        for (subscription, queue) in self.options.subscriptions.iter().zip(&self.queues) {
            if let Some(jetstream) = &subscription.jetstream {
                let consumer = Consumer::new(
                    client.clone(),
                    Storing::new(subscription.clone(), Arc::clone(&self.sink)),
                    jetstream.clone(),
                    &self.link,
                    Arc::clone(&self.telemetry),
                    self.options.queue_bytes_each(),
                    self.stop.clone(),
                );
                readers.spawn(consumer.consume(self.ready.clone()));
                continue;
            }
            let subscribed = tokio::select! {
                subscribed = client.subscribe(subscription.subject.clone()) => subscribed,
                _ = self.stop.wait_for(|&stop| stop) => return,
            };
            match subscribed {
                Ok(subscriber) => {
                    let reader = Reader {
                        subscriber,
                        client: client.clone(),
                        queue: Arc::clone(queue),
                        telemetry: Arc::clone(&self.telemetry),
                        link: Arc::clone(&self.link),
                    };
                    readers.spawn(reader.read(self.stop.clone()));
                }
                Err(failure) => error!("NATS: subject {:?} is not received: {failure}", subscription.subject),
            }
        }
        let flushed = tokio::select! {
            // Ends when a server has the subscriptions.
            flushed = client.flush() => flushed.is_ok(),
            _ = self.stop.wait_for(|&stop| stop) => false,
        };
        if flushed {
            self.link.first_try.send_replace(true);
        }
        while let Some(ended) = readers.join_next().await {
            if let Err(failure) = ended {
                error!("NATS: a subscription's task failed: {failure}");
            }
        }
        if !*self.stop.borrow() {
            warn!("NATS: all subscriptions ended; connecting anew");
        }
    }
}

/// Takes over the messages of one subscription.
struct Reader {
    subscriber: Subscriber,
    client: Client,
    queue: Arc<Queue>,
    telemetry: SharedTelemetry,
    link: Arc<Link>,
}

impl Reader {
    async fn read(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                message = self.subscriber.next() => match message {
                    Some(message) => self.take(&message),
                    None => return,
                },
                _ = stop.wait_for(|&stop| stop) => break,
            }
        }
        // What the server has sent before it learns of the end is on its way: take it over too.
        let rest = async {
            if self.client.connection_state() != State::Connected {
                return;
            }
            self.read_what_is_on_its_way().await;
            if self.subscriber.drain().await.is_ok() {
                while let Some(message) = self.subscriber.next().await {
                    self.take(&message);
                }
            }
        };
        // When this takes too long the connection is as good as lost, and so is what was on it.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
    }

    /// Reads until nothing that the server had sent is still under way.
    async fn read_what_is_on_its_way(&mut self) {
        let Some(echo) = echo(&self.client).await else { return };
        tokio::pin!(echo);
        loop {
            tokio::select! {
                // What came before the echo is taken before the echo.
                biased;
                message = self.subscriber.next() => match message {
                    Some(message) => self.take(&message),
                    None => return,
                },
                () = &mut echo => return,
            }
        }
    }

    fn take(&self, message: &async_nats::Message) {
        self.telemetry.nats_messages.inc();
        if !self.queue.push(&message.subject, &message.payload) {
            self.link.note_drops(1, "too many wait to be stored");
        }
    }
}
