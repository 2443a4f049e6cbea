//! Groups and rules as their files describe them, checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Labels;
use crate::promql::ast::Expr;

/// A group of rules that are evaluated one after the other at the same times.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSpec {
    /// Its file, as it was found.
    pub file: String,
    /// Its name, once in its file.
    pub name: String,
    /// Milliseconds between two evaluations; none for the usual.
    pub interval_ms: Option<i64>,
    /// Milliseconds that the rules look back from the time of evaluation; none for the usual.
    pub query_offset_ms: Option<i64>,
    /// Series or alerts that a rule may have; 0 for any number.
    pub limit: u64,
    /// Its rules in their order.
    pub rules: Vec<RuleSpec>,
}

/// What comes of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// Series with the rule's name.
    Recording,
    /// Alerts with the rule's name.
    Alerting,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    /// What comes of it.
    pub kind: RuleKind,
    /// The name of its series or alerts.
    pub name: String,
    /// What is asked.
    pub expr: Expr,
    /// Milliseconds for which an alert is pending before it fires.
    pub hold_ms: i64,
    /// Milliseconds for which an alert fires on after its condition has ended.
    pub keep_firing_ms: i64,
    /// Labels that its series or alerts get, those of the group among them; of alerts, templates. An empty one takes
    /// a label away.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// What alerts say, templates.
    pub annotations: Labels,
}
