//! What Prometheus has and a store that scrapes nobody has not: targets. Empty, in the right shape.

use axum::response::Response;
use serde_json::json;

use super::super::Refusal;
use super::envelope::small;

/// `GET /api/v1/targets`.
pub(super) async fn targets() -> Result<Response, Refusal> {
    small(&json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {} }))
}
