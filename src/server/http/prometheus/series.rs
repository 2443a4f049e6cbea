//! `GET|POST /api/v1/series`: the labels of series.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::super::turns::AnswerLimit;
use super::super::{App, Refusal};
use super::catalogue::Question;
use super::envelope::{self, Notes};
use super::evaluate::watch;
use super::failure::{bad_data, bad_parameter};
use super::result::push_labels;
use crate::promql::tree::TreeSource;

/// Series that are listed where the request names no limit.
const SERIES_MAX: usize = 1_000_000;

pub(super) async fn series(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let form = app.form(request).await?;
    if form.values("match[]").next().is_none() {
        return Err(bad_data("no match[] parameter provided"));
    }
    let turn = app.answer_turn(AnswerLimit::Promql).await?;
    let (waiting, watch) = watch(app.options.prometheus.query_timeout);
    let answer = envelope::answer(policy, turn, move |out| {
        let question = Question::read_with(&app, &form, |text| bad_parameter("match[]", text))?;
        let limit = question.limit.unwrap_or(SERIES_MAX);
        let source = TreeSource::new(app.service.store(), 0, &watch);
        let mut series = source.series(question.wanted(), limit.saturating_add(1));
        watch.check()?;
        let mut notes = Notes::default();
        if series.len() > limit {
            if question.limit.is_none() {
                let text = format!("more than {SERIES_MAX} series fit; narrow match[], or give a limit");
                return Err(bad_data(text).into());
            }
            series.truncate(limit);
            notes.truncated();
        }
        let mut buffer = b"[".to_vec();
        for (at, labels) in series.iter().enumerate() {
            if at > 0 {
                buffer.push(b',');
            }
            push_labels(&mut buffer, labels)?;
            if buffer.len() > 64 << 10 {
                out.write_all(&buffer)?;
                buffer.clear();
            }
        }
        buffer.push(b']');
        out.write_all(&buffer)?;
        Ok(notes)
    })
    .await;
    drop(waiting);
    answer
}
