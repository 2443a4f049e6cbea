//! The server on a real port, over a store that only remembers.

mod connections;
mod endpoints;
mod prometheus;
mod tls;
mod writes;
mod zstats;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use reqwest::{Client, RequestBuilder, Response};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::service::Service;
use super::{Options, run};
use crate::engine::{
    ImportOptions, IngestError, IngestReport, OtlpForm, PushReport, RemoteError, RemoteOptions, RemoteReport,
    TakeError, Taken, WriteVersion,
};
use crate::formats::push::PushRequest;
use crate::formats::zstats as wire;
use crate::model::{Aggregation, Metric, MetricTable};
use crate::query;
use crate::store::{self, LevelSummary, RunSummary, Store};
use crate::telemetry::Telemetry;
use crate::time::Clock;

const NOW: i64 = 1_000_000;

type Answer = Box<dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync>;
type Failure = Box<dyn Fn() -> IngestError + Send + Sync>;

/// Remembers what it gets; answers what it is told to.
#[derive(Default)]
struct Fake {
    cluster: Mutex<String>,
    lines: Mutex<Vec<u8>>,
    pieces: Mutex<Vec<usize>>,
    freed: Mutex<Option<(Vec<Vec<String>>, i64)>>,
    failure: Option<Failure>,
    /// Samples that a body of remote write leaves behind when it fails.
    written: u64,
    answer: Option<Answer>,
    quick: Option<Vec<u8>>,
    store: Option<Store>,
}

impl Service for Fake {
    fn is_ready(&self) -> bool {
        false
    }

    /// Lines that begin with `bad` are bad.
    fn ingest(&self, default_cluster: &str, lines: &[u8], report: &mut IngestReport) -> Result<(), IngestError> {
        if let Some(failure) = &self.failure {
            return Err(failure());
        }
        *self.cluster.lock() = default_cluster.to_owned();
        self.pieces.lock().push(lines.len());
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            report.lines += 1;
            if line.starts_with(b"bad") {
                report.note_bad(report.lines, "no good");
            } else {
                report.stored += 1;
            }
        }
        self.lines.lock().extend_from_slice(lines);
        Ok(())
    }

    fn remote_options(&self) -> Arc<RemoteOptions> {
        Arc::default()
    }

    /// Takes every body, if there is nothing to fail by.
    fn write_remote(&self, _: WriteVersion, body: &[u8]) -> Result<RemoteReport, RemoteError> {
        if let Some(failure) = &self.failure {
            let mut written = Box::<RemoteReport>::default();
            written.stored.samples = self.written;
            return Err(RemoteError::Store { error: failure(), written });
        }
        self.pieces.lock().push(body.len());
        Ok(RemoteReport::default())
    }

    fn import_text(&self, _: &ImportOptions, body: &[u8]) -> Result<RemoteReport, RemoteError> {
        self.write_remote(WriteVersion::V1, body)
    }

    fn write_otlp(&self, _: OtlpForm, body: &[u8]) -> Result<RemoteReport, RemoteError> {
        self.write_remote(WriteVersion::V1, body)
    }

    /// Takes every scrape, if there is nothing to fail by.
    fn take_scrapes(&self, _: &str, request: &wire::Request<'_>) -> Result<Taken, TakeError> {
        match &self.failure {
            Some(failure) => Err(failure().into()),
            None => Ok(Taken { codes: vec![wire::Code::Taken; request.blobs.len()], kept: Vec::new() }),
        }
    }

    fn push(&self, request: &PushRequest<'_>, report: &mut PushReport) -> Result<(), RemoteError> {
        report.stored = request.grid().map(|series| series.samples().count() as u64).sum();
        Ok(())
    }

    fn free(&self, selectors: &[Vec<String>], to: i64) -> Result<u64, IngestError> {
        *self.freed.lock() = Some((selectors.to_vec(), to));
        Ok(7)
    }

    fn answer(&self, _: &query::Request, out: &mut dyn query::Sink) -> io::Result<()> {
        match &self.answer {
            Some(answer) => answer(out),
            None => out.write_all(b"{\"results\":[]}\n"),
        }
    }

    fn clusters(&self) -> Vec<Arc<str>> {
        vec!["a".into(), "b".into()]
    }

    fn hosts(&self, cluster: &str) -> Option<Vec<Arc<str>>> {
        match cluster {
            "a" => Some(vec!["ghost".into(), "n1".into(), "n2".into()]),
            "b" => Some(vec![]),
            _ => None,
        }
    }

    fn answer_quickly(&self, _: &query::Request, has_time: &dyn Fn() -> bool) -> Option<Vec<u8>> {
        let quick = self.quick.as_ref().filter(|_| has_time())?;
        Some(quick.clone())
    }

    fn summary(&self, path: &[String]) -> Option<LevelSummary> {
        let run = RunSummary { frequency_secs: 60, start_secs: NOW - 600, len: 10, sealed: true };
        let level = LevelSummary { metrics: vec![("load".into(), vec![run])], children: vec![] };
        (!path.iter().any(|name| name == "ghost")).then_some(level)
    }

    fn store(&self) -> &Store {
        static EMPTY: LazyLock<Store> = LazyLock::new(|| Store::new(MetricTable::default(), store::Limits::default()));
        self.store.as_ref().unwrap_or(&EMPTY)
    }

    fn metrics(&self) -> Arc<MetricTable> {
        let metric = Metric { name: "load".into(), frequency_secs: 60, aggregation: Aggregation::None };
        Arc::new(MetricTable::new([metric]))
    }

    fn memory(&self) -> Vec<(&'static str, u64)> {
        vec![("blocks", 4096)]
    }

    fn objects(&self) -> Vec<(&'static str, u64)> {
        vec![("hosts", 3)]
    }
}

struct Stopped(AtomicI64);

impl Clock for Stopped {
    fn now_millis(&self) -> i64 {
        self.0.load(Ordering::Relaxed) * 1000
    }
}

/// A server that runs until it is dropped or stopped.
struct Server {
    address: SocketAddr,
    fake: Arc<Fake>,
    telemetry: Arc<Telemetry>,
    ready: watch::Sender<bool>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Ready from the start.
    async fn start(fake: Fake, change: impl FnOnce(&mut Options)) -> Server {
        let server = Server::start_recovering(fake, change).await;
        server.ready.send_replace(true);
        server
    }

    async fn start_recovering(fake: Fake, change: impl FnOnce(&mut Options)) -> Server {
        // The first test to come wins; the others find it done.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ready, receiver) = watch::channel(false);
        let mut options = Options::new(receiver);
        change(&mut options);
        let (stop, stopped) = oneshot::channel::<()>();
        let telemetry = Arc::new(Telemetry::default());
        let fake = Arc::new(fake);
        let clock = Arc::new(Stopped(AtomicI64::new(NOW)));
        let serving = run::serve(listener, fake.clone(), options, telemetry.clone(), clock, async {
            let _ = stopped.await;
        });
        let running = tokio::spawn(serving);
        Server { address, fake, telemetry, ready, stop: Some(stop), running }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        Client::new().get(format!("http://{}{path}", self.address))
    }

    fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        Client::new().post(format!("http://{}{path}", self.address)).body(body)
    }

    fn metrics(&self) -> String {
        self.telemetry.encode()
    }

    fn stored(&self) -> Vec<u8> {
        self.fake.lines.lock().clone()
    }
}

/// Status and body.
async fn read(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// What an error body says.
fn error(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    json["error"].as_str().unwrap().to_owned()
}
