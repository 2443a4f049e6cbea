//! `GET|POST /api/v1/labels`: the names of labels.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::super::turns::AnswerLimit;
use super::super::{App, Refusal};
use super::catalogue::Question;
use super::envelope;
use super::evaluate::watch;
use super::label_values::write_names;
use crate::promql::tree::TreeSource;

pub(super) async fn labels(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let form = app.form(request).await?;
    let turn = app.answer_turn(AnswerLimit::Promql).await?;
    let (waiting, watch) = watch(app.options.prometheus.query_timeout);
    let answer = envelope::answer(policy, turn, move |out| {
        let question = Question::read(&app, &form)?;
        let names = TreeSource::new(app.service.store(), 0, &watch).label_names(question.wanted());
        watch.check()?;
        write_names(out, names, question.limit)
    })
    .await;
    drop(waiting);
    answer
}
