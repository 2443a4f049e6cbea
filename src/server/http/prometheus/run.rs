//! Running a query: within its time, its samples and its turn, and no longer than somebody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::response::Response;

use super::super::answer::{Policy, Unanswered};
use super::super::turns::AnswerLimit;
use super::super::{App, Refusal};
use super::envelope::{self, Notes};
use super::failure::{bad_parameter, of_query};
use super::form::Form;
use super::result::{self, Statistics};
use crate::promql::parse::parse_expr;
use crate::promql::tree::TreeSource;
use crate::promql::{Interrupt, Options, QueryError, Stop, Times, evaluate};
use crate::query::Sink;

/// What a query is asked, beside its times.
struct Question {
    query: String,
    times: Times,
    limit: Option<usize>,
    lookback_ms: i64,
    timeout: Duration,
    /// The parameter `stats`.
    stats: String,
}

/// Answers the query of a form at these times.
pub(super) async fn run(app: Arc<App>, policy: Policy, form: &Form, times: Times) -> Result<Response, Refusal> {
    let settings = &app.options.prometheus;
    let timeout = match form.duration_ms("timeout", false)? {
        Some(ms) => Duration::from_millis(ms.max(0).unsigned_abs()).min(settings.query_timeout),
        None => settings.query_timeout,
    };
    let lookback_ms = match form.duration_ms("lookback_delta", false)? {
        Some(ms) if ms > 0 => ms,
        _ => i64::try_from(settings.lookback.as_millis()).unwrap_or(i64::MAX),
    };
    let question = Question {
        query: form.value("query").to_owned(),
        times,
        limit: form.limit()?,
        lookback_ms,
        timeout,
        stats: form.value("stats").to_owned(),
    };
    let begun = Instant::now();
    let turn = app.answer_turn(AnswerLimit::Promql).await?;
    let queue_secs = begun.elapsed().as_secs_f64();
    let (waiting, watch) = watch(question.timeout);
    let answer = envelope::answer(policy, turn, move |out| answer(&app, &question, queue_secs, &watch, out)).await;
    drop(waiting);
    answer
}

fn answer(
    app: &App,
    question: &Question,
    queue_secs: f64,
    watch: &Watch,
    out: &mut dyn Sink,
) -> Result<Notes, Unanswered> {
    let settings = &app.options.prometheus;
    let begun = Instant::now();
    let expr = parse_expr(&question.query, &settings.parse).map_err(|error| bad_parameter("query", error))?;
    let preparation_secs = begun.elapsed().as_secs_f64();
    let options = Options {
        lookback_ms: question.lookback_ms,
        samples_max: settings.query_samples_max,
        delayed_name_removal: settings.delayed_name_removal,
        threads: settings.query_threads,
        ..Options::default()
    };
    let source = TreeSource::new(app.service.store(), question.lookback_ms, watch);
    let begun = Instant::now();
    let outcome = evaluate(&source, &expr, question.times, &options, watch);
    let evaluation_secs = begun.elapsed().as_secs_f64();
    let mut value = outcome.value.map_err(|error| of_query(&error))?;
    let mut notes = Notes {
        warnings: outcome.annotations.warnings(&question.query),
        infos: outcome.annotations.infos(&question.query),
    };
    if question.limit.is_some_and(|limit| result::truncate(&mut value, limit)) {
        notes.truncated();
    }
    if !matches!(question.stats.as_str(), "" | "true" | "all") {
        notes.warnings.push(format!(
            "value {:?} for parameter \"stats\" is deprecated and will be rejected in the next major release, \
             use \"true\" or \"all\"",
            question.stats
        ));
    }
    let statistics = Statistics { queue_secs, preparation_secs, evaluation_secs, samples: outcome.stats };
    result::write(out, &value, (!question.stats.is_empty()).then_some(&statistics), settings.query_threads)?;
    Ok(notes)
}

/// What is held while somebody waits for an answer, and what tells those who compute it that they may stop.
pub(super) fn watch(timeout: Duration) -> (Waiting, Watch) {
    let waiting = Waiting::default();
    let watch = Watch { until: Instant::now() + timeout, is_left: Arc::clone(&waiting.0) };
    (waiting, watch)
}

/// Dropped when nobody waits for the answer any more.
#[derive(Default)]
pub(super) struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Stops a query whose time is over, or whose client has gone.
pub(super) struct Watch {
    until: Instant,
    is_left: Arc<AtomicBool>,
}

impl Watch {
    /// An error if what was found until now is a part only.
    pub(super) fn check(&self) -> Result<(), Unanswered> {
        match self.poll() {
            None => Ok(()),
            Some(Stop::TimedOut) => Err(of_query(&QueryError::TimedOut).into()),
            Some(Stop::Canceled) => Err(of_query(&QueryError::Canceled).into()),
        }
    }
}

impl Interrupt for Watch {
    fn poll(&self) -> Option<Stop> {
        if self.is_left.load(Ordering::Relaxed) {
            return Some(Stop::Canceled);
        }
        (Instant::now() >= self.until).then_some(Stop::TimedOut)
    }
}
