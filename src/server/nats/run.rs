//! The life of the NATS client, from the first attempt to connect to the orderly end.
//!
//! Invariant: once [`run`] returns, no message is taken over or stored any more.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::connect::Link;
use super::options::Options;
use super::queue::Queue;
use super::session::Session;
use super::worker::{Sink, Worker};
use crate::engine::Engine;
use crate::telemetry::LogLimit;
use crate::telemetry::SharedTelemetry;

/// How long the end may take.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Receives and stores messages until `shutdown` is ready, then stores what was received, for at most five seconds.
/// Servers need not be there: they are connected to when they come, as often as it takes. Messages wait until `ready`
/// says that recovery is over. `first_try` becomes `true` when the first attempt to connect has ended either way.
pub async fn run(
    engine: Arc<Engine>,
    options: Options,
    telemetry: SharedTelemetry,
    ready: watch::Receiver<bool>,
    first_try: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) {
    serve(engine, options, telemetry, ready, first_try, shutdown).await;
}

/// [`run`] over any sink.
pub(super) async fn serve(
    sink: Arc<dyn Sink>,
    options: Options,
    telemetry: SharedTelemetry,
    ready: watch::Receiver<bool>,
    first_try: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) {
    if options.subscriptions.is_empty() {
        // No connection without a use.
        first_try.send_replace(true);
        return shutdown.await;
    }
    // TLS needs a provider; who starts the process has installed it, or this does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    warn_of_missing_files(&options);
    let (stop, stopped) = watch::channel(false);
    let link = Arc::new(Link::new(Arc::clone(&telemetry), first_try));
    let queue_bytes = options.queue_bytes_each();
    let queues: Vec<_> = options.subscriptions.iter().map(|_| Arc::new(Queue::new(queue_bytes))).collect();
    let mut workers = JoinSet::new();
    for (subscription, queue) in options.subscriptions.iter().zip(&queues) {
        let worker = Worker {
            subscription: subscription.clone(),
            queue: Arc::clone(queue),
            sink: Arc::clone(&sink),
            telemetry: Arc::clone(&telemetry),
            bad: LogLimit::default(),
            refused: LogLimit::default(),
        };
        workers.spawn(worker.work(ready.clone()));
    }
    let session = Session {
        options,
        telemetry: Arc::clone(&telemetry),
        link: Arc::clone(&link),
        queues: queues.clone(),
        stop: stopped,
    };
    let mut receiving = JoinSet::new();
    receiving.spawn(session.receive());

    shutdown.await;
    link.end();
    stop.send_replace(true);
    let ending = async {
        join(&mut receiving).await;
        queues.iter().for_each(|queue| queue.close());
        if *ready.borrow() {
            join(&mut workers).await;
        }
    };
    let in_time = tokio::time::timeout(SHUTDOWN_TIMEOUT, ending).await.is_ok();
    receiving.shutdown().await;
    workers.shutdown().await;
    let waiting: u64 = queues.iter().map(|queue| queue.messages()).sum();
    if waiting > 0 || !in_time {
        telemetry.nats_dropped.inc_by(waiting);
        warn!("NATS: {waiting} messages that waited could not be stored before the end");
    }
    telemetry.nats_connected.set(0);
}

async fn join(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(failure) = ended {
            error!("NATS: a task failed: {failure}");
        }
    }
}

/// The errors of a failed connect don't name the file at fault.
fn warn_of_missing_files(options: &Options) {
    let client = options.tls.client.iter().flat_map(|files| [&files.cert_file, &files.key_file]);
    let others = [&options.tls.ca_file, &options.creds_file, &options.nkey_seed_file];
    for path in others.into_iter().flatten().chain(client) {
        let path: &Path = path;
        if let Err(failure) = std::fs::File::open(path) {
            warn!("NATS: {}: {failure}", path.display());
        }
    }
}
