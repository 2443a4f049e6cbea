//! What a call gets that is not served: gRPC's codes for the refusals that HTTP has statuses for.
//!
//! Invariant: whoever may try again later is told when, by a `google.rpc.RetryInfo`.

use std::time::Duration;

use axum::http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::super::http::{App, Refusal};
use crate::promql::QueryError;

/// After this time a client may come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl App {
    /// The status of a refusal, which is counted and logged.
    pub(super) fn status(&self, call: &'static str, refusal: &Refusal) -> Status {
        let code = code_of(refusal.status());
        let reason = refusal.reason();
        if let Some(reason) = reason {
            self.telemetry.refuse(reason);
        }
        let text = refusal.message();
        self.log(call, code, reason, text);
        if refusal.is_temporary() {
            return Status::with_error_details(code, text, ErrorDetails::with_retry_info(Some(RETRY_AFTER)));
        }
        Status::new(code, text)
    }

    /// The status of a query without an answer, which is counted and logged.
    pub(super) fn query_status(&self, call: &'static str, error: &QueryError) -> Status {
        let (code, reason) = match error {
            QueryError::TooManySamples => (Code::ResourceExhausted, Some("query_samples")),
            QueryError::TimedOut => (Code::DeadlineExceeded, Some("query_timeout")),
            QueryError::Canceled => (Code::Cancelled, None),
            QueryError::Source(_) => (Code::Internal, None),
            // A question that other data would have an answer to.
            _ => (Code::FailedPrecondition, None),
        };
        if let Some(reason) = reason {
            self.telemetry.refuse(reason);
        }
        let text = error.to_string();
        self.log(call, code, reason, &text);
        Status::new(code, text)
    }

    /// The status of a question that makes no sense.
    pub(super) fn invalid(&self, call: &'static str, text: impl std::fmt::Display) -> Status {
        let mut text = text.to_string();
        if text.len() > TEXT_BYTES_MAX {
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
            text.push('…');
        }
        self.log(call, Code::InvalidArgument, None, &text);
        Status::invalid_argument(text)
    }

    fn log(&self, call: &'static str, code: Code, reason: Option<&'static str>, text: &str) {
        let is_ours = matches!(code, Code::Internal | Code::Unavailable);
        if reason.is_none() && !is_ours {
            tracing::info!("{call}: {code:?}: {text}");
        } else if let Some(count) = self.refusals_logged.note(1) {
            tracing::warn!("{call}: {code:?}: {text} ({count} such refusals since the last one shown)");
        }
    }
}

/// What streams that would go on for ever end with.
pub(super) fn ending() -> Status {
    let details = ErrorDetails::with_retry_info(Some(RETRY_AFTER));
    Status::with_error_details(Code::Unavailable, "shutting down", details)
}

/// The code of what HTTP has this status for.
fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Code::InvalidArgument,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::Internal,
    }
}

/// The status that HTTP has for a code: own metrics count calls under it, next to requests.
pub(super) fn http_status_of(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        // As proxies count clients that have gone.
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
    }
}

/// Bytes of an error's text: it goes into the log, too, and repeats what was sent.
const TEXT_BYTES_MAX: usize = 1024;
