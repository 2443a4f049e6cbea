//! How rules ask: at one time, over what is in the store, within the limits of every query.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::template::Ask;
use crate::engine::Engine;
use crate::model::{Labels, Matcher};
use crate::promql::ast::Expr;
use crate::promql::parse::{ParseOptions, parse_expr};
use crate::promql::tree::TreeSource;
use crate::promql::{Hints, Interrupt, Options, Point, QueryError, Samples, Source, Stop, Times, Value, evaluate};

/// Where rules read series from: the engine is one, tests have others.
pub trait Sources: Send + Sync + 'static {
    /// What is there, for queries with this lookback.
    fn source<'s>(&'s self, lookback_ms: i64, interrupt: &'s dyn Interrupt) -> Box<dyn Source + 's>;
}

impl Sources for Engine {
    fn source<'s>(&'s self, lookback_ms: i64, interrupt: &'s dyn Interrupt) -> Box<dyn Source + 's> {
        Box::new(TreeSource::new(self.store(), lookback_ms, interrupt))
    }
}

/// How rules ask.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryOptions {
    /// How expressions are evaluated.
    pub evaluation: Options,
    /// What expressions may contain.
    pub parse: ParseOptions,
    /// How long one may take.
    pub timeout: Duration,
}

impl Default for QueryOptions {
    fn default() -> Self {
        QueryOptions { evaluation: Options::default(), parse: ParseOptions::plain(), timeout: Duration::from_secs(120) }
    }
}

/// Asks for rules.
pub struct Querier {
    sources: Arc<dyn Sources>,
    options: QueryOptions,
}

/// Why a rule could not be evaluated.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Its query has no answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// What is asked is no query, or no query for a rule.
    #[error("{0}")]
    Refused(String),
}

impl AskError {
    /// Whether the evaluation was ended from outside.
    pub fn is_canceled(&self) -> bool {
        matches!(self, AskError::Query(QueryError::Canceled))
    }
}

/// The last sample of a series: its time in milliseconds since 1970, and its value.
pub type LastSample = (i64, f64);

impl Querier {
    /// Asks these sources.
    pub fn new(sources: Arc<dyn Sources>, options: QueryOptions) -> Querier {
        Querier { sources, options }
    }

    /// Until when a query may take that begins now.
    pub fn deadline(&self, stopping: &Arc<AtomicBool>) -> Deadline {
        Deadline { until: Instant::now() + self.options.timeout, stopping: Arc::clone(stopping) }
    }

    /// The series of an expression at a time; a number is a series without labels.
    pub fn ask(&self, expr: &Expr, time_ms: i64, deadline: &Deadline) -> Result<Vec<(Labels, Point)>, AskError> {
        let source = self.sources.source(self.options.evaluation.lookback_ms, deadline);
        let times = Times { start_ms: time_ms, end_ms: time_ms, step_ms: 0 };
        let outcome = evaluate(&*source, expr, times, &self.options.evaluation, deadline);
        match outcome.value? {
            Value::Vector { series, .. } => Ok(series),
            Value::Scalar { value, .. } => Ok(vec![(Labels::empty(), Point::Float(value))]),
            _ => Err(AskError::Refused("rule result is not a vector or scalar".to_owned())),
        }
    }

    /// The last samples in a range of the series that fit, staleness markers among them.
    pub fn last_samples(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        deadline: &Deadline,
    ) -> Result<Vec<(Labels, LastSample)>, AskError> {
        let source = self.sources.source(self.options.evaluation.lookback_ms, deadline);
        let hints = Hints { start_ms, end_ms, ..Hints::default() };
        let selection = source.select(matchers, &hints).map_err(QueryError::from)?;
        if let Some(most) = selection.exceeds {
            return Err(AskError::Query(QueryError::TooManySeries(most)));
        }
        let mut found = Vec::new();
        for series in &selection.series {
            let mut cursor = series.cursor(start_ms, end_ms);
            let (mut samples, mut last) = (Samples::default(), None);
            while cursor.next_batch(&mut samples).map_err(QueryError::from)? {
                if let Some(stop) = deadline.poll() {
                    return Err(AskError::Query(match stop {
                        Stop::TimedOut => QueryError::TimedOut,
                        Stop::Canceled => QueryError::Canceled,
                    }));
                }
                for (at, &time_ms) in samples.times.iter().enumerate() {
                    let is_float = samples.histograms.binary_search_by_key(&at, |(place, _)| *place as usize).is_err();
                    if is_float && (start_ms..=end_ms).contains(&time_ms) {
                        last = Some((time_ms, samples.values[at]));
                    }
                }
                samples.clear();
            }
            found.extend(last.map(|last| (series.labels().clone(), last)));
        }
        Ok(found)
    }
}

/// Stops a query whose time is over, or whose group ends.
#[derive(Debug, Clone)]
pub struct Deadline {
    until: Instant,
    stopping: Arc<AtomicBool>,
}

impl Interrupt for Deadline {
    fn poll(&self) -> Option<Stop> {
        if self.stopping.load(Ordering::Relaxed) {
            return Some(Stop::Canceled);
        }
        (Instant::now() >= self.until).then_some(Stop::TimedOut)
    }
}

/// Answers the queries of templates.
pub(super) struct TemplateQueries {
    pub querier: Arc<Querier>,
    pub time_ms: i64,
    pub deadline: Deadline,
}

impl Ask for TemplateQueries {
    fn ask(&self, query: &str) -> Result<Vec<(Labels, Point)>, String> {
        let expr = parse_expr(query, &self.querier.options.parse).map_err(|error| error.to_string())?;
        self.querier.ask(&expr, self.time_ms, &self.deadline).map_err(|error| error.to_string())
    }
}
