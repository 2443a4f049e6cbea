//! `GET /api/v1/alerts` and `/api/v1/alertmanagers`: what is the matter, and who is told.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::super::{App, Refusal};
use super::envelope::small;
use crate::model::Labels;
use crate::rules::{Alert, Rfc3339Millis, go_scientific};

pub(super) async fn alerts(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let groups = app.options.rules.as_ref().map(|rules| rules.groups()).unwrap_or_default();
    let mut rules: Vec<_> = groups
        .iter()
        .flat_map(|group| group.rules())
        .map(|rule| (rule.state(), &rule.spec().name))
        .filter(|(state, _)| !state.alerts.is_empty())
        .collect();
    // The weightiest first.
    rules.sort_by(|a, b| (Reverse(a.0.alert_state()), a.1).cmp(&(Reverse(b.0.alert_state()), b.1)));
    let alerts: Vec<Value> = rules.iter().flat_map(|(state, _)| state.active_alerts().map(show)).collect();
    small(&json!({ "alerts": alerts }))
}

pub(super) async fn alertmanagers(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let urls = app.options.rules.as_ref().map(|rules| rules.alertmanagers()).unwrap_or_default();
    let active: Vec<Value> = urls.iter().map(|url| json!({ "url": url })).collect();
    small(&json!({ "activeAlertmanagers": active, "droppedAlertmanagers": [] }))
}

/// An alert as clients know it.
pub(super) fn show(alert: &Alert) -> Value {
    let mut shown = json!({
        "labels": object(&alert.labels),
        "annotations": object(&alert.annotations),
        "state": alert.state.name(),
        "activeAt": Rfc3339Millis(alert.active_at_ms).to_string(),
        "value": go_scientific(alert.value),
    });
    if let (Value::Object(members), Some(since_ms)) = (&mut shown, alert.keep_firing_since_ms) {
        members.insert("keepFiringSince".to_owned(), Rfc3339Millis(since_ms).to_string().into());
    }
    shown
}

/// Labels as an object.
pub(super) fn object(labels: &Labels) -> Value {
    let members: Map<String, Value> =
        labels.iter().map(|label| (label.name.to_string(), label.value.to_string().into())).collect();
    Value::Object(members)
}
