//! Errors with the types and statuses of Prometheus.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::super::Refusal;
use super::super::answer::Unanswered;
use super::super::refusal::Refused;
use crate::promql::QueryError;

/// A request that makes no sense.
pub(super) fn bad_data(text: impl std::fmt::Display) -> Refusal {
    let mut text = text.to_string();
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    Refusal::prometheus(StatusCode::BAD_REQUEST, "bad_data", text)
}

/// Bytes of an error's text: it goes into the log, too, and repeats what was sent.
const TEXT_BYTES_MAX: usize = 1024;

/// A parameter that makes no sense.
pub(super) fn bad_parameter(name: &str, text: impl std::fmt::Display) -> Refusal {
    bad_data(format_args!("invalid parameter {name:?}: {text}"))
}

/// A query without an answer.
pub(super) fn of_query(error: &QueryError) -> Refusal {
    let (status, error_type) = match error {
        QueryError::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
        QueryError::Canceled => (StatusCode::SERVICE_UNAVAILABLE, "canceled"),
        QueryError::Source(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
    };
    let refusal = Refusal::prometheus(status, error_type, error.to_string());
    match error {
        QueryError::TooManySamples => refusal.because("query_samples"),
        QueryError::TimedOut => refusal.because("query_timeout"),
        _ => refusal,
    }
}

impl From<QueryError> for Unanswered {
    fn from(error: QueryError) -> Self {
        of_query(&error).into()
    }
}

/// A refusal of what lies around the endpoints (tokens, limits, recovery, bodies) in the form that clients of
/// Prometheus read; every other answer as it is.
pub(super) fn in_prometheus_form(response: Response) -> Response {
    // What is wrong with a token is told in plain text elsewhere, as cc-metric-store tells it.
    let is_of_token = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let refused = response.extensions().get::<Refused>();
    let Some(refused) = refused.filter(|refused| refused.is_json || is_of_token) else { return response };
    let error_type = match response.status() {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::TOO_MANY_REQUESTS => "too_many_requests",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        status if status.is_server_error() => "internal",
        _ => "bad_data",
    };
    let body = json!({ "status": "error", "errorType": error_type, "error": refused.text }).to_string();
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(head, Body::from(body + "\n"))
}
