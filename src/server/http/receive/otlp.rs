//! `POST /api/v1/otlp/v1/metrics`: OpenTelemetry's metrics.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::{App, Refusal};
use super::body::{Coding, take};
use super::content_type::unsupported;
use crate::engine::OtlpForm;
use crate::formats::otlp::{answer_json, answer_protobuf};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Stores a body: 200, and what could not be stored of it stands in the answer (a partial success).
pub(super) async fn metrics(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    if !app.service.remote_options().protocols.otlp {
        return Err(Refusal::text(StatusCode::NOT_FOUND, "otlp is not among remote-write.protocols"));
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let form = if media_type.eq_ignore_ascii_case(PROTOBUF) {
        OtlpForm::Protobuf
    } else if media_type.eq_ignore_ascii_case(JSON) {
        OtlpForm::Json
    } else {
        let text = format!("unsupported content type: {media_type}, supported: [{JSON}, {PROTOBUF}]");
        return Err(unsupported(text));
    };
    let coding = Coding::any(request.headers())?;
    let report = take(&app, coding, request, move |app, body| app.service.write_otlp(form, body)).await?;
    let (rejected, complaint) = (report.stored.skipped_in_all(), report.complaint().unwrap_or_default());
    if rejected > 0 {
        app.telemetry.refuse("partial_write");
        if let Some(count) = app.refusals_logged.note(1) {
            tracing::warn!("OTLP: {complaint} ({count} such refusals since the last one shown)");
        }
    }
    Ok(match form {
        OtlpForm::Protobuf => {
            ([(header::CONTENT_TYPE, PROTOBUF)], answer_protobuf(rejected, &complaint)).into_response()
        }
        OtlpForm::Json => ([(header::CONTENT_TYPE, JSON)], answer_json(rejected, &complaint)).into_response(),
    })
}
