//! `GET /api/v1/metadata`: what senders said about metrics, and what the config says.
//!
//! A metric that is both has both entries, that of the senders first.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::{App, Refusal};
use super::envelope::small;
use super::failure::bad_data;
use super::form::Form;
use crate::model::{Aggregation, Metadata};

pub(super) async fn metadata(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let form = app.form(request).await?;
    let limit = number(&form, "limit")?.and_then(|limit| usize::try_from(limit).ok());
    let limit_per_metric = number(&form, "limit_per_metric")?.and_then(|limit| usize::try_from(limit).ok());
    let per_metric = limit_per_metric.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let wanted = form.value("metric");
    let is_wanted = |name: &str| wanted.is_empty() || name == wanted;
    let mut entries: BTreeMap<Arc<str>, Vec<Value>> = BTreeMap::new();
    let sent = match wanted {
        "" => app.service.store().metadata(),
        name => app.service.store().metadata_of(name).map(|metadata| (Arc::from(name), metadata)).into_iter().collect(),
    };
    for (name, Metadata { kind, help, unit }) in sent {
        entries.entry(name).or_default().push(json!({ "type": kind.name(), "help": help, "unit": unit }));
    }
    let table = app.service.metrics();
    for metric in table.iter().map(|(_, metric)| metric).filter(|metric| is_wanted(&metric.name)) {
        let levels = match metric.aggregation {
            Aggregation::None => "",
            Aggregation::Sum => "; levels of the tree sum it",
            Aggregation::Avg => "; levels of the tree average it",
        };
        let help = format!("One value every {} s{levels}.", metric.frequency_secs);
        let configured = json!({ "type": "gauge", "help": help, "unit": "" });
        entries.entry(Arc::from(&*metric.name)).or_default().push(configured);
    }
    let limited: BTreeMap<Arc<str>, Vec<Value>> = entries
        .into_iter()
        .take(limit.unwrap_or(usize::MAX))
        .map(|(name, entries)| (name, entries.into_iter().take(per_metric).collect()))
        .collect();
    small(&limited)
}

/// A number of any sign; a negative one limits nothing.
fn number(form: &Form, name: &str) -> Result<Option<i64>, Refusal> {
    match form.value(name) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| bad_data(format_args!("{name} must be a number"))),
    }
}
