//! The accept loop of one address: from sockets to answered requests, and the orderly end.
//!
//! Invariant: a connection is served only with a slot, of which all addresses share `connections_max`; those without
//! are refused and counted; and once [`Acceptor::accept`] returns none is open.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::connection::{Guarded, Peer, Requests};
use super::identity::Identity;
use super::options::Limits;
use super::refuse::Refuser;
use super::tls::Tls;
use crate::telemetry::{LogLimit, SharedTelemetry};

/// How long to wait after the system refused a connection, for want of file descriptors most of the time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that hyper buffers of an HTTP/1 connection, and the most that a request's head may have.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes that an HTTP/2 peer may send before somebody reads them: of one request, and of all.
const HTTP2_WINDOW_BYTES: (u32, u32) = (128 << 10, 256 << 10);
/// The reason under which handshakes count whose client showed no certificate, or none that is good.
const CLIENT_CERTIFICATE: &str = "client_certificate";
/// An HTTP/2 peer that is silent this long is asked whether it is still there.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(60);

/// Makes connections of sockets.
#[derive(Clone)]
pub(super) struct Acceptor {
    pub(super) limits: Arc<Limits>,
    pub(super) telemetry: SharedTelemetry,
    pub(super) tls: Option<Arc<Tls>>,
    /// Connections at a time, whatever address they came to.
    pub(super) slots: Arc<Semaphore>,
    /// Tells who is refused.
    pub(super) refuser: Refuser,
    /// A flood is a few lines of the log: of clients with bad certificates, of connections beyond the limit, and of
    /// those that could not be accepted.
    pub(super) logged: Arc<Logged>,
    /// Requests at a time on one HTTP/2 connection.
    pub(super) streams_max: u32,
    /// Whether a client that is refused understands HTTP/1.
    pub(super) speaks_http1: bool,
    pub(super) router: Router,
}

/// What floods would fill the log with.
#[derive(Debug, Default)]
pub(super) struct Logged {
    handshakes_failed: LogLimit,
    full: LogLimit,
    broken: LogLimit,
}

impl Acceptor {
    /// Serves the connections of a listener until the end begins, then ends what is under way within a bounded time.
    pub(super) async fn accept(self, listener: TcpListener, mut ending: watch::Receiver<bool>) {
        let builder = builder(&self.limits, self.streams_max);
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut end = std::pin::pin!(async move {
            // Whoever would tell of the end and has gone has told of it.
            _ = ending.wait_for(|&is_ending| is_ending).await;
        });
        loop {
            tokio::select! {
                () = &mut end => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match (accepted, Arc::clone(&self.slots).try_acquire_owned()) {
                    (Ok((stream, address)), Ok(slot)) => {
                        let (acceptor, builder) = (self.clone(), builder.clone());
                        let watcher = graceful.watcher();
                        self.telemetry.connections.inc();
                        connections.spawn(async move {
                            let _open = Open { telemetry: Arc::clone(&acceptor.telemetry), _slot: slot };
                            acceptor.connect(builder, stream, address, watcher).await;
                        });
                    }
                    (Ok((stream, address)), Err(_)) => self.refuse(stream, address),
                    (Err(error), _) => {
                        self.telemetry.refuse("accept_failed");
                        if let Some(count) = self.logged.broken.note(1) {
                            warn!("cannot accept connections, {count} failures: {error}");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let time = self.limits.shutdown_timeout;
        if tokio::time::timeout(time, graceful.shutdown()).await.is_err() {
            warn!("cut off requests that were still under way {time:?} after the end began");
        }
        connections.shutdown().await;
    }

    /// Turns a connection away that is one too many.
    fn refuse(&self, stream: TcpStream, address: SocketAddr) {
        self.telemetry.refuse("connections");
        if let Some(count) = self.logged.full.note(1) {
            let max = self.limits.connections_max;
            warn!(
                "refused {count} connections, the last from {address}: {max} at a time are the limit \
                 (main.limits.connections)"
            );
        }
        self.refuser.refuse(stream, self.tls.is_none() && self.speaks_http1);
    }

    /// Serves one connection until it ends.
    async fn connect(&self, builder: Builder<TokioExecutor>, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        // Answers go out at once; if the socket can't do that it is broken, and the next read says so.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.talk(builder, stream, address, Arc::default(), watcher).await;
        };
        let handshake = tokio_rustls::TlsAcceptor::from(tls.current()).accept(stream);
        match tokio::time::timeout(self.limits.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => {
                let identity = Identity::of(stream.get_ref().1.peer_certificates().unwrap_or_default());
                self.talk(builder, stream, address, Arc::new(identity), watcher).await;
            }
            Ok(Err(error)) => self.note_failed_handshake(address, &error),
            Err(_) => {
                self.telemetry.refuse("slow_handshake");
                debug!("TLS handshake with {address} took too long");
            }
        }
    }

    /// Counts a handshake that failed, and tells of certificates that were refused: somebody waits for their data.
    fn note_failed_handshake(&self, address: SocketAddr, error: &io::Error) {
        let Some(reason) = handshake_failure(error) else {
            // A connection that ends before the handshake does is what checks of the port look like.
            return debug!("TLS handshake with {address} was given up: {error}");
        };
        self.telemetry.refuse(reason);
        if reason == CLIENT_CERTIFICATE
            && let Some(count) = self.logged.handshakes_failed.note(1)
        {
            warn!("refused {count} client certificates, the last from {address}: {error}");
        } else {
            debug!("TLS handshake with {address} failed: {error}");
        }
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        builder: Builder<TokioExecutor>,
        stream: S,
        address: SocketAddr,
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
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            debug!("connection from {address}: {error}");
        }
    }
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

fn builder(limits: &Limits, streams_max: u32) -> Builder<TokioExecutor> {
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
        .max_concurrent_streams(streams_max)
        .max_header_list_size(BUFFER_BYTES as u32);
    builder
}
