//! What Prometheus has and a store that nobody scrapes has not: targets, exemplars. Empty, in the right shape.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::json;

use super::super::{App, Refusal};
use super::envelope::small;
use super::failure::bad_data;
use crate::promql::parse::parse_expr;

/// `GET /api/v1/targets`.
pub(super) async fn targets() -> Result<Response, Refusal> {
    small(&json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {} }))
}

/// `GET|POST /api/v1/query_exemplars`.
pub(super) async fn query_exemplars(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let form = app.form(request).await?;
    let start = form.time_or("start", i64::MIN / 2)?;
    let end = form.time_or("end", i64::MAX / 2)?;
    if end.ms < start.ms {
        return Err(bad_data("end timestamp must not be before start timestamp"));
    }
    parse_expr(form.value("query"), &app.options.prometheus.parse).map_err(bad_data)?;
    small(&json!([]))
}
