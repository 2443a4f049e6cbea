//! gRPC: floods, hostile and slow clients, and the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tonic::{Code, Request};
use treering::server::proto::{GridSeries, QueryRangeRequest, QueryRequest, StampedSeries, WriteRequest};

use crate::harness::{Config, Grpc, How, Store, T0, eventually, free_port, grid, retry_secs, setting};

fn store(config: Config) -> (Store, Grpc, u16) {
    let port = free_port();
    let store = Store::start(config.set(setting::GRPC_ADDR, format!("127.0.0.1:{port}")));
    (store, Grpc::plain(port), port)
}

fn refused(store: &Store, reason: &str) -> f64 {
    store.metrics().sum("treering_refused_total", &format!("reason=\"{reason}\""))
}

/// A query that takes much longer than any test waits: for each of many steps the median of thousands of values, again
/// and again.
fn endless() -> QueryRangeRequest {
    QueryRangeRequest {
        query: ["quantile_over_time(0.5, sum(mem_used)[2h:1s])"; 100].join(" + "),
        start_ms: 1000 * (T0 + 7200),
        end_ms: 1000 * (T0 + 10_800),
        step_ms: 1000,
        ..QueryRangeRequest::default()
    }
}

/// Three hours of one host, for that query.
fn hours() -> WriteRequest {
    WriteRequest { grid: vec![grid("mem_used", "a1", T0, &[1.5; 180])], ..WriteRequest::default() }
}

/// A request of a minute of one host.
fn small(sequence: u64) -> WriteRequest {
    WriteRequest { sequence, grid: vec![grid("mem_used", "a1", T0, &[1.0])], ..WriteRequest::default() }
}

#[test]
fn messages_have_a_size() {
    let (store, grpc, _) = store(Config::new("native"));
    let large = |samples: usize| WriteRequest {
        grid: vec![grid("mem_used", "a1", T0, &vec![1.5; samples])],
        ..WriteRequest::default()
    };
    // About eighteen bytes a sample.
    let stored = grpc.push(vec![large(200_000)]).unwrap();
    assert_eq!(stored[0].stored, 200_000);
    let error = grpc.push(vec![small(1), large(400_000)]).unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    assert!(error.message().contains("more than 4194304 are refused"), "{error}");
    assert_eq!(refused(&store, "body_too_large"), 1.0);
    // What takes little to send and much to keep.
    let flood = WriteRequest { grid: vec![GridSeries::default(); 1_000_000], ..WriteRequest::default() };
    let before = store.memory_kib("VmHWM");
    assert_eq!(grpc.push(vec![flood]).unwrap()[0].stored, 0);
    let flood = WriteRequest { series: vec![StampedSeries::default(); 1_000_000], ..WriteRequest::default() };
    let told = &grpc.push(vec![flood]).unwrap()[0];
    assert_eq!((told.stored, told.problems.len()), (0, 10), "{told:?}");
    let grown = store.memory_kib("VmHWM") - before;
    assert!(grown < 60_000, "{grown} KiB");
}

#[test]
fn what_is_no_call_is_refused() {
    let (store, grpc, port) = store(Config::new("native"));
    let mut http1 = TcpStream::connect(("127.0.0.1", port)).unwrap();
    http1.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    http1.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 415 ") && answer.contains("only gRPC is spoken here"), "{answer}");
    // Bytes that are no message, behind a good prefix.
    let mut client = tonic::client::Grpc::new(grpc.channel.clone());
    let call = |client: &mut tonic::client::Grpc<_>, path: &'static str| {
        grpc.block_on(async {
            client.ready().await.unwrap();
            let codec = tonic_prost::ProstCodec::<StampedSeries, StampedSeries>::default();
            // A label where the messages have a number, or the other way round.
            let message = StampedSeries {
                labels: vec![Default::default(); 2],
                samples: vec![Default::default(); 2],
                ..StampedSeries::default()
            };
            client.unary(Request::new(message), path.parse().unwrap(), codec).await.map(drop).unwrap_err()
        })
    };
    assert_eq!(call(&mut client, "/treering.v1.Metrics/QueryRange").code(), Code::InvalidArgument);
    assert_eq!(call(&mut client, "/treering.v1.Metrics/Nothing").code(), Code::Unimplemented);
    assert_eq!(call(&mut client, "/nobody").code(), Code::Unimplemented);
    // Compressed messages are told so.
    let zipped = grpc.block_on(post(port, "gzip", vec![bytes::Bytes::from_static(b"\x01\0\0\0\x03abc")], false));
    assert_eq!(zipped, Some("12".to_owned()), "unimplemented");
    let mut garbage = TcpStream::connect(("127.0.0.1", port)).unwrap();
    garbage.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage that is no frame, and more of it").unwrap();
    let mut rest = Vec::new();
    garbage.read_to_end(&mut rest).ok();
    assert_eq!(grpc.push(vec![small(1)]).unwrap()[0].stored, 1, "nobody else suffers");
    drop(store);
}

#[test]
fn a_range_that_nobody_waits_for_frees_its_turn() {
    let config =
        Config::new("native").set("/prometheus/query-concurrency", 1).set("/main/limits/turn-timeout", "500ms");
    let (store, grpc, _) = store(config);
    grpc.push(vec![hours()]).unwrap();
    let mut client = grpc.client();
    let running = grpc.block_on(client.query_range(endless())).unwrap();
    // The only turn is taken, for this port and the other one.
    let query = QueryRequest { query: "vector(1)".into(), ..QueryRequest::default() };
    let error = grpc.query(query.clone()).unwrap_err();
    assert_eq!((error.code(), retry_secs(&error)), (Code::ResourceExhausted, Some(5)), "{error}");
    assert!(error.message().contains("1 PromQL queries"), "{error}");
    assert_eq!(store.get("/api/v1/query?query=1").status, 429);
    assert_eq!(refused(&store, "promql"), 2.0);
    drop(running);
    eventually("the turn is free", || grpc.query(query.clone()).ok());
    assert_eq!(store.get("/api/v1/query?query=1").status, 200);
    let calls = || store.metrics().sum("treering_http_requests_total", "status=\"499\"");
    eventually("the call is counted", || (calls() == 1.0).then_some(()));
}

#[test]
fn deadlines_end_queries() {
    let (store, grpc, _) = store(Config::new("native"));
    grpc.push(vec![hours()]).unwrap();
    let begun = Instant::now();
    let mut request = Request::new(endless());
    request.set_timeout(Duration::from_millis(300));
    let mut client = grpc.client();
    let outcome = grpc.block_on(async { client.query_range(request).await?.into_inner().message().await });
    let code = outcome.unwrap_err().code();
    // The client's own clock may be the first.
    assert!(matches!(code, Code::DeadlineExceeded | Code::Cancelled), "{code:?}");
    let error = grpc.query_range(QueryRangeRequest { timeout_ms: 300, ..endless() }).unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(refused(&store, "query_timeout") >= 1.0);
}

#[test]
fn a_connection_has_so_many_streams() {
    let (store, grpc, _) = store(Config::new("native").set(setting::GRPC_STREAMS, 2));
    grpc.push(vec![small(1)]).unwrap();
    let open = || {
        let (sender, receiver) = mpsc::channel::<WriteRequest>(1);
        let requests = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|request| (request, receiver))
        });
        let responses = grpc.block_on(grpc.client().push(requests)).unwrap().into_inner();
        (sender, responses)
    };
    let (first, mut answers) = open();
    let second = open();
    // The third waits on this connection until one of the two has ended; another connection has streams of its own.
    let waiting = grpc.runtime.spawn({
        let mut client = grpc.client();
        async move { client.query(QueryRequest { query: "1".into(), ..QueryRequest::default() }).await }
    });
    grpc.block_on(async {
        first.send(small(5)).await.unwrap();
        assert_eq!(answers.message().await.unwrap().unwrap().sequence, 5);
    });
    assert!(!waiting.is_finished());
    drop(second);
    grpc.block_on(waiting).unwrap().unwrap();
    drop(store);
}

/// A stream that stays open must not hold the end up, and its client learns that it may come again.
#[test]
fn open_streams_end_with_the_server() {
    let (mut store, grpc, _) = store(Config::new("native"));
    let (sender, receiver) = mpsc::channel::<WriteRequest>(1);
    let requests = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|request| (request, receiver))
    });
    let mut responses = grpc.block_on(grpc.client().push(requests)).unwrap().into_inner();
    grpc.block_on(async {
        sender.send(small(1)).await.unwrap();
        assert_eq!(responses.message().await.unwrap().unwrap().stored, 1);
    });
    let begun = Instant::now();
    store.stop(How::Term);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let error = grpc.block_on(responses.message()).unwrap_err();
    assert_eq!((error.code(), retry_secs(&error)), (Code::Unavailable, Some(5)), "{error}");
    store.resume();
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 60), [1.0]);
}

/// A client that begins a message and goes silent is given up; one that is silent between two is not.
#[test]
fn a_message_has_to_come_to_its_end() {
    let (store, grpc, port) = store(Config::new("native").set("/main/limits/stall-timeout", "300ms"));
    let (sender, receiver) = mpsc::channel::<WriteRequest>(1);
    let requests = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|request| (request, receiver))
    });
    let mut patient = grpc.block_on(grpc.client().push(requests)).unwrap().into_inner();
    let half = vec![bytes::Bytes::from_static(b"\0\0\0\0\x64abc")];
    let status = grpc.block_on(post(port, "identity", half, true));
    assert_eq!(status, Some("4".to_owned()), "deadline exceeded");
    assert_eq!(refused(&store, "slow_body"), 1.0);
    grpc.block_on(async {
        sender.send(small(9)).await.unwrap();
        assert_eq!(patient.message().await.unwrap().unwrap().sequence, 9);
    });
}

/// Posts these parts of a query's body, and then nothing more, or the end; the code of the answer.
async fn post(port: u16, encoding: &str, parts: Vec<bytes::Bytes>, goes_on: bool) -> Option<String> {
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let parts = futures_util::stream::iter(parts.into_iter().map(Ok::<_, std::io::Error>));
    let body = match goes_on {
        true => reqwest::Body::wrap_stream(parts.chain(futures_util::stream::pending())),
        false => reqwest::Body::wrap_stream(parts),
    };
    let request = client
        .post(format!("http://127.0.0.1:{port}/treering.v1.Metrics/Query"))
        .header("content-type", "application/grpc")
        .header("grpc-encoding", encoding)
        .body(body);
    let answer = request.send().await.unwrap();
    Some(answer.headers().get("grpc-status")?.to_str().unwrap().to_owned())
}

#[test]
fn an_address_that_is_taken_is_told_at_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for (setting, name) in [(setting::GRPC_ADDR, "main.grpc-addr"), (setting::PROMETHEUS_ADDR, "prometheus.addr")] {
        let mut store = Store::prepare(Config::new("native").set(setting, addr.clone()));
        let output = store.run_to_end();
        let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && text.contains(name), "{text}");
    }
}
