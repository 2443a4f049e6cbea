//! Running a query: in its turn, and its answer as JSON.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::Response;

use super::super::answer::{Policy, Unanswered};
use super::super::turns::AnswerLimit;
use super::super::{App, Refusal};
use super::envelope::{self, Notes};
use super::evaluate::{PromqlQuery, Unevaluated, Watch, watch};
use super::failure::{bad_parameter, of_query};
use super::form::Form;
use super::result::{self, Statistics};
use crate::promql::Times;
use crate::query::Sink;

/// Answers the query of a form at these times.
pub(super) async fn run(app: Arc<App>, policy: Policy, form: &Form, times: Times) -> Result<Response, Refusal> {
    let timeout = form.duration_ms("timeout", false)?.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs()));
    let query = PromqlQuery {
        text: form.value("query").to_owned(),
        times,
        limit: form.limit()?,
        lookback_ms: app.lookback_ms(form.duration_ms("lookback_delta", false)?),
        timeout: app.query_timeout(timeout),
    };
    let stats = form.value("stats").to_owned();
    let begun = Instant::now();
    let turn = app.answer_turn(AnswerLimit::Promql).await?;
    let queue_secs = begun.elapsed().as_secs_f64();
    let (waiting, watch) = watch(query.timeout);
    let work = move |out: &mut dyn Sink| answer(&app, &query, &stats, queue_secs, &watch, out);
    let answer = envelope::answer(policy, turn, work).await;
    drop(waiting);
    answer
}

fn answer(
    app: &App,
    query: &PromqlQuery,
    stats: &str,
    queue_secs: f64,
    watch: &Watch,
    out: &mut dyn Sink,
) -> Result<Notes, Unanswered> {
    let evaluated = app.evaluate(query, watch).map_err(|failure| match failure {
        Unevaluated::Parse(error) => bad_parameter("query", error),
        Unevaluated::Query(error) => of_query(&error),
    })?;
    let mut notes = evaluated.notes;
    if !matches!(stats, "" | "true" | "all") {
        notes.warnings.push(format!(
            "value {stats:?} for parameter \"stats\" is deprecated and will be rejected in the next major release, \
             use \"true\" or \"all\"",
        ));
    }
    let statistics = Statistics {
        queue_secs,
        preparation_secs: evaluated.preparation_secs,
        evaluation_secs: evaluated.evaluation_secs,
        samples: evaluated.samples,
    };
    let threads = app.options.prometheus.query_threads;
    result::write(out, &evaluated.value, (!stats.is_empty()).then_some(&statistics), threads)?;
    Ok(notes)
}
