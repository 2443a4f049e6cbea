//! `/api/write`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;

use super::super::http::{gzip, zstd};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_stored_in_every_encoding() {
    let server = Server::start(Fake::default(), |_| {}).await;
    let plain = b"a value=1\nb value=2".to_vec();
    for (encoding, body) in [("identity", plain.clone()), ("gzip", gzip(&plain)), ("zstd", zstd(&plain))] {
        server.fake.lines.lock().clear();
        let request = server.post("/api/write/", body).header("Content-Encoding", encoding);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{encoding}");
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(response.text().await.unwrap(), "");
        assert_eq!(server.stored(), b"a value=1\nb value=2\n", "{encoding}");
    }
    let (status, body) = read(server.post("/api/write", "a").header("Content-Encoding", "br")).await;
    assert_eq!((status, error(&body).contains("\"br\"")), (415, true), "{body}");
    assert_eq!(read(server.post("/api/write", "")).await, (200, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_cluster_is_decoded() {
    let server = Server::start(Fake::default(), |_| {}).await;
    assert_eq!(read(server.post("/api/write/below/it?x=1&cluster=a%20b%2Fc&cluster=z", "a")).await.0, 200);
    assert_eq!(*server.fake.cluster.lock(), "a b/c");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_named_and_the_others_are_stored() {
    let server = Server::start(Fake::default(), |options| options.limits.line_bytes_max = 100).await;
    let body = ["good\nbad\n", &"x".repeat(5000), "\ngood"].concat();
    let (status, body) = read(server.post("/api/write", body)).await;
    assert_eq!(status, 400);
    let complaint = "2 of 4 lines stored; line 2: no good; line 3: longer than 100 bytes";
    assert_eq!(body, format!("{{\"error\":\"{complaint}\",\"status\":\"Bad Request\"}}\n"));
    assert_eq!(server.stored(), b"good\nbad\ngood\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_goes_in_pieces() {
    let server = Server::start(Fake::default(), |_| {}).await;
    let chunk = Bytes::from("0123456789abcde\n".repeat(4096));
    let chunks = stream::iter((0..640).map(move |_| Ok::<_, io::Error>(chunk.clone())));
    assert_eq!(read(server.post("/api/write", reqwest::Body::wrap_stream(chunks))).await.0, 200);
    assert_eq!(server.stored().len(), 40 << 20);
    let pieces = server.fake.pieces.lock();
    assert!(pieces.iter().all(|&piece| piece <= (1 << 20) + (64 << 10)), "{pieces:?}");
    assert!(pieces.len() < 100, "{}", pieces.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limit_is_refused() {
    let server = Server::start(Fake::default(), |options| options.body_bytes_max = 100).await;
    let (status, body) = read(server.post("/api/write", "123456789\n".repeat(11))).await;
    assert_eq!((status, error(&body)), (413, "the body is larger than 100 bytes; 0 lines of it were stored".into()));
    let compressed = gzip("123456789\n".repeat(5000).as_bytes());
    let (status, body) = read(server.post("/api/write", compressed).header("Content-Encoding", "gzip")).await;
    assert_eq!((status, error(&body)), (413, "the body is larger than 100 bytes; 10 lines of it were stored".into()));
    assert_eq!(server.stored(), "123456789\n".repeat(10).as_bytes());
    assert_eq!(read(server.post("/api/write", "123456789\n".repeat(10))).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_body_says_how_much_was_stored() {
    let server = Server::start(Fake::default(), |_| {}).await;
    let plain: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    let body = gzip(plain.as_bytes());
    let body = body[..body.len() / 2].to_vec();
    let (status, body) = read(server.post("/api/write", body).header("Content-Encoding", "gzip")).await;
    let stored = server.stored();
    assert!(plain.as_bytes().starts_with(&stored) && stored.ends_with(b"\n"));
    let count = stored.split(|&byte| byte == b'\n').count() - 1;
    assert_eq!(status, 400);
    assert!(error(&body).contains("damaged") && error(&body).ends_with(&format!("; {count} lines of it were stored")));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_store_have_their_status() {
    let failures: [(Failure, u16, bool); 5] = [
        (Box::new(|| IngestError::NotReady), 503, true),
        (Box::new(|| IngestError::Closed), 503, true),
        (Box::new(|| IngestError::LogFailed("disk full".into())), 503, true),
        (Box::new(|| IngestError::Busy("queue".into())), 429, true),
        (Box::new(|| IngestError::Forgotten), 503, true),
    ];
    for (failure, expected, retry) in failures {
        let text = failure().to_string();
        let server = Server::start(Fake { failure: Some(failure), ..Fake::default() }, |_| {}).await;
        let response = server.post("/api/write", "a\n").send().await.unwrap();
        assert_eq!(response.status(), expected);
        assert_eq!(response.headers().contains_key("retry-after"), retry);
        assert!(error(&response.text().await.unwrap()).starts_with(&text));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stalls_is_given_up_and_its_whole_lines_are_stored() {
    let change = |options: &mut Options| options.limits.stall_timeout = Duration::from_millis(100);
    let server = Server::start(Fake::default(), change).await;
    let first = stream::iter([Ok::<_, io::Error>("one\ntw")]);
    let body = reqwest::Body::wrap_stream(futures_util::StreamExt::chain(first, stream::pending()));
    let (status, body) = read(server.post("/api/write", body)).await;
    assert_eq!(status, 408);
    assert!(error(&body).ends_with("1 lines of it were stored"), "{body}");
    assert_eq!(server.stored(), b"one\n");
}

/// Senders of remote write throw away what is answered with 4xx: what may succeed later is never one of these. A body
/// that stalled was 408.
#[tokio::test(flavor = "multi_thread")]
async fn senders_are_told_to_come_again_by_5xx_alone() {
    let failures: [Failure; 5] = [
        Box::new(|| IngestError::NotReady),
        Box::new(|| IngestError::Closed),
        Box::new(|| IngestError::LogFailed("disk full".into())),
        Box::new(|| IngestError::Busy("queue".into())),
        Box::new(|| IngestError::Forgotten),
    ];
    let v2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
    let samples = "x-prometheus-remote-write-samples-written";
    let send = |server: &Server, body: reqwest::Body| {
        let request = server.post("/api/v1/write", body).header("content-encoding", "identity");
        request.header("content-type", v2)
    };
    for failure in failures {
        let text = failure().to_string();
        // As a log that fails after the first of two hosts.
        let server = Server::start(Fake { failure: Some(failure), written: 3, ..Fake::default() }, |_| {}).await;
        let response = send(&server, "".into()).send().await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, samples)), (503, "3"), "{text}");
        assert_eq!(header(&response, "retry-after"), "5");
        assert!(header(&response, "content-type").starts_with("text/plain"));
        assert!(response.text().await.unwrap().starts_with(&text));
    }
    let change = |options: &mut Options| options.limits.stall_timeout = Duration::from_millis(100);
    let server = Server::start(Fake::default(), change).await;
    let first = stream::iter([Ok::<_, io::Error>("begun")]);
    let body = reqwest::Body::wrap_stream(futures_util::StreamExt::chain(first, stream::pending()));
    let response = send(&server, body).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, samples)), (503, "0"));
    assert_eq!((header(&response, "retry-after"), header(&response, "connection")), ("5", "close"));
    let text = response.text().await.unwrap();
    assert!(text.starts_with("the rest of the body did not come"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_large_pieces_small_ones_do() {
    let server = Server::start(Fake::default(), |options| options.limits.large_pieces_max = 0).await;
    let body = "0123456789abcde\n".repeat(1 << 17);
    assert_eq!(read(server.post("/api/write", body.clone())).await.0, 200);
    assert!(server.stored() == body.as_bytes());
    assert!(server.fake.pieces.lock().iter().all(|&piece| piece <= 128 << 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_no_turn_is_told_to_come_later() {
    let change = |options: &mut Options| {
        options.limits.ingests_max = 0;
        options.limits.turn_timeout = Duration::from_millis(10);
    };
    let server = Server::start(Fake::default(), change).await;
    let response = server.post("/api/write", "a\n").send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (429, "5"));
}

/// The turn belonged to the request, and the work to a thread: clients that went away at once made room for more and
/// more work that nobody waited for, each with a piece of a body in memory.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_go_away_do_not_make_room_for_more_work() {
    let (running, most) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let work = {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        move || {
            most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(200));
            running.fetch_sub(1, Ordering::Relaxed);
            IngestError::Closed
        }
    };
    let fake = Fake { failure: Some(Box::new(work)), ..Fake::default() };
    let server = Server::start(fake, |options| options.limits.ingests_max = 1).await;
    for _ in 0..30 {
        let mut client = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let request = b"POST /api/write HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na\n";
        tokio::io::AsyncWriteExt::write_all(&mut client, request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(most.load(Ordering::Relaxed), 1);
}
