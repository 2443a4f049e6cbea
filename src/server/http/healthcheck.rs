//! `GET` and `POST /api/healthcheck`: the state of nodes.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::answer;
use super::turns::AnswerLimit;
use super::{App, Refusal};
use crate::server::health;

/// What is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Question {
    cluster: String,
    nodes: Option<BTreeSet<String>>,
    metric_names: Option<Vec<String>>,
}

/// What a name takes in memory, in a set.
const BYTES_PER_ITEM: usize = 96;

/// Judges nodes by the metrics that they are expected to send.
pub(super) async fn healthcheck(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let body = app.json_body(request.into_body()).await?;
    let room = app.parse_room(&body, BYTES_PER_ITEM).await?;
    let turn = app.answer_turn(AnswerLimit::Queries).await?;
    answer::json(policy, turn, move |out| {
        let _room = room;
        let question: Question = serde_json::from_slice(&body.bytes)
            .map_err(|error| Refusal::json(StatusCode::BAD_REQUEST, format!("parsing request body failed: {error}")))?;
        drop(body);
        let (metrics, now) = (app.service.metrics(), app.clock.now_secs());
        let expected = question.metric_names.unwrap_or_default();
        let mut separator = "{";
        for node in question.nodes.unwrap_or_default() {
            let path = [question.cluster.clone(), node];
            let summary = app.service.summary(&path);
            let health = health::judge(summary.as_ref(), &expected, |name| metrics.find(name).is_some(), now);
            out.write_all(separator.as_bytes())?;
            separator = ",";
            serde_json::to_writer(&mut *out, &path[1]).map_err(std::io::Error::from)?;
            out.write_all(b":")?;
            serde_json::to_writer(&mut *out, &health).map_err(std::io::Error::from)?;
        }
        out.write_all(if separator == "{" { b"{}\n" } else { b"}\n" })?;
        Ok(())
    })
    .await
}
