//! The client against a real `nats-server`.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::run::serve;
use super::storing::Sink;
use super::{CertificateFiles, Options, Subscription, TlsFiles};
use crate::disk::SystemDisk;
use crate::engine::{Engine, IngestError, IngestReport, WalSync};
use crate::model::{Aggregation, Metric, MetricTable};
use crate::telemetry::{SharedTelemetry, Source};
use crate::testing::free_port;
use crate::time::SystemClock;

/// Far more than anything here takes on a busy machine.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A `nats-server`; dropped, it is killed.
pub(super) struct Server {
    folder: TempDir,
    port: u16,
    monitor_port: u16,
    child: Option<Child>,
}

impl Server {
    fn prepare() -> Server {
        let folder = tempfile::tempdir().unwrap();
        Server { folder, port: free_port(), monitor_port: free_port(), child: None }
    }

    pub(super) async fn start(config: &str) -> Server {
        let mut server = Server::prepare();
        server.resume(config).await;
        server
    }

    async fn resume(&mut self, config: &str) {
        let config_file = self.folder.path().join("nats.conf");
        std::fs::write(&config_file, config).unwrap();
        let debian = "/usr/sbin/nats-server";
        let program = if Path::new(debian).exists() { debian } else { "nats-server" };
        let (port, monitor_port) = (self.port.to_string(), self.monitor_port.to_string());
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", &port, "-m", &monitor_port, "-c"]).arg(&config_file);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("nats-server must be installed"));
        eventually("nats-server listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok()).await;
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Waits for as many subscriptions to a subject: what is published before reaches nobody.
    async fn await_subscriptions(&self, subject: &str, count: usize) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("http://127.0.0.1:{}/connz?subs=1", self.monitor_port);
        let client = reqwest::Client::new();
        let begun = Instant::now();
        loop {
            if let Ok(answer) = client.get(&url).send().await
                && answer.text().await.unwrap().matches(&format!("\"{subject}\"")).count() == count
            {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "no subscription to {subject}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn publisher(&self) -> Client {
        ConnectOptions::new().connect(self.address()).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn publish(client: &Client, subject: &str, lines: &str) {
    client.publish(subject.to_owned(), lines.to_owned().into()).await.unwrap();
    client.flush().await.unwrap();
}

/// Remembers what it stored, or refuses it.
#[derive(Default)]
pub(super) struct Fake {
    stored: Mutex<Vec<(String, String)>>,
    /// So many calls are still refused.
    pub(super) refusals: AtomicU64,
    /// So many calls still panic.
    pub(super) panics: AtomicU64,
}

impl Fake {
    pub(super) fn refusing(calls: u64) -> Arc<Fake> {
        Arc::new(Fake { refusals: AtomicU64::new(calls), ..Fake::default() })
    }

    /// All lines of a cluster, in order.
    pub(super) fn lines(&self, cluster: &str) -> Vec<String> {
        let stored = self.stored.lock();
        let texts = stored.iter().filter(|(of, _)| of == cluster);
        texts.flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

/// Counts down; `true` while there was something left.
fn spend(budget: &AtomicU64) -> bool {
    budget.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Sink for Fake {
    fn ingest(&self, cluster: &str, lines: &[u8], _: &mut IngestReport) -> Result<(), IngestError> {
        assert!(!spend(&self.panics), "a defect, for the test");
        if spend(&self.refusals) {
            return Err(IngestError::LogFailed("disk full".into()));
        }
        self.stored.lock().push((cluster.to_owned(), String::from_utf8(lines.to_vec()).unwrap()));
        Ok(())
    }
}

/// A running client.
pub(super) struct Running {
    pub(super) telemetry: SharedTelemetry,
    pub(super) ready: watch::Sender<bool>,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(super) fn start(sink: Arc<dyn Sink>, options: Options, telemetry: SharedTelemetry, is_ready: bool) -> Running {
        let (ready, is_ready) = watch::channel(is_ready);
        let (shutdown, ended) = oneshot::channel::<()>();
        let shared = Arc::clone(&telemetry);
        let task = tokio::spawn(async move {
            let ended = async { _ = ended.await };
            serve(sink, options, shared, is_ready, watch::Sender::new(false), ended).await;
        });
        Running { telemetry, ready, shutdown, task }
    }

    pub(super) fn with(sink: &Arc<Fake>, options: Options) -> Running {
        let sink: Arc<Fake> = Arc::clone(sink);
        Running::start(sink, options, SharedTelemetry::default(), true)
    }

    /// Ends it; answers how long that took.
    pub(super) async fn end(self) -> Duration {
        let begun = Instant::now();
        self.shutdown.send(()).unwrap();
        self.task.await.unwrap();
        assert_eq!(self.telemetry.nats_connected.get(), 0);
        begun.elapsed()
    }
}

fn options(server: &Server, subscriptions: &[(&str, &str)]) -> Options {
    let subscription = |&(subject, cluster): &(&str, &str)| Subscription {
        subject: subject.into(),
        cluster: cluster.into(),
        jetstream: None,
    };
    let subscriptions = subscriptions.iter().map(subscription).collect();
    Options { addresses: vec![server.address()], subscriptions, ..Options::default() }
}

fn engine(folder: &Path, telemetry: &SharedTelemetry) -> Arc<Engine> {
    let options = crate::engine::Options { wal_sync: WalSync::Never, ..crate::engine::Options::new(folder) };
    let metric = Metric { name: "load".into(), frequency_secs: 60, aggregation: Aggregation::Sum };
    let (disk, clock) = (Arc::new(SystemDisk), Arc::new(SystemClock));
    let engine = Engine::open(options, MetricTable::new([metric]), disk, clock, Arc::clone(telemetry)).unwrap();
    engine.recover().unwrap();
    Arc::new(engine)
}

/// One broken agent ended the subscription for everybody.
#[tokio::test(flavor = "multi_thread")]
async fn bad_messages_harm_no_others() {
    let server = Server::start("").await;
    let folder = tempfile::tempdir().unwrap();
    let telemetry = SharedTelemetry::default();
    let engine = engine(folder.path(), &telemetry);
    let sink: Arc<Engine> = Arc::clone(&engine);
    let running = Running::start(sink, options(&server, &[("hpc", "alex")]), telemetry, true);
    server.await_subscriptions("hpc", 1).await;
    let publisher = server.publisher().await;
    for k in 0..20 {
        publish(&publisher, "hpc", &format!("load,hostname=a{k},type=node value={k}")).await;
        publish(&publisher, "hpc", "load,hostname=\nload value").await;
        publish(&publisher, "hpc", "").await;
        publish(&publisher, "hpc", &"x".repeat(500_000)).await;
        publish(&publisher, "hpc", "\u{0}\n\"\n=,\n").await;
    }
    let samples = || running.telemetry.samples.get_or_create(&Source { source: "nats" }).get();
    eventually("all good lines are stored", || samples() == 20).await;
    assert_eq!(running.telemetry.nats_messages.get(), 100);
    assert_eq!(running.telemetry.nats_connected.get(), 1);
    assert!((0..20).all(|k| engine.store().host("alex", &format!("a{k}")).is_some()));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_subscription_receives_in_order_for_its_cluster() {
    let server = Server::start("").await;
    let sink = Arc::new(Fake::default());
    let running = Running::with(&sink, options(&server, &[("hpc", "alex"), ("hpc", "fritz"), ("other.*.y", "emmy")]));
    server.await_subscriptions("hpc", 2).await;
    server.await_subscriptions("other.*.y", 1).await;
    let publisher = server.publisher().await;
    for k in 0..3000 {
        // Some with a line end and some without.
        let end = if k % 3 == 0 { "\n" } else { "" };
        publisher.publish("hpc", format!("line {k}{end}").into()).await.unwrap();
    }
    publish(&publisher, "other.x.y", "a\nb\n").await;
    let expected: Vec<String> = (0..3000).map(|k| format!("line {k}")).collect();
    eventually("both have all", || sink.lines("alex") == expected && sink.lines("fritz") == expected).await;
    eventually("so has the third", || sink.lines("emmy") == ["a", "b"]).await;
    assert!(sink.stored.lock().len() < 3000, "nothing was joined");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_come_and_go() {
    let mut server = Server::prepare();
    let sink = Arc::new(Fake::default());
    let mut options = options(&server, &[("hpc", "alex")]);
    // Neither a server that is gone for ever nor a name that nobody knows keeps it from the third.
    options.addresses.insert(0, "nats://nowhere.invalid:4222".into());
    options.addresses.insert(0, format!("127.0.0.1:{}", free_port()));
    let running = Running::with(&sink, options);
    for round in 0..3 {
        server.resume("").await;
        server.await_subscriptions("hpc", 1).await;
        publish(&server.publisher().await, "hpc", &format!("round {round}")).await;
        eventually("the round's message", || sink.lines("alex").len() == round + 1).await;
        assert_eq!(running.telemetry.nats_connected.get(), 1);
        server.kill();
        eventually("it sees the end", || running.telemetry.nats_connected.get() == 0).await;
    }
    assert!(running.end().await < Duration::from_secs(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_server_does_not_delay_the_end() {
    let server = Server::prepare();
    let running = Running::with(&Arc::new(Fake::default()), options(&server, &[("hpc", "alex")]));
    assert!(running.end().await < Duration::from_secs(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_until_it_is_right() {
    let mut server = Server::start("authorization { user: reader, password: other }").await;
    let sink = Arc::new(Fake::default());
    let mut options = options(&server, &[("hpc", "alex")]);
    options.user = Some(("reader".into(), "s3cret".into()));
    let running = Running::with(&sink, options);
    let refused = |path: &Path| std::fs::read_to_string(path).unwrap_or_default().contains("authentication error");
    server.kill();
    server.resume("authorization { user: reader, password: other }\nlog_file: log.txt").await;
    let log = server.folder.path().join("log.txt");
    eventually("the server refuses it", || refused(&log)).await;
    server.kill();
    server.resume("authorization { user: reader, password: s3cret }").await;
    server.await_subscriptions("hpc", 1).await;
    let publisher = ConnectOptions::with_user_and_password("reader".into(), "s3cret".into());
    publish(&publisher.connect(server.address()).await.unwrap(), "hpc", "a").await;
    eventually("the message", || sink.lines("alex") == ["a"]).await;
    running.end().await;
}

/// Credentials are renewed while the store runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_seed_file_may_come_late() {
    let key = nkeys::KeyPair::new_user();
    let server = Server::start(&format!("authorization {{ users: [ {{ nkey: {} }} ] }}", key.public_key())).await;
    let sink = Arc::new(Fake::default());
    let mut options = options(&server, &[("hpc", "alex")]);
    let seed_file = server.folder.path().join("seed.txt");
    std::fs::write(&seed_file, nkeys::KeyPair::new_user().seed().unwrap()).unwrap();
    options.nkey_seed_file = Some(seed_file.clone());
    let running = Running::with(&sink, options);
    std::fs::write(&seed_file, key.seed().unwrap()).unwrap();
    server.await_subscriptions("hpc", 1).await;
    let publisher = ConnectOptions::with_nkey(key.seed().unwrap()).connect(server.address()).await.unwrap();
    publish(&publisher, "hpc", "a").await;
    eventually("the message", || sink.lines("alex") == ["a"]).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_certificates_on_both_sides() {
    let mut server = Server::prepare();
    let folder = server.folder.path().to_owned();
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for name in ["server", "client"] {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}-key.pem")), key.serialize_pem()).unwrap();
    }
    server.resume("tls { cert_file: server.pem, key_file: server-key.pem, ca_file: ca.pem, verify: true }").await;
    let client = CertificateFiles { cert_file: folder.join("client.pem"), key_file: folder.join("client-key.pem") };
    for scheme in ["tls://", "nats://", ""] {
        let sink = Arc::new(Fake::default());
        let mut options = options(&server, &[("hpc", "alex")]);
        options.addresses = vec![format!("{scheme}localhost:{}", server.port)];
        options.tls = TlsFiles { ca_file: Some(folder.join("ca.pem")), client: Some(client.clone()) };
        let running = Running::with(&sink, options);
        server.await_subscriptions("hpc", 1).await;
        let publisher = ConnectOptions::new()
            .add_root_certificates(folder.join("ca.pem"))
            .add_client_certificate(client.cert_file.clone(), client.key_file.clone());
        let publisher = publisher.connect(format!("tls://localhost:{}", server.port)).await.unwrap();
        publish(&publisher, "hpc", "a").await;
        eventually("the message", || sink.lines("alex") == ["a"]).await;
        running.end().await;
        server.await_subscriptions("hpc", 0).await;
    }
}

/// A full disk must cost nothing once there is room again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_stored_later_and_in_order() {
    let server = Server::start("").await;
    let sink = Fake::refusing(4);
    sink.panics.store(1, Ordering::SeqCst);
    let running = Running::start(
        Arc::clone(&sink) as Arc<dyn Sink>,
        options(&server, &[("hpc", "alex")]),
        SharedTelemetry::default(),
        false,
    );
    server.await_subscriptions("hpc", 1).await;
    let publisher = server.publisher().await;
    publish(&publisher, "hpc", "lost to the defect").await;
    eventually("it has come", || running.telemetry.nats_messages.get() == 1).await;
    assert!(sink.lines("alex").is_empty(), "recovery is not over");
    assert_eq!(sink.panics.load(Ordering::SeqCst), 1, "nobody may ask before that");
    running.ready.send_replace(true);
    eventually("the defect shows", || running.telemetry.nats_dropped.get() == 1).await;
    for k in 0..100 {
        publish(&publisher, "hpc", &format!("line {k}")).await;
    }
    let expected: Vec<String> = (0..100).map(|k| format!("line {k}")).collect();
    eventually("all are stored", || sink.lines("alex") == expected).await;
    assert_eq!(running.telemetry.nats_dropped.get(), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_is_counted_and_the_end_does_not_wait_for_ever() {
    let server = Server::start("").await;
    let sink = Fake::refusing(u64::MAX);
    let mut options = options(&server, &[("hpc", "alex")]);
    options.queue_bytes_max = Some(100_000);
    let running = Running::with(&sink, options);
    server.await_subscriptions("hpc", 1).await;
    let publisher = server.publisher().await;
    let line = "x".repeat(999);
    for _ in 0..1000 {
        publisher.publish("hpc", line.clone().into()).await.unwrap();
    }
    publisher.flush().await.unwrap();
    eventually("all have come", || running.telemetry.nats_messages.get() == 1000).await;
    let dropped = running.telemetry.nats_dropped.get();
    assert!((900..920).contains(&dropped), "{dropped}");
    let telemetry = Arc::clone(&running.telemetry);
    assert!(running.end().await < Duration::from_secs(8));
    assert_eq!(telemetry.nats_dropped.get(), 1000, "those that waited are lost too");
    assert!(sink.lines("alex").is_empty());
}

/// What was published before the end of the store is stored.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_stores_what_was_sent() {
    let server = Server::start("").await;
    let sink = Arc::new(Fake::default());
    let running = Running::with(&sink, options(&server, &[("hpc", "alex")]));
    server.await_subscriptions("hpc", 1).await;
    let publisher = server.publisher().await;
    for k in 0..5000 {
        publisher.publish("hpc", format!("line {k}").into()).await.unwrap();
    }
    publisher.flush().await.unwrap();
    assert!(running.end().await < Duration::from_secs(4));
    assert_eq!(sink.lines("alex").len(), 5000);
    server.await_subscriptions("hpc", 0).await;
}
