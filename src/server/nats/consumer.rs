//! From a stream into the store, with acknowledgements.
//!
//! Invariant: a message is acknowledged only when every good line of it is in the log. All others stay with the stream:
//! those in hand are prolonged while they wait; at the end they are left alone, and come again.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tracing::{error, info, warn};

use super::connect::Link;
use super::delivery::{Delivery, Recent};
use super::durable::{ACK_PENDING_MAX, AttachError, Durable, Info};
use super::echo::echo;
use super::options::JetStream;
use super::pull::{End, Inflow};
use super::queue::Batch;
use super::storing::{Attempt, RETRY_PAUSES, Storing};
use crate::telemetry::LogLimit;
use crate::telemetry::{self, SharedTelemetry};

/// Receives and stores the messages of one durable consumer.
pub(super) struct Consumer {
    durable: Durable,
    storing: Storing,
    telemetry: SharedTelemetry,
    labels: telemetry::Durable,
    /// Becomes `true` at the end.
    stop: watch::Receiver<bool>,
    /// Counts connections.
    connections: watch::Receiver<u64>,
    /// The connection whose outstanding messages have been waited for.
    settled_connection: Option<u64>,
    /// Bytes of one pull.
    pull_bytes: usize,
    recent: Recent,
    /// Time to prolong what is in hand.
    prolong: Interval,
    troubles: LogLimit,
    /// What was logged of the consumer's config.
    oddities: Vec<String>,
    asked: Instant,
}

impl Consumer {
    pub(super) fn new(
        client: Client,
        storing: Storing,
        jetstream: JetStream,
        link: &Link,
        telemetry: SharedTelemetry,
        bytes_max: usize,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let labels = telemetry::Durable { stream: jetstream.stream.clone(), durable: jetstream.durable.clone() };
        let prolong = prolong_every(jetstream.ack_wait);
        Consumer {
            durable: Durable::new(client, &storing.subscription, jetstream),
            storing,
            telemetry,
            labels,
            stop,
            connections: link.connections.subscribe(),
            settled_connection: None,
            // The other half is for the copy that is stored.
            pull_bytes: (bytes_max / 2).min(PULL_BYTES_MAX),
            recent: Recent::new(RECENT_MAX),
            prolong,
            troubles: LogLimit::default(),
            oddities: Vec::new(),
            asked: Instant::now(),
        }
    }

    /// Receives and stores until it is told to stop, from `ready` on.
    pub(super) async fn consume(mut self, mut ready: watch::Receiver<bool>) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = said(&mut ready) => {}
            () = said(&mut stop) => return,
        }
        let mut pause = ATTACH_PAUSES.0;
        while !*self.stop.borrow() {
            self.set_attached(false);
            let (stream, durable) = (self.labels.stream.clone(), self.labels.durable.clone());
            let Some(mut inflow) = Inflow::open(&self.durable.client, &stream, &durable).await else { return };
            let connection = *self.connections.borrow_and_update();
            let trouble = match self.attach(connection).await {
                ControlFlow::Break(()) => return,
                ControlFlow::Continue(Ok(info)) => {
                    pause = ATTACH_PAUSES.0;
                    self.set_attached(true);
                    let end = self.receive(&mut inflow, &info).await;
                    self.set_attached(false);
                    match end {
                        ControlFlow::Break(()) => return self.leave(inflow).await,
                        ControlFlow::Continue(trouble) => trouble,
                    }
                }
                ControlFlow::Continue(Err(error)) => Some(error.to_string()),
            };
            let Some(trouble) = trouble else { continue };
            if self.is_connected() && self.troubles.note(1).is_some() {
                warn!("NATS: nothing is received from stream {stream:?}, trying on: {trouble}");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.connections.changed() => {}
                () = said(&mut stop) => {}
            }
            pause = (pause * 2).min(ATTACH_PAUSES.1);
        }
    }

    fn is_connected(&self) -> bool {
        self.durable.client.connection_state() == State::Connected
    }

    fn set_attached(&self, is_attached: bool) {
        self.telemetry.jetstream_attached.get_or_create(&self.labels).set(i64::from(is_attached));
    }

    /// Finds or makes the consumer; after a crash or a lost connection, waits until what was under way comes again, so
    /// that it comes before anything newer. Breaks off at the end of the store.
    async fn attach(&mut self, connection: u64) -> ControlFlow<(), Result<Info, AttachError>> {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = said(&mut stop) => ControlFlow::Break(()),
            attached = self.attach_in_order(connection) => ControlFlow::Continue(attached),
        }
    }

    async fn attach_in_order(&mut self, connection: u64) -> Result<Info, AttachError> {
        let mut info = self.durable.attach().await?;
        self.note_info(&info);
        let oddities = info.oddities(&self.durable.subject);
        if oddities != self.oddities {
            for oddity in &oddities {
                warn!("NATS: consumer {:?} of stream {:?}: {oddity}", self.labels.durable, self.labels.stream);
            }
            self.oddities = oddities;
        }
        self.prolong = prolong_every(info.ack_wait_min());
        if self.settled_connection == Some(connection) {
            return Ok(info);
        }
        self.look_for_losses(&info).await;
        let begun = Instant::now();
        let longest = info.ack_wait().min(ORDER_WAIT_MAX) + ORDER_SLACK;
        let mut is_told = false;
        while info.num_ack_pending > 0 && begun.elapsed() < longest {
            if !is_told && begun.elapsed() > TOLD_AFTER {
                let (count, secs) = (info.num_ack_pending, longest.as_secs_f64());
                info!("NATS: {count} messages of stream {:?} come again within {secs:.0} s", self.labels.stream);
                is_told = true;
            }
            tokio::time::sleep(ORDER_PAUSE).await;
            info = self.durable.info().await?;
            self.note_info(&info);
        }
        self.settled_connection = Some(connection);
        Ok(info)
    }

    /// Says so when the stream's limits took messages away before they were received.
    async fn look_for_losses(&self, info: &Info) {
        let acknowledged = info.acknowledged();
        // Whoever may not ask for the stream does without.
        let Ok(Some(first)) = self.durable.first_sequence().await else { return };
        if acknowledged > 0 && first > acknowledged + 1 {
            let (lost, stream) = (first - acknowledged - 1, &self.labels.stream);
            error!(
                "NATS: stream {stream:?} dropped up to {lost} messages before they were received (sequences {} to {}): \
                 its limits (max-age, max-bytes, max-msgs) are too low",
                acknowledged + 1,
                first - 1
            );
        }
    }

    fn note_info(&mut self, info: &Info) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.telemetry.jetstream_pending.get_or_create(&self.labels).set(gauge(info.num_pending));
        self.telemetry.jetstream_ack_pending.get_or_create(&self.labels).set(gauge(info.num_ack_pending));
        self.asked = Instant::now();
    }

    /// Pulls, stores and acknowledges. Continues with a trouble, if it is one, when the consumer is to be looked up
    /// anew; breaks off at the end of the store.
    async fn receive(&mut self, inflow: &mut Inflow, info: &Info) -> ControlFlow<(), Option<String>> {
        let mut stop = self.stop.clone();
        let mut bytes = self.pull_bytes.max(self.durable.client.server_info().max_payload + MESSAGE_EXTRA_BYTES);
        loop {
            let request = info.request(bytes);
            inflow.request(&request).await;
            let asked = Instant::now();
            let end = loop {
                let arrived = tokio::select! {
                    biased;
                    () = said(&mut stop) => return ControlFlow::Break(()),
                    _ = self.connections.changed() => Some(None),
                    end = inflow.arrival() => end.map(Some),
                };
                match arrived {
                    None => self.settle_next(inflow).await?,
                    Some(end) => break end,
                }
            };
            let trouble = match end {
                // The request was lost with the connection, and perhaps messages and acknowledgements.
                None => None,
                Some(End::Done) => {
                    self.ask_at_times().await;
                    if !inflow.has_brought() && asked.elapsed() < EMPTY_PULL_MIN {
                        // No server ends one so soon that has nothing. Should one, it is not to be asked without end.
                        tokio::time::sleep(EMPTY_PULL_MIN).await;
                    }
                    continue;
                }
                Some(End::TooLarge) if request.bytes == bytes && bytes < PULL_BYTES_LIMIT => {
                    bytes *= 2;
                    continue;
                }
                Some(End::TooLarge) => Some(format!("the next message has more than {} bytes", request.bytes)),
                Some(End::Refused(reason)) => Some(reason),
                Some(End::Silent) => Some("no word from the server".to_owned()),
                Some(End::Closed) => return ControlFlow::Break(()),
            };
            // Whatever came is stored before anything is asked for anew.
            inflow.close().await;
            while inflow.waiting().next().is_some() {
                self.settle_next(inflow).await?;
            }
            return ControlFlow::Continue(trouble);
        }
    }

    /// Keeps the figures of the consumer fresh.
    async fn ask_at_times(&mut self) {
        // When it fails, the next pull tells what is wrong.
        if self.asked.elapsed() >= ASK_PAUSE
            && let Ok(info) = self.durable.info().await
        {
            self.note_info(&info);
        }
    }

    /// Stores the next messages and acknowledges them. Breaks off when they can't be stored before the end; then they
    /// wait as they did.
    async fn settle_next(&mut self, inflow: &mut Inflow) -> ControlFlow<()> {
        let taken = inflow.take();
        let again = taken.iter().filter(|delivery| delivery.attempt > 1).count();
        let count = taken.len();
        // Twice in hand, or come again though it is stored: the acknowledgement was lost or late. Storing it again
        // could undo what came behind it. (A consumer made anew delivers all for the first time, in order: that is
        // stored.)
        let mut seen = HashSet::new();
        let (hand, known): (Vec<_>, Vec<_>) = taken.into_iter().partition(|delivery| {
            let is_stored = delivery.attempt > 1 && self.recent.holds(&delivery.place);
            seen.insert(delivery.place) && !is_stored
        });
        let unsettled = match self.store(&hand, inflow).await {
            Attempt::Stored => {
                self.acknowledge(&hand).await;
                Vec::new()
            }
            // One of them meets a defect of ours. The others need not suffer for it.
            Attempt::Defect => self.settle_each(hand, inflow).await,
            Attempt::Closed | Attempt::Refused => hand,
        };
        if !unsettled.is_empty() {
            inflow.put_back(unsettled.into_iter().chain(known));
            return ControlFlow::Break(());
        }
        self.answer(&known, ACK).await;
        self.telemetry.nats_messages.inc_by(count as u64);
        self.telemetry.jetstream_redelivered.get_or_create(&self.labels).inc_by(again as u64);
        ControlFlow::Continue(())
    }

    /// Stores messages one by one, and gives up those that can never be stored. Answers what is left at the end of the
    /// store.
    async fn settle_each(&mut self, hand: Vec<Delivery>, inflow: &mut Inflow) -> Vec<Delivery> {
        let mut hand = hand.into_iter();
        while let Some(delivery) = hand.next() {
            let alone = [delivery];
            match self.store(&alone, inflow).await {
                Attempt::Stored => self.acknowledge(&alone).await,
                Attempt::Defect => {
                    let sequence = alone[0].place.sequence;
                    error!("NATS: message {sequence} of stream {:?} is given up", self.labels.stream);
                    self.telemetry.nats_dropped.inc();
                    self.answer(&alone, TERM).await;
                }
                Attempt::Closed | Attempt::Refused => return alone.into_iter().chain(hand).collect(),
            }
        }
        Vec::new()
    }

    async fn acknowledge(&mut self, stored: &[Delivery]) {
        stored.iter().for_each(|delivery| self.recent.note(delivery.place));
        self.answer(stored, ACK).await;
        if let Some(last) = stored.last() {
            let pending = i64::try_from(last.pending).unwrap_or(i64::MAX);
            self.telemetry.jetstream_pending.get_or_create(&self.labels).set(pending);
        }
    }

    /// Stores messages, however often it takes; `Refused` only at the end of the store.
    async fn store(&mut self, hand: &[Delivery], inflow: &mut Inflow) -> Attempt {
        let mut batch = Batch::default();
        for delivery in hand.iter().filter(|delivery| !delivery.payload.is_empty()) {
            batch.push(&delivery.subject, &delivery.payload);
        }
        if batch.messages() == 0 {
            return Attempt::Stored;
        }
        let batch = Arc::new(batch);
        let mut stop = self.stop.clone();
        let mut pause = RETRY_PAUSES.0;
        loop {
            let attempt = {
                let attempt = self.storing.attempt(&batch);
                tokio::pin!(attempt);
                loop {
                    tokio::select! {
                        attempt = &mut attempt => break attempt,
                        _ = self.prolong.tick() => prolong(&self.durable.client, hand, inflow).await,
                    }
                }
            };
            if attempt != Attempt::Refused {
                return attempt;
            }
            let next = Instant::now() + pause;
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(next) => break,
                    _ = self.prolong.tick() => prolong(&self.durable.client, hand, inflow).await,
                    () = said(&mut stop) => return attempt,
                }
            }
            pause = (pause * 2).min(RETRY_PAUSES.1);
        }
    }

    async fn answer(&self, deliveries: &[Delivery], answer: &'static str) {
        send(&self.durable.client, deliveries.iter(), answer).await;
    }

    /// The end: stores what was sent already. What can't be stored is not refused expressly: the server then delivers
    /// it in another order (2.9), and no sooner, for the next store waits for all that is under way.
    async fn leave(mut self, mut inflow: Inflow) {
        if self.is_connected()
            && let Some(echo) = echo(&self.durable.client).await
        {
            inflow.absorb_until(echo).await;
        }
        inflow.close().await;
        while inflow.waiting().next().is_some() {
            if self.settle_next(&mut inflow).await.is_break() {
                break;
            }
        }
        if self.is_connected() {
            // What does not get through now comes again, and changes nothing.
            let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.durable.client.flush()).await;
        }
    }
}

/// Waits until something is said; that nobody is left to say it will do as well.
async fn said(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|&flag| flag).await;
}

/// Tells the server that messages are being worked on.
async fn prolong(client: &Client, hand: &[Delivery], inflow: &mut Inflow) {
    inflow.absorb();
    if client.connection_state() != State::Connected {
        // There is nobody to tell, and waiting for that would keep the store from storing.
        return;
    }
    send(client, hand.iter().chain(inflow.waiting()), IN_PROGRESS).await;
}

async fn send(client: &Client, deliveries: impl Iterator<Item = &Delivery>, answer: &'static str) {
    for delivery in deliveries {
        if client.publish(delivery.reply.clone(), answer.into()).await.is_err() {
            // The client is no more; messages come again to the next.
            return;
        }
    }
}

fn prolong_every(ack_wait: Duration) -> Interval {
    let period = (ack_wait / 3).max(Duration::from_millis(10));
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Answers to a delivery. They are not confirmed: one that is lost brings the message again, and it changes nothing.
const ACK: &str = "+ACK";
const IN_PROGRESS: &str = "+WPI";
const TERM: &str = "+TERM";

/// Before the consumer is looked for again: from the first, doubling up to the last.
const ATTACH_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Bytes of one pull, where the queues' limit allows it.
const PULL_BYTES_MAX: usize = 8 << 20;
/// More than the largest message that servers can be told to accept (64 MiB).
const PULL_BYTES_LIMIT: usize = 128 << 20;
/// What the server counts of a message beside its payload, at most: subjects and headers.
const MESSAGE_EXTRA_BYTES: usize = 64 << 10;
/// Messages that are known when they come again: more than a consumer of ours has under way.
const RECENT_MAX: usize = 4 * ACK_PENDING_MAX;
/// Newer messages wait no longer than this for those that come again.
const ORDER_WAIT_MAX: Duration = Duration::from_secs(60);
/// Servers that crashed know times to the second.
const ORDER_SLACK: Duration = Duration::from_secs(1);
const ORDER_PAUSE: Duration = Duration::from_millis(100);
/// Acknowledgements on their way need no word.
const TOLD_AFTER: Duration = Duration::from_millis(500);
const EMPTY_PULL_MIN: Duration = Duration::from_millis(100);
const ASK_PAUSE: Duration = Duration::from_secs(10);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
