//! `GET|POST /api/v1/query`: an expression at one time.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::super::{App, Refusal};
use crate::promql::Times;

pub(super) async fn query(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let form = app.form(request).await?;
    form.limit()?;
    let time_ms = form.time_or("time", app.clock.now_millis())?.ms;
    super::run::run(app, policy, &form, Times { start_ms: time_ms, end_ms: time_ms, step_ms: 0 }).await
}
