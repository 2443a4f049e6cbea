//! A group: its rules, evaluated one after the other at the same times.
//!
//! Invariant: a series that a rule made at its last evaluation and does not make now gets a staleness marker, unless
//! another rule of the group makes it now.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::alerting::{self, Moment};
use super::environment::Environment;
use super::evaluation::EvaluationError;
use super::file::{GroupSpec, RuleKind};
use super::recording;
use super::rule::Rule;
use super::sink::ResultSample;
use crate::model::{Labels, STALE, StampedValue};
use crate::telemetry::RuleGroup;

/// A group of rules.
#[derive(Debug)]
pub struct Group {
    pub(super) spec: GroupSpec,
    /// Milliseconds between two evaluations.
    interval_ms: i64,
    /// How far the rules look back, in milliseconds.
    pub(super) offset_ms: i64,
    pub(super) rules: Vec<Rule>,
    status: Mutex<GroupStatus>,
    /// Held during an evaluation; nobody but evaluations and reloads needs it.
    history: Mutex<History>,
    /// Ends what is under way at the next chance.
    stopping: Arc<AtomicBool>,
}

/// How the last evaluation of a group went.
#[derive(Debug, Clone, Default)]
pub struct GroupStatus {
    /// How long it took.
    pub evaluation: Duration,
    /// When it began, in milliseconds since 1970.
    pub evaluated_at_ms: Option<i64>,
}

/// What a group has made.
#[derive(Debug, Default)]
struct History {
    /// The series of the last evaluation, for each rule.
    series: Vec<HashSet<Labels>>,
    /// Series of rules that are no more.
    left: Vec<Labels>,
}

impl Group {
    /// A group that was not evaluated yet. One that does not restore has nothing to learn from before the start.
    pub(super) fn new(spec: GroupSpec, usual_interval_ms: i64, usual_offset_ms: i64, restores: bool) -> Group {
        let rules: Vec<Rule> = spec.rules.iter().map(|rule| Rule::new(rule.clone(), !restores)).collect();
        let history = History { series: rules.iter().map(|_| HashSet::new()).collect(), left: Vec::new() };
        Group {
            interval_ms: spec.interval_ms.unwrap_or(usual_interval_ms).max(1),
            offset_ms: spec.query_offset_ms.unwrap_or(usual_offset_ms),
            spec,
            rules,
            status: Mutex::default(),
            history: Mutex::new(history),
            stopping: Arc::default(),
        }
    }

    /// What its file says.
    pub fn spec(&self) -> &GroupSpec {
        &self.spec
    }

    /// Milliseconds between two evaluations.
    pub fn interval_ms(&self) -> i64 {
        self.interval_ms
    }

    /// Its rules in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How the last evaluation went.
    pub fn status(&self) -> GroupStatus {
        self.status.lock().clone()
    }

    /// Whether there is anything in it that is remembered over restarts.
    pub(super) fn has_alerts(&self) -> bool {
        self.rules.iter().any(|rule| rule.spec.kind == RuleKind::Alerting)
    }

    /// Whether a new group is this one.
    pub(super) fn is_same(&self, other: &Group) -> bool {
        self.spec == other.spec && self.interval_ms == other.interval_ms && self.offset_ms == other.offset_ms
    }

    /// Its name in own metrics.
    pub(super) fn label(&self) -> RuleGroup {
        RuleGroup { rule_group: format!("{};{}", self.spec.file, self.spec.name) }
    }

    /// Ends what is under way.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn stopping(&self) -> &Arc<AtomicBool> {
        &self.stopping
    }

    /// Evaluates all rules for a time. Blocks until all is stored.
    pub(super) fn evaluate(&self, environment: &Environment, time_ms: i64) {
        let (begun, begun_ms) = (Instant::now(), environment.clock.now_millis());
        let mut history = self.history.lock();
        let mut made_now: HashSet<Labels> = HashSet::new();
        let mut samples = 0;
        for (at, rule) in self.rules.iter().enumerate() {
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            let (rule_begun, rule_begun_ms) = (Instant::now(), environment.clock.now_millis());
            environment.telemetry.rule_evaluations.get_or_create(&self.label()).inc();
            match self.evaluate_rule(rule, environment, time_ms) {
                Ok(made) => {
                    samples += made.len();
                    self.send(rule, environment, time_ms);
                    let outcome = self.store(environment, time_ms, made, &mut history.series[at], &mut made_now);
                    if let Err(error) = &outcome {
                        self.note_failure(rule, environment, error);
                    }
                    rule.state_mut().note(outcome);
                }
                // The group ends: what there is of it goes to the one that follows.
                Err(error) if error.is_canceled() => return,
                Err(error) => {
                    let error = error.to_string();
                    self.note_failure(rule, environment, &error);
                    rule.state_mut().note(Err(error));
                }
            }
            let mut state = rule.state_mut();
            state.evaluation = rule_begun.elapsed();
            state.evaluated_at_ms = Some(rule_begun_ms);
        }
        self.end_left(environment, time_ms, &mut history);
        drop(history);
        let evaluation = begun.elapsed();
        let telemetry = &environment.telemetry;
        telemetry.rule_group_last_evaluation_samples.get_or_create(&self.label()).set(samples as i64);
        telemetry.rule_group_last_duration_seconds.get_or_create(&self.label()).set(evaluation.as_secs_f64());
        let begun_secs = begun_ms as f64 / 1000.0;
        telemetry.rule_group_last_evaluation_timestamp_seconds.get_or_create(&self.label()).set(begun_secs);
        *self.status.lock() = GroupStatus { evaluation, evaluated_at_ms: Some(begun_ms) };
    }

    fn evaluate_rule(
        &self,
        rule: &Rule,
        environment: &Environment,
        time_ms: i64,
    ) -> Result<Vec<ResultSample>, EvaluationError> {
        let deadline = environment.querier.deadline(&self.stopping);
        match rule.spec.kind {
            RuleKind::Recording => {
                recording::evaluate(rule, environment, time_ms - self.offset_ms, self.spec.limit, &deadline)
            }
            RuleKind::Alerting => {
                let moment = Moment { time_ms, offset_ms: self.offset_ms };
                alerting::evaluate(rule, environment, moment, self.spec.limit, &deadline)
            }
        }
    }

    fn note_failure(&self, rule: &Rule, environment: &Environment, error: &str) {
        environment.telemetry.rule_evaluation_failures.get_or_create(&self.label()).inc();
        // The same error at each interval is one line.
        if rule.state().last_error.as_deref() != Some(error) {
            let (file, group, name) = (&self.spec.file, &self.spec.name, &rule.spec.name);
            tracing::warn!("{file}: group {group:?}, rule {name:?}: {error}");
        }
    }

    fn send(&self, rule: &Rule, environment: &Environment, time_ms: i64) {
        if rule.spec.kind == RuleKind::Alerting {
            let alerts = alerting::to_send(rule, environment, time_ms, self.interval_ms);
            if !alerts.is_empty() {
                environment.receiver.send(alerts);
            }
        }
    }

    /// Stores what a rule made, and ends the series that it made before and makes no more.
    fn store(
        &self,
        environment: &Environment,
        time_ms: i64,
        mut samples: Vec<ResultSample>,
        series: &mut HashSet<Labels>,
        made_now: &mut HashSet<Labels>,
    ) -> Result<(), String> {
        let count = samples.len();
        let mut made: HashSet<Labels> = samples.iter().map(|sample| sample.labels.clone()).collect();
        let ended: Vec<Labels> =
            series.iter().filter(|labels| !made.contains(*labels) && !made_now.contains(*labels)).cloned().collect();
        samples.extend(ended.into_iter().map(|labels| stale(labels, time_ms - self.offset_ms)));
        if samples.is_empty() {
            return Ok(());
        }
        let stored = environment.sink.store(&samples)?;
        // A series that has gone meanwhile needs no marker.
        for &at in stored.refused.iter().filter(|&&at| at < count) {
            made.remove(&samples[at].labels);
        }
        made_now.extend(made.iter().cloned());
        *series = made;
        stored.complaint.map_or(Ok(()), Err)
    }

    /// Ends the series of rules that are no more.
    fn end_left(&self, environment: &Environment, time_ms: i64, history: &mut History) {
        if history.left.is_empty() {
            return;
        }
        let made = |labels: &Labels| history.series.iter().any(|series| series.contains(labels));
        let ended: Vec<ResultSample> = history
            .left
            .iter()
            .filter(|labels| !made(labels))
            .map(|labels| stale(labels.clone(), time_ms - self.offset_ms))
            .collect();
        match environment.sink.store(&ended) {
            Ok(_) => history.left.clear(),
            Err(error) => tracing::warn!("{}: group {:?}: ending series: {error}", self.spec.file, self.spec.name),
        }
    }

    /// Goes on where another group of the same name was; rules are the same by name and labels, the first with the
    /// first.
    pub(super) fn take_over(&self, other: &Group) {
        *self.status.lock() = other.status();
        let mut theirs = std::mem::take(&mut *other.history.lock());
        let mut ours = self.history.lock();
        let mut taken = vec![false; other.rules.len()];
        for (at, rule) in self.rules.iter().enumerate() {
            let is_same = |other: &Rule| other.spec.name == rule.spec.name && other.spec.labels == rule.spec.labels;
            let found = (0..other.rules.len()).find(|&from| !taken[from] && is_same(&other.rules[from]));
            let Some(from) = found else { continue };
            taken[from] = true;
            ours.series[at] = theirs.series.get_mut(from).map(std::mem::take).unwrap_or_default();
            if rule.spec.kind == RuleKind::Alerting && other.rules[from].spec.kind == RuleKind::Alerting {
                rule.state_mut().alerts = other.rules[from].state().alerts;
            }
        }
        ours.left = theirs.left;
        ours.left.extend(theirs.series.into_iter().flatten());
    }

    /// All series that the group has made and not ended; it forgets them.
    pub(super) fn leave(&self) -> Vec<Labels> {
        let history = std::mem::take(&mut *self.history.lock());
        history.left.into_iter().chain(history.series.into_iter().flatten()).collect()
    }

    /// Removes from these series those that the group makes. Waits for an evaluation under way.
    pub(super) fn retain_others(&self, series: &mut Vec<Labels>) {
        let history = self.history.lock();
        series.retain(|labels| !history.series.iter().any(|made| made.contains(labels)));
    }
}

/// The sample that ends a series.
pub(super) fn stale(labels: Labels, time_ms: i64) -> ResultSample {
    ResultSample { labels, time_ms, value: StampedValue::Float(STALE) }
}
