//! Requests that ask for too much, or for nonsense.

use serde_json::json;

use crate::harness::{Config, Line, Store, T0};
use crate::probe::Probe;
use crate::raw::{Raw, head};

/// A head without end was read into memory; a deep body overflowed the stack, which ends the process.
#[test]
fn floods_of_headers_and_depth_are_refused() {
    let mut store = Store::start(Config::new("native"));
    let probe = Probe::start(&store);
    let many: String = (0..20_000).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X: {}\r\n", "y".repeat(1 << 20));
    let cookies = format!("Cookie: {}\r\n", "a=b; ".repeat(100_000));
    for headers in [many, long, cookies] {
        let mut client = Raw::with(&store, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n");
        client.send(headers.as_bytes());
        let answer = client.rest();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let answer = Raw::with(&store, format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1 << 20))).rest();
    assert!(!answer.contains(" 200 "), "{answer}");
    const DEPTH: usize = 2_000_000;
    for (path, open) in [
        ("/api/query", "["),
        ("/api/query", "{\"queries\":"),
        ("/api/query", "{\"queries\":["),
        ("/api/free?to=5", "["),
        ("/api/healthcheck", "{\"nodes\":"),
        ("/api/healthcheck", "{\"x\":"),
    ] {
        store.post(path, open.repeat(DEPTH)).expect_status(400);
    }
    // What nobody reads may be as deep as it likes.
    let ignored = format!("{{\"x\":{}{},\"cluster\":\"alex\"}}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    store.post("/api/query", ignored).expect_status(200);
    store.check_alive();
    probe.finish(&store);
}

/// A few megabytes of JSON became a few hundred in memory, as often as there were clients.
#[test]
fn large_requests_wait_for_each_other() {
    let store = Store::start(Config::new("native"));
    let probe = Probe::start(&store);
    let body = format!("{{\"cluster\":\"nowhere\",\"queries\":[{}null]}}", "null,".repeat(999_999));
    let too_many = format!("{{\"queries\":[{}null]}}", "null,".repeat(1_000_000));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer = store.post("/api/query", body.clone());
                assert!(matches!(answer.status, 200 | 429), "{}", answer.text());
            });
        }
    });
    store.post("/api/query", too_many).expect_status(400);
    let nodes: String = (0..1_000_000).map(|n| format!("\"{n}\",")).collect();
    let health = format!("{{\"cluster\":\"alex\",\"nodes\":[{nodes}\"x\"]}}");
    let answer = store.post("/api/healthcheck", health);
    assert!(matches!(answer.status, 200 | 400), "{}", answer.status);
    // Two of the largest at a time, a quarter of a gigabyte each.
    probe.finish_within(&store, 900 << 10);
}

/// Times without end made loops and sums without end.
#[test]
fn absurd_times_and_resolutions_are_answered() {
    let mut store = Store::start(Config::new("native"));
    store.write((0..2000).map(|n| Line::new("flops_any", "a1", n as f64, T0 + 60 * n).of("core", n % 4)));
    let probe = Probe::start(&store);
    let times = [
        (0, 1_000_000_000_000),
        (-1_000_000_000_000, 1_000_000_000_000),
        (i64::MIN, i64::MAX),
        (i64::MAX, i64::MIN),
        (i64::MIN, i64::MIN),
        (i64::MAX, i64::MAX),
        (T0, i64::MAX),
        (i64::MIN, T0),
    ];
    for (from, to) in times {
        for resolution in [0, 60, 600, 61, -1, i64::MAX, i64::MIN, i64::MAX / 60 * 60] {
            for aggreg in [true, false] {
                let query = json!({"metric": "flops_any", "host": "a1", "type": "core", "resolution": resolution,
                                   "type-ids": ["0", "1", "2", "3"], "aggreg": aggreg});
                let question = json!({"cluster": "alex", "from": from, "to": to, "queries": [query],
                                      "with-padding": false});
                let answer = store.post("/api/query", question.to_string()).expect_status(200);
                assert!(answer.body.len() < 1_000_000, "{from} {to} {resolution}: {}", answer.body.len());
            }
        }
    }
    // Padding is bounded whatever the range.
    let question = json!({"cluster": "alex", "from": -1_000_000_000_000_i64, "to": 1_000_000_000_000_i64,
                          "queries": [{"metric": "flops_any", "host": "a1"}]});
    let answer = store.post("/api/query", question.to_string()).expect_status(200);
    assert!(answer.body.len() < 200 << 20, "{}", answer.body.len());
    store.check_alive();
    probe.finish(&store);
}

/// A number of bytes that never comes must cost nothing: what is announced is not believed.
#[test]
fn announced_bodies_take_no_room() {
    const CLIENTS: usize = 200;
    let store = Store::start(Config::new("native"));
    let probe = Probe::start(&store);
    let clients: Vec<Raw> =
        (0..CLIENTS).map(|_| Raw::with(&store, head("POST", "/api/query", 60 << 20) + "{")).collect();
    for n in 0..50 {
        let question = json!({"cluster": "alex", "from": T0, "to": T0 + 60 + n,
                              "queries": [{"metric": "cpu_load", "host": "probe"}]});
        store.post("/api/query", question.to_string()).expect_status(200);
    }
    drop(clients);
    probe.finish(&store);
}
