//! Serving: the addresses of the server, what each of them leads to, and the end of all of them together.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{error, info};

use super::accept::Acceptor;
use super::grpc;
use super::http::{self, App};
use super::options::Options;
use super::refuse::Refuser;
use super::service::Service;
use crate::engine::Engine;
use crate::telemetry::SharedTelemetry;
use crate::time::SharedClock;

/// Requests at a time on one HTTP/2 connection of HTTP.
const HTTP2_STREAMS_MAX: u32 = 64;

/// Where the server listens.
#[derive(Debug)]
pub struct Listeners {
    /// Everything but gRPC.
    pub main: TcpListener,
    /// Prometheus's API, and whether the server is well, alone.
    pub prometheus: Option<TcpListener>,
    /// zstats alone.
    pub zstats: Option<TcpListener>,
    /// gRPC.
    pub grpc: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    /// The one address that there always is.
    fn from(main: TcpListener) -> Self {
        Listeners { main, prometheus: None, zstats: None, grpc: None }
    }
}

/// Serves until `shutdown` is ready, then ends what is under way within a bounded time.
pub async fn run(
    listeners: impl Into<Listeners>,
    engine: Arc<Engine>,
    options: Options,
    telemetry: SharedTelemetry,
    clock: SharedClock,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve(listeners, engine, options, telemetry, clock, shutdown).await
}

/// [`run`] over any service.
pub(super) async fn serve(
    listeners: impl Into<Listeners>,
    service: Arc<dyn Service>,
    options: Options,
    telemetry: SharedTelemetry,
    clock: SharedClock,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let Listeners { main, prometheus, zstats, grpc } = listeners.into();
    let (end, ending) = watch::channel(false);
    let limits = Arc::new(options.limits.clone());
    // That address has certificates of its own, or none: its senders are not those of the others.
    let zstats_tls = options.zstats.as_ref().and_then(|zstats| zstats.tls.clone());
    let (tls, grpc_streams_max) = (options.tls.clone(), options.limits.grpc_streams_max);
    let app = App::new(service, options, Arc::clone(&telemetry), clock, ending.clone());
    let acceptor = Acceptor {
        slots: Arc::new(Semaphore::new(limits.connections_max)),
        limits,
        telemetry,
        tls,
        refuser: Refuser::new(),
        logged: Arc::default(),
        streams_max: HTTP2_STREAMS_MAX,
        speaks_http1: true,
        router: http::router(&app),
    };
    let mut addresses = vec![("HTTP", main, acceptor.clone())];
    if let Some(listener) = prometheus {
        let acceptor = Acceptor { router: http::prometheus_router(&app), ..acceptor.clone() };
        addresses.push(("Prometheus HTTP", listener, acceptor));
    }
    if let Some(listener) = zstats {
        let acceptor = Acceptor { router: http::zstats_router(&app), tls: zstats_tls, ..acceptor.clone() };
        addresses.push(("zstats HTTP", listener, acceptor));
    }
    if let Some(listener) = grpc {
        let router = grpc::router(&app).await;
        let acceptor = Acceptor { router, streams_max: grpc_streams_max, speaks_http1: false, ..acceptor.clone() };
        addresses.push(("gRPC", listener, acceptor));
    }
    let mut accepting = JoinSet::new();
    for (name, listener, acceptor) in addresses {
        let secured = if acceptor.tls.is_some() { " with TLS" } else { "" };
        info!("{name} server{secured} listening at {}", listener.local_addr()?);
        accepting.spawn(acceptor.accept(listener, ending.clone()));
    }
    shutdown.await;
    // The loops listen to it: they end when this is heard.
    _ = end.send(true);
    while let Some(ended) = accepting.join_next().await {
        if let Err(failure) = ended {
            error!("an accept loop ended with: {failure}");
        }
    }
    Ok(())
}
