//! `POST /api/v1/import/prometheus`: exposition text.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::{App, Refusal};
use super::body::{Coding, take};
use crate::engine::ImportOptions;
use crate::formats::exposition::Syntax;

/// Labels that a request may add to all series.
const EXTRA_LABELS_MAX: usize = 64;

/// Stores a text: 204 when all of it is stored, 400 when some of it is not; the rest is stored then.
///
/// The parameters are those of VictoriaMetrics: `extra_label=name=value`, several times, and `timestamp` in
/// milliseconds for samples without a time.
pub(super) async fn import(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    if !app.service.remote_options().protocols.import {
        return Err(Refusal::text(StatusCode::NOT_FOUND, "import is not among remote-write.protocols"));
    }
    let options = options(&request)?;
    let coding = Coding::any(request.headers())?;
    let report = take(&app, coding, request, move |app, body| app.service.import_text(&options, body)).await?;
    Ok(match report.complaint() {
        Some(complaint) => Refusal::text(StatusCode::BAD_REQUEST, complaint).because("partial_write").into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

fn options(request: &Request) -> Result<ImportOptions, Refusal> {
    let bad = |text: String| Refusal::text(StatusCode::BAD_REQUEST, text);
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let syntax = content_type.map_or(Syntax::Text, Syntax::of_content_type);
    let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
        .map_err(|error| bad(format!("the parameters of the URL: {error}")))?;
    let (mut extra_labels, mut time_ms) = (Vec::<(String, String)>::new(), None);
    for (name, value) in parameters {
        match name.as_str() {
            "extra_label" => {
                let Some((name, value)) = value.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                    return Err(bad(format!("extra_label {value:?}: expected name=value")));
                };
                extra_labels.retain(|(known, _)| known != name);
                if !value.is_empty() {
                    extra_labels.push((name.to_owned(), value.to_owned()));
                }
                if extra_labels.len() > EXTRA_LABELS_MAX {
                    return Err(bad(format!("more than {EXTRA_LABELS_MAX} extra_label parameters")));
                }
            }
            "timestamp" => {
                let time = value.parse().map_err(|_| bad(format!("timestamp {value:?}: expected milliseconds")))?;
                time_ms = Some(time);
            }
            _ => {}
        }
    }
    extra_labels.sort();
    Ok(ImportOptions { syntax, extra_labels, time_ms })
}
