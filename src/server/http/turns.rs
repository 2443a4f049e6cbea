//! The bounds on what happens at a time, and on the bytes that it takes.
//!
//! Invariant: nobody waits for a turn longer than `turn_timeout`; who gets none is told which limit it was, and is
//! counted under its name. A turn is given back when its guard is dropped, so work on another thread takes it along.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{App, Refusal};
use crate::server::options::Limits;

/// Bodies and answers up to this size have a pool of their own: large ones never keep them waiting.
pub(in crate::server) const SMALL_BYTES: usize = 64 << 10;
/// Bytes of all small bodies, and of all small answers, together.
const SMALL_BYTES_IN_FLIGHT: usize = 64 << 20;
/// The fewest KiB that a body or an answer counts for.
const KIB_MIN: usize = 4;

/// So many of one kind at a time.
pub(in crate::server) struct Limit {
    semaphore: Arc<Semaphore>,
    /// Permits, whatever they count.
    max: usize,
    /// Its name in own metrics.
    reason: &'static str,
    /// What there is too much of, for the answer.
    what: &'static str,
}

impl Limit {
    pub(in crate::server) fn new(max: usize, reason: &'static str, what: &'static str) -> Self {
        Limit { semaphore: Arc::new(Semaphore::new(max)), max, reason, what }
    }

    /// What those are told who get no permit.
    pub(in crate::server) fn overloaded(&self) -> Refusal {
        let Limit { max, reason, what, .. } = self;
        Refusal::overloaded(reason, format!("overloaded: {max} {what} at a time are the limit: try again later"))
    }

    /// A permit if one is free: nobody waits.
    pub(in crate::server) fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.semaphore).try_acquire_owned().ok()
    }
}

/// Bytes in flight, in KiB: small amounts apart from large ones.
pub(in crate::server) struct Pool {
    small: Limit,
    large: Limit,
}

impl Pool {
    fn new(bytes_max: usize, reason: &'static str, what: &'static str) -> Self {
        Pool {
            small: Limit::new(SMALL_BYTES_IN_FLIGHT >> 10, reason, what),
            large: Limit::new(bytes_max >> 10, reason, what),
        }
    }

    /// The part that counts `bytes`, and how many permits they are.
    fn part(&self, bytes: usize) -> (&Limit, u32) {
        let limit = if bytes <= SMALL_BYTES { &self.small } else { &self.large };
        let kib = bytes.div_ceil(1 << 10).max(KIB_MIN);
        // What is larger than all there is would wait in vain: it has the whole to itself.
        (limit, u32::try_from(kib.min(limit.max)).unwrap_or(u32::MAX))
    }
}

/// Every bound of the endpoints.
pub(in crate::server) struct Turns {
    pub(in crate::server) uploads: Limit,
    pub(in crate::server) large_pieces: Limit,
    pub(in crate::server) writes: Limit,
    pub(in crate::server) zstd_bodies: Limit,
    pub(in crate::server) json_bodies: Pool,
    pub(in crate::server) parsed: Pool,
    /// Apart from the bodies of others: a form is kept while its query waits and runs, which may take minutes.
    pub(in crate::server) forms: Pool,
    pub(in crate::server) queries: Limit,
    pub(in crate::server) promql: Limit,
    pub(in crate::server) answers: Limit,
    pub(in crate::server) answer_bytes: Pool,
    pub(in crate::server) dumps: Limit,
    pub(in crate::server) scrapes: Limit,
    pub(in crate::server) calls: Limit,
    pub(in crate::server) messages: Pool,
    pub(in crate::server) zstats_requests: Limit,
    /// Of bodies unzipped and decoded.
    pub(in crate::server) zstats_bytes: Pool,
}

impl Turns {
    pub(in crate::server) fn new(limits: &Limits, promql_max: usize, zstats_max: usize) -> Self {
        Turns {
            uploads: Limit::new(limits.uploads_max, "uploads", "bodies of writes"),
            large_pieces: Limit::new(limits.large_pieces_max, "large_pieces", "large pieces"),
            writes: Limit::new(limits.ingests_max, "writes", "pieces of writes being stored"),
            zstd_bodies: Limit::new(limits.zstd_bodies_max, "zstd_bodies", "bodies inflated with zstd"),
            json_bodies: Pool::new(limits.json_bytes_in_flight_max, "json_bodies", "KiB of JSON bodies"),
            parsed: Pool::new(limits.json_bytes_in_flight_max, "parsed_requests", "KiB of parsed requests"),
            forms: Pool::new(limits.json_bytes_in_flight_max, "forms", "KiB of forms"),
            queries: Limit::new(limits.queries_max, "queries", "queries being computed"),
            promql: Limit::new(promql_max, "promql", "PromQL queries being computed"),
            answers: Limit::new(limits.answers_max, "answers", "answers being sent"),
            answer_bytes: Pool::new(limits.answer_bytes_in_flight_max, "answer_bytes", "KiB of answers being sent"),
            dumps: Limit::new(1, "dumps", "dumps of the tree"),
            scrapes: Limit::new(limits.scrapes_max, "scrapes", "scrapes of metrics"),
            calls: Limit::new(limits.grpc_calls_max, "grpc_calls", "calls of gRPC"),
            messages: Pool::new(limits.grpc_bytes_in_flight_max, "grpc_messages", "KiB of messages of gRPC"),
            zstats_requests: Limit::new(zstats_max, "zstats_requests", "requests of zstats"),
            zstats_bytes: Pool::new(limits.zstats_bytes_in_flight_max, "zstats_bytes", "KiB of scrapes"),
        }
    }
}

impl App {
    /// Waits for a turn, but not for ever.
    pub(in crate::server) async fn turn(&self, limit: &Limit, count: u32) -> Result<OwnedSemaphorePermit, Refusal> {
        let turn = Arc::clone(&limit.semaphore).acquire_many_owned(count);
        match tokio::time::timeout(self.options.limits.turn_timeout, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(limit.overloaded()),
        }
    }

    /// Waits for room for so many bytes.
    pub(in crate::server) async fn room(&self, pool: &Pool, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let (limit, count) = pool.part(bytes);
        self.turn(limit, count).await
    }

    /// Waits for a turn to compute an answer and to send it.
    pub(in crate::server) async fn answer_turn(self: &Arc<Self>, limit: AnswerLimit) -> Result<AnswerTurn, Refusal> {
        // In this order: those who wait for slow PromQL hold nothing that the queries of others need.
        let computing = self.turn(limit.of(&self.turns), 1).await?;
        let answer = self.turn(&self.turns.answers, 1).await?;
        Ok(AnswerTurn { app: Arc::clone(self), limit, computing: Some(computing), _answer: answer })
    }
}

/// Which limit a computation falls under.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) enum AnswerLimit {
    Queries,
    Promql,
    Dumps,
}

impl AnswerLimit {
    fn of(self, turns: &Turns) -> &Limit {
        match self {
            AnswerLimit::Queries => &turns.queries,
            AnswerLimit::Promql => &turns.promql,
            AnswerLimit::Dumps => &turns.dumps,
        }
    }
}

/// The right to compute an answer, and to keep it until its client has taken it. Those that wait for a slow client
/// compute nothing, and let others do it meanwhile.
pub(in crate::server) struct AnswerTurn {
    app: Arc<App>,
    limit: AnswerLimit,
    computing: Option<OwnedSemaphorePermit>,
    _answer: OwnedSemaphorePermit,
}

impl AnswerTurn {
    /// Says that nothing is computed for now.
    pub(in crate::server) fn pause(&mut self) {
        self.computing = None;
    }

    /// Goes on computing. Those who are before it take finite time, so it waits as long as it takes.
    pub(in crate::server) fn resume(&mut self, runtime: &Handle) {
        let turn = Arc::clone(&self.limit.of(&self.app.turns).semaphore).acquire_owned();
        self.computing = runtime.block_on(turn).ok();
    }

    /// Hands something on to the task that sends it, and lets others compute while that is slower than this thread. Not
    /// to be called from an async task.
    ///
    /// # Errors
    ///
    /// The client has gone, or takes nothing for so long.
    pub(in crate::server) fn hand_on<T>(
        &mut self,
        runtime: &Handle,
        sender: &mpsc::Sender<T>,
        item: T,
        stall_timeout: Duration,
    ) -> io::Result<()> {
        let item = match sender.try_send(item) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(gone()),
            Err(mpsc::error::TrySendError::Full(item)) => item,
        };
        self.pause();
        let sent = runtime.block_on(tokio::time::timeout(stall_timeout, sender.send(item)));
        self.resume(runtime);
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(gone()),
            Err(_) => {
                self.count_slow_reader();
                Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing"))
            }
        }
    }

    /// Counts a whole answer as in flight until its last byte is sent. To be called on a blocking thread.
    pub(in crate::server) fn keep(&mut self, runtime: &Handle, answer: Vec<u8>) -> Result<Bytes, Refusal> {
        self.pause();
        let room = runtime.block_on(self.app.room(&self.app.turns.answer_bytes, answer.len()))?;
        Ok(Bytes::from_owner(Kept { answer, _room: room }))
    }

    /// As [`keep`](Self::keep), for tasks.
    pub(in crate::server) async fn keep_soon(mut self, answer: Vec<u8>) -> Result<Bytes, Refusal> {
        self.pause();
        let room = self.app.room(&self.app.turns.answer_bytes, answer.len()).await?;
        Ok(Bytes::from_owner(Kept { answer, _room: room }))
    }

    /// Counts a client that was given up.
    fn count_slow_reader(&self) {
        self.app.telemetry.refuse("slow_reader");
    }
}

/// Nobody waits for the answer any more.
pub(in crate::server) fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone")
}

/// An answer with its place in the pool.
struct Kept {
    answer: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}
