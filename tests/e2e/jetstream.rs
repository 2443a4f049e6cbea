//! Streams of JetStream, from a real server: what is acknowledged is in the log, all else comes again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::AckPolicy;
use serde_json::json;

use crate::harness::{Config, How, JETSTREAM, Line, NatsServer, Store, Stream, T0, eventually, setting};

const SUBJECT: &str = "hpc-nats";
const STREAM: &str = "METRICS";
const DURABLE: &str = "treering";

fn config(server: &NatsServer) -> Config {
    Config::new("native").nats(&server.address()).subscribe_stream(SUBJECT, "alex", STREAM, DURABLE)
}

/// Message `k`: one tick of one of four hosts, with `cores` lines.
fn message(k: i64, cores: usize) -> String {
    let host = format!("a{}", k % 4);
    let line = |core| Line::new("fast", &*host, (k * 1000 + core as i64) as f64, T0 + k / 4).of("hwthread", core);
    (0..cores).map(|core| format!("{}\n", line(core))).collect()
}

/// Reads every sample of the first `count` messages back: none missing, none elsewhere, each with its value.
#[track_caller]
fn expect_all(store: &Store, count: i64, cores: usize) {
    let mut expected: BTreeMap<String, Vec<Vec<f64>>> = BTreeMap::new();
    for k in 0..count {
        let of_host = expected.entry(format!("a{}", k % 4)).or_insert_with(|| vec![Vec::new(); cores]);
        of_host.iter_mut().zip(0..).for_each(|(values, core)| values.push((k * 1000 + core) as f64));
    }
    let ids: Vec<String> = (0..cores).map(|core| core.to_string()).collect();
    for (host, expected) in expected {
        let query = json!({"metric": "fast", "host": host, "aggreg": false, "type": "hwthread", "type-ids": ids});
        let found: Vec<Vec<f64>> = store.rows(T0, T0 + count, query).iter().map(|row| row.values()).collect();
        let counts: Vec<_> = found.iter().map(Vec::len).collect();
        assert!(found == expected, "{host}: {counts:?} of {} values a core", expected[0].len());
    }
}

fn stored(store: &Store) -> f64 {
    store.metrics().sum("treering_samples_total", "source=\"nats\"")
}

/// The store was not there yet, or not any more, when the samples came.
#[test]
fn what_was_published_before_the_start_arrives() {
    let server = NatsServer::start_with(JETSTREAM);
    let stream = Stream::create(&server, STREAM, SUBJECT);
    let publisher = server.publisher();
    (0..20).for_each(|k| publisher.publish(SUBJECT, &message(k, 3)));
    let mut store = Store::start(config(&server));
    eventually("all is stored", || (stored(&store) == 60.0).then_some(()));
    expect_all(&store, 20, 3);
    let info = stream.await_acknowledged(DURABLE);
    assert_eq!(info.config.ack_policy, AckPolicy::Explicit);
    assert_eq!(info.config.filter_subject, SUBJECT);
    assert_eq!(info.config.ack_wait, Duration::from_secs(1));
    assert_eq!(info.delivered.stream_sequence, 20);
    let metrics = store.metrics();
    assert_eq!(metrics.sum("treering_jetstream_attached", &format!("stream=\"{STREAM}\"")), 1.0);
    assert_eq!(metrics.sum("treering_jetstream_attached", &format!("durable=\"{DURABLE}\"")), 1.0);
    assert_eq!(metrics.sum("treering_jetstream_pending", ""), 0.0);

    store.stop(How::Term);
    (20..40).for_each(|k| publisher.publish(SUBJECT, &message(k, 3)));
    store.resume();
    eventually("the rest is stored", || (stored(&store) == 60.0).then_some(()));
    expect_all(&store, 40, 3);
    let metrics = store.metrics();
    assert_eq!(metrics.sum("treering_nats_messages_total", ""), 20.0, "what was acknowledged came again");
    assert_eq!(metrics.sum("treering_jetstream_redelivered_total", ""), 0.0);
}

/// A store that is killed while it catches up has acknowledged nothing that it lost.
#[test]
fn a_store_killed_in_the_middle_loses_nothing() {
    const MESSAGES: i64 = 1200;
    const CORES: usize = 100;
    let server = NatsServer::start_with(JETSTREAM);
    let stream = Stream::create(&server, STREAM, SUBJECT);
    let publisher = server.publisher();
    (0..MESSAGES).for_each(|k| publisher.publish(SUBJECT, &message(k, CORES)));
    let mut store = Store::prepare(config(&server));
    let mut in_the_middle = 0;
    for _ in 0..3 {
        let before = stream.consumer(DURABLE).map_or(0, |info| info.ack_floor.stream_sequence);
        store.resume();
        let acknowledged = eventually("some more is acknowledged", || {
            let floor = stream.consumer(DURABLE)?.ack_floor.stream_sequence;
            (floor > before || floor == MESSAGES as u64).then_some(floor)
        });
        store.stop(How::Kill);
        in_the_middle += usize::from(acknowledged < MESSAGES as u64);
    }
    assert!(in_the_middle > 0, "it was always too quick to be caught");
    store.resume();
    stream.await_acknowledged(DURABLE);
    expect_all(&store, MESSAGES, CORES);
    assert_eq!(store.metrics().sum("treering_nats_dropped_total", ""), 0.0);
}

/// A server that is killed and comes back has the stream, and whoever published or received goes on.
#[test]
fn a_server_killed_in_the_middle_loses_nothing() {
    let mut server = NatsServer::start_with(JETSTREAM);
    let stream = Stream::create(&server, STREAM, SUBJECT);
    let store = Store::start(config(&server));
    let (published, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let count = std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let mut k = 0;
            while !is_over.load(Ordering::Relaxed) {
                stream.publish(SUBJECT, &message(k, 3));
                k += 1;
                published.store(k as usize, Ordering::Relaxed);
            }
            k
        });
        for round in 1..=2 {
            let more = |by: usize| {
                let goal = published.load(Ordering::Relaxed) + by;
                eventually("more is published", || (published.load(Ordering::Relaxed) >= goal).then_some(()));
            };
            more(100);
            server.kill();
            eventually("it sees that", || (store.metrics().sum("treering_nats_connected", "") == 0.0).then_some(()));
            server.resume();
            more(round * 50);
        }
        is_over.store(true, Ordering::Relaxed);
        publishing.join().unwrap()
    });
    stream.await_acknowledged(DURABLE);
    expect_all(&store, count, 3);
    assert_eq!(store.metrics().sum("treering_nats_dropped_total", ""), 0.0);
}

/// A store that can't store acknowledges nothing; the stream keeps it until somebody can.
#[test]
fn what_is_refused_stays_with_the_stream() {
    const MESSAGES: i64 = 120;
    const CORES: usize = 100;
    let server = NatsServer::start_with(JETSTREAM);
    let stream = Stream::create(&server, STREAM, SUBJECT);
    // A busy machine must not be late by what is left of this when two thirds of it have passed.
    let small = config(&server).set("/metric-store/nats-subscriptions/0/jetstream/ack-wait", "3s");
    let small = small.set(setting::MEMORY_CAP, "40KB");
    let mut store = Store::start(small.clone());
    (0..MESSAGES).for_each(|k| stream.publish(SUBJECT, &message(k, CORES)));
    eventually("it says why it waits", || store.log().contains("wait, they can't be stored now").then_some(()));
    assert!(store.log().contains("memory-cap"), "{}", store.log());
    // Longer than the server waits for an acknowledgement: what is in hand is prolonged, not delivered again.
    let begun = std::time::Instant::now();
    eventually("the time for an acknowledgement passes", || (begun.elapsed().as_millis() > 4500).then_some(()));
    let waiting = stream.consumer(DURABLE).unwrap();
    assert!(waiting.num_ack_pending > 0, "{waiting:?}");
    assert_eq!((waiting.num_redelivered, store.get("/-/ready").status), (0, 200));
    assert_eq!(store.stop(How::Term).code(), Some(0));
    let waiting = stream.consumer(DURABLE).unwrap();
    assert!(waiting.num_ack_pending as u64 + waiting.num_pending > 0, "{waiting:?}");
    store.set_config(small.set(setting::MEMORY_CAP, "1GB"));
    store.resume();
    stream.await_acknowledged(DURABLE);
    expect_all(&store, MESSAGES, CORES);
}

/// One bad message must not come again for ever, nor keep good ones from being stored.
#[test]
fn bad_lines_are_acknowledged_with_the_good_ones() {
    let server = NatsServer::start_with(JETSTREAM);
    let stream = Stream::create(&server, STREAM, SUBJECT);
    let store = Store::start(config(&server));
    for k in 0..20 {
        stream.publish(SUBJECT, "");
        stream.publish(SUBJECT, &format!("not a line {{{{{{\nfast value=\n{}", message(k, 2)));
        stream.publish(SUBJECT, "\u{0}\n,,,\n");
    }
    let info = stream.await_acknowledged(DURABLE);
    assert_eq!((info.delivered.consumer_sequence, info.ack_floor.stream_sequence), (60, 60));
    expect_all(&store, 20, 2);
    assert!(store.log().contains("bad lines in a message on \"hpc-nats\""), "{}", store.log());
}

/// An administrator deletes the consumer while it is in use, or the whole stream.
#[test]
fn a_deleted_consumer_is_made_again() {
    let server = NatsServer::start_with(JETSTREAM);
    let stream = Stream::create(&server, STREAM, SUBJECT);
    let store = Store::start(config(&server));
    (0..20).for_each(|k| stream.publish(SUBJECT, &message(k, 3)));
    stream.await_acknowledged(DURABLE);
    stream.delete_consumer(DURABLE);
    (20..40).for_each(|k| stream.publish(SUBJECT, &message(k, 3)));
    eventually("it is made again", || stream.consumer(DURABLE));
    stream.await_acknowledged(DURABLE);
    // The stream was delivered from its beginning: that changes nothing.
    expect_all(&store, 40, 3);
}

/// Machines of a cluster start in any order, and people make streams last.
#[test]
fn a_stream_may_come_late_and_a_consumer_must_fit() {
    let server = NatsServer::start_with(JETSTREAM);
    let store = Store::start(config(&server));
    let says = |text: &str| eventually(text, || store.log().contains(text).then_some(()));
    says("there is no stream \"METRICS\": make one that captures \"hpc-nats\"");
    assert_eq!(store.metrics().sum("treering_jetstream_attached", ""), 0.0);
    let stream = Stream::create(&server, STREAM, SUBJECT);
    stream.publish(SUBJECT, &message(0, 3));
    eventually("it arrives", || (stored(&store) == 3.0).then_some(()));

    for unfit in [true, false] {
        let other = if unfit { "all" } else { "pushed" };
        if unfit {
            stream.make_pull_consumer(other, AckPolicy::None, Duration::from_secs(1));
        } else {
            stream.make_push_consumer(other);
        }
        let config = Config::new("native").nats(&server.address()).subscribe_stream(SUBJECT, "alex", STREAM, other);
        let store = Store::start(config);
        let expected = if unfit { "found ack policy \"none\", expected \"explicit\"" } else { "found a push consumer" };
        eventually(expected, || store.log().contains(expected).then_some(()));
        stream.publish(SUBJECT, &message(1, 3));
        stream.delete_consumer(other);
        eventually("one that fits is made", || (stored(&store) >= 6.0).then_some(()));
    }
}
