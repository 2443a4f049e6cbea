//! `GET /api/v1/status/…`: what clients ask to learn whom they speak to, and what makes many series.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::turns::AnswerLimit;
use super::super::{App, Refusal};
use super::envelope::{self, Notes, small};
use super::evaluate::watch;
use super::failure::bad_data;
use crate::promql::tree::{Count, TreeSource};
use crate::store::Host;
use crate::time::GoDuration;

/// The Prometheus whose PromQL and API this is: clients decide by it what they may ask.
const PROMETHEUS_VERSION: &str = "3.14.0";

/// Entries of each list of `/api/v1/status/tsdb`.
const LIST_DEFAULT: usize = 10;
const LIST_MAX: usize = 10_000;

/// `/api/v1/status/buildinfo`.
pub(super) async fn buildinfo() -> Result<Response, Refusal> {
    small(&json!({
        "application": "Treering",
        "version": PROMETHEUS_VERSION,
        "revision": env!("CARGO_PKG_VERSION"),
        "branch": "treering",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

/// `/api/v1/status/config`: the section `prometheus` of the configuration, as it is in force.
pub(super) async fn config(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let mut yaml = "prometheus:\n".to_owned();
    for (key, value) in settings(&app) {
        yaml.push_str(&format!("  {key}: {value}\n"));
    }
    small(&json!({ "yaml": yaml }))
}

/// `/api/v1/status/flags`: the same settings under the names of Prometheus's flags.
pub(super) async fn flags(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let named = |(key, value): (&str, String)| {
        let flag = match key {
            "lookback-delta" => "query.lookback-delta",
            "query-timeout" => "query.timeout",
            "query-max-samples" => "query.max-samples",
            "query-concurrency" => "query.max-concurrency",
            other => other,
        };
        (flag.to_owned(), value)
    };
    small(&settings(&app).into_iter().map(named).collect::<BTreeMap<String, String>>())
}

fn settings(app: &App) -> [(&'static str, String); 4] {
    let settings = &app.options.prometheus;
    [
        ("lookback-delta", GoDuration(settings.lookback).to_string()),
        ("query-timeout", GoDuration(settings.query_timeout).to_string()),
        ("query-max-samples", settings.query_samples_max.to_string()),
        ("query-concurrency", settings.queries_max.to_string()),
    ]
}

/// `/api/v1/status/runtimeinfo`: what of it a store has; the rest is zero or empty.
pub(super) async fn runtimeinfo() -> Result<Response, Refusal> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    small(&json!({
        "CWD": "",
        "reloadConfigSuccess": true,
        "corruptionCount": 0,
        "goroutineCount": 0,
        "GOMAXPROCS": threads,
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": "",
    }))
}

/// `/api/v1/status/tsdb`.
pub(super) async fn tsdb(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let form = app.form(request).await?;
    let limit = match form.value("limit") {
        "" => LIST_DEFAULT,
        text => match text.parse::<usize>() {
            Ok(limit) if limit > LIST_MAX => return Err(bad_data(format_args!("limit must not exceed {LIST_MAX}"))),
            Ok(limit) if limit > 0 => limit,
            _ => return Err(bad_data("limit must be a positive number")),
        },
    };
    let turn = app.answer_turn(AnswerLimit::Promql).await?;
    let (waiting, watch) = watch(app.options.prometheus.query_timeout);
    let answer = envelope::answer(policy, turn, move |out| {
        let store = app.service.store();
        let counted = TreeSource::new(store, 0, &watch).cardinality(limit);
        watch.check()?;
        let blocks = store.objects().into_iter().find(|(kind, _)| *kind == "blocks").map_or(0, |(_, count)| count);
        let (min_ms, max_ms) = range_ms(&store.hosts(), counted.stamped_range_ms);
        let answer = json!({
            "headStats": {
                "numSeries": counted.series,
                "numLabelPairs": counted.label_pairs,
                "chunkCount": blocks + counted.stamped_chunks,
                "minTime": min_ms,
                "maxTime": max_ms,
            },
            "seriesCountByMetricName": list(&counted.series_by_metric),
            "labelValueCountByLabelName": list(&counted.values_by_label),
            "memoryInBytesByLabelName": list(&counted.bytes_by_label),
            "seriesCountByLabelValuePair": list(&counted.series_by_pair),
        });
        serde_json::to_writer(out, &answer).map_err(std::io::Error::from)?;
        Ok(Notes::default())
    })
    .await;
    drop(waiting);
    answer
}

/// The times of the oldest and the newest sample. Hosts know whole seconds only, stamped series their milliseconds.
fn range_ms(hosts: &[Arc<Host>], stamped_ms: Option<(i64, i64)>) -> (i64, i64) {
    let of_host = |host: &Arc<Host>| Some((host.oldest_secs()?, host.newest_secs()));
    let all = hosts.iter().filter_map(of_host).reduce(|all, own| (all.0.min(own.0), all.1.max(own.1)));
    let (oldest_secs, newest_secs) = all.unwrap_or_default();
    let (min_ms, max_ms) = (oldest_secs.saturating_mul(1000), newest_secs.saturating_mul(1000));
    match stamped_ms {
        Some((oldest_ms, newest_ms)) => {
            let is_oldest = oldest_ms.div_euclid(1000) <= oldest_secs;
            (if is_oldest { oldest_ms } else { min_ms }, max_ms.max(newest_ms))
        }
        None => (min_ms, max_ms),
    }
}

fn list(counts: &[Count]) -> Vec<Value> {
    counts.iter().map(|Count { name, value }| json!({ "name": name, "value": value })).collect()
}
