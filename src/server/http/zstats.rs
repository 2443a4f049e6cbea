//! `/api/v1/zstats`: scrapes shipped as differences, in the words of the original receiver.
//!
//! Invariant: what passes is told by 503, which makes senders keep their scrapes and come again; what is wrong with a
//! request is told by 200 and a text in the answer, which makes them drop it. Memory is counted before it is taken.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::task::spawn_blocking;

use super::gate::{Gate, Route, pass};
use super::{App, Refusal};
use crate::engine::TakeError;
use crate::formats::zstats::{
    self, BlobSample, CONTENT_TYPE, PATH, RequestLimits, TOKEN_HEADER, ZstatsError, check_headers, decode_request,
    gunzip,
};
use crate::server::options::{ZstatsOptions, ZstatsToken};
use crate::telemetry::Reason;

/// How many times larger than itself room is counted for a body before it is unzipped.
const RATIO: usize = 16;
/// Bytes of memory that a byte of an unzipped body can become at most: a sample of one byte.
const DECODED_RATIO: usize = size_of::<BlobSample<'_>>();
const LABEL_BYTES: usize = size_of::<(&str, &str)>();
/// The token that stands for all others.
const ANY_TOKEN: &str = "*";

/// Adds the way to the endpoint, if anybody may send.
pub(super) fn add(router: Router<Arc<App>>, app: &Arc<App>) -> Router<Arc<App>> {
    if app.options.zstats.is_none() {
        return router;
    }
    let gate = |route| from_fn_with_state(Gate::new(app, route), pass);
    router
        .route(PATH, any(endpoint).layer(gate(Route::Zstats)))
        .route(&format!("/{PATH}"), any(redirect).layer(gate(Route::Elsewhere)))
}

/// The way to the endpoint, alone.
pub(in crate::server) fn router(app: &Arc<App>) -> Router {
    let elsewhere = any(elsewhere).layer(from_fn_with_state(Gate::new(app, Route::Elsewhere), pass));
    add(Router::new(), app).fallback_service(elsewhere.with_state(())).with_state(Arc::clone(app))
}

async fn endpoint(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    const PLAIN: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    match *request.method() {
        Method::POST => post(app, request).await,
        Method::GET | Method::HEAD if !app.is_ready() => {
            Err(Refusal::unavailable("not_ready", "recovering: not ready yet").for_senders())
        }
        Method::GET | Method::HEAD => Ok((PLAIN, "OK\n").into_response()),
        _ => Ok((PLAIN, "Sorry, only GET and POST methods are supported.").into_response()),
    }
}

async fn elsewhere(request: Request) -> Response {
    let path = request.uri().path();
    if clean(path) != path {
        return redirect(request).await;
    }
    Refusal::text(StatusCode::NOT_FOUND, "404 not found.").into_response()
}

/// Leads to the same path in plain words.
async fn redirect(request: Request) -> Response {
    let mut location = clean(request.uri().path()).into_owned();
    if let Some(query) = request.uri().query() {
        location.push('?');
        location.push_str(query);
    }
    let mut response = StatusCode::MOVED_PERMANENTLY.into_response();
    // A part of a URI is a header's value.
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A path without empty parts, `.` and `..`; a slash at its end stays.
fn clean(path: &str) -> Cow<'_, str> {
    let is_odd = |part: &str| matches!(part, "" | "." | "..");
    let inner = path.strip_prefix('/').unwrap_or(path);
    if path.starts_with('/') && !inner.strip_suffix('/').unwrap_or(inner).split('/').any(is_odd) {
        return Cow::Borrowed(path);
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    Cow::Owned(format!("/{}{end}", parts.join("/")))
}

async fn post(app: Arc<App>, request: Request) -> Result<Response, Refusal> {
    let answer = match take(&app, request).await {
        Ok(answer) => answer,
        Err(Stopped::Dropped(error)) => {
            let reason = error.reason();
            app.telemetry.zstats.requests_refused.get_or_create(&Reason { reason }).inc();
            if let Some(count) = app.refusals_logged.note(1) {
                tracing::warn!("{PATH}: {error} ({count} such refusals since the last one shown)");
            }
            zstats::Response::refused(&error.to_string())
        }
        Err(Stopped::Refused(refusal)) => return Err(kept_by_senders(refusal)),
    };
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], answer.encode()).into_response())
}

/// Why a request is not taken.
enum Stopped {
    /// It is no good: its sender drops it.
    Dropped(ZstatsError),
    /// It may come again.
    Refused(Refusal),
}

impl From<ZstatsError> for Stopped {
    fn from(error: ZstatsError) -> Self {
        Stopped::Dropped(error)
    }
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Stopped::Refused(refusal)
    }
}

/// Any other status than 500, 503 and 504 makes senders drop what they sent.
fn kept_by_senders(refusal: Refusal) -> Refusal {
    match refusal.status() {
        StatusCode::REQUEST_TIMEOUT => Refusal::unavailable("slow_body", refusal.message()).for_senders(),
        _ => refusal.for_senders(),
    }
}

async fn take(app: &Arc<App>, request: Request) -> Result<zstats::Response, Stopped> {
    // Who has no options has no endpoint.
    let Some(options) = &app.options.zstats else { return Err(ZstatsError::NoToken.into()) };
    app.wait_until_ready().await?;
    let (parts, body) = request.into_parts();
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let token = text(TOKEN_HEADER);
    let turn = app.turn(&app.turns.zstats_requests, 1).await?;
    let checked = check_headers(token, text(header::CONTENT_TYPE.as_str()));
    let found = checked.and_then(|()| account(options, token).ok_or(ZstatsError::UnknownToken));
    let ZstatsToken { account, min_poll_secs } = match found {
        Ok(token) => token.clone(),
        Err(error) => {
            app.discard_rest(&mut app.incoming(body)).await;
            return Err(error.into());
        }
    };
    let (limits, announcer) = (options.limits.clone(), options.announcer.clone());
    let unzipped = unzip(app, &limits, body).await?;
    let room = app.room(&app.turns.zstats_bytes, decoded_len(unzipped.len(), &limits)).await?;
    let working = Arc::clone(app);
    let work = spawn_blocking(move || {
        // Held by the work and not by the request: a client that goes away does not make room for more of it.
        let _held = (turn, room);
        let request = decode_request(&unzipped, &limits)?;
        let taken = working.service.take_scrapes(&account, &request).map_err(of_engine)?;
        if let Some(announcer) = &announcer {
            for scrape in &taken.kept {
                let Some(blob) = request.blobs.get(scrape.position) else { continue };
                announcer.announce(&scrape.kept.notification(&account, blob.instance, scrape.time_ms));
            }
        }
        Ok(zstats::Response::taken(request.version, min_poll_secs, &taken.codes))
    });
    work.await.map_err(|error| Stopped::Refused(Refusal::internal(format!("collecting failed: {error}"))))?
}

/// Whose token it is.
fn account<'o>(options: &'o ZstatsOptions, token: Option<&str>) -> Option<&'o ZstatsToken> {
    // The one that stands for all is nobody's own.
    let own = token.filter(|token| *token != ANY_TOKEN).and_then(|token| options.tokens.get(token));
    own.or_else(|| options.tokens.get(ANY_TOKEN))
}

/// Reads a body and unzips it.
async fn unzip(app: &Arc<App>, limits: &RequestLimits, body: Body) -> Result<Vec<u8>, Stopped> {
    let read = app.small_body(body, limits.body_bytes_max, &app.turns.json_bodies).await;
    let body = Arc::new(read.map_err(|refusal| match refusal.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ZstatsError::BodyTooLarge { length: limits.body_bytes_max + 1, limit: limits.body_bytes_max }.into()
        }
        _ => Stopped::Refused(refusal),
    })?);
    let mut bytes_max = body.bytes.len().saturating_mul(RATIO).min(limits.unzipped_bytes_max);
    loop {
        let room = app.room(&app.turns.zstats_bytes, bytes_max).await?;
        let limits_now = RequestLimits { unzipped_bytes_max: bytes_max, ..limits.clone() };
        let working = Arc::clone(&body);
        let unzipped = spawn_blocking(move || {
            let _room = room;
            gunzip(&working.bytes, &limits_now)
        });
        match unzipped.await.map_err(|error| Refusal::internal(format!("unzipping failed: {error}")))? {
            // Once more, now that room for the most is counted. What was held is given back before: who holds a part
            // and waits for the rest could wait for others who do the same.
            Err(ZstatsError::TooLarge { .. }) if bytes_max < limits.unzipped_bytes_max => {
                bytes_max = limits.unzipped_bytes_max;
            }
            unzipped => return Ok(unzipped?),
        }
    }
}

/// Bytes that an unzipped body of this length takes once it is decoded, itself included.
fn decoded_len(length: usize, limits: &RequestLimits) -> usize {
    let most = limits.samples_max.saturating_mul(DECODED_RATIO).saturating_add(limits.labels_max * LABEL_BYTES);
    length.saturating_add(length.saturating_mul(DECODED_RATIO).min(most))
}

fn of_engine(error: TakeError) -> Stopped {
    Stopped::Refused(match error {
        TakeError::Store(error) => error.into(),
        TakeError::Spool(_) => Refusal::unavailable("zstats_spool", error.to_string()),
        other => Refusal::internal(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for same in ["/", "/a", "/a/", "/a/b..c/", "/a/.b"] {
            assert_eq!(clean(same), same);
        }
        for (path, cleaned) in [
            ("//a", "/a"),
            ("/a//b/", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/..", "/"),
            ("//", "/"),
            ("a/b", "/a/b"),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn tokens_lead_to_accounts() {
        let of = |account: &str| ZstatsToken { account: account.into(), min_poll_secs: 0 };
        let mut options = ZstatsOptions { tokens: [("t".to_owned(), of("a"))].into(), ..ZstatsOptions::default() };
        assert_eq!(account(&options, Some("t")), Some(&of("a")));
        assert_eq!((account(&options, Some("u")), account(&options, Some("*"))), (None, None));
        options.tokens.insert("*".to_owned(), of("any"));
        assert_eq!(account(&options, Some("t")), Some(&of("a")));
        assert_eq!((account(&options, Some("u")), account(&options, Some("*"))), (Some(&of("any")), Some(&of("any"))));
    }
}
