//! What is around every endpoint: scripts of other origins may ask, as with Prometheus's default, and refusals have the
//! form that its clients read.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::failure::in_prometheus_form;

/// Answers what a browser asks before the request itself, and tells it with every answer that scripts may read it.
pub(in crate::server::http) async fn allow_origins(request: Request, next: Next) -> Response {
    let has_origin = request.headers().contains_key(header::ORIGIN);
    // The question comes without the token that the request will have.
    let is_question = request.method() == Method::OPTIONS;
    let mut response = match is_question {
        true => StatusCode::NO_CONTENT.into_response(),
        false => in_prometheus_form(next.run(request).await),
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if has_origin {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Authorization, Content-Type, Origin"),
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
