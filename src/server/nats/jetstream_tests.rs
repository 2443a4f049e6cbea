//! Streams against a real `nats-server -js`, with a store that refuses, blocks and panics when it is told to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, Info, PullConsumer, pull};
use async_nats::jetstream::{self, Context, stream};
use futures_util::StreamExt;

use super::tests::{DEADLINE, Fake, Running, Server, eventually};
use super::{JetStream, Options, Subscription};
use crate::telemetry::Durable;

const ACK_WAIT: Duration = Duration::from_secs(1);

/// A server with a stream `S` that captures `hpc.>`, and a connection to fill it.
struct Streaming {
    server: Server,
    context: Context,
}

impl Streaming {
    async fn start() -> Streaming {
        let server = Server::start("jetstream { store_dir: jetstream }").await;
        let context = jetstream::new(server.publisher().await);
        let config = stream::Config { name: "S".into(), subjects: vec!["hpc.>".into()], ..Default::default() };
        let begun = Instant::now();
        // The server listens before JetStream is there.
        while let Err(failure) = context.create_stream(config.clone()).await {
            assert!(begun.elapsed() < DEADLINE, "{failure}");
        }
        Streaming { server, context }
    }

    fn options(&self) -> Options {
        let jetstream = JetStream { stream: "S".into(), durable: "d".into(), ack_wait: ACK_WAIT };
        let subscription = Subscription { subject: "hpc.>".into(), cluster: "alex".into(), jetstream: Some(jetstream) };
        Options { addresses: vec![self.server.address()], subscriptions: vec![subscription], ..Options::default() }
    }

    async fn publish(&self, lines: &str) {
        self.context.publish("hpc.x", lines.to_owned().into()).await.unwrap().await.unwrap();
    }

    /// Publishes lines `from..to`, a message each, and waits until the stream has all.
    async fn publish_lines(&self, lines: std::ops::Range<usize>) {
        let all: Vec<usize> = lines.collect();
        // The client lets only so many be under way.
        for some in all.chunks(1000) {
            let mut acknowledged = Vec::new();
            for k in some {
                acknowledged.push(self.context.publish("hpc.x", format!("line {k}").into()).await.unwrap());
            }
            for acknowledged in acknowledged {
                acknowledged.await.unwrap();
            }
        }
    }

    async fn consumer(&self) -> PullConsumer {
        self.context.get_consumer_from_stream("d", "S").await.unwrap()
    }

    async fn info(&self) -> Info {
        self.consumer().await.cached_info().clone()
    }

    async fn await_acknowledged(&self) {
        let begun = Instant::now();
        loop {
            let info = self.info().await;
            if info.num_pending == 0 && info.num_ack_pending == 0 {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{info:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn lines(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|k| format!("line {k}")).collect()
}

fn redelivered(running: &Running) -> u64 {
    let labels = Durable { stream: "S".into(), durable: "d".into() };
    running.telemetry.jetstream_redelivered.get_or_create(&labels).get()
}

/// A backlog comes in order and once, in bounded steps.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_comes_in_order() {
    let streaming = Streaming::start().await;
    streaming.publish_lines(0..10_000).await;
    let sink = Arc::new(Fake::default());
    let running = Running::with(&sink, streaming.options());
    eventually("all are stored", || sink.lines("alex").len() >= 10_000).await;
    assert!(sink.lines("alex") == lines(0..10_000), "another order");
    streaming.await_acknowledged().await;
    assert_eq!((running.telemetry.nats_messages.get(), redelivered(&running)), (10_000, 0));
    assert!(running.end().await < Duration::from_secs(4));
}

/// Recovery of large checkpoints takes its time.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_for_before_recovery_is_over() {
    let streaming = Streaming::start().await;
    let sink = Arc::new(Fake::default());
    let running = Running::start(Arc::clone(&sink) as _, streaming.options(), Default::default(), false);
    streaming.publish_lines(0..5).await;
    eventually("it is connected", || running.telemetry.nats_connected.get() == 1).await;
    assert!(streaming.context.get_consumer_from_stream::<pull::Config, _, _>("d", "S").await.is_err());
    running.ready.send_replace(true);
    eventually("all are stored", || sink.lines("alex") == lines(0..5)).await;
    running.end().await;
}

/// A disk that is full for longer than the server waits: nothing is acknowledged, and nothing comes twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_prolonged_and_stored_later() {
    let streaming = Streaming::start().await;
    streaming.publish_lines(0..100).await;
    // Pauses double from 50 ms: six of them are longer than the server waits for an acknowledgement.
    let sink = Fake::refusing(6);
    let running = Running::with(&sink, streaming.options());
    let mut was_waiting = false;
    let begun = Instant::now();
    while sink.lines("alex").is_empty() {
        assert!(begun.elapsed() < DEADLINE);
        if let Ok(mut consumer) = streaming.context.get_consumer_from_stream::<pull::Config, _, _>("d", "S").await {
            let info = consumer.info().await.unwrap();
            was_waiting |= info.num_ack_pending == 100;
            assert!(info.ack_floor.stream_sequence == 0 || !sink.lines("alex").is_empty(), "{info:?}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(was_waiting && begun.elapsed() > ACK_WAIT);
    streaming.await_acknowledged().await;
    assert_eq!(sink.lines("alex"), lines(0..100));
    assert_eq!((redelivered(&running), running.telemetry.nats_dropped.get()), (0, 0));
    running.end().await;
}

/// The end of a store whose disk is full acknowledges nothing, and the next store gets all in order. (It refused them
/// expressly once: the server then delivered the first two last.)
#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_stored_before_the_end_comes_to_the_next() {
    let streaming = Streaming::start().await;
    streaming.publish_lines(0..100).await;
    let sink = Fake::refusing(u64::MAX);
    let running = Running::with(&sink, streaming.options());
    eventually("it is refused", || sink.refusals.load(Ordering::SeqCst) < u64::MAX).await;
    let telemetry = Arc::clone(&running.telemetry);
    assert!(running.end().await < Duration::from_secs(4));
    assert_eq!(telemetry.nats_dropped.get(), 0, "the stream has them");
    let info = streaming.info().await;
    assert_eq!(info.ack_floor.stream_sequence, 0);
    let sink = Arc::new(Fake::default());
    let running = Running::with(&sink, streaming.options());
    streaming.publish_lines(100..200).await;
    streaming.await_acknowledged().await;
    assert_eq!(sink.lines("alex"), lines(0..200));
    running.end().await;
}

/// A crash left messages under way; newer ones must not be stored before they come again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_comes_before_what_is_newer() {
    let streaming = Streaming::start().await;
    let config = pull::Config {
        durable_name: Some("d".into()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        ..Default::default()
    };
    let consumer = streaming.context.create_consumer_on_stream(config, "S").await.unwrap();
    streaming.publish_lines(0..20).await;
    // The store that crashed: it has taken them and acknowledged every other one.
    let mut taken = consumer.fetch().max_messages(20).messages().await.unwrap();
    let mut k = 0;
    while let Some(message) = taken.next().await {
        if k % 2 == 0 {
            message.unwrap().ack().await.unwrap();
        }
        k += 1;
    }
    assert_eq!(k, 20);
    streaming.publish_lines(20..40).await;
    let sink = Arc::new(Fake::default());
    let running = Running::with(&sink, streaming.options());
    eventually("all are stored", || sink.lines("alex").len() == 30).await;
    let expected: Vec<String> = (0..20).filter(|k| k % 2 == 1).chain(20..40).map(|k| format!("line {k}")).collect();
    assert_eq!(sink.lines("alex"), expected);
    streaming.await_acknowledged().await;
    assert_eq!(redelivered(&running), 10);
    running.end().await;
}

/// An acknowledgement came too late or was lost: what comes again was stored, and could undo what came behind it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_not_stored_again() {
    let streaming = Streaming::start().await;
    let client = streaming.server.publisher().await;
    let mut answers = client.subscribe("$JS.ACK.S.d.>").await.unwrap();
    client.flush().await.unwrap();
    streaming.publish_lines(0..10).await;
    let sink = Fake::refusing(6);
    let running = Running::with(&sink, streaming.options());
    // Whoever sees that a message is worked on asks for it to be delivered again, so that it comes twice.
    let answer = answers.next().await.unwrap();
    assert_eq!(&answer.payload[..], b"+WPI");
    client.publish(answer.subject.clone(), "-NAK".into()).await.unwrap();
    client.flush().await.unwrap();
    eventually("it comes again", || redelivered(&running) >= 1).await;
    streaming.await_acknowledged().await;
    streaming.publish_lines(10..20).await;
    streaming.await_acknowledged().await;
    assert_eq!(sink.lines("alex"), lines(0..20));
    running.end().await;
}

/// A message that meets a defect of ours is given up alone, not with its neighbours, and not for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_defect_costs_one_message() {
    let streaming = Streaming::start().await;
    streaming.publish_lines(0..10).await;
    let sink = Arc::new(Fake::default());
    // The batch of all, then the first alone.
    sink.panics.store(2, Ordering::SeqCst);
    let running = Running::with(&sink, streaming.options());
    eventually("all others are stored", || sink.lines("alex").len() == 9).await;
    assert_eq!(sink.lines("alex"), lines(1..10));
    streaming.await_acknowledged().await;
    assert_eq!(running.telemetry.nats_dropped.get(), 1);
    running.end().await;
}

/// A consumer of the administrator's is used as it is, however tight its limits are.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumers_limits_are_kept() {
    let streaming = Streaming::start().await;
    let config = pull::Config {
        durable_name: Some("d".into()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_ack_pending: 3,
        max_batch: 5,
        max_bytes: 2000,
        max_expires: Duration::from_secs(1),
        ..Default::default()
    };
    streaming.context.create_consumer_on_stream(config, "S").await.unwrap();
    streaming.publish_lines(0..50).await;
    let sink = Arc::new(Fake::default());
    let running = Running::with(&sink, streaming.options());
    eventually("all are stored", || sink.lines("alex").len() == 50).await;
    // Longer than a request may last.
    streaming.publish(&"x".repeat(1500)).await;
    eventually("a large one too", || sink.lines("alex").len() == 51).await;
    streaming.await_acknowledged().await;
    let info = streaming.info().await;
    assert_eq!((info.config.max_ack_pending, info.config.max_batch), (3, 5), "it was changed");
    running.end().await;
}

/// A flood goes on while the store ends: what was taken is stored or comes again, and the end comes soon.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_comes_in_time_under_a_flood() {
    let streaming = Streaming::start().await;
    let client = streaming.server.publisher().await;
    let flood = tokio::spawn(async move {
        for k in 0.. {
            client.publish("hpc.x", format!("line {k}").into()).await.unwrap();
            if k % 100 == 0 {
                client.flush().await.unwrap();
            }
        }
    });
    let sink = Arc::new(Fake::default());
    let running = Running::with(&sink, streaming.options());
    eventually("some are stored", || sink.lines("alex").len() > 1000).await;
    assert!(running.end().await < Duration::from_secs(6));
    flood.abort();
    let _ = flood.await;
    let first = sink.lines("alex");
    assert_eq!(first, lines(0..first.len()));
    // The next one gets the rest, and no line is missing between the two.
    let running = Running::with(&sink, streaming.options());
    streaming.await_acknowledged().await;
    let all = sink.lines("alex");
    assert!(all.len() >= first.len() && all == lines(0..all.len()), "lines are missing or twice");
    running.end().await;
}
