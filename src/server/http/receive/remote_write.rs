//! `POST /api/v1/write`: remote write 1.0 and 2.0.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::{App, Refusal};
use super::body::{Coding, take};
use super::content_type::version_of;
use crate::engine::{RemoteReport, WriteVersion};

/// Stores a body: 204 when all of it is stored, 400 when some of it never can be (the rest is stored then), 5xx when it
/// should be sent again.
pub(super) async fn write(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    if !app.service.remote_options().protocols.remote_write {
        return Err(Refusal::text(StatusCode::NOT_FOUND, "remote write is not among remote-write.protocols"));
    }
    let version = version_of(request.headers())?;
    let coding = Coding::of_remote(request.headers())?;
    let taken = take(&app, coding, request, move |app, body| app.service.write_remote(version, body)).await;
    Ok(match taken {
        Ok(report) => respond(&report, version),
        Err(refusal) => {
            let mut response = refusal.into_response();
            // Confirms that nothing counts as written.
            count(&mut response, &RemoteReport::default(), version);
            response
        }
    })
}

fn respond(report: &RemoteReport, version: WriteVersion) -> Response {
    let mut response = match report.complaint() {
        Some(complaint) => Refusal::text(StatusCode::BAD_REQUEST, complaint).because("partial_write").into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    };
    count(&mut response, report, version);
    response
}

/// Says how much was written: senders of 2.0 want to know.
fn count(response: &mut Response, report: &RemoteReport, version: WriteVersion) {
    if version == WriteVersion::V1 {
        return;
    }
    let counts = [
        ("x-prometheus-remote-write-samples-written", report.samples()),
        ("x-prometheus-remote-write-histograms-written", report.histograms()),
        ("x-prometheus-remote-write-exemplars-written", report.exemplars()),
    ];
    for (name, count) in counts {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(count));
    }
}
