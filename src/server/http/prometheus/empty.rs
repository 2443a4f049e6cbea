//! What Prometheus has and a store that nobody scrapes has not: rules, alerts, targets. Empty, in the right shape.

use axum::response::Response;
use serde_json::json;

use super::super::Refusal;
use super::envelope::small;

/// `GET /api/v1/rules`.
pub(super) async fn rules() -> Result<Response, Refusal> {
    small(&json!({ "groups": [] }))
}

/// `GET /api/v1/alerts`.
pub(super) async fn alerts() -> Result<Response, Refusal> {
    small(&json!({ "alerts": [] }))
}

/// `GET /api/v1/targets`.
pub(super) async fn targets() -> Result<Response, Refusal> {
    small(&json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {} }))
}
