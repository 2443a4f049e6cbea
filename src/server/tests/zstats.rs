//! Scrapes: what passes is told by 503, which makes their senders keep them.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::formats::zstats::{Request, decode_response, encode_request, gzip};
use crate::server::{ZstatsOptions, ZstatsToken};

fn options() -> ZstatsOptions {
    let token = ZstatsToken { account: "a".into(), min_poll_secs: 7 };
    ZstatsOptions { tokens: [("t".to_owned(), token)].into(), requests_max: 1, ..ZstatsOptions::default() }
}

/// A request without scrapes, by which senders ask whether we are well.
fn ask(server: &Server) -> RequestBuilder {
    let body = gzip(&encode_request(&Request { version: 3, ..Request::default() }));
    let request = server.post("/api/v1/zstats", body).header("Zebrium-Token", "t");
    request.header("Content-Type", "application/octet-stream")
}

#[tokio::test]
async fn what_fails_is_kept_by_its_sender() {
    let failures: [(Failure, &str); 3] = [
        (Box::new(|| IngestError::Busy("full".into())), "overloaded: full\n"),
        (Box::new(|| IngestError::LogFailed("no disk".into())), "writes are refused: no disk\n"),
        (Box::new(|| IngestError::Closed), "shutting down\n"),
    ];
    for (failure, text) in failures {
        let fake = Fake { failure: Some(failure), ..Fake::default() };
        let server = Server::start(fake, |to| to.zstats = Some(options())).await;
        assert_eq!(read(ask(&server)).await, (503, text.to_owned()));
    }
}

#[tokio::test]
async fn recovery_is_waited_for() {
    let server = Server::start_recovering(Fake::default(), |to| {
        to.zstats = Some(options());
        to.limits.ready_timeout = Duration::from_millis(50);
    })
    .await;
    assert_eq!(read(server.get("/api/v1/zstats")).await.0, 503, "balancers send their clients elsewhere");
    assert_eq!(read(ask(&server)).await.0, 503);
    server.ready.send_replace(true);
    assert_eq!(read(server.get("/api/v1/zstats")).await, (200, "OK\n".to_owned()));
    let answer = ask(&server).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (200, "application/octet-stream"));
    let response = decode_response(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!((response.version, response.min_poll_secs, response.error.as_str()), (3, 7, ""));
}

/// One sender that takes its time holds the only turn: the next one is told to come again.
#[tokio::test]
async fn too_many_at_a_time_come_again() {
    let server = Server::start(Fake::default(), |to| {
        to.zstats = Some(options());
        to.limits.turn_timeout = Duration::from_millis(50);
    })
    .await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /api/v1/zstats HTTP/1.1\r\nHost: x\r\nZebrium-Token: t\r\n\
                Content-Type: application/octet-stream\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    // It is told to go on once its turn has come.
    let mut told = [0; 25];
    slow.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    let (status, text) = read(ask(&server)).await;
    assert_eq!((status, text.starts_with("overloaded: 1 requests of zstats")), (503, true), "{text}");
    slow.write_all(b"abc").await.unwrap();
    let mut answer = vec![0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    assert_eq!(read(ask(&server)).await.0, 200);
}
