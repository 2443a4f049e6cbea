//! `POST /api/v1/write`: remote write 1.0 and 2.0.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::{App, Refusal};
use super::body::{Coding, take};
use super::content_type::version_of;
use crate::engine::{RemoteError, RemoteReport, WriteVersion};

/// Stores a body: 204 when all of it is stored, 400 when some of it never can be (the rest is stored then), 5xx when it
/// should be sent again.
pub(super) async fn write(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    if !app.service.remote_options().protocols.remote_write {
        return Err(Refusal::text(StatusCode::NOT_FOUND, "remote write is not among remote-write.protocols"));
    }
    let version = version_of(request.headers())?;
    let coding = Coding::of_remote(request.headers())?;
    let taken = take(&app, coding, request, move |app, body| match app.service.write_remote(version, body) {
        Ok(report) => Ok((report, None)),
        // A part may be stored: that counts, though all of it is to come again.
        Err(RemoteError::Store { error, written }) => Ok((*written, Some(error))),
        Err(error) => Err(error),
    });
    let (report, mut response) = match taken.await {
        Ok((report, Some(error))) => (report, Refusal::from(error).for_senders().into_response()),
        Ok((report, None)) => {
            let response = respond(&report);
            (report, response)
        }
        // Confirms that nothing counts as written.
        Err(refusal) => (RemoteReport::default(), refusal.into_response()),
    };
    count(&mut response, &report, version);
    Ok(response)
}

fn respond(report: &RemoteReport) -> Response {
    match report.complaint() {
        Some(complaint) => Refusal::text(StatusCode::BAD_REQUEST, complaint).because("partial_write").into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
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
