//! Request bodies: how they come in, and JSON bodies read whole, within a limit of their own and one of all together.
//!
//! Invariant: what a body takes in memory is counted before it is there; and a client that sends slower than
//! [`PACE_BYTES`] in each `stall_timeout` is given up, so that nobody holds what others need by sending a byte now and
//! then.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::refusal::SLOW_BODY;
use super::turns::{Pool, SMALL_BYTES};
use super::{App, Refusal};
use crate::server::connection::PACE_BYTES;

/// Items that a parsed body can have at most before its parser gives up.
const ITEMS_MAX: usize = crate::query::SELECTIONS_MAX;
/// What a string takes in memory wherever it stands.
const BYTES_PER_STRING: usize = 40;

/// What is read of a body that is refused already; the same as Go's server.
const DISCARDED_BYTES_MAX: usize = 256 << 10;
/// How long at most.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// A body while it is read.
pub(in crate::server) struct Incoming {
    body: Body,
    /// How long the client may still take for the bytes that are owed.
    patience: Duration,
    owed: usize,
}

impl Incoming {
    /// The fewest bytes that are still to come, as far as the head tells.
    pub(super) fn announced(&self) -> u64 {
        self.body.size_hint().lower()
    }
}

/// A JSON body, counted as long as it is kept.
pub(super) struct JsonBody {
    pub(super) bytes: Vec<u8>,
    counted: OwnedSemaphorePermit,
}

impl JsonBody {
    /// Lets the bytes go, and goes on counting them for what was made of them.
    pub(super) fn into_counted(self) -> OwnedSemaphorePermit {
        self.counted
    }
}

impl App {
    /// Begins to read a body.
    pub(in crate::server) fn incoming(&self, body: Body) -> Incoming {
        Incoming { body, patience: self.options.limits.stall_timeout, owed: PACE_BYTES }
    }

    /// Reads a JSON body.
    pub(super) async fn json_body(&self, body: Body) -> Result<JsonBody, Refusal> {
        self.small_body(body, self.options.limits.json_bytes_max, &self.turns.json_bodies).await
    }

    /// Reads a body of at most so many bytes, for which there is room in a pool.
    pub(super) async fn small_body(&self, body: Body, bytes_max: usize, pool: &Pool) -> Result<JsonBody, Refusal> {
        let mut body = self.incoming(body);
        if body.announced() > bytes_max as u64 {
            return Err(too_large(bytes_max));
        }
        // What is announced is not believed: room is taken for what has come, in steps that double.
        let mut room = SMALL_BYTES.min(body.announced() as usize);
        let mut counted = self.room(pool, room).await?;
        let mut bytes = Vec::with_capacity(room);
        while let Some(chunk) = self.next_chunk(&mut body).await? {
            let needed = bytes.len() + chunk.len();
            if needed > bytes_max {
                self.discard_rest(&mut body).await;
                return Err(too_large(bytes_max));
            }
            if needed > room {
                room = needed.max(2 * room).min(bytes_max);
                counted = self.more_room(pool, counted, room).await?;
                bytes.reserve_exact(room - bytes.len());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(JsonBody { bytes, counted })
    }

    /// Exchanges the room of a JSON body for a larger one.
    async fn more_room(
        &self,
        pool: &Pool,
        held: OwnedSemaphorePermit,
        bytes: usize,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        // Given back first: those who hold a part and wait for the rest could wait for each other. Turns come in order,
        // so what is uncounted meanwhile is never more than what was counted before.
        drop(held);
        self.room(pool, bytes).await
    }

    /// Waits for room for what a body becomes once it is parsed. Nobody knows that before, but each item needs a comma.
    pub(super) async fn parse_room(
        &self,
        body: &JsonBody,
        bytes_per_item: usize,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        let items = memchr::memchr_iter(b',', &body.bytes).count() + 1;
        let bytes = items.min(ITEMS_MAX) * bytes_per_item + items * BYTES_PER_STRING;
        self.room(&self.turns.parsed, bytes).await
    }

    /// The next bytes of a body that owes none at the moment: the client may take its time. `None` at the body's end.
    pub(in crate::server) async fn first_chunk(&self, incoming: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
        (incoming.patience, incoming.owed) = (self.options.limits.stall_timeout, PACE_BYTES);
        loop {
            match incoming.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => return Err(broken_off(&error)),
                None => return Ok(None),
            }
        }
    }

    /// Reads on before a refusal is told, and throws away what comes: many a client sends its whole body before it
    /// looks for an answer, and one that comes early is a broken connection to it.
    pub(super) async fn discard_rest(&self, incoming: &mut Incoming) {
        let discard = async {
            let mut discarded = 0;
            while discarded < DISCARDED_BYTES_MAX
                && let Ok(Some(chunk)) = self.next_chunk(incoming).await
            {
                discarded += chunk.len();
            }
        };
        // Who sends no more is not waited for.
        let _ = tokio::time::timeout(DISCARD_TIME, discard).await;
    }

    /// The next bytes of a body; `None` at its end.
    pub(in crate::server) async fn next_chunk(&self, incoming: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
        loop {
            let began = Instant::now();
            let frame = tokio::time::timeout(incoming.patience, incoming.body.frame()).await;
            match frame {
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        incoming.patience = incoming.patience.saturating_sub(began.elapsed());
                        incoming.owed = incoming.owed.saturating_sub(bytes.len());
                        if incoming.owed == 0 {
                            (incoming.patience, incoming.owed) = (self.options.limits.stall_timeout, PACE_BYTES);
                        }
                        return Ok(Some(bytes));
                    }
                }
                Ok(Some(Err(error))) => return Err(broken_off(&error)),
                Ok(None) => return Ok(None),
                Err(_) => {
                    let limit = self.options.limits.stall_timeout;
                    let text =
                        format!("the rest of the body did not come: {PACE_BYTES} bytes in {limit:?} are expected");
                    return Err(Refusal::json(StatusCode::REQUEST_TIMEOUT, text).because(SLOW_BODY));
                }
            }
        }
    }
}

fn broken_off(error: &axum::Error) -> Refusal {
    Refusal::json(StatusCode::BAD_REQUEST, format!("the body broke off: {error}"))
}

fn too_large(bytes_max: usize) -> Refusal {
    let text = format!("the body is larger than {bytes_max} bytes");
    Refusal::json(StatusCode::PAYLOAD_TOO_LARGE, text).because("body_too_large")
}
