//! Alerting rules: alerts that come, wait, fire and end. The states are Prometheus's (`rules/alerting.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use super::alert::{Alert, AlertState};
use super::environment::Environment;
use super::evaluation::EvaluationError;
use super::notify::Notification;
use super::query::{Deadline, TemplateQueries};
use super::rule::{Rule, RuleState};
use super::sink::ResultSample;
use super::template::{Ask, Subject, Template, table_link};
use crate::model::{Label, Labels, METRIC_NAME, StampedValue};
use crate::promql::Point;
use crate::telemetry::LogLimit;

/// The name of the series that tell the states of alerts.
pub(super) const ALERTS: &str = "ALERTS";
/// The name of the series that tell since when alerts are active, in seconds since 1970.
pub(super) const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// The label that holds an alert's name.
pub(super) const ALERT_NAME: &str = "alertname";
/// The label that holds an alert's state.
const ALERT_STATE: &str = "alertstate";

/// How long an alert that has ended is still told to the receiver, so that one that was down learns of its end.
const RESOLVED_RETENTION_MS: i64 = 15 * 60_000;

/// When a rule is evaluated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The time of the evaluation, in milliseconds since 1970.
    pub time_ms: i64,
    /// How far the rules look back from it.
    pub offset_ms: i64,
}

/// The samples of a rule at a time; its alerts become those of that time.
pub(super) fn evaluate(
    rule: &Rule,
    environment: &Environment,
    moment: Moment,
    limit: u64,
    deadline: &Deadline,
) -> Result<Vec<ResultSample>, EvaluationError> {
    let Moment { time_ms, offset_ms } = moment;
    let series = environment.querier.ask(&rule.spec.expr, time_ms - offset_ms, deadline)?;
    let found = alerts_of(rule, environment, time_ms, &series, deadline)?;
    let mut state = rule.state_mut();
    let present: BTreeSet<Labels> = found.keys().cloned().collect();
    for (labels, alert) in found {
        match state.alerts.get_mut(&labels) {
            // Those whose condition held before are the same alerts.
            Some(known) if known.state != AlertState::Inactive => {
                known.value = alert.value;
                known.annotations = alert.annotations;
            }
            _ => _ = state.alerts.insert(labels, alert),
        }
    }
    let active = advance(rule, &mut state, time_ms, &present);
    if limit > 0 && active as u64 > limit {
        state.alerts.clear();
        return Err(EvaluationError::TooMany { limit, count: active, what: "alerts" });
    }
    Ok(if state.is_restored { samples_of(rule, &state, time_ms - offset_ms) } else { Vec::new() })
}

/// The alerts of a query's answer, all pending.
fn alerts_of(
    rule: &Rule,
    environment: &Environment,
    time_ms: i64,
    series: &[(Labels, Point)],
    deadline: &Deadline,
) -> Result<BTreeMap<Labels, Alert>, EvaluationError> {
    let ask: Arc<dyn Ask> =
        Arc::new(TemplateQueries { querier: Arc::clone(&environment.querier), time_ms, deadline: deadline.clone() });
    let name: Arc<str> = rule.spec.name.as_str().into();
    let mut alerts = BTreeMap::new();
    for (labels, point) in series {
        let subject = Subject {
            labels,
            value: point,
            external_labels: &environment.external_labels,
            external_url: &environment.external_url,
            time_ms,
            ask: Arc::clone(&ask),
        };
        let mut builder = labels.edit();
        builder.remove(METRIC_NAME);
        for (label, template) in &rule.labels {
            builder.set(label, expand(rule, template, &subject));
        }
        builder.set(ALERT_NAME, Arc::clone(&name));
        let annotations = rule
            .annotations
            .iter()
            .map(|(name, template)| Label { name: Arc::clone(name), value: expand(rule, template, &subject).into() });
        let annotations = Labels::from_sorted(annotations.filter(|label| !label.value.is_empty()).collect());
        let labels = builder.build();
        let alert = Alert {
            state: AlertState::Pending,
            labels: labels.clone(),
            annotations,
            value: match point {
                Point::Float(value) => *value,
                Point::Histogram(_) => 0.0,
            },
            active_at_ms: time_ms,
            fired_at_ms: None,
            resolved_at_ms: None,
            sent_at_ms: None,
            valid_until_ms: None,
            keep_firing_since_ms: None,
        };
        if alerts.insert(labels, alert).is_some() {
            return Err(EvaluationError::SameLabels("applying alert labels"));
        }
    }
    Ok(alerts)
}

/// What a template says. An error stands in its place: an alert without a word is worth more than none.
fn expand(rule: &Rule, template: &Template, subject: &Subject<'_>) -> String {
    template.expand(subject).unwrap_or_else(|error| {
        // Each alert of a rule has the same trouble, again and again.
        static FAILURES: LazyLock<LogLimit> = LazyLock::new(LogLimit::default);
        if let Some(count) = FAILURES.note(1) {
            tracing::warn!("{count} templates could not be expanded, the last of alert {:?}: {error}", rule.spec.name);
        }
        format!("<error expanding template: {error}>")
    })
}

/// Moves all alerts on to a time at which the conditions of those that are present hold; answers how many are active.
fn advance(rule: &Rule, state: &mut RuleState, time_ms: i64, present: &BTreeSet<Labels>) -> usize {
    let (hold_ms, keep_firing_ms) = (rule.spec.hold_ms, rule.spec.keep_firing_ms);
    let mut active = 0;
    state.alerts.retain(|labels, alert| {
        if present.contains(labels) {
            alert.keep_firing_since_ms = None;
        } else {
            let mut keeps_firing = false;
            if alert.state == AlertState::Firing && keep_firing_ms > 0 {
                let since_ms = *alert.keep_firing_since_ms.get_or_insert(time_ms);
                keeps_firing = time_ms - since_ms < keep_firing_ms;
            }
            if !keeps_firing {
                let is_over = alert.state == AlertState::Pending
                    || alert.resolved_at_ms.is_some_and(|resolved| time_ms - resolved > RESOLVED_RETENTION_MS);
                if alert.state != AlertState::Inactive {
                    alert.state = AlertState::Inactive;
                    alert.resolved_at_ms = Some(time_ms);
                }
                return !is_over;
            }
        }
        active += 1;
        let active_ms = time_ms - alert.active_at_ms;
        if alert.state == AlertState::Pending && active_ms >= hold_ms {
            alert.state = AlertState::Firing;
            alert.fired_at_ms = Some(time_ms);
        } else if alert.state == AlertState::Firing && active_ms < hold_ms {
            // A reload has made the wait longer.
            alert.state = AlertState::Pending;
            alert.fired_at_ms = None;
            alert.sent_at_ms = None;
            alert.keep_firing_since_ms = None;
        }
        true
    });
    active
}

/// What is stored of the alerts that are active.
fn samples_of(rule: &Rule, state: &RuleState, time_ms: i64) -> Vec<ResultSample> {
    let name: Arc<str> = rule.spec.name.as_str().into();
    let mut samples = Vec::new();
    for alert in state.alerts.values().filter(|alert| alert.state > AlertState::Inactive) {
        let mut labels = alert.labels.edit();
        labels.set(ALERT_NAME, Arc::clone(&name));
        labels.set(METRIC_NAME, ALERTS_FOR_STATE);
        let since = StampedValue::Float(alert.active_at_ms.div_euclid(1000) as f64);
        samples.push(ResultSample { labels: labels.clone().build(), time_ms, value: since });
        labels.set(METRIC_NAME, ALERTS);
        labels.set(ALERT_STATE, alert.state.name());
        samples.push(ResultSample { labels: labels.build(), time_ms, value: StampedValue::Float(1.0) });
    }
    samples
}

/// The alerts of a rule that are to be sent (again), as the receiver gets them.
pub(super) fn to_send(rule: &Rule, environment: &Environment, time_ms: i64, interval_ms: i64) -> Vec<Notification> {
    let link: Arc<str> = format!("{}{}", environment.external_url, table_link(&rule.spec.expr.to_string())).into();
    let mut state = rule.state_mut();
    let due = state.alerts.values_mut().filter(|alert| alert.needs_sending(time_ms, environment.resend_ms));
    due.map(|alert| {
        alert.sent_at_ms = Some(time_ms);
        // Two evaluations or attempts to send may fail before the receiver takes the alert for ended.
        alert.valid_until_ms = Some(time_ms + 4 * interval_ms.max(environment.resend_ms));
        Notification {
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            starts_at_ms: alert.fired_at_ms,
            ends_at_ms: alert.resolved_at_ms.or(alert.valid_until_ms),
            generator_url: Arc::clone(&link),
        }
    })
    .collect()
}
