//! `GET|POST /api/v1/query_range`: an expression at many times.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::super::{App, Refusal};
use super::evaluate::STEPS_MAX;
use super::failure::{bad_data, bad_parameter};
use crate::promql::Times;

pub(super) async fn query_range(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let form = app.form(request).await?;
    form.limit()?;
    let (start, end) = (form.time("start")?, form.time("end")?);
    if end.ms < start.ms {
        return Err(bad_parameter("end", "end timestamp must not be before start time"));
    }
    let step_ms = form.duration_ms("step", start.is_millis || end.is_millis)?;
    let step_ms = step_ms.ok_or_else(|| bad_parameter("step", "cannot parse \"\" to a valid duration"))?;
    if step_ms <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(bad_parameter("step", text));
    }
    if end.ms.saturating_sub(start.ms) / step_ms > STEPS_MAX {
        let text = "exceeded maximum resolution of 11,000 points per timeseries. \
                    Try decreasing the query resolution (?step=XX)";
        return Err(bad_data(text));
    }
    super::run::run(app, policy, &form, Times { start_ms: start.ms, end_ms: end.ms, step_ms }).await
}
