//! `GET` and `POST /api/query`: selector queries.

use std::io;
use std::sync::Arc;

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
