//! `POST /api/write`: line protocol, stored while it comes in.

use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;

use super::inflate::ContentEncoding;
use super::intake::{Intake, IntakeError};
use super::lines::Cut;
use super::{App, Refusal, parameter};
use crate::engine::IngestReport;

/// Stores the lines of a body. Memory is bounded by a piece, however large the body.
pub(super) async fn write(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let limits = &app.options.limits;
    let bytes_max = app.options.body_bytes_max;
    let encoding = ContentEncoding::of(request.headers())?;
    if encoding == ContentEncoding::Identity && request.body().size_hint().lower() > bytes_max {
        let refusal = Refusal::from(IntakeError::TooLarge(bytes_max));
        return Err(refusal.and("; 0 lines of it were stored"));
    }
    let _upload = app.turn(&app.turns.uploads, 1).await?;
    let _inflating = match encoding {
        ContentEncoding::Zstd => Some(app.turn(&app.turns.zstd_bodies, 1).await?),
        _ => None,
    };
    let intake = Intake::new(encoding, limits.line_bytes_max, bytes_max)
        .map_err(|error| Refusal::internal(format!("cannot inflate: {error}")))?;
    let cluster = parameter(request.uri(), "cluster").unwrap_or_default().into();
    let mut upload = Upload { app: Arc::clone(&app), cluster, intake, report: IngestReport::default(), large: None };

    let mut body = app.incoming(request.into_body());
    let mut outcome = Ok(());
    let mut first = true;
    while outcome.is_ok() {
        outcome = match app.next_chunk(&mut body).await {
            Ok(Some(chunk)) => {
                if !first {
                    upload.grow();
                }
                first = false;
                upload.take(&chunk).await
            }
            Ok(None) => break,
            Err(refusal) => Err(Stop::Body(refusal)),
        };
    }
    match outcome {
        Ok(()) => outcome = upload.intake.finish().map_err(|error| Stop::Body(error.into())),
        Err(_) => app.discard_rest(&mut body).await,
    }
    if let Err(Stop::Store(refusal)) = outcome {
        return Err(upload.refuse(refusal));
    }
    upload.finish(outcome.is_err()).await?;
    if let Err(Stop::Body(refusal)) = outcome {
        return Err(upload.refuse(refusal));
    }
    let mut response = match upload.report.complaint() {
        Some(complaint) => Refusal::json(StatusCode::BAD_REQUEST, complaint).into_response(),
        None => [(header::CONTENT_TYPE, "application/json")].into_response(),
    };
    count(&upload.report, response.headers_mut());
    Ok(response)
}

/// Says what became of a whole body. cc-metric-store's answer has no room for it but in headers.
fn count(report: &IngestReport, headers: &mut HeaderMap) {
    let counts =
        [("treering-stored", report.stored), ("treering-skipped", report.skipped), ("treering-bad", report.bad)];
    for (name, count) in counts {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(count));
    }
}

/// Why a body isn't stored to its end.
enum Stop {
    /// Something is wrong with the body: what was good of it is stored.
    Body(Refusal),
    /// The store takes no more.
    Store(Refusal),
}

impl From<IntakeError> for Refusal {
    fn from(error: IntakeError) -> Self {
        let text = error.to_string();
        match error {
            IntakeError::Damaged(_) => Refusal::json(StatusCode::BAD_REQUEST, text),
            IntakeError::TooLarge(_) => Refusal::json(StatusCode::PAYLOAD_TOO_LARGE, text).because("body_too_large"),
        }
    }
}

/// A body on its way into the store.
struct Upload {
    app: Arc<App>,
    cluster: Arc<str>,
    intake: Intake,
    report: IngestReport,
    /// Held by those that may gather large pieces.
    large: Option<OwnedSemaphorePermit>,
}

impl Upload {
    /// Asks for large pieces; nobody waits for them.
    fn grow(&mut self) {
        if self.large.is_none() {
            self.large = self.app.turns.large_pieces.try_take();
        }
    }

    fn piece_bytes(&self) -> usize {
        let limits = &self.app.options.limits;
        if self.large.is_some() { limits.piece_bytes } else { limits.piece_bytes.min(limits.line_bytes_max) }
    }

    /// Stores what a chunk completes.
    async fn take(&mut self, mut chunk: &[u8]) -> Result<(), Stop> {
        loop {
            let piece_bytes = self.piece_bytes();
            match self.intake.next(&mut chunk, piece_bytes) {
                Ok(Some(cut)) => self.store(cut).await.map_err(Stop::Store)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(Stop::Body(error.into())),
            }
        }
    }

    /// Stores what is left; only whole lines of a body that broke off.
    async fn finish(&mut self, whole_only: bool) -> Result<(), Refusal> {
        while let Some(cut) = self.intake.drain(self.piece_bytes(), whole_only) {
            if let Err(refusal) = self.store(cut).await {
                return Err(self.refuse(refusal));
            }
        }
        Ok(())
    }

    async fn store(&mut self, cut: Cut) -> Result<(), Refusal> {
        let lines = match cut {
            Cut::Lines(lines) => lines,
            Cut::TooLong => {
                self.report.lines += 1;
                let reason = format!("longer than {} bytes", self.app.options.limits.line_bytes_max);
                self.report.note_bad(self.report.lines, reason);
                self.app.telemetry.drop_samples("line_too_long", 1);
                return Ok(());
            }
        };
        let turn = self.app.turn(&self.app.turns.writes, 1).await?;
        let service = Arc::clone(&self.app.service);
        let cluster = Arc::clone(&self.cluster);
        let mut report = std::mem::take(&mut self.report);
        let stored = tokio::task::spawn_blocking(move || {
            // Held by the work and not by the request: a client that goes away does not make room for more of it.
            let _turn = turn;
            let outcome = service.ingest(&cluster, &lines, &mut report);
            (lines, report, outcome)
        });
        let (lines, report, outcome) =
            stored.await.map_err(|error| Refusal::internal(format!("storing failed: {error}")))?;
        self.intake.reuse(lines);
        self.report = report;
        Ok(outcome?)
    }

    /// Adds to a refusal what was stored all the same.
    fn refuse(&self, refusal: Refusal) -> Refusal {
        let refusal = refusal.and(&format!("; {} lines of it were stored", self.report.stored));
        match self.report.complaint() {
            Some(complaint) => refusal.and(&format!("; {complaint}")),
            None => refusal,
        }
    }
}
