//! From a scrape to its reader: a gRPC server of the original's service is told of each entry of the spool once.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use flate2::read::GzDecoder;
use parking_lot::Mutex;
use prost::Message;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::config;
use super::sender::Sender;
use crate::harness::{Store, T0, eventually, free_port};

const METHOD: &str = "/stingestproto.StatsIngestSvc/Ingest";

/// What a reader is told.
#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(string, tag = "1")]
    account: String,
    #[prost(string, tag = "2")]
    data_path: String,
    #[prost(string, tag = "3")]
    manifest_path: String,
    #[prost(string, tag = "4")]
    instance: String,
    #[prost(string, tag = "5")]
    kind: String,
    #[prost(int64, tag = "6")]
    time_ms: i64,
}

/// What it answers.
#[derive(Clone, PartialEq, Message)]
struct Code {
    #[prost(int32, tag = "1")]
    code: i32,
}

/// A reader; it is not ready for the first call.
#[derive(Clone, Default)]
struct Reader {
    told: Arc<Mutex<Vec<Told>>>,
}

impl UnaryService<Told> for Reader {
    type Response = Code;
    type Future = Ready<Result<Response<Code>, Status>>;

    fn call(&mut self, request: Request<Told>) -> Self::Future {
        let mut told = self.told.lock();
        told.push(request.into_inner());
        ready(Ok(Response::new(Code { code: if told.len() == 1 { 3 } else { 0 } })))
    }
}

impl Reader {
    async fn serve(self, address: SocketAddr) {
        let call = move |request: axum::http::Request<axum::body::Body>| {
            let reader = self.clone();
            let mut server = Grpc::new(ProstCodec::<Code, Told>::default());
            async move { Ok::<_, Infallible>(server.unary(reader, request).await) }
        };
        let call = move |request| {
            let answer = call(request);
            async move { answer.await.unwrap_or_else(|never| match never {}) }
        };
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        axum::serve(listener, Router::new().route(METHOD, post(call))).await.unwrap();
    }
}

/// The reader is started after the first scrapes were taken: it is told of those too, and of none twice but the one it
/// was not ready for. What it is told of lies there whole.
#[test]
fn a_reader_that_comes_late_is_told_of_every_scrape() {
    const TARGETS: usize = 3;
    // Nobody listens there yet.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let store = Store::start(config().set("/zstats/notify", address.to_string()));
    let mut sender = Sender::new(TARGETS);
    let mut take = |generation: i64| {
        let time_ms = T0 * 1000 + generation * 10_000;
        sender.scrape(generation, time_ms, |number, _| (10 * generation) as f64 + number as f64);
        assert!(sender.send(&store));
        time_ms
    };
    let first_ms = take(1);
    let reader = Reader::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.spawn(reader.clone().serve(address));
    let second_ms = take(2);
    let all = 2 * TARGETS + 1;
    eventually("all entries are told", || (reader.told.lock().len() >= all).then_some(()));
    eventually("and counted", || {
        let told = store.metrics().sum("treering_zstats_announcements_total", "kind=\"ok\"");
        (told == (2 * TARGETS) as f64).then_some(())
    });
    let mut told = reader.told.lock().clone();
    assert_eq!(told.len(), all);
    told.sort_by(|a, b| a.manifest_path.cmp(&b.manifest_path));
    told.dedup();
    assert_eq!(told.len(), 2 * TARGETS, "{told:#?}");
    for entry in told {
        assert_eq!((entry.account.as_str(), entry.kind.as_str()), ("Zebrium", "prometheus"));
        let number: usize = entry.instance.strip_prefix('t').unwrap().split(':').next().unwrap().parse().unwrap();
        let generation = if entry.time_ms == first_ms { 1 } else { 2 };
        assert!([first_ms, second_ms].contains(&entry.time_ms), "{entry:?}");
        let mut text = String::new();
        let data = std::fs::File::open(store.path(&entry.data_path)).unwrap();
        GzDecoder::new(data).read_to_string(&mut text).unwrap();
        assert!(text.contains(&(10 * generation + number).to_string()), "{entry:?}: {text}");
        let manifest = std::fs::read(store.path(&entry.manifest_path)).unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&manifest).unwrap().is_object());
    }
}
