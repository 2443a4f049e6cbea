//! Bodies and senders that mean harm, or know no better.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use treering::formats::zstats::{Blob, BlobSample, Request, Response, decode_response, encode_request, gzip};

use super::{config, post};
use crate::harness::{Answer, Store};

fn response(answer: Answer) -> Response {
    decode_response(&answer.expect_status(200).body).unwrap()
}

fn blob(instance: &str) -> Blob<'_> {
    Blob {
        instance,
        series_count: 1,
        generation: 1,
        time_ms: 1_795_264_034_287,
        labels: vec![("__name__", "m"), ("instance", "h"), ("n", instance)],
        samples: vec![BlobSample { labels: 0..3, time_ms: 1_795_264_034_287, value: 1.0, ..BlobSample::default() }],
        ..Blob::default()
    }
}

fn body(blobs: Vec<Blob<'_>>) -> Vec<u8> {
    gzip(&encode_request(&Request { version: 1, token: "", instances: blobs.len() as i32, blobs }))
}

#[test]
fn bombs_and_floods_are_refused_and_harm_nobody() {
    let store = Store::start(config().set("/zstats/limits/instances", 3000));
    // 500 MB of zeros in half a megabyte.
    let bomb = gzip(&vec![0; 1 << 20]).repeat(500);
    let refused = response(post(&store, bomb));
    assert!(refused.error.contains("at most 134217728 bytes unzipped"), "{}", refused.error);
    // More than a body may have, announced and not.
    let refused = response(post(&store, vec![0; 33 << 20]));
    assert!(refused.error.contains("expected at most 33554432"), "{}", refused.error);
    let names: Vec<String> = (0..10_001).map(|number| format!("i{number}")).collect();
    let blobs = |count: usize| names[..count].iter().map(|name| blob(name)).collect();
    let refused = response(post(&store, body(blobs(10_001))));
    assert!(refused.error.contains("at most 10000 blobs"), "{}", refused.error);
    // As many as may be, and more targets than may be.
    let taken = response(post(&store, body(blobs(10_000))));
    assert_eq!(taken.codes.iter().filter(|code| **code == 0).count(), 3000);
    assert_eq!(taken.codes.iter().filter(|code| **code == 2).count(), 7000);
    let metrics = store.metrics();
    let one = |name: &str, label: &str| metrics.sum(&format!("treering_zstats_{name}"), label);
    assert_eq!((one("targets", ""), one("scrapes_total", "full")), (3000.0, 3000.0));
    assert_eq!(one("scrapes_refused_total", "too_many_instances"), 7000.0);
    assert_eq!(one("requests_refused_total", "too_large"), 3.0);
    assert!(one("state_bytes", "") > 100_000.0);
    assert!(store.memory_kib("VmHWM") < 900 << 10, "{}", store.memory_kib("VmHWM"));
}

#[test]
fn tokens_are_asked_for() {
    let tokens = json!({"12345": {"account": "Zebrium"}, "slow": {"account": "slow", "min-poll-secs": 30}});
    let store = Store::start(config().set("/zstats/tokens", tokens));
    let send = |token: &str| {
        let request = store.request("POST", "/api/v1/zstats").header("Content-Type", "application/octet-stream");
        response(store.send(request.header("Zebrium-Token", token).body(body(vec![blob("i")]))))
    };
    assert_eq!(send("12346").error, "Request has unknown token");
    assert_eq!(send("").error, "Request has empty token");
    assert_eq!(send("*").error, "Request has unknown token");
    let taken = send("slow");
    assert_eq!((taken.error.as_str(), taken.min_poll_secs, taken.codes), ("", 30, vec![0]));
    drop(store);
    // Any token, as the original's public version.
    let store = Store::start(config().set("/zstats/tokens", json!({"*": {"account": "all"}})));
    let request = store.request("POST", "/api/v1/zstats").header("Content-Type", "application/octet-stream");
    let taken = response(store.send(request.header("Zebrium-Token", "whatever").body(body(vec![blob("i")]))));
    assert_eq!(taken.codes, [0]);
    assert!(store.path("spool/all/i").is_dir());
}

/// Without a token in the config, the path is like any other that leads nowhere.
#[test]
fn without_tokens_there_is_no_endpoint() {
    let store = Store::start(config().set("/zstats/tokens", json!({})));
    assert_eq!(post(&store, body(vec![])).status, 404);
    assert_eq!(store.get("/api/v1/zstats").status, 404);
    assert_eq!(store.get("/api/v1/zstats").text(), store.get("/api/v1/nothing").text());
}

/// A sender whose body does not come is told to keep it.
#[test]
fn slow_bodies_are_given_up() {
    let store = Store::start(config().set("/main/limits/stall-timeout", "300ms").set("/zstats/limits/requests", 1));
    let mut slow = TcpStream::connect(("127.0.0.1", store.port)).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = "POST /api/v1/zstats HTTP/1.1\r\nHost: x\r\nZebrium-Token: 12345\r\n\
                Content-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nabc";
    slow.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503"), "{answer}");
    // And its turn is free again.
    assert_eq!(response(post(&store, body(vec![blob("i")]))).codes, [0]);
}
