//! `POST /api/free`: drops what is older than a time.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{App, Refusal, parameter};

/// What a selector or a name of it takes in memory.
const BYTES_PER_ITEM: usize = 64;

/// Frees what lies before `?to=` below each selector of the body.
pub(super) async fn free(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let bad = |text: String| Refusal::json(StatusCode::BAD_REQUEST, text);
    let to = match parameter(request.uri(), "to") {
        Some(to) if !to.is_empty() => to,
        _ => return Err(bad("'to' is a required query parameter".into())),
    };
    let to: i64 =
        to.parse().map_err(|_| bad(format!("'to' is {to:?}, expected a time in whole seconds since 1970")))?;
    let body = app.json_body(request.into_body()).await?;
    let room = app.parse_room(&body, BYTES_PER_ITEM).await?;
    // No list is an empty list, as in Go.
    let selectors: Option<Vec<Vec<String>>> = serde_json::from_slice(&body.bytes).map_err(|error| {
        let text = format!("no list of selectors like [[\"cluster\", \"host\"]]: {error}");
        Refusal::text(StatusCode::BAD_REQUEST, text)
    })?;
    drop(body);
    let turn = app.turn(&app.turns.queries, 1).await?;
    let service = Arc::clone(&app.service);
    let freed = tokio::task::spawn_blocking(move || {
        // The work goes on when the client goes away, and so does what it takes.
        let _taken = (turn, room);
        service.free(&selectors.unwrap_or_default(), to)
    });
    let freed = freed.await.map_err(|error| Refusal::internal(format!("freeing failed: {error}")))??;
    Ok(format!("buffers freed: {freed}\n").into_response())
}
