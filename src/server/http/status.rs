//! `/-/healthy`, `/-/ready`, `/metrics`, and what has no endpoint.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{App, Refusal};
use crate::allocator;
use crate::telemetry::Kind;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the process lives.
pub(super) async fn healthy() -> &'static str {
    "Treering is healthy.\n"
}

/// Whether it serves.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Refusal> {
    if app.is_ready() {
        Ok("Treering is ready.\n")
    } else {
        Err(Refusal::text(StatusCode::SERVICE_UNAVAILABLE, "Treering is recovering."))
    }
}

/// Own metrics.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let turn = app.turn(&app.turns.scrapes, 1).await?;
    let encoded = tokio::task::spawn_blocking(move || {
        // Held by the work and not by the request: a client that goes away does not make room for more of it.
        let _turn = turn;
        for (kind, bytes) in app.service.memory() {
            app.telemetry.memory_bytes.get_or_create(&Kind { kind }).set(saturated(bytes));
        }
        let held = allocator::held();
        for (kind, bytes) in [
            ("resident", held.resident_bytes),
            ("peak", held.peak_bytes),
            ("heap", held.heap_bytes),
            ("heap_free", held.free_bytes),
        ] {
            app.telemetry.process_memory_bytes.get_or_create(&Kind { kind }).set(saturated(bytes));
        }
        for (kind, count) in app.service.objects() {
            app.telemetry.objects.get_or_create(&Kind { kind }).set(saturated(count));
        }
        app.telemetry.encode()
    });
    let text = encoded.await.map_err(|error| Refusal::internal(format!("counting failed: {error}")))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// The path leads nowhere.
pub(super) async fn not_found() -> Refusal {
    Refusal::text(StatusCode::NOT_FOUND, "404 page not found")
}

/// The path leads somewhere, but not with this method.
pub(super) async fn method_not_allowed() -> Refusal {
    Refusal::text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

fn saturated(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
