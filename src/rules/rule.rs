//! A rule that is evaluated: what its file says, and what came of it lately.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::alert::{Alert, AlertState};
use super::file::{RuleKind, RuleSpec};
use super::template::Template;
use crate::model::Labels;

/// How the last evaluation of a rule went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// There was none yet.
    Unknown,
    /// Well.
    Good,
    /// It failed.
    Bad,
}

impl Health {
    /// The name, as the HTTP API has it.
    pub fn name(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Good => "ok",
            Health::Bad => "err",
        }
    }
}

/// A rule of a group.
#[derive(Debug)]
pub struct Rule {
    pub(super) spec: RuleSpec,
    /// The labels of its alerts with what they expand to, by name.
    pub(super) labels: Vec<(Arc<str>, Template)>,
    /// The same for annotations.
    pub(super) annotations: Vec<(Arc<str>, Template)>,
    /// Held for moments only, never while a query runs.
    state: Mutex<RuleState>,
}

/// What came of a rule lately.
#[derive(Debug, Clone)]
pub struct RuleState {
    /// How the last evaluation went.
    pub health: Health,
    /// Why it failed.
    pub last_error: Option<String>,
    /// How long it took.
    pub evaluation: Duration,
    /// When it began, in milliseconds since 1970.
    pub evaluated_at_ms: Option<i64>,
    /// The alerts that are active, or were until lately; empty for recording rules.
    pub alerts: BTreeMap<Labels, Alert>,
    /// Whether alerts have what was known of them before the start: until then, nothing of them is stored.
    pub(super) is_restored: bool,
}

impl Rule {
    /// A rule that was not evaluated yet.
    pub(super) fn new(spec: RuleSpec, is_restored: bool) -> Rule {
        // What is no template did not pass the check of its file.
        let template =
            |(name, text): (&Arc<str>, &Arc<str>)| Some((Arc::clone(name), Template::new(&spec.name, text).ok()?));
        let (mut labels, mut annotations) = (Vec::new(), Vec::new());
        if spec.kind == RuleKind::Alerting {
            labels.extend(spec.labels.iter().filter_map(template));
            annotations.extend(spec.annotations.iter().filter_map(|label| template((&label.name, &label.value))));
        }
        let state = RuleState {
            health: Health::Unknown,
            last_error: None,
            evaluation: Duration::ZERO,
            evaluated_at_ms: None,
            alerts: BTreeMap::new(),
            is_restored,
        };
        Rule { spec, labels, annotations, state: Mutex::new(state) }
    }

    /// What its file says.
    pub fn spec(&self) -> &RuleSpec {
        &self.spec
    }

    /// What came of it lately.
    pub fn state(&self) -> RuleState {
        self.state.lock().clone()
    }

    pub(super) fn state_mut(&self) -> MutexGuard<'_, RuleState> {
        self.state.lock()
    }
}

impl RuleState {
    /// The weightiest state of its alerts.
    pub fn alert_state(&self) -> AlertState {
        if self.evaluated_at_ms.is_none() {
            return AlertState::Unknown;
        }
        self.alerts.values().map(|alert| alert.state).max().unwrap_or(AlertState::Inactive)
    }

    /// The alerts whose condition holds.
    pub fn active_alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values().filter(|alert| alert.resolved_at_ms.is_none())
    }

    /// Notes how an evaluation went.
    pub(super) fn note(&mut self, outcome: Result<(), String>) {
        self.health = if outcome.is_ok() { Health::Good } else { Health::Bad };
        self.last_error = outcome.err();
    }
}
