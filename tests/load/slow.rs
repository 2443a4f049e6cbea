//! Clients that are slow, silent or gone.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Config, Line, Store, T0};
use crate::probe::Probe;
use crate::raw::{Raw, await_closed, await_refused, head, request};

/// A store that loses its patience soon.
fn impatient() -> Store {
    let config = Config::new("native")
        .set("/main/limits/header-timeout", "2s")
        .set("/main/limits/idle-timeout", "3s")
        .set("/main/limits/stall-timeout", "3s");
    Store::start(config)
}

/// Sends a byte now and then through each connection, until the store has given up all of them.
#[track_caller]
fn drip(mut clients: Vec<Raw>, byte: &[u8]) {
    let begun = Instant::now();
    while !clients.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} clients still drip", clients.len());
        clients.retain_mut(|client| client.send(byte));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Slowloris: heads that never end, a byte now and then, held all connections for ever.
#[test]
fn slow_heads_are_given_up() {
    const CLIENTS: usize = 400;
    let store = impatient();
    let probe = Probe::start(&store);
    let clients: Vec<Raw> =
        (0..CLIENTS).map(|_| Raw::with(&store, "POST /api/write HTTP/1.1\r\nHost: x\r\nX-Drip: ")).collect();
    drip(clients, b"x");
    await_refused(&store, "slow_head", CLIENTS);
    await_closed(&store);
    probe.finish(&store);
}

/// A body at a byte a tenth of a second was never silent for long, and held its place for years. 64 of them with zstd
/// held all places for such bodies.
#[test]
fn slow_bodies_are_given_up() {
    const CLIENTS: usize = 100;
    let store = impatient();
    let probe = Probe::start(&store);
    let paths = ["/api/write", "/api/query", "/api/healthcheck", "/api/free?to=5"];
    let clients: Vec<Raw> =
        (0..CLIENTS).map(|n| Raw::with(&store, head("POST", paths[n % paths.len()], 60 << 20))).collect();
    drip(clients, b"\n");
    await_refused(&store, "slow_body", CLIENTS);
    await_closed(&store);
    probe.finish(&store);
}

/// The whole lines of a body that comes too slowly are stored, and the answer says how many.
#[test]
fn a_slow_body_is_told_what_was_stored() {
    let store = impatient();
    let line = Line::new("cpu_load", "a1", 7.0, T0);
    let slow = Raw::with(&store, head("POST", "/api/write", 1000) + &format!("{line}\nhalf a li"));
    let answer = slow.rest();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("1 lines of it were stored"), "{answer}");
    assert_eq!(store.values("a1", "cpu_load", T0, T0 + 60), [7.0]);
}

/// Clients that ask for large answers and read nothing of them held all places for queries.
#[test]
fn readers_that_never_read_keep_nobody_waiting() {
    const CLIENTS: usize = 50;
    let store = impatient();
    let now = T0;
    store.write([Line::new("fast", "a1", 1.0, now)]);
    let probe = Probe::start(&store);
    // A year of seconds before the only value: 150 MB of nulls.
    let question = json!({"cluster": "alex", "from": now - 30_000_000, "to": now + 1,
                          "queries": [{"metric": "fast", "host": "a1"}]});
    let asking = request("/api/query", &question.to_string());
    let clients: Vec<Raw> = (0..CLIENTS).map(|_| Raw::with(&store, &asking)).collect();
    await_refused(&store, "slow_reader", CLIENTS);
    await_closed(&store);
    drop(clients);
    probe.finish(&store);
}

/// The same with many small requests in a row and answers that are whole before they are sent.
#[test]
fn pipelines_that_nobody_reads_end() {
    const CLIENTS: usize = 50;
    let store = impatient();
    store.write([Line::new("fast", "a1", 1.0, T0)]);
    let probe = Probe::start(&store);
    let question = json!({"cluster": "alex", "from": T0 - 150_000, "to": T0 + 1,
                          "queries": [{"metric": "fast", "host": "a1"}]});
    let asking = request("/api/query", &question.to_string()).repeat(40);
    let clients: Vec<Raw> = (0..CLIENTS).map(|_| Raw::with(&store, &asking)).collect();
    await_refused(&store, "slow_reader", CLIENTS);
    await_closed(&store);
    drop(clients);
    probe.finish(&store);
}

/// A client that lost its power says no farewell: nothing ever comes from it, at whatever point it was.
#[test]
fn vanished_clients_are_forgotten() {
    const EACH: usize = 50;
    let store = impatient();
    let before = store.descriptors();
    let whole = request("/api/write", &Line::new("cpu_load", "a1", 7.0, T0).to_string());
    let points = [String::new(), "GE".to_owned(), whole[..30].to_owned(), whole[..whole.len() - 5].to_owned(), whole];
    let clients: Vec<Raw> =
        points.iter().flat_map(|point| (0..EACH).map(|_| Raw::with(&store, point)).collect::<Vec<_>>()).collect();
    await_closed(&store);
    assert!(store.descriptors() <= before + 8, "{} descriptors, {before} before", store.descriptors());
    drop(clients);
}

/// Requests in a row on one connection are all answered, in their order.
#[test]
fn a_pipeline_is_answered_in_order() {
    let store = Store::start(Config::new("native"));
    let ask = |n: i64| {
        let question = json!({"cluster": "alex", "from": T0, "to": T0 + 60 * n, "queries": []});
        request("/api/query", &question.to_string())
    };
    let lines = |n: i64| request("/api/write", &Line::new("cpu_load", "a1", n as f64, T0 + 60 * n).to_string());
    let mut pipeline: String = (0..200).map(|n| lines(n) + &ask(n)).collect();
    pipeline += "GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = Raw::with(&store, pipeline).answer();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 401);
    assert!(answers.ends_with("healthy.\n"));
    let expected: Vec<f64> = (0..200).map(f64::from).collect();
    assert_eq!(store.values("a1", "cpu_load", T0, T0 + 200 * 60), expected);
}
