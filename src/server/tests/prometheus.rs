//! What Prometheus's endpoints tell of stamped series.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::model::{Exemplar, Labels, Metadata, MetricKind, StampedSample, StampedValue};

const NOW_MS: i64 = NOW * 1000;

/// Two stamped series of one host, with metadata and an exemplar.
fn filled() -> Fake {
    let store = Store::new(MetricTable::default(), store::Limits::default());
    let host = store.host_or_create("a", "n1").unwrap();
    for (at, job) in ["web", "db"].into_iter().enumerate() {
        let labels = Labels::from_pairs([("__name__", "requests_total"), ("job", job)]);
        let series = host.stamped(&labels, store.limits()).unwrap();
        let sample = |offset_ms, value| StampedSample {
            series,
            time_ms: NOW_MS + offset_ms,
            start_ms: 0,
            value: StampedValue::Float(value),
        };
        host.apply_stamped(&[sample(-30_001, 1.5), sample(-1, at as f64)], NOW_MS);
        if job == "web" {
            let labels = Labels::from_pairs([("trace_id", "a\"b")]);
            let exemplar = Exemplar { labels, value: 0.25, time_ms: NOW_MS - 30_001 };
            assert_eq!(host.add_exemplars(&[(series, exemplar)]).stored, 1);
        }
    }
    let metadata = Metadata { kind: MetricKind::Counter, help: "All of them.".into(), unit: "requests".into() };
    store.set_metadata("requests_total", metadata).unwrap();
    let metadata = Metadata { kind: MetricKind::Gauge, help: "As sent.".into(), unit: "".into() };
    store.set_metadata("load", metadata).unwrap();
    Fake { store: Some(store), ..Fake::default() }
}

/// The data of a successful answer.
async fn data(server: &Server, path: &str) -> Value {
    let (status, body) = read(server.get(&format!("/api/v1/{path}"))).await;
    let mut answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answer["status"]), (200, &json!("success")), "{body}");
    answer["data"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_are_those_that_were_sent_and_those_of_the_config() {
    let server = Server::start(filled(), |_| {}).await;
    let requests = json!({ "type": "counter", "help": "All of them.", "unit": "requests" });
    let sent = json!({ "type": "gauge", "help": "As sent.", "unit": "" });
    let configured = json!({ "type": "gauge", "help": "One value every 60 s.", "unit": "" });
    let all = json!({ "load": [sent, configured], "requests_total": [requests] });
    assert_eq!(data(&server, "metadata").await, all);
    assert_eq!(data(&server, "metadata?limit=-1&limit_per_metric=0").await, all);
    assert_eq!(data(&server, "metadata?limit=1").await, json!({ "load": [sent, configured] }));
    assert_eq!(data(&server, "metadata?limit=0").await, json!({}));
    assert_eq!(data(&server, "metadata?metric=load&limit_per_metric=1").await, json!({ "load": [sent] }));
    assert_eq!(data(&server, "metadata?metric=requests_total").await, json!({ "requests_total": [requests] }));
    assert_eq!(data(&server, "metadata?metric=nothing").await, json!({}));
    let (status, body) = read(server.get("/api/v1/metadata?limit_per_metric=x")).await;
    assert_eq!((status, error(&body)), (400, "limit_per_metric must be a number".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn exemplars_are_found_by_the_selectors_of_a_query() {
    let server = Server::start(filled(), |_| {}).await;
    let exemplar = json!({ "labels": { "trace_id": "a\"b" }, "value": "0.25", "timestamp": 999_969.999 });
    let series = json!({ "__name__": "requests_total", "job": "web" });
    let found = json!([{ "seriesLabels": series, "exemplars": [exemplar] }]);
    let query = "rate(requests_total%5B1m%5D)%2Bup";
    assert_eq!(data(&server, &format!("query_exemplars?query={query}")).await, found);
    let at = |start: &str| format!("query_exemplars?query=requests_total&start={start}&end=1000000");
    assert_eq!(data(&server, &at("999969.999")).await, found);
    assert_eq!(data(&server, &at("999970")).await, json!([]));
    assert_eq!(data(&server, "query_exemplars?query=requests_total%7Bjob=\"db\"%7D").await, json!([]));
    assert_eq!(data(&server, "query_exemplars?query=1").await, json!([]));
    for (wrong, text) in [
        ("query=sum(", "1:5: parse error: unclosed left parenthesis"),
        ("query=up&start=2&end=1", "end timestamp must not be before start timestamp"),
    ] {
        let (status, body) = read(server.get(&format!("/api/v1/query_exemplars?{wrong}"))).await;
        assert_eq!(status, 400);
        assert_eq!(error(&body), text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stamped_series_are_asked_and_counted() {
    let server = Server::start(filled(), |_| {}).await;
    let answer = data(&server, "query?query=requests_total%20offset%201s&time=1000000").await;
    let metric = |job| json!({ "__name__": "requests_total", "job": job });
    let result = |job| json!({ "metric": metric(job), "value": [1_000_000, "1.5"] });
    let mut results = answer["result"].as_array().unwrap().clone();
    results.sort_by_key(|result| result["metric"]["job"].to_string());
    assert_eq!(results, [result("db"), result("web")]);
    assert_eq!(data(&server, "series?match[]=requests_total").await, json!([metric("db"), metric("web")]));
    assert_eq!(data(&server, "label/job/values").await, json!(["db", "web"]));
    let tsdb = data(&server, "status/tsdb?limit=1").await;
    let head = json!({
        "numSeries": 2, "numLabelPairs": 3, "chunkCount": tsdb["headStats"]["chunkCount"],
        "minTime": NOW_MS - 30_001, "maxTime": NOW_MS - 1,
    });
    assert_eq!(tsdb["headStats"], head);
    assert_eq!(tsdb["seriesCountByMetricName"], json!([{ "name": "requests_total", "value": 2 }]));
    assert_eq!(tsdb["labelValueCountByLabelName"], json!([{ "name": "job", "value": 2 }]));
    assert_eq!(tsdb["memoryInBytesByLabelName"], json!([{ "name": "__name__", "value": 28 }]));
    let pair = json!([{ "name": "__name__=requests_total", "value": 2 }]);
    assert_eq!(tsdb["seriesCountByLabelValuePair"], pair);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_around_the_endpoints_has_the_form_of_prometheus() {
    let server = Server::start_recovering(filled(), |options| {
        options.limits.ready_timeout = Duration::ZERO;
    })
    .await;
    let (status, body) = read(server.get("/api/v1/query?query=1")).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    let expected = json!({ "status": "error", "errorType": "unavailable", "error": "recovering: not ready yet" });
    assert_eq!((status, answer), (503, expected));
    let response = server.get("/api/v1/query?query=1").send().await.unwrap();
    assert_eq!(header(&response, "retry-after"), "5");
    let (status, body) = read(server.get("/api/query").body("{}")).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answer["status"]), (503, &json!("Service Unavailable")), "REST keeps its own form");
}
