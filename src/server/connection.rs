//! One connection: who the peer is, and the timeouts that hyper doesn't have.
//!
//! hyper has one timeout for waiting for a request and for reading its head; a collector that reports once a minute
//! and a peer that sends a byte a minute need different ones. [`Guarded`] wraps the socket and ends a connection that
//! has no request under way when nothing comes for too long, or when a head takes too long; and any connection whose
//! peer takes nothing of what is written to it, or too little of an answer that lies ready. A peer that has vanished
//! without a word looks like one of these.
//!
//! It also closes gently: a peer that still sends when its request has been refused would get a reset in place of the
//! answer. So what is left of a body is read and thrown away for a while before the socket is closed.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::identity::Identity;
use super::options::Limits;
use crate::telemetry::SharedTelemetry;

/// Bytes that a peer must send of a body, or take of an answer, in each `stall_timeout`.
pub(super) const PACE_BYTES: usize = 16 << 10;

/// How long, and for how many bytes, a peer that was refused may go on sending.
const LINGER: Duration = Duration::from_secs(3);
const LINGER_BYTES_MAX: usize = 64 << 20;

/// Who sends a request; an extension of every request.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Its address.
    pub(super) address: SocketAddr,
    /// Who it is by the certificate it showed.
    pub(super) identity: Arc<Identity>,
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
    /// Requests under way whose whole answer lies ready.
    answered: AtomicUsize,
    /// Whether a body was not read to its end.
    unread: AtomicBool,
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct RequestGuard {
    counts: Arc<RequestCounts>,
    is_answered: bool,
}

impl RequestGuard {
    /// Notes that the answer lies ready: what remains is the peer's to take.
    pub(super) fn answered(&mut self) {
        if !std::mem::replace(&mut self.is_answered, true) {
            self.counts.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Requests {
    /// Counts one more as under way, as long as the guard lives.
    pub(super) fn begin(&self) -> RequestGuard {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        RequestGuard { counts: Arc::clone(&self.0), is_answered: false }
    }

    /// A body of the connection that notes whether it was read to its end.
    pub(super) fn body(&self, body: Incoming) -> Body {
        Body::new(Noted { body, counts: Arc::clone(&self.0), ended: false })
    }

    /// How many have begun, and whether one is under way.
    fn counts(&self) -> (usize, bool) {
        let ended = self.0.ended.load(Ordering::Relaxed);
        let begun = self.0.begun.load(Ordering::Relaxed);
        (begun, begun != ended)
    }

    /// Whether an answer lies ready that the peer has not taken yet.
    fn has_answer(&self) -> bool {
        self.0.answered.load(Ordering::Relaxed) > 0
    }

    fn has_unread(&self) -> bool {
        self.0.unread.load(Ordering::Relaxed)
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        if self.is_answered {
            self.counts.answered.fetch_sub(1, Ordering::Relaxed);
        }
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request's body that tells, when it goes, whether it was read to its end.
struct Noted {
    body: Incoming,
    counts: Arc<RequestCounts>,
    ended: bool,
}

impl Drop for Noted {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            self.counts.unread.store(true, Ordering::Relaxed);
        }
    }
}

impl HttpBody for Noted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.ended |= matches!(frame, Poll::Ready(None | Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
    telemetry: SharedTelemetry,
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
    /// Since when, and with how many bytes written since, an answer lies ready.
    sending: Option<(Instant, usize)>,
    /// Set once the socket is closed towards the peer and what it still sends is thrown away.
    lingering: Option<Lingering>,
}

/// The end of a connection whose peer still sends.
struct Lingering {
    alarm: Pin<Box<Sleep>>,
    discarded: usize,
}

impl<S> Guarded<S> {
    pub(super) fn new(socket: S, requests: Requests, limits: Arc<Limits>, telemetry: SharedTelemetry) -> Self {
        let now = Instant::now();
        let read_alarm = Box::pin(sleep_until(now + limits.header_timeout));
        Guarded {
            socket,
            requests,
            limits,
            telemetry,
            waiting: Waiting::Head,
            since: now,
            begun: 0,
            is_http2: None,
            read_alarm,
            write_alarm: None,
            sending: None,
            lingering: None,
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
        let (deadline, reason, what) = if self.look() {
            if !self.requests.has_answer() {
                self.sending = None;
                return Poll::Pending;
            }
            let (since, _) = *self.sending.get_or_insert_with(|| (Instant::now(), 0));
            (since + self.limits.stall_timeout, Some("slow_reader"), "the peer takes its answer too slowly")
        } else {
            self.sending = None;
            match self.waiting {
                Waiting::Head => {
                    let deadline = self.since + self.limits.header_timeout;
                    (deadline, Some("slow_head"), "the head of a request took too long")
                }
                Waiting::Request | Waiting::Nothing => {
                    (self.since + self.limits.idle_timeout, None, "idle for too long")
                }
            }
        };
        if self.read_alarm.deadline() != deadline {
            self.read_alarm.as_mut().reset(deadline);
        }
        ready!(self.read_alarm.as_mut().poll(cx));
        if let Some(reason) = reason {
            self.telemetry.refuse(reason);
        }
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, what))
    }

    /// Notes that so many bytes were taken of what is sent.
    fn written(&mut self, bytes: usize) {
        if let Some((since, so_far)) = &mut self.sending {
            *so_far += bytes;
            if *so_far >= PACE_BYTES {
                (*since, *so_far) = (Instant::now(), 0);
            }
        }
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
        self.telemetry.refuse("slow_reader");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Throws away what a refused peer still sends, for a while: see the head of this file.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let lingering = self
            .lingering
            .get_or_insert_with(|| Lingering { alarm: Box::pin(sleep_until(Instant::now() + LINGER)), discarded: 0 });
        let mut waste = [0; 16 << 10];
        loop {
            let mut buffer = ReadBuf::new(&mut waste);
            match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && lingering.discarded < LINGER_BYTES_MAX => {
                    lingering.discarded += buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return lingering.alarm.as_mut().poll(cx),
            }
        }
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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = outcome {
            self.written(bytes);
        }
        self.watch_write(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_flush(cx);
        self.watch_write(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let outcome = Pin::new(&mut self.socket).poll_shutdown(cx);
            ready!(self.watch_write(cx, outcome))?;
            if self.is_http2 == Some(true) || !self.requests.has_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_linger(cx).map(Ok)
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
        if let Poll::Ready(Ok(bytes)) = outcome {
            self.written(bytes);
        }
        self.watch_write(cx, outcome)
    }
}
