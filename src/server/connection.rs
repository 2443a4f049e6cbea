//! One connection: who the peer is, and the timeouts that hyper doesn't have.
//!
//! hyper has one timeout for waiting for a request and for reading its head; a collector that reports once a minute
//! and a peer that sends a byte a minute need different ones. [`Guarded`] wraps the socket and ends a connection that
//! has no request under way when nothing comes for too long, or when a head takes too long; and any connection whose
//! peer takes nothing of what is written to it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::options::Limits;

/// Who sends a request; an extension of every request.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Its address.
    pub(super) address: SocketAddr,
    /// The certificate it showed, and its chain.
    #[expect(dead_code, reason = "handlers that decide by certificate come later; the chain is verified already")]
    pub(super) certificates: Arc<[CertificateDer<'static>]>,
    /// The requests under way on its connection.
    pub(super) requests: Requests,
}

impl Peer {
    /// Whether the peer runs on this machine.
    pub(super) fn is_local(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

/// Counts the requests of a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Arc<RequestCounts>);

#[derive(Debug, Default)]
struct RequestCounts {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct RequestGuard(Arc<RequestCounts>);

impl Requests {
    /// Counts one more as under way, as long as the guard lives.
    pub(super) fn begin(&self) -> RequestGuard {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        RequestGuard(Arc::clone(&self.0))
    }

    /// How many have begun, and whether one is under way.
    fn counts(&self) -> (usize, bool) {
        let ended = self.0.ended.load(Ordering::Relaxed);
        let begun = self.0.begun.load(Ordering::Relaxed);
        (begun, begun != ended)
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The first byte of the connection, or the rest of a head.
    Head,
    /// The first byte of the next request.
    Request,
    /// Nothing: a request is under way, and its handler looks after its body.
    Nothing,
}

/// A socket with timeouts.
pub(super) struct Guarded<S> {
    socket: S,
    requests: Requests,
    limits: Arc<Limits>,
    waiting: Waiting,
    /// When the wait began; moved by bytes only where the wait is one for any byte.
    since: Instant,
    /// The requests that had begun at the last look.
    begun: usize,
    /// HTTP/2 sends frames between requests, so there a byte is no beginning of a head.
    is_http2: Option<bool>,
    read_alarm: Pin<Box<Sleep>>,
    /// Set while the peer takes nothing.
    write_alarm: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    pub(super) fn new(socket: S, requests: Requests, limits: Arc<Limits>) -> Self {
        let now = Instant::now();
        let read_alarm = Box::pin(sleep_until(now + limits.header_timeout));
        Guarded {
            socket,
            requests,
            limits,
            waiting: Waiting::Head,
            since: now,
            begun: 0,
            is_http2: None,
            read_alarm,
            write_alarm: None,
        }
    }

    /// Notes which requests have begun and ended; answers whether one is under way.
    fn look(&mut self) -> bool {
        let (begun, under_way) = self.requests.counts();
        if under_way {
            self.waiting = Waiting::Nothing;
        } else if self.waiting == Waiting::Nothing || self.begun != begun {
            (self.waiting, self.since) = (Waiting::Request, Instant::now());
        }
        self.begun = begun;
        under_way
    }

    /// Notes that these bytes came.
    fn received(&mut self, bytes: &[u8]) {
        let is_http2 = *self.is_http2.get_or_insert_with(|| bytes.starts_with(b"PRI"));
        if self.look() {
            return;
        }
        if is_http2 {
            (self.waiting, self.since) = (Waiting::Request, Instant::now());
        } else if self.waiting != Waiting::Head {
            (self.waiting, self.since) = (Waiting::Head, Instant::now());
        }
    }

    /// Whether the wait for bytes is over; arms the alarm if not.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.look() {
            return Poll::Pending;
        }
        let (allowed, what) = match self.waiting {
            Waiting::Head => (self.limits.header_timeout, "the head of a request took too long"),
            Waiting::Request | Waiting::Nothing => (self.limits.idle_timeout, "idle for too long"),
        };
        let deadline = self.since + allowed;
        if self.read_alarm.deadline() != deadline {
            self.read_alarm.as_mut().reset(deadline);
        }
        ready!(self.read_alarm.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, what))
    }

    /// Watches over the outcome of a write.
    fn watch_write<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.write_alarm = None;
            return outcome;
        }
        let deadline = Instant::now() + self.limits.stall_timeout;
        let alarm = self.write_alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        match Pin::new(&mut this.socket).poll_read(cx, buf) {
            Poll::Ready(result) => {
                let received = &buf.filled()[before..];
                if !received.is_empty() {
                    this.received(received);
                }
                Poll::Ready(result)
            }
            Poll::Pending => this.poll_timeout(cx).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.watch_write(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_flush(cx);
        self.watch_write(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.watch_write(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.watch_write(cx, outcome)
    }
}
