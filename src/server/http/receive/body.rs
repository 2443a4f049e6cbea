//! Whole bodies: read with their room counted, decompressed and stored on a thread that may block.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};

use super::super::inflate::{ContentEncoding, Inflater};
use super::super::intake::IntakeError;
use super::super::{App, Refusal};
use super::content_type::unsupported;
use crate::engine::RemoteError;
use crate::formats::remote::{Compression, CompressionError, decompress};

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server::http) enum Coding {
    /// As a whole, as remote write has it.
    Block(Compression),
    /// As a stream, as most of HTTP has it.
    Stream(ContentEncoding),
}

impl Coding {
    /// That of remote write and remote read: snappy, also where nothing is said.
    pub(in crate::server::http) fn of_remote(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Ok(Coding::Block(Compression::Snappy)) };
        let name = String::from_utf8_lossy(value.as_bytes());
        let known = Compression::of_encoding(&name).filter(|_| values.next().is_none());
        known.map(Coding::Block).ok_or_else(|| {
            unsupported(format!(
                "{name} encoding (compression) is not accepted by this server; only snappy, zstd and identity are \
                 acceptable"
            ))
        })
    }

    /// Any that is known; nothing where nothing is said.
    pub(super) fn any(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let is_snappy = values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"snappy"));
        if is_snappy && values.next().is_none() {
            return Ok(Coding::Block(Compression::Snappy));
        }
        let encoding = ContentEncoding::of(headers).map_err(Refusal::for_senders)?;
        Ok(Coding::Stream(encoding))
    }

    fn is_zstd(self) -> bool {
        matches!(self, Coding::Block(Compression::Zstd) | Coding::Stream(ContentEncoding::Zstd))
    }

    /// Bytes that a body may become: it says so, or it may become a multiple of itself.
    fn inflated_len(self, body: &[u8], bytes_max: usize) -> usize {
        let len = match self {
            Coding::Block(Compression::Plain) | Coding::Stream(ContentEncoding::Identity) => 0,
            Coding::Block(Compression::Snappy) => snap::raw::decompress_len(body).unwrap_or(0),
            _ => body.len().saturating_mul(RATIO),
        };
        len.min(bytes_max)
    }

    /// Decompresses a body, unless it is plain.
    pub(in crate::server::http) fn inflate(self, body: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
        match self {
            Coding::Block(Compression::Plain) | Coding::Stream(ContentEncoding::Identity) => Ok(body),
            Coding::Block(compression) => {
                let mut inflated = Vec::new();
                decompress(compression, &body, bytes_max, &mut inflated).map_err(|error| {
                    let (status, reason) = match error {
                        CompressionError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
                        _ => (StatusCode::BAD_REQUEST, "bad_body"),
                    };
                    Refusal::text(status, error.to_string()).because(reason)
                })?;
                Ok(inflated)
            }
            Coding::Stream(encoding) => inflate(encoding, &body, bytes_max),
        }
    }
}

fn inflate(encoding: ContentEncoding, body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let mut inflater =
        Inflater::new(encoding).map_err(|error| Refusal::internal(format!("cannot inflate: {error}")))?;
    let (mut inflated, mut rest) = (Vec::new(), body);
    while !rest.is_empty() {
        inflater.step(&mut rest, &mut inflated).map_err(IntakeError::from)?;
        if inflated.len() > bytes_max {
            return Err(IntakeError::TooLarge(bytes_max as u64).into());
        }
    }
    inflater.finish(&mut inflated).map_err(IntakeError::from)?;
    Ok(inflated)
}

/// Reads and decompresses a body, and has it stored by `store`, which may block.
pub(super) async fn take<F, T>(app: &Arc<App>, coding: Coding, request: Request, store: F) -> Result<T, Refusal>
where
    F: FnOnce(&App, &[u8]) -> Result<T, RemoteError> + Send + 'static,
    T: Send + 'static,
{
    take_all(app, coding, request, store).await.map_err(Refusal::for_senders)
}

async fn take_all<F, T>(app: &Arc<App>, coding: Coding, request: Request, store: F) -> Result<T, Refusal>
where
    F: FnOnce(&App, &[u8]) -> Result<T, RemoteError> + Send + 'static,
    T: Send + 'static,
{
    let bytes_max = app.service.remote_options().limits.body_bytes_max;
    let upload = app.turn(&app.turns.uploads, 1).await?;
    let body = app.small_body(request.into_body(), bytes_max, &app.turns.json_bodies).await?;
    let zstd = if coding.is_zstd() { Some(app.turn(&app.turns.zstd_bodies, 1).await?) } else { None };
    let room = app.room(&app.turns.parsed, coding.inflated_len(&body.bytes, bytes_max)).await?;
    let turn = app.turn(&app.turns.writes, 1).await?;
    let working = Arc::clone(app);
    let stored = tokio::task::spawn_blocking(move || {
        // Held by the work and not by the request: a client that goes away does not make room for more of it.
        let _held = (upload, zstd, room, turn);
        let inflated = coding.inflate(body.bytes, bytes_max)?;
        store(&working, &inflated).map_err(of_store)
    });
    stored.await.map_err(|error| Refusal::internal(format!("storing failed: {error}")))?
}

/// How many times larger than itself room is counted for a body that does not say what it becomes.
const RATIO: usize = 16;

fn of_store(error: RemoteError) -> Refusal {
    match error {
        RemoteError::Store { error, .. } => error.into(),
        other => Refusal::text(StatusCode::BAD_REQUEST, other.to_string()).because("bad_body"),
    }
}
