//! The accept loop: from a listener to answered requests, and the orderly end.
//!
//! Invariant: at most `connections_max` connections are served at a time, those beyond are refused and counted, and
//! once [`run`] returns none is open.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::ServiceExt;
use tracing::{debug, info, warn};

use super::connection::{Guarded, Peer, Requests};
use super::http;
use super::identity::Identity;
use super::options::{Limits, Options};
use super::refuse::Refuser;
use super::service::Service;
use super::tls::Tls;
use crate::engine::Engine;
use crate::telemetry::{LogLimit, SharedTelemetry};
use crate::time::SharedClock;

/// How long to wait after the system refused a connection, for want of file descriptors most of the time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that hyper buffers of an HTTP/1 connection, and the most that a request's head may have.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes that an HTTP/2 peer may send before somebody reads them: of one request, and of all.
const HTTP2_WINDOW_BYTES: (u32, u32) = (128 << 10, 256 << 10);
/// Requests at a time on one HTTP/2 connection.
const HTTP2_STREAMS_MAX: u32 = 64;
/// The reason under which handshakes count whose client showed no certificate, or none that is good.
const CLIENT_CERTIFICATE: &str = "client_certificate";
/// An HTTP/2 peer that is silent this long is asked whether it is still there.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(60);

/// Serves until `shutdown` is ready, then ends what is under way within a bounded time.
pub async fn run(
    listener: TcpListener,
    engine: Arc<Engine>,
    options: Options,
    telemetry: SharedTelemetry,
    clock: SharedClock,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve(listener, engine, options, telemetry, clock, shutdown).await
}

/// [`run`] over any service.
pub(super) async fn serve(
    listener: TcpListener,
    service: Arc<dyn Service>,
    options: Options,
    telemetry: SharedTelemetry,
    clock: SharedClock,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let acceptor = Acceptor {
        limits: Arc::new(options.limits.clone()),
        handshakes_failed: Arc::default(),
        tls: options.tls.clone(),
        builder: builder(&options.limits),
        telemetry: Arc::clone(&telemetry),
        router: http::router(service, options, telemetry, clock),
    };
    let refuser = Refuser::new();
    let (full, broken) = (LogLimit::default(), LogLimit::default());
    let slots = Arc::new(Semaphore::new(acceptor.limits.connections_max));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    info!("{} server listening at {address}", if acceptor.tls.is_some() { "HTTPS" } else { "HTTP" });
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match (accepted, Arc::clone(&slots).try_acquire_owned()) {
                (Ok((stream, address)), Ok(slot)) => {
                    let acceptor = acceptor.clone();
                    let watcher = graceful.watcher();
                    acceptor.telemetry.connections.inc();
                    connections.spawn(async move {
                        let _open = Open { telemetry: Arc::clone(&acceptor.telemetry), _slot: slot };
                        acceptor.connect(stream, address, watcher).await;
                    });
                }
                (Ok((stream, address)), Err(_)) => {
                    acceptor.telemetry.refuse("connections");
                    if let Some(count) = full.note(1) {
                        let max = acceptor.limits.connections_max;
                        warn!(
                            "refused {count} connections, the last from {address}: {max} at a time are the limit \
                             (main.limits.connections)"
                        );
                    }
                    refuser.refuse(stream, acceptor.tls.is_none());
                }
                (Err(error), _) => {
                    acceptor.telemetry.refuse("accept_failed");
                    if let Some(count) = broken.note(1) {
                        warn!("cannot accept connections, {count} failures: {error}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(acceptor.limits.shutdown_timeout, graceful.shutdown()).await.is_err() {
        warn!("cut off requests that were still under way {:?} after the end began", acceptor.limits.shutdown_timeout);
    }
    connections.shutdown().await;
    Ok(())
}

/// A connection that is counted as open.
struct Open {
    telemetry: SharedTelemetry,
    _slot: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.telemetry.connections.dec();
    }
}

/// Makes a connection of a socket.
#[derive(Clone)]
struct Acceptor {
    limits: Arc<Limits>,
    telemetry: SharedTelemetry,
    /// A flood of clients with bad certificates is a few lines of the log.
    handshakes_failed: Arc<LogLimit>,
    tls: Option<Arc<Tls>>,
    builder: Builder<TokioExecutor>,
    router: Router,
}

impl Acceptor {
    /// Serves one connection until it ends.
    async fn connect(&self, stream: TcpStream, address: std::net::SocketAddr, watcher: Watcher) {
        // Answers go out at once; if the socket can't do that it is broken, and the next read says so.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.talk(stream, address, Arc::default(), watcher).await;
        };
        let handshake = tokio_rustls::TlsAcceptor::from(tls.current()).accept(stream);
        match tokio::time::timeout(self.limits.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => {
                let identity = Identity::of(stream.get_ref().1.peer_certificates().unwrap_or_default());
                self.talk(stream, address, Arc::new(identity), watcher).await;
            }
            Ok(Err(error)) => self.note_failed_handshake(address, &error),
            Err(_) => {
                self.telemetry.refuse("slow_handshake");
                debug!("TLS handshake with {address} took too long");
            }
        }
    }

    /// Counts a handshake that failed, and tells of certificates that were refused: somebody waits for their data.
    fn note_failed_handshake(&self, address: std::net::SocketAddr, error: &io::Error) {
        let Some(reason) = handshake_failure(error) else {
            // A connection that ends before the handshake does is what checks of the port look like.
            return debug!("TLS handshake with {address} was given up: {error}");
        };
        self.telemetry.refuse(reason);
        if reason == CLIENT_CERTIFICATE
            && let Some(count) = self.handshakes_failed.note(1)
        {
            warn!("refused {count} client certificates, the last from {address}: {error}");
        } else {
            debug!("TLS handshake with {address} failed: {error}");
        }
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        address: std::net::SocketAddr,
        identity: Arc<Identity>,
        watcher: Watcher,
    ) {
        let requests = Requests::default();
        let stream = Guarded::new(stream, requests.clone(), Arc::clone(&self.limits), Arc::clone(&self.telemetry));
        let peer = Peer { address, identity, requests };
        let service = service_fn(|request: Request<Incoming>| {
            let mut request = request.map(|body| peer.requests.body(body));
            request.extensions_mut().insert(peer.clone());
            answer(self.router.clone(), request)
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            debug!("connection from {address}: {error}");
        }
    }
}

/// The reason under which a handshake that failed counts: the client's certificate, or another; none if the client
/// has gone.
fn handshake_failure(error: &io::Error) -> Option<&'static str> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::InvalidCertRevocationList(_)
        | rustls::Error::NoCertificatesPresented => Some(CLIENT_CERTIFICATE),
        _ => Some("handshake_failed"),
    }
}

async fn answer(router: Router, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    router.oneshot(request).await
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The head's own timeout is the connection's: see `connection`. This one ends what that may have missed.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout + limits.header_timeout)
        .max_buf_size(BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .initial_stream_window_size(HTTP2_WINDOW_BYTES.0)
        .initial_connection_window_size(HTTP2_WINDOW_BYTES.1)
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_header_list_size(BUFFER_BYTES as u32);
    builder
}
