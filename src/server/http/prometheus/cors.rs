//! What is around every endpoint: who may read answers with scripts of other origins, as with Prometheus's
//! `--web.cors.origin`, and refusals in the form that its clients read.
//!
//! Tokens come in a header that scripts have to know, never in cookies, and no answer allows credentials: a script
//! reads what anybody who reaches the port could read, and no more.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::super::App;
use super::failure::in_prometheus_form;

/// Answers what a browser asks before the request itself, and tells it with every answer whether scripts may read it.
pub(in crate::server::http) async fn allow_origins(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    // The question comes without the token that the request will have.
    let is_question = request.method() == Method::OPTIONS;
    let mut response = match is_question {
        true => StatusCode::NO_CONTENT.into_response(),
        false => in_prometheus_form(next.run(request).await),
    };
    allow(&app, origin, response.headers_mut());
    response
}

fn allow(app: &App, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let (Some(origin), Some(pattern)) = (origin, &app.options.prometheus.cors_origin) else { return };
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Authorization, Content-Type, Origin"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let name = header::ACCESS_CONTROL_ALLOW_ORIGIN;
    if pattern.is_all() {
        headers.insert(name, HeaderValue::from_static("*"));
    } else if origin.to_str().is_ok_and(|origin| pattern.matches(origin)) {
        headers.insert(name, origin);
    }
}
