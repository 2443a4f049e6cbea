//! Request bodies, message by message: nobody decodes what is too large, and nobody gathers bytes that have no room.
//!
//! gRPC puts five bytes before each message: a flag, and the length in big endian. Invariant: a message longer than
//! `grpc_message_bytes_max` ends the call before a byte of it is gathered; a shorter one is counted as in flight from
//! its length on until the next one is asked for; and a client that begins a message has to send the rest of it at the
//! pace of all bodies, though it may take its time between two messages.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Buf, Bytes};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

use super::call::Call;
use crate::server::http::{App, Incoming, Refusal};

/// Bytes before a message.
const PREFIX_BYTES: usize = 5;

/// The body, read within bounds. Its errors are statuses.
pub(super) fn metered(app: &Arc<App>, call: Call, body: Body) -> Body {
    let meter = Meter {
        incoming: app.incoming(body),
        app: Arc::clone(app),
        call,
        chunk: Bytes::new(),
        prefix: [0; PREFIX_BYTES],
        prefix_bytes: 0,
        left: 0,
        room: None,
    };
    Body::from_stream(stream::try_unfold(meter, |mut meter| async move {
        let bytes = meter.next().await?;
        Ok::<_, Status>(bytes.map(|bytes| (bytes, meter)))
    }))
}

struct Meter {
    app: Arc<App>,
    call: Call,
    incoming: Incoming,
    /// What has come and was not handed on.
    chunk: Bytes,
    /// The first bytes of the prefix that is being read.
    prefix: [u8; PREFIX_BYTES],
    prefix_bytes: usize,
    /// What is to come of the message at hand.
    left: usize,
    /// The place of the message at hand, or of the last one until the next begins.
    room: Option<OwnedSemaphorePermit>,
}

impl Meter {
    /// The next bytes: a whole prefix, or a part of one message.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if self.left == 0 && self.prefix_bytes == 0 {
                // Whoever asks for more has dealt with the message before.
                self.room = None;
            }
            if self.chunk.is_empty() {
                match self.read().await? {
                    Some(chunk) => self.chunk = chunk,
                    None => return Ok(None),
                }
            }
            if self.left > 0 {
                let part = self.chunk.split_to(self.left.min(self.chunk.len()));
                self.left -= part.len();
                return Ok(Some(part));
            }
            let taken = (PREFIX_BYTES - self.prefix_bytes).min(self.chunk.len());
            self.prefix[self.prefix_bytes..self.prefix_bytes + taken].copy_from_slice(&self.chunk[..taken]);
            self.chunk.advance(taken);
            self.prefix_bytes += taken;
            if self.prefix_bytes == PREFIX_BYTES {
                self.prefix_bytes = 0;
                self.begin().await?;
                return Ok(Some(Bytes::copy_from_slice(&self.prefix)));
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Status> {
        let is_inside = self.left > 0 || self.prefix_bytes > 0;
        let read = if is_inside {
            self.app.next_chunk(&mut self.incoming).await
        } else {
            self.app.first_chunk(&mut self.incoming).await
        };
        read.map_err(|refusal| self.app.status(self.call.name(), &refusal))
    }

    /// Makes room for the message whose prefix has come.
    async fn begin(&mut self) -> Result<(), Status> {
        let [_, length @ ..] = self.prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        let max = self.app.options.limits.grpc_message_bytes_max;
        let room = if length > max {
            let text = format!("a message of {length} bytes: more than {max} are refused");
            Err(Refusal::json(StatusCode::PAYLOAD_TOO_LARGE, text).because("body_too_large"))
        } else {
            self.app.room(&self.app.turns.messages, length).await
        };
        self.room = Some(room.map_err(|refusal| self.app.status(self.call.name(), &refusal))?);
        self.left = length;
        Ok(())
    }
}
