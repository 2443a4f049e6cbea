//! Evaluating a query within its time and its samples, and no longer than somebody waits for it: what the HTTP API and
//! gRPC have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::App;
use super::envelope::Notes;
use super::result::truncate;
use crate::promql::parse::{ParseError, parse_expr};
use crate::promql::tree::TreeSource;
use crate::promql::{Interrupt, Options, QueryError, Stats, Stop, Times, Value, evaluate as evaluate_expr};

/// The most steps of a range query, without the first one.
pub(in crate::server) const STEPS_MAX: i64 = 11_000;

/// A query with all that its answer depends on.
#[derive(Debug, Clone)]
pub(in crate::server) struct PromqlQuery {
    /// The expression.
    pub(in crate::server) text: String,
    /// When it is evaluated.
    pub(in crate::server) times: Times,
    /// The most series of the answer.
    pub(in crate::server) limit: Option<usize>,
    /// How long a sample stays current.
    pub(in crate::server) lookback_ms: i64,
    /// How long the evaluation may take.
    pub(in crate::server) timeout: Duration,
}

/// Why a query has no answer.
#[derive(Debug)]
pub(in crate::server) enum Unevaluated {
    /// It is no query.
    Parse(ParseError),
    /// It could not be evaluated.
    Query(QueryError),
}

/// What came of a query.
#[derive(Debug)]
pub(in crate::server) struct Evaluated {
    pub(in crate::server) value: Value,
    pub(in crate::server) notes: Notes,
    pub(in crate::server) preparation_secs: f64,
    pub(in crate::server) evaluation_secs: f64,
    pub(in crate::server) samples: Stats,
}

impl App {
    /// How long a query may take that asks for so long: no longer than the config lets it.
    pub(in crate::server) fn query_timeout(&self, asked: Option<Duration>) -> Duration {
        let max = self.options.prometheus.query_timeout;
        asked.map_or(max, |asked| asked.min(max))
    }

    /// How long a sample stays current for a query that asks for so long, in milliseconds.
    pub(in crate::server) fn lookback_ms(&self, asked_ms: Option<i64>) -> i64 {
        let usual = || i64::try_from(self.options.prometheus.lookback.as_millis()).unwrap_or(i64::MAX);
        asked_ms.filter(|&ms| ms > 0).unwrap_or_else(usual)
    }

    /// Evaluates a query. Not to be called from an async task: it takes as long as it takes.
    pub(in crate::server) fn evaluate(&self, query: &PromqlQuery, watch: &Watch) -> Result<Evaluated, Unevaluated> {
        let settings = &self.options.prometheus;
        let begun = Instant::now();
        let expr = parse_expr(&query.text, &settings.parse).map_err(Unevaluated::Parse)?;
        let preparation_secs = begun.elapsed().as_secs_f64();
        let options = Options {
            lookback_ms: query.lookback_ms,
            samples_max: settings.query_samples_max,
            delayed_name_removal: settings.delayed_name_removal,
            threads: settings.query_threads,
            ..Options::default()
        };
        let source = TreeSource::new(self.service.store(), query.lookback_ms, watch);
        let begun = Instant::now();
        let outcome = evaluate_expr(&source, &expr, query.times, &options, watch);
        let evaluation_secs = begun.elapsed().as_secs_f64();
        let mut value = outcome.value.map_err(Unevaluated::Query)?;
        let mut notes = Notes {
            warnings: outcome.annotations.warnings(&query.text),
            infos: outcome.annotations.infos(&query.text),
        };
        if query.limit.is_some_and(|limit| truncate(&mut value, limit)) {
            notes.truncated();
        }
        Ok(Evaluated { value, notes, preparation_secs, evaluation_secs, samples: outcome.stats })
    }
}

/// What is held while somebody waits for an answer, and what tells those who compute it that they may stop.
pub(in crate::server) fn watch(timeout: Duration) -> (Waiting, Watch) {
    let waiting = Waiting::default();
    let watch = Watch { until: Instant::now() + timeout, is_left: Arc::clone(&waiting.0) };
    (waiting, watch)
}

/// Dropped when nobody waits for the answer any more.
#[derive(Debug, Default)]
pub(in crate::server) struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Stops a query whose time is over, or whose client has gone.
#[derive(Debug)]
pub(in crate::server) struct Watch {
    until: Instant,
    is_left: Arc<AtomicBool>,
}

impl Watch {
    /// An error if what was found until now is a part only.
    pub(in crate::server) fn check(&self) -> Result<(), QueryError> {
        match self.poll() {
            None => Ok(()),
            Some(Stop::TimedOut) => Err(QueryError::TimedOut),
            Some(Stop::Canceled) => Err(QueryError::Canceled),
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
