//! `GET /api/v1/metadata`: what is known of the configured metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::{App, Refusal};
use super::envelope::small;
use super::failure::bad_data;
use super::form::Form;
use crate::model::Aggregation;

pub(super) async fn metadata(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let form = app.form(request).await?;
    let limit = number(&form, "limit")?.and_then(|limit| usize::try_from(limit).ok());
    // There is one entry a metric: a limit of them cuts nothing.
    number(&form, "limit_per_metric")?;
    let wanted = form.value("metric");
    let table = app.service.metrics();
    let metrics = table.iter().map(|(_, metric)| metric).filter(|metric| wanted.is_empty() || *metric.name == *wanted);
    let mut entries: BTreeMap<&str, Value> = BTreeMap::new();
    for metric in metrics {
        let levels = match metric.aggregation {
            Aggregation::None => "",
            Aggregation::Sum => "; levels of the tree sum it",
            Aggregation::Avg => "; levels of the tree average it",
        };
        let help = format!("One value every {} s{levels}.", metric.frequency_secs);
        entries.insert(&metric.name, json!([{ "type": "gauge", "help": help, "unit": "" }]));
    }
    let limited: BTreeMap<_, _> = entries.into_iter().take(limit.unwrap_or(usize::MAX)).collect();
    small(&limited)
}

/// A number of any sign; a negative one limits nothing.
fn number(form: &Form, name: &str) -> Result<Option<i64>, Refusal> {
    match form.value(name) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| bad_data(format_args!("{name} must be a number"))),
    }
}
