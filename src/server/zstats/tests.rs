//! Announcements, taken by a real gRPC server.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use base64::Engine;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tonic::codegen::http::{HeaderMap, Request as HttpRequest};
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};

use super::{Announcer, AnnouncerError, AnnouncerOptions};
use crate::disk::{Disk, SharedDisk};
use crate::formats::zstats::{NOTIFY_METHOD, Notification};
use crate::server::grpc::RawCodec;
use crate::telemetry::{Kind, SharedTelemetry, Telemetry};
use crate::testing::FaultyDisk;

/// A reader that answers as it is told, and with success when it is told nothing.
#[derive(Clone, Default)]
struct Reader {
    seen: Arc<Mutex<Vec<(Bytes, HeaderMap)>>>,
    answers: Arc<Mutex<VecDeque<Result<&'static [u8], Status>>>>,
    /// It answers no call before this.
    held: Option<Arc<Notify>>,
    changed: Arc<Notify>,
}

impl UnaryService<Bytes> for Reader {
    type Response = Bytes;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let reader = self.clone();
        Box::pin(async move {
            let (metadata, _, message) = request.into_parts();
            reader.seen.lock().push((message, metadata.into_headers()));
            reader.changed.notify_waiters();
            if let Some(held) = &reader.held {
                held.notified().await;
            }
            let answer = reader.answers.lock().pop_front().unwrap_or(Ok(&[]));
            answer.map(|answer| Response::new(Bytes::from_static(answer)))
        })
    }
}

impl Reader {
    /// Serves until the sender is dropped.
    async fn serve(&self, address: SocketAddr) -> (SocketAddr, oneshot::Sender<()>) {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let reader = self.clone();
        let call = move |request: HttpRequest<axum::body::Body>| {
            let reader = reader.clone();
            async move { Ok::<_, Infallible>(Grpc::new(RawCodec).unary(reader, request).await) }
        };
        let call = move |request| {
            let answer = call(request);
            async move { answer.await.unwrap_or_else(|never| match never {}) }
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = axum::serve(listener, Router::new().route(NOTIFY_METHOD, post(call)));
        let stopped = async move { _ = stopped.await };
        tokio::spawn(async move { serve.with_graceful_shutdown(stopped).await.unwrap() });
        (address, stop)
    }

    fn messages(&self) -> Vec<Bytes> {
        self.seen.lock().iter().map(|(message, _)| message.clone()).collect()
    }
}

/// An announcer, the disk that it looks at and what it counts.
struct World {
    announcer: Announcer,
    disk: FaultyDisk,
    telemetry: SharedTelemetry,
}

impl World {
    fn new(address: impl ToString, change: impl FnOnce(&mut AnnouncerOptions)) -> World {
        let mut options = AnnouncerOptions::new(address.to_string());
        (options.pause_min, options.pause_max) = (Duration::from_millis(1), Duration::from_millis(20));
        change(&mut options);
        let (disk, telemetry) = (FaultyDisk::new(1), SharedTelemetry::new(Telemetry::default()));
        let shared: SharedDisk = Arc::new(disk.clone());
        let announcer = Announcer::start(options, shared, Arc::clone(&telemetry), &Handle::current()).unwrap();
        World { announcer, disk, telemetry }
    }

    /// Announces an entry that is there.
    fn announce(&self, name: &str) {
        drop(self.disk.create(Path::new(name)).unwrap());
        self.announcer.announce(&notification(name));
    }

    fn count(&self, kind: &'static str) -> u64 {
        self.telemetry.spool.announced.get_or_create(&Kind { kind }).get()
    }

    /// Waits until that many entries came to this.
    async fn until(&self, kind: &'static str, count: u64) {
        wait(kind, || self.count(kind) >= count).await;
        assert_eq!(self.count(kind), count);
    }
}

async fn wait(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn notification(manifest_path: &str) -> Notification<'_> {
    Notification { account: "a", data_path: "/s/1.data.gz", manifest_path, instance: "i", time_ms: 1 }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn a_reader_gets_what_the_original_sends() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zstats/notify.json");
    let recorded: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let reader = Reader::default();
    let (address, _stop) = reader.serve(any_port()).await;
    // One at a time, so that the order is that of the record.
    let world = World::new(address, |options| options.calls_max = 1);
    let calls = recorded["calls"].as_array().unwrap();
    for call in calls {
        let text = |key: &str| call[key].as_str().unwrap();
        world.announcer.announce(&Notification {
            account: text("account"),
            data_path: text("df_path"),
            manifest_path: text("mf_path"),
            instance: text("instance_id"),
            time_ms: call["dts"].as_i64().unwrap(),
        });
    }
    world.until("ok", calls.len() as u64).await;
    let seen = reader.seen.lock();
    for (call, (message, headers)) in calls.iter().zip(&*seen) {
        assert_eq!(call["method"], NOTIFY_METHOD);
        let text = call["protobuf_base64"].as_str().unwrap();
        assert_eq!(base64::engine::general_purpose::STANDARD.decode(text).unwrap(), *message);
        assert_eq!(call["has_deadline"], headers.contains_key("grpc-timeout"));
    }
    assert_eq!((seen.len(), world.telemetry.spool.waiting.get()), (2, 0));
}

/// Nobody listens; entries wait, and those that are taken away meanwhile are not announced any more.
#[tokio::test]
async fn a_reader_may_come_late() {
    let address = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    let world = World::new(address, |_| {});
    for name in ["1", "2", "3"] {
        world.announce(name);
    }
    wait("calls that fail", || world.telemetry.spool.call_failures.get() >= 6).await;
    world.disk.remove(Path::new("2")).unwrap();
    world.until("gone", 1).await;
    assert_eq!((world.count("ok"), world.telemetry.spool.waiting.get()), (0, 2));
    let reader = Reader::default();
    let (_, stop) = reader.serve(address).await;
    world.until("ok", 2).await;
    let mut seen = reader.messages();
    seen.sort();
    assert_eq!(seen, ["1", "3"].map(|name| notification(name).encode()));
    // It goes, and comes again.
    drop(stop);
    world.announce("4");
    let reader = Reader::default();
    let deadline = Instant::now() + Duration::from_secs(60);
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::task::yield_now().await;
    };
    drop(listener);
    let (_, _stop) = reader.serve(address).await;
    world.until("ok", 3).await;
}

/// A reader's refusals: some are for ever, some for now, and one that fails again and again is left alone.
#[tokio::test]
async fn a_reader_may_refuse() {
    let reader = Reader::default();
    let (address, _stop) = reader.serve(any_port()).await;
    let world = World::new(address, |options| options.calls_max = 1);
    let refusals: [Result<&[u8], Status>; 2] = [Ok(&[8, 2]), Err(Status::invalid_argument("no"))];
    for (count, refusal) in (1..).zip(refusals) {
        reader.answers.lock().push_back(refusal);
        world.announce("never");
        world.until("refused", count).await;
    }
    assert_eq!((reader.seen.lock().len(), world.telemetry.spool.call_failures.get()), (2, 2));
    let moments: [Result<&[u8], Status>; 4] =
        [Ok(&[8, 3]), Err(Status::unavailable("starting")), Ok(&[8, 1]), Err(Status::internal("oops"))];
    reader.answers.lock().extend(moments);
    world.announce("later");
    world.until("ok", 1).await;
    assert_eq!((reader.seen.lock().len(), world.telemetry.spool.call_failures.get()), (7, 6));
    reader.answers.lock().extend(std::iter::repeat_with(|| Ok(&[8, 1][..])).take(5));
    world.announce("always fails");
    world.until("refused", 3).await;
    assert_eq!(reader.seen.lock().len(), 12);
    world.announce("well again");
    world.until("ok", 2).await;
    // Somebody else listens there: no such method.
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new()).await });
    let world = World::new(address, |_| {});
    world.announce("who is there?");
    world.until("refused", 1).await;
}

#[tokio::test]
async fn who_announces_never_waits() {
    let held = Arc::new(Notify::new());
    let reader = Reader { held: Some(Arc::clone(&held)), ..Reader::default() };
    let (address, _stop) = reader.serve(any_port()).await;
    let world = World::new(address, |options| (options.queue_max, options.calls_max) = (10, 2));
    for name in ["1", "2"] {
        world.announce(name);
    }
    wait("two calls", || reader.seen.lock().len() == 2).await;
    for name in 3..=20 {
        world.announce(&name.to_string());
    }
    // The queue holds ten, and may have given one to the task that waits for a call to end.
    let dropped = world.count("queue_full");
    assert!((7..=8).contains(&dropped), "{dropped}");
    assert_eq!(world.telemetry.spool.waiting.get() as u64, 20 - dropped);
    let deadline = Instant::now() + Duration::from_secs(60);
    while world.count("ok") < 20 - dropped {
        assert!(Instant::now() < deadline);
        held.notify_one();
        tokio::task::yield_now().await;
    }
    let seen = reader.messages();
    assert_eq!(seen.len() as u64, 20 - dropped);
    assert_eq!(seen.last().unwrap(), &notification("20").encode(), "the oldest are given up");
}

/// At the end, what waits is announced once; a reader that does not answer holds nothing up for long.
#[tokio::test]
async fn the_end_is_bounded() {
    let reader = Reader::default();
    let (address, _stop) = reader.serve(any_port()).await;
    let world = World::new(address, |options| options.calls_max = 1);
    for name in 0..50 {
        world.announce(&name.to_string());
    }
    world.announcer.stop().await;
    assert_eq!((world.count("ok"), world.count("unsent")), (50, 0));
    world.announce("too late");
    assert_eq!((world.count("unsent"), world.telemetry.spool.waiting.get()), (1, 0));
    world.announcer.stop().await;
    // Nobody there.
    let address = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    let world = World::new(address, |options| options.pause_min = Duration::from_secs(3600));
    world.announce("1");
    world.announce("2");
    world.announcer.stop().await;
    assert_eq!((world.count("unsent"), world.telemetry.spool.waiting.get()), (2, 0));
    // Somebody who never answers.
    let reader = Reader { held: Some(Arc::default()), ..Reader::default() };
    let (address, _stop) = reader.serve(any_port()).await;
    let world = World::new(address, |options| options.calls_max = 1);
    for name in ["1", "2", "3"] {
        world.announce(name);
    }
    wait("a call", || reader.seen.lock().len() == 1).await;
    let start = Instant::now();
    world.announcer.stop().await;
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!((world.count("unsent"), world.telemetry.spool.waiting.get()), (3, 0));
}

#[tokio::test]
async fn a_call_takes_no_longer_than_it_may() {
    let reader = Reader { held: Some(Arc::default()), ..Reader::default() };
    let (address, _stop) = reader.serve(any_port()).await;
    let world = World::new(address, |options| options.timeout = Duration::from_millis(20));
    world.announce("1");
    wait("calls that time out", || world.telemetry.spool.call_failures.get() >= 2).await;
    world.disk.remove(Path::new("1")).unwrap();
    world.until("gone", 1).await;
    let options = AnnouncerOptions::new("nonsense");
    let error = Announcer::start(options, Arc::new(world.disk), world.telemetry, &Handle::current()).err().unwrap();
    assert!(matches!(&error, AnnouncerError::Address { .. }) && error.to_string().contains("nonsense"), "{error}");
}
