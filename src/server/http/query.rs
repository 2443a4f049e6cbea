//! `GET` and `POST /api/query`: selector queries.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{self, Policy, Unanswered};
use super::encoding::Accepted;
use super::turns::AnswerLimit;
use super::{App, Refusal};
use crate::query;
use crate::server::connection::Peer;

/// Answers a query. The body may come with GET, for that is how cc-backend sends it.
pub(super) async fn query(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let body = app.json_body(request.into_body()).await?;
    let room = app.parse_room(&body, size_of::<query::Query>()).await?;
    let turn = app.answer_turn(AnswerLimit::Queries).await?;
    if let Some(json) = quickly(&app, &body.bytes) {
        return answer::whole(policy, turn, json).await;
    }
    answer::json(policy, turn, move |out| {
        let _room = room;
        let request = query::Request::parse(&body.bytes)
            .map_err(|error| Refusal::json(StatusCode::BAD_REQUEST, error.to_string()))?;
        app.service.answer(&request, out).map_err(|error| match error.kind() {
            // Before the first byte: the request asks for too much.
            io::ErrorKind::InvalidInput => Refusal::json(StatusCode::BAD_REQUEST, error.to_string()).into(),
            _ => Unanswered::Broken(error),
        })
    })
    .await
}

/// Bodies of requests that may be answered in less time than another thread takes to begin.
const QUICK_BODY_BYTES_MAX: usize = 8 << 10;
/// What is not answered by then is begun anew on another thread: nobody else on this one waits much longer.
const QUICK_TIME: Duration = Duration::from_millis(1);

/// The answer to a small request, on this thread; `None` when it is not small, or no request.
fn quickly(app: &App, body: &[u8]) -> Option<Vec<u8>> {
    if body.len() > QUICK_BODY_BYTES_MAX {
        return None;
    }
    let request = query::Request::parse(body).ok()?;
    let begun = Instant::now();
    app.service.answer_quickly(&request, &|| begun.elapsed() < QUICK_TIME)
}

impl App {
    /// How the answer to a request is sent.
    pub(super) fn policy(&self, request: &Request) -> Policy {
        Policy {
            compression: self.options.compression,
            accepted: Accepted::of(request.headers()),
            is_local: request.extensions().get::<Peer>().is_some_and(Peer::is_local),
            stall_timeout: self.options.limits.stall_timeout,
        }
    }
}
