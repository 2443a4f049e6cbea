//! Ten thousand connections, and more than there may be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::harness::{Config, Line, Metrics, Store, T0, eventually};
use crate::probe::Probe;
use crate::raw::{Raw, await_closed, refused};

const REQUEST: &[u8] = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";

/// Raises this process's own limit; answers it.
fn raise_own_limit() -> u64 {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    hard
}

fn answered(client: &mut Raw) -> bool {
    let mut answer = [0; 256];
    let mut len = 0;
    while !answer[..len].ends_with(b"healthy.\n") {
        match client.0.read(&mut answer[len..]) {
            Ok(0) | Err(_) => return false,
            Ok(bytes) => len += bytes,
        }
    }
    true
}

/// A node each, all of them connected at once and at work.
#[test]
fn ten_thousand_connections_are_served() {
    const CLIENTS: usize = 10_000;
    let own = raise_own_limit();
    assert!(own > CLIENTS as u64 + 200, "this system lets a process open {own} files only");
    // The store begins with a low limit, as systems set it, and raises it itself.
    let store = Store::start(Config::new("native"));
    let probe = Probe::start(&store);
    let mut clients: Vec<Raw> = (0..CLIENTS).map(|_| Raw::with(&store, REQUEST)).collect();
    for round in 0..2 {
        let served = clients.iter_mut().map(answered).filter(|&served| served).count();
        assert_eq!(served, CLIENTS, "round {round}");
        if round == 0 {
            assert!(store.metrics().sum("treering_http_connections", "") >= CLIENTS as f64);
            clients.iter_mut().for_each(|client| assert!(client.send(REQUEST)));
        }
    }
    drop(clients);
    await_closed(&store);
    assert_eq!(refused(&store, "connections"), 0.0);
    // Some 25 KiB each.
    probe.finish_within(&store, 512 << 10);
}

/// Out of file descriptors, a server that goes on accepting spins and serves nobody, and its log can't be opened.
#[test]
fn beyond_the_limit_connections_are_refused_and_counted() {
    const DESCRIPTORS_MAX: u32 = 512;
    const TRIES: usize = 600;
    raise_own_limit();
    let mut store = Store::prepare(Config::new("native")).with_descriptors_max(DESCRIPTORS_MAX);
    store.resume();
    assert!(store.log().contains("256 connections at a time are the limit"), "{}", store.log());
    let probe = Probe::start(&store);
    // The count is exact because nobody else connects: it is asked for on a connection that is served, and the probe
    // keeps to its own.
    let mut scraper = Raw::connect(&store);
    assert_eq!(scraper.exchange("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().0, 200);
    let mut clients: Vec<Raw> = Vec::new();
    let mut told = 0;
    for _ in 0..TRIES {
        let mut client = Raw::connect(&store);
        client.0.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // Whom it refuses it may close before the request comes.
        let _ = client.0.write_all(REQUEST);
        let mut answer = [0; 12];
        match client.0.read_exact(&mut answer) {
            Ok(()) if &answer == b"HTTP/1.1 200" => clients.push(client),
            Ok(()) => {
                assert_eq!(&answer, b"HTTP/1.1 503");
                told += 1;
            }
            Err(_) => {}
        }
    }
    assert!((200..=256).contains(&clients.len()), "{} were served", clients.len());
    assert!(told > 0, "nobody was told");
    let (status, metrics) = scraper.exchange("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(status, 200, "{metrics}");
    let count = Metrics::parse(&metrics).sum("treering_refused_total", "reason=\"connections\"");
    assert_eq!(count as usize, TRIES - clients.len(), "each one is counted");
    assert!(store.descriptors() < DESCRIPTORS_MAX as usize - 50, "{}", store.descriptors());
    assert!(store.log().matches("(main.limits.connections)").count() < 60, "the log is not flooded");
    // Those that have a connection are served, and files are written.
    probe.finish(&store);
    drop(clients);
    eventually("there is room again", || {
        let mut client = TcpStream::connect(("127.0.0.1", store.port)).ok()?;
        client.write_all(b"GET /-/healthy HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        client.read_to_string(&mut answer).ok()?;
        answer.contains(" 200 ").then_some(())
    });
    store.write([Line::new("cpu_load", "a1", 1.0, T0)]);
}
