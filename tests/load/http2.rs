//! HTTP/2 as no client would speak it: frames by hand.

use std::io::{Read, Write};

use crate::harness::{Config, Store, eventually};
use crate::probe::Probe;
use crate::raw::{Raw, refused};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET path` in HPACK: indexed fields of the static table, and literals without an index.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(&[0x01, 1, b'x']);
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

/// Opens a connection with a window for answers.
fn open(store: &Store, window: u32) -> Raw {
    let window = [&[0, 4][..], &window.to_be_bytes()].concat();
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &window)].concat();
    Raw::with(store, preface)
}

/// All kinds of frames that come until the connection ends.
fn kinds(client: Raw) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut stream = client.0;
    // A reset is an end too.
    let _ = stream.read_to_end(&mut bytes);
    let mut kinds = Vec::new();
    let mut rest = &bytes[..];
    while rest.len() >= 9 {
        let len = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        kinds.push(rest[3]);
        rest = rest.get(9 + len..).unwrap_or_default();
    }
    kinds
}

/// CVE-2023-44487: streams that are opened and reset at once cost the server work and the client nothing.
#[test]
fn rapid_resets_end_the_connection() {
    let mut store = Store::start(Config::new("native"));
    let probe = Probe::start(&store);
    for _ in 0..20 {
        let mut client = open(&store, 65_535);
        let flood: Vec<u8> = (0..2000u32)
            .flat_map(|n| [get(2 * n + 1, "/metrics"), frame(RST_STREAM, 0, 2 * n + 1, &8u32.to_be_bytes())].concat())
            .collect();
        // The store may hang up before it has read all.
        let _ = client.0.write_all(&flood);
        assert!(kinds(client).contains(&GOAWAY), "the connection is ended with a word");
    }
    store.check_alive();
    probe.finish(&store);
}

/// More streams at a time than are allowed are reset one by one; all others are answered.
#[test]
fn streams_beyond_the_limit_are_refused() {
    const STREAMS: u32 = 500;
    let store = Store::start(Config::new("native").set("/main/limits/idle-timeout", "2s"));
    let probe = Probe::start(&store);
    let mut client = open(&store, 65_535);
    let flood: Vec<u8> = (0..STREAMS).flat_map(|n| get(2 * n + 1, "/-/healthy")).collect();
    assert!(client.send(&flood));
    let kinds = kinds(client);
    let count = |kind: u8| kinds.iter().filter(|&&found| found == kind).count();
    let (answered, reset) = (count(HEADERS), count(RST_STREAM));
    assert_eq!(answered + reset, STREAMS as usize, "{answered} were answered, {reset} reset");
    assert!(answered >= 64 && reset > 0, "{answered} were answered, {reset} reset");
    probe.finish(&store);
}

/// Without a window the answers stayed in memory for as long as the client wished.
#[test]
fn answers_without_a_window_are_given_up() {
    const CLIENTS: usize = 20;
    let store = Store::start(Config::new("native").set("/main/limits/stall-timeout", "2s"));
    let probe = Probe::start(&store);
    let clients: Vec<Raw> = (0..CLIENTS)
        .map(|_| {
            let mut client = open(&store, 0);
            let asks: Vec<u8> = (0..32u32).flat_map(|n| get(2 * n + 1, "/metrics")).collect();
            assert!(client.send(&asks));
            client
        })
        .collect();
    eventually("all are given up", || (refused(&store, "slow_reader") >= CLIENTS as f64).then_some(()));
    drop(clients);
    probe.finish(&store);
}
