//! What a request gets that isn't served: status and body, in the two forms that cc-metric-store has, and the reason
//! under which it is counted.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::IngestError;

/// Seconds after which a client may come again.
const RETRY_AFTER_SECS: u32 = 5;

/// The reason of refusals of bodies that do not come.
pub(super) const SLOW_BODY: &str = "slow_body";

/// The answer to a request that isn't served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Refusal {
    status: StatusCode,
    text: String,
    form: Form,
    retry: bool,
    reason: Option<&'static str>,
}

/// How a refusal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    /// As Prometheus writes errors of this type.
    Prometheus(&'static str),
}

/// An extension of an answer that is a refusal: what the gate counts and logs.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    /// The limit, or what is not ready; `None` when the request itself is at fault.
    pub(super) reason: Option<&'static str>,
    /// What the client is told.
    pub(super) text: String,
    /// Whether it is in the JSON form of cc-metric-store.
    pub(super) is_json: bool,
}

impl Refusal {
    /// `{"status":"Bad Request","error":"…"}`.
    pub(in crate::server) fn json(status: StatusCode, text: impl Into<String>) -> Self {
        Refusal { status, text: text.into(), form: Form::Json, retry: false, reason: None }
    }

    /// The text and a newline.
    pub(in crate::server) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Refusal { status, text: text.into(), form: Form::Text, retry: false, reason: None }
    }

    /// `{"status":"error","errorType":"bad_data","error":"…"}`.
    pub(super) fn prometheus(status: StatusCode, error_type: &'static str, text: impl Into<String>) -> Self {
        Refusal { status, text: text.into(), form: Form::Prometheus(error_type), retry: false, reason: None }
    }

    /// What the server has no room for now: `reason` names the limit.
    pub(super) fn overloaded(reason: &'static str, text: impl Into<String>) -> Self {
        Refusal::json(StatusCode::TOO_MANY_REQUESTS, text).because(reason).retry()
    }

    /// What can't be served now.
    pub(super) fn unavailable(reason: &'static str, text: impl Into<String>) -> Self {
        Refusal::json(StatusCode::SERVICE_UNAVAILABLE, text).because(reason).retry()
    }

    /// Counts it under a reason.
    pub(in crate::server) fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// A defect of ours.
    pub(in crate::server) fn internal(text: impl Into<String>) -> Self {
        Refusal::json(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// Tells the client to come again later.
    fn retry(mut self) -> Self {
        self.retry = true;
        self
    }

    /// The same for senders of Prometheus's protocols: plain text, and 503 instead of 429 and 408, which most of them
    /// take for a reason to throw the data away.
    pub(super) fn for_senders(mut self) -> Self {
        self.form = Form::Text;
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
            self.status = StatusCode::SERVICE_UNAVAILABLE;
            self.retry = true;
        }
        self
    }

    /// Adds to the text.
    pub(super) fn and(mut self, more: &str) -> Self {
        self.text.push_str(more);
        self
    }

    /// The status.
    pub(in crate::server) fn status(&self) -> StatusCode {
        self.status
    }

    /// What the client is told.
    pub(in crate::server) fn message(&self) -> &str {
        &self.text
    }

    /// The limit, or what is not ready; `None` when the request itself is at fault.
    pub(in crate::server) fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// Whether the client may try again later.
    pub(in crate::server) fn is_temporary(&self) -> bool {
        self.retry
    }
}

impl From<IngestError> for Refusal {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Busy(_) => Refusal::overloaded("memory_cap", error.to_string()),
            IngestError::NotReady => Refusal::unavailable("not_ready", error.to_string()),
            IngestError::LogFailed(_) => Refusal::unavailable("log_failed", error.to_string()),
            IngestError::Closed => Refusal::unavailable("closing", error.to_string()),
            IngestError::Forgotten => Refusal::unavailable("forgotten", error.to_string()),
            // What can never succeed is not to be sent again.
            IngestError::GridOnly => Refusal::text(StatusCode::BAD_REQUEST, error.to_string()).because("grid_only"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let refused = Refused { reason: self.reason, text: self.text.clone(), is_json: self.form == Form::Json };
        let (content_type, body) = match self.form {
            Form::Json => {
                let status = self.status.canonical_reason().unwrap_or_default();
                ("application/json", json!({ "status": status, "error": self.text }).to_string())
            }
            Form::Prometheus(error_type) => {
                let body = json!({ "status": "error", "errorType": error_type, "error": self.text });
                ("application/json", body.to_string())
            }
            Form::Text => ("text/plain; charset=utf-8", self.text),
        };
        let mut response = (self.status, [(header::CONTENT_TYPE, content_type)], body + "\n").into_response();
        response.extensions_mut().insert(refused);
        let headers = response.headers_mut();
        if self.form == Form::Text {
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let is_cut_off = matches!(self.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT);
        if is_cut_off || self.reason == Some(SLOW_BODY) {
            // The rest of the body will not be read: the client must not send its next request on this connection.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
        }
        response
    }
}
