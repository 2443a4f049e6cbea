//! Answers that a blocking thread writes while they are being sent.
//!
//! Invariant: however large the answer, only [`UNDECIDED_BYTES`] and a few pieces of it are in memory; an answer that
//! isn't written to its end is never taken for a whole one; a writer whose client has gone, or takes nothing, gets an
//! error; and a writer that waits for its client keeps nobody else from computing.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::write::GzEncoder;
use futures_util::stream;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::Refusal;
use super::encoding::{Accepted, Coding};
use super::turns::{AnswerTurn, gone};
use crate::query::Sink;
use crate::server::options::Compression;

/// Answers up to this size are sent with their length, and compressed while that is cheap.
const UNDECIDED_BYTES: usize = 1_000_000;
/// Bytes that are gathered before they are sent.
const PIECE_BYTES: usize = 64 << 10;
/// Larger pieces are not handed on as they are.
const TAKEN_BYTES_MAX: usize = 1 << 20;
/// Pieces that wait to be sent.
const PIECES_WAITING: usize = 4;
/// Levels that keep up with the network.
const GZIP_LEVEL: u32 = 2;
const ZSTD_LEVEL: i32 = 1;

/// The type of most answers.
const JSON: &str = "application/json";

/// What decides how an answer is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) compression: Compression,
    pub(super) accepted: Accepted,
    /// Whether the peer runs on this machine.
    pub(super) is_local: bool,
    /// How long a client may take nothing.
    pub(super) stall_timeout: Duration,
}

impl Policy {
    /// The coding of an answer of so many bytes, `None` for one that is too large to know.
    fn coding(&self, bytes: Option<usize>) -> Coding {
        Coding::choose(self.compression, self.accepted, self.is_local, bytes)
    }
}

/// A whole answer in a coding.
fn compress(coding: Coding, json: Vec<u8>) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Plain => Ok(json),
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
            encoder.write_all(&json)?;
            encoder.finish()
        }
        Coding::Zstd => zstd::bulk::compress(&json, ZSTD_LEVEL),
    }
}

/// Why an answer isn't written.
pub(super) enum Unanswered {
    /// The client gets this instead. Only before the first byte.
    Refused(Refusal),
    /// Writing failed, most of the time because the client has gone.
    Broken(io::Error),
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Unanswered::Refused(refusal)
    }
}

impl From<io::Error> for Unanswered {
    fn from(error: io::Error) -> Self {
        Unanswered::Broken(error)
    }
}

/// Answers with the JSON that `work` writes on a blocking thread.
pub(super) async fn json<F>(policy: Policy, turn: AnswerTurn, work: F) -> Result<Response, Refusal>
where
    F: FnOnce(&mut dyn Sink) -> Result<(), Unanswered> + Send + 'static,
{
    of_type(JSON, policy, turn, work).await
}

/// Answers with what `work` writes on a blocking thread.
pub(super) async fn of_type<F>(
    content_type: &'static str,
    policy: Policy,
    turn: AnswerTurn,
    work: F,
) -> Result<Response, Refusal>
where
    F: FnOnce(&mut dyn Sink) -> Result<(), Unanswered> + Send + 'static,
{
    let (head_sender, head) = oneshot::channel();
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let stage = Stage::Undecided { head: head_sender, start: Vec::new(), turn };
        let mut outlet = Outlet { policy, runtime, stage };
        let outcome = match work(&mut outlet) {
            Ok(()) => outlet.finish(),
            Err(Unanswered::Broken(error)) => Err(error),
            Err(Unanswered::Refused(refusal)) => {
                outlet.refuse(refusal);
                Ok(())
            }
        };
        if let Err(error) = outcome {
            tracing::debug!("an answer was not sent to its end: {error}");
        }
    });
    let (coding, body) = match head.await {
        Ok(Head::Whole(coding, bytes)) => (coding, Body::from(bytes)),
        Ok(Head::Streamed(coding, pieces)) => (coding, stream_body(pieces)),
        Ok(Head::Refused(refusal)) => return Err(refusal),
        Err(_) => return Err(Refusal::internal("the answer could not be written")),
    };
    Ok(response(content_type, policy, coding, body))
}

/// Answers with JSON that was written already.
pub(super) async fn whole(policy: Policy, turn: AnswerTurn, json: Vec<u8>) -> Result<Response, Refusal> {
    let coding = policy.coding(Some(json.len()));
    let (turn, json) = if coding == Coding::Plain {
        (turn, Ok(json))
    } else {
        // Takes many times longer than to print it.
        let compressed = tokio::task::spawn_blocking(move || (turn, compress(coding, json))).await;
        compressed.map_err(|error| Refusal::internal(format!("compressing failed: {error}")))?
    };
    let json = json.map_err(|error| Refusal::internal(format!("compressing failed: {error}")))?;
    let body = turn.keep_soon(json).await?;
    Ok(response(JSON, policy, coding, body.into()))
}

fn response(content_type: &'static str, policy: Policy, coding: Coding, body: Body) -> Response {
    let mut response = ([(header::CONTENT_TYPE, content_type)], body).into_response();
    let headers = response.headers_mut();
    if policy.compression != Compression::Off {
        headers.insert(header::VARY, header::ACCEPT_ENCODING.into());
    }
    if let Some(name) = coding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    response
}

/// What the blocking thread tells first.
enum Head {
    Whole(Coding, Bytes),
    Streamed(Coding, mpsc::Receiver<Piece>),
    Refused(Refusal),
}

/// A piece of an answer. A channel that closes without `End` means that the answer broke off.
enum Piece {
    Bytes(Bytes),
    End,
}

fn stream_body(pieces: mpsc::Receiver<Piece>) -> Body {
    Body::from_stream(stream::unfold(Some(pieces), |pieces| async {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(pieces))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the answer broke off")), None)),
        }
    }))
}

/// Where the answer is written to.
struct Outlet {
    policy: Policy,
    runtime: Handle,
    stage: Stage,
}

enum Stage {
    /// The answer may turn out to be small.
    Undecided {
        head: oneshot::Sender<Head>,
        start: Vec<u8>,
        turn: AnswerTurn,
    },
    Plain(Pieces),
    Gzip(GzEncoder<Pieces>),
    Zstd(zstd::stream::write::Encoder<'static, Pieces>),
    /// Whatever comes is an error.
    Over,
}

impl Outlet {
    /// Sends what is left.
    fn finish(self) -> io::Result<()> {
        match self.stage {
            Stage::Undecided { head, start, mut turn } => {
                let coding = self.policy.coding(Some(start.len()));
                let body = compress(coding, start)?;
                let answer = match turn.keep(&self.runtime, body) {
                    Ok(bytes) => Head::Whole(coding, bytes),
                    Err(refusal) => Head::Refused(refusal),
                };
                head.send(answer).map_err(|_| gone())
            }
            Stage::Plain(pieces) => pieces.end(),
            Stage::Gzip(encoder) => encoder.finish()?.end(),
            Stage::Zstd(encoder) => encoder.finish()?.end(),
            Stage::Over => Err(gone()),
        }
    }

    /// Tells the client why there is no answer, unless it has a part of it already.
    fn refuse(self, refusal: Refusal) {
        if let Stage::Undecided { head, .. } = self.stage {
            // If the client has gone, nobody wants to know.
            let _ = head.send(Head::Refused(refusal));
        }
    }

    /// The answer is large: begins to send it.
    fn begin(&mut self, head: oneshot::Sender<Head>, start: Vec<u8>, turn: AnswerTurn) -> io::Result<()> {
        let coding = self.policy.coding(None);
        let stall_timeout = self.policy.stall_timeout;
        let (sender, receiver) = mpsc::channel(PIECES_WAITING);
        head.send(Head::Streamed(coding, receiver)).map_err(|_| gone())?;
        let (runtime, buffer) = (self.runtime.clone(), Vec::new());
        let pieces = Pieces { sender, runtime, stall_timeout, buffer, turn };
        self.stage = match coding {
            Coding::Plain => Stage::Plain(pieces),
            Coding::Gzip => Stage::Gzip(GzEncoder::new(pieces, flate2::Compression::new(GZIP_LEVEL))),
            Coding::Zstd => Stage::Zstd(zstd::stream::write::Encoder::new(pieces, ZSTD_LEVEL)?),
        };
        self.take(start)
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stage {
            Stage::Undecided { head, start, .. } => {
                if head.is_closed() {
                    return Err(gone());
                }
                start.extend_from_slice(bytes);
                if start.len() > UNDECIDED_BYTES
                    && let Stage::Undecided { head, start, turn } = std::mem::replace(&mut self.stage, Stage::Over)
                {
                    self.begin(head, start, turn)?;
                }
                Ok(bytes.len())
            }
            Stage::Plain(pieces) => pieces.write(bytes),
            Stage::Gzip(encoder) => encoder.write(bytes),
            Stage::Zstd(encoder) => encoder.write(bytes),
            Stage::Over => Err(gone()),
        }
    }

    /// Does nothing: pieces go when they are full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Outlet {
    fn take(&mut self, piece: Vec<u8>) -> io::Result<()> {
        match &mut self.stage {
            Stage::Undecided { start, .. } if start.is_empty() && piece.len() <= UNDECIDED_BYTES => {
                *start = piece;
                Ok(())
            }
            Stage::Plain(pieces) => pieces.take(piece),
            _ => self.write_all(&piece),
        }
    }
}

/// Gathers bytes into pieces and hands them to the connection.
struct Pieces {
    sender: mpsc::Sender<Piece>,
    runtime: Handle,
    stall_timeout: Duration,
    buffer: Vec<u8>,
    turn: AnswerTurn,
}

impl Pieces {
    fn send(&mut self, piece: Piece) -> io::Result<()> {
        self.turn.hand_on(&self.runtime, &self.sender, piece, self.stall_timeout)
    }

    /// Hands a piece on as it is, unless it is so small that it pays to wait for more.
    fn take(&mut self, piece: Vec<u8>) -> io::Result<()> {
        if self.buffer.len() + piece.len() < PIECE_BYTES {
            self.buffer.extend_from_slice(&piece);
            return Ok(());
        }
        if piece.len() > TAKEN_BYTES_MAX {
            // As it is, several of them would wait in memory.
            return piece.chunks(PIECE_BYTES).try_for_each(|chunk| self.write_all(chunk));
        }
        if !self.buffer.is_empty() {
            let before = std::mem::take(&mut self.buffer);
            self.send(Piece::Bytes(before.into()))?;
        }
        self.send(Piece::Bytes(piece.into()))
    }

    fn end(mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let last = std::mem::take(&mut self.buffer);
            self.send(Piece::Bytes(last.into()))?;
        }
        self.send(Piece::End)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer.reserve_exact(PIECE_BYTES.max(bytes.len()));
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            let full = std::mem::take(&mut self.buffer);
            self.send(Piece::Bytes(full.into()))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
