//! JSON bodies: read whole, within a limit of their own and one of all together.

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;

use super::{App, Refusal};

/// The fewest KiB that a body counts for.
const KIB_MIN: usize = 4;

/// A JSON body, counted as long as it is kept.
pub(super) struct JsonBody {
    pub(super) bytes: Vec<u8>,
    _counted: OwnedSemaphorePermit,
}

/// How much of a refused body is read, for the sake of the answer.
const DISCARDED_BYTES_MAX: usize = 1 << 20;

impl App {
    /// Reads a JSON body.
    pub(super) async fn json_body(&self, mut body: Body) -> Result<JsonBody, Refusal> {
        let bytes_max = self.options.limits.json_bytes_max;
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > bytes_max {
            self.discard(&mut body).await;
            return Err(too_large(bytes_max));
        }
        let mut kib = announced.div_ceil(1 << 10).max(KIB_MIN);
        let mut counted = self.turn(&self.turns.json_bodies, permits(kib)).await?;
        let mut bytes = Vec::with_capacity(announced);
        while let Some(chunk) = self.next_chunk(&mut body).await? {
            if bytes.len() + chunk.len() > bytes_max {
                self.discard(&mut body).await;
                return Err(too_large(bytes_max));
            }
            let needed = (bytes.len() + chunk.len()).div_ceil(1 << 10);
            if needed > kib {
                // Grows as the vector does, which doubles.
                let more = needed.max(2 * kib).min(bytes_max.div_ceil(1 << 10)).max(needed) - kib;
                counted.merge(self.turn(&self.turns.json_bodies, permits(more)).await?);
                kib += more;
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(JsonBody { bytes, _counted: counted })
    }

    /// Reads a little of what will not be used: a client that still sends when the connection is closed gets a reset in
    /// place of the answer that says why.
    async fn discard(&self, body: &mut Body) {
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES_MAX
            && let Ok(Some(chunk)) = self.next_chunk(body).await
        {
            discarded += chunk.len();
        }
    }

    /// The next bytes of a body; `None` at its end.
    pub(super) async fn next_chunk(&self, body: &mut Body) -> Result<Option<Bytes>, Refusal> {
        loop {
            match tokio::time::timeout(self.options.limits.stall_timeout, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Ok(Some(Err(error))) => {
                    return Err(Refusal::json(StatusCode::BAD_REQUEST, format!("the body broke off: {error}")));
                }
                Ok(None) => return Ok(None),
                Err(_) => {
                    return Err(Refusal::json(StatusCode::REQUEST_TIMEOUT, "the rest of the body did not come"));
                }
            }
        }
    }
}

/// A number of permits; what is too large for one is never granted and ends in a timeout.
fn permits(kib: usize) -> u32 {
    u32::try_from(kib).unwrap_or(u32::MAX)
}

fn too_large(bytes_max: usize) -> Refusal {
    Refusal::json(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {bytes_max} bytes"))
}
