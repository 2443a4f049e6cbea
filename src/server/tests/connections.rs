//! Slow, silent and many peers; the end.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const SHORT: Duration = Duration::from_millis(150);
/// Far more than any of the timeouts that these tests set, far less than the defaults.
const SOON: Duration = Duration::from_secs(8);

/// What comes until the server closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    let reading = stream.read_to_end(&mut received);
    // A reset is an end too.
    let _ = tokio::time::timeout(SOON, reading).await.expect("the server should have closed the connection");
    String::from_utf8_lossy(&received).into_owned()
}

/// Reads one answer with a body of a known length.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    while !received.ends_with(b"healthy.\n") {
        assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0, "{}", String::from_utf8_lossy(&received));
    }
    String::from_utf8(received).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_must_come_in_time() {
    let server = Server::start(Fake::default(), |options| options.limits.header_timeout = SHORT).await;
    for begin in ["", "P", "POST /api/write HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        assert!(!until_closed(&mut stream).await.contains("200"), "{begin:?}");
    }
}

/// A byte now and then must not keep a head alive.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_drips_is_given_up() {
    let server = Server::start(Fake::default(), |options| options.limits.header_timeout = SHORT).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let drip = async {
        writing.write_all(b"GET /-/healthy HTTP/1.1\r\nX: ").await?;
        loop {
            writing.write_all(b"x").await?;
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let mut received = Vec::new();
    tokio::select! {
        outcome = drip => { let _: io::Result<()> = outcome; }
        _ = reading.read_to_end(&mut received) => {}
        () = tokio::time::sleep(SOON) => panic!("the server still listens"),
    }
}

/// Collectors send once a minute over one connection: it must outlive the time that a head may take.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_stays_for_a_while() {
    let change = |options: &mut Options| {
        options.limits.header_timeout = SHORT;
        options.limits.idle_timeout = 6 * SHORT;
    };
    let server = Server::start(Fake::default(), change).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(one_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(3 * SHORT).await;
    }
    let begun = Instant::now();
    assert_eq!(until_closed(&mut stream).await, "");
    assert!(begun.elapsed() < SOON);
}

/// A query may take longer than connections may be idle.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_request_is_not_idle() {
    let answer = |out: &mut dyn Write| {
        std::thread::sleep(5 * SHORT);
        out.write_all(b"{}")
    };
    let change = |options: &mut Options| {
        options.limits.header_timeout = SHORT;
        options.limits.idle_timeout = SHORT;
    };
    let server = Server::start(Fake { answer: Some(Box::new(answer)), ..Fake::default() }, change).await;
    assert_eq!(read(server.post("/api/query", "{}")).await, (200, "{}".into()));
}

/// A limit that makes peers wait in the dark looks like a dead server to them, and to whom it may alarm.
#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_told_so() {
    let server = Server::start(Fake::default(), |options| options.limits.connections_max = 1).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let answer = until_closed(&mut second).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 5"), "{answer}");
    assert!(server.metrics().contains("treering_refused_total{reason=\"connections\"} 1"), "{}", server.metrics());
    drop(first);
    let served = async {
        loop {
            let mut third = TcpStream::connect(server.address).await.unwrap();
            third.write_all(b"GET /-/healthy HTTP/1.0\r\n\r\n").await.unwrap();
            if until_closed(&mut third).await.contains(" 200 ") {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, served).await.expect("the place is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_finished_before_the_end() {
    let (begun_sender, begun) = std::sync::mpsc::channel();
    let answer = move |out: &mut dyn Write| {
        let _ = begun_sender.send(());
        std::thread::sleep(2 * SHORT);
        out.write_all(b"{}")
    };
    let mut server = Server::start(Fake { answer: Some(Box::new(answer)), ..Fake::default() }, |_| {}).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    let asking = tokio::spawn(read(server.post("/api/query", "{}")));
    tokio::task::spawn_blocking(move || begun.recv_timeout(SOON)).await.unwrap().unwrap();
    drop(server.stop.take());
    assert_eq!(asking.await.unwrap(), (200, "{}".into()));
    tokio::time::timeout(SOON, server.running).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_ever() {
    let change = |options: &mut Options| options.limits.shutdown_timeout = SHORT;
    let mut server = Server::start(Fake::default(), change).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST /api/write HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\none\n").await.unwrap();
    // Another connection answers only after the first was accepted.
    assert_eq!(read(server.get("/-/healthy")).await.0, 200);
    drop(server.stop.take());
    tokio::time::timeout(SOON, server.running).await.unwrap().unwrap().unwrap();
}
