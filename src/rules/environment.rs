//! What evaluations need beside their rules.

use std::sync::Arc;

use super::notify::Receiver;
use super::query::Querier;
use super::sink::ResultSink;
use crate::model::Labels;
use crate::telemetry::SharedTelemetry;
use crate::time::SharedClock;

/// What all groups share; a reload makes a new one.
pub(super) struct Environment {
    /// Asks.
    pub querier: Arc<Querier>,
    /// Stores results.
    pub sink: Arc<dyn ResultSink>,
    /// Takes alerts.
    pub receiver: Arc<dyn Receiver>,
    /// The time of day.
    pub clock: SharedClock,
    /// Own metrics.
    pub telemetry: SharedTelemetry,
    /// The labels that tell this store from others, for templates.
    pub external_labels: Labels,
    /// Where this store is, without a slash at the end.
    pub external_url: Arc<str>,
    /// After so many milliseconds an alert is sent again.
    pub resend_ms: i64,
    /// Alerts that were active so many milliseconds ago go on after a restart.
    pub outage_tolerance_ms: i64,
    /// The least milliseconds between a restart and an alert that goes on and fires.
    pub grace_ms: i64,
}
