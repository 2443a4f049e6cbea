//! Whole bodies: read with their room counted, decompressed and stored on a thread that may block.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};

use super::super::{App, Refusal};
use super::content_type::unsupported;
use crate::engine::{RemoteError, RemoteReport};
use crate::formats::remote::{Compression, decompress};

/// How a body of Prometheus's protocols is compressed; without `Content-Encoding`, as nearly all of them are.
pub(super) fn compression_of(headers: &HeaderMap, default: Compression) -> Result<Compression, Refusal> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(default) };
    let name = String::from_utf8_lossy(value.as_bytes());
    let known = Compression::of_encoding(&name).filter(|_| values.next().is_none());
    known.ok_or_else(|| {
        let text = format!(
            "{name} encoding (compression) is not accepted by this server; only snappy, zstd and identity are \
             acceptable"
        );
        unsupported(text)
    })
}

/// Reads and decompresses a body, and has it stored by `store`, which may block.
pub(super) async fn take<F>(
    app: &Arc<App>,
    compression: Compression,
    request: Request,
    store: F,
) -> Result<RemoteReport, Refusal>
where
    F: FnOnce(&App, &[u8]) -> Result<RemoteReport, RemoteError> + Send + 'static,
{
    let taken = take_text(app, compression, request, store).await;
    taken.map_err(Refusal::for_senders)
}

async fn take_text<F>(
    app: &Arc<App>,
    compression: Compression,
    request: Request,
    store: F,
) -> Result<RemoteReport, Refusal>
where
    F: FnOnce(&App, &[u8]) -> Result<RemoteReport, RemoteError> + Send + 'static,
{
    let bytes_max = app.service.remote_options().limits.body_bytes_max;
    let upload = app.turn(&app.turns.uploads, 1).await?;
    let body = app.small_body(request.into_body(), bytes_max).await?;
    let inflating = match compression {
        Compression::Zstd => Some(app.turn(&app.turns.zstd_bodies, 1).await?),
        Compression::Plain | Compression::Snappy => None,
    };
    // A body says how large it is, and one that lies is not decompressed; one that does not say may have it all.
    let room = match compression {
        Compression::Plain => 0,
        Compression::Snappy => snappy_len(&body.bytes).unwrap_or(0).min(bytes_max),
        Compression::Zstd => bytes_max.min(body.bytes.len().saturating_mul(ZSTD_RATIO)),
    };
    let room = app.room(&app.turns.parsed, room).await?;
    let turn = app.turn(&app.turns.writes, 1).await?;
    let working = Arc::clone(app);
    let stored = tokio::task::spawn_blocking(move || {
        // Held by the work and not by the request: a client that goes away does not make room for more of it.
        let _held = (upload, inflating, room, turn);
        if compression == Compression::Plain {
            return store(&working, &body.bytes).map_err(of_store);
        }
        let mut inflated = Vec::new();
        let decompressed = decompress(compression, &body.bytes, bytes_max, &mut inflated);
        decompressed.map_err(|error| {
            let too_large = matches!(error, crate::formats::remote::CompressionError::TooLarge { .. });
            let (status, reason) = match too_large {
                true => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
                false => (StatusCode::BAD_REQUEST, "bad_body"),
            };
            Refusal::text(status, error.to_string()).because(reason)
        })?;
        drop(body);
        store(&working, &inflated).map_err(of_store)
    });
    stored.await.map_err(|error| Refusal::internal(format!("storing failed: {error}")))?
}

/// What a body of snappy says to become.
fn snappy_len(body: &[u8]) -> Option<usize> {
    snap::raw::decompress_len(body).ok()
}

/// How many times larger than itself room is counted for a zstd body.
const ZSTD_RATIO: usize = 16;

fn of_store(error: RemoteError) -> Refusal {
    match error {
        RemoteError::Store(error) => error.into(),
        other => Refusal::text(StatusCode::BAD_REQUEST, other.to_string()).because("bad_body"),
    }
}
