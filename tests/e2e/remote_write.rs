//! Remote write 1.0 and 2.0, read back: what the specifications say that a receiver must and should do.
//!
//! 1.0: a body is a snappy block of `prometheus.WriteRequest`; 2xx only when all is written; 400 for what never can be;
//! labels sorted, no name twice, no empty names; staleness markers kept. 2.0 besides: the content type decides the
//! message, 415 for what is not known, 204 or 400 with the written counts in headers, partial writes, symbols checked,
//! histograms, exemplars, metadata and start times kept; UTF-8 names. Both: retries do no harm.

use std::sync::Arc;

use serde_json::json;

use treering::formats::remote::{FloatSample, snappy};
use treering::model::histogram::{Buckets, FloatHistogram};
use treering::model::{Exemplar, Labels, Metadata, MetricKind, STALE};
use treering::testing::{SentSeries, write_1, write_2};

use crate::harness::{Answer, Config, How, Signer, Store, T0, V2, at_ms, raw_exchange, sent, setting};

const UP: [(&str, &str); 4] = [("__name__", "up"), ("cluster", "alex"), ("instance", "a1:9100"), ("job", "node")];

fn start() -> Store {
    Store::start(Config::new("native"))
}

/// The counts of a 2.0 answer: samples, histograms, exemplars.
fn written(answer: &Answer) -> [String; 3] {
    ["samples", "histograms", "exemplars"]
        .map(|what| answer.header(&format!("x-prometheus-remote-write-{what}-written")).to_owned())
}

/// A sample more for a series.
fn and(mut series: SentSeries, ms: i64, value: f64) -> SentSeries {
    series.samples.push(FloatSample { time_ms: at_ms(ms), start_ms: 0, value });
    series
}

#[test]
fn both_versions_are_stored_to_the_millisecond() {
    let store = start();
    let answer = store.remote_1(&[and(sent(&UP, 1, 1.0), 15_017, 0.1)]).expect_status(204);
    assert_eq!((answer.body.len(), written(&answer)), (0, ["", "", ""].map(str::to_owned)));
    let utf8 = [("__name__", "http.requests"), ("host", "a2"), ("straße", "groß")];
    let answer = store.remote_2(&[and(sent(&utf8, 7, 3.0), 8, 4.5), sent(&UP, 30_003, 2.0)]).expect_status(204);
    assert_eq!((answer.body.len(), written(&answer)), (0, ["3", "0", "0"].map(str::to_owned)));
    let up = [(1, "1"), (15_017, "0.1"), (30_003, "2")].map(|(ms, value)| (ms, value.to_owned()));
    assert_eq!(store.samples("up[1m]", 30_003), up);
    assert_eq!(store.samples("up[1m]", 30_002), up[..2]);
    assert_eq!(store.samples("{\"http.requests\",\"straße\"=\"groß\"}[1m]", 10).len(), 2);
    let labels = store.promql("up", 30_003)[0]["metric"].take();
    assert_eq!(labels, json!({"__name__": "up", "cluster": "alex", "instance": "a1:9100", "job": "node"}), "as sent");
}

#[test]
fn the_content_type_is_judged_before_the_body() {
    let store = start();
    let garbage = || b"no protobuf at all".to_vec();
    for content_type in [
        "text/plain",
        "application/json",
        "application/x-protobuf;proto=io.prometheus.write.v3.Request",
        "application/x-protobuf;proto",
    ] {
        store.remote(content_type, "snappy", garbage()).expect_status(415);
    }
    for encoding in ["gzip", "br", "snappy, zstd"] {
        store.remote(V2, encoding, garbage()).expect_status(415);
    }
    // The body is promised and never sent: nobody waits for it.
    let head = "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\
                Connection: close\r\n\r\n";
    let answer = raw_exchange(&store, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    store.remote("application/x-protobuf", "snappy", garbage()).expect_status(400);
    let malformed = store.remote(V2, "snappy", snappy(b"\xff\xff")).expect_status(400);
    assert_eq!(written(&malformed), ["0", "0", "0"].map(str::to_owned));
    assert_eq!(store.get("/api/v1/write").status, 405);
}

#[test]
fn other_compressions_are_taken() {
    let store = start();
    let zstd = zstd::bulk::compress(&write_2(&[sent(&UP, 0, 1.0)]), 1).unwrap();
    store.remote(V2, "zstd", zstd).expect_status(204);
    store.remote("application/x-protobuf", "identity", write_1(&[sent(&UP, 1000, 2.0)], &[])).expect_status(204);
    let bare = store.request("POST", "/api/v1/write").body(snappy(&write_1(&[sent(&UP, 2000, 3.0)], &[])));
    store.send(bare).expect_status(204);
    assert_eq!(store.samples("up[1m]", 2000).len(), 3, "without any header it is 1.0 and snappy");
}

#[test]
fn what_is_good_of_a_bad_body_is_stored() {
    let store = start();
    let bad: [&[(&str, &str)]; 4] = [
        &[("job", "nameless")],
        &[("__name__", "twice"), ("a", "1"), ("a", "2")],
        &[("__name__", "nameless_label"), ("", "x")],
        &[("__name__", ""), ("a", "b")],
    ];
    for (round, send) in [Store::remote_1, Store::remote_2].into_iter().enumerate() {
        let ms = 1000 * round as i64;
        let mut body: Vec<SentSeries> = bad.iter().map(|labels| sent(labels, ms, 1.0)).collect();
        body.insert(2, sent(&UP, ms, 5.0));
        let answer = send(&store, &body).expect_status(400);
        let text = answer.text();
        assert!(text.contains("invalid metric name or labels, got {job=\"nameless\"}"), "{text}");
        assert!(text.contains("duplicated label a"), "{text}");
        if round == 1 {
            assert_eq!(written(&answer), ["1", "0", "0"].map(str::to_owned));
        }
    }
    assert_eq!(store.samples("up[1m]", 1000).len(), 2);
    // Labels in disorder are mended, empty values are no labels.
    let disorder = [("z", "1"), ("__name__", "mended"), ("empty", ""), ("a", "2")];
    store.remote_2(&[sent(&disorder, 0, 1.0)]).expect_status(204);
    let metric = store.promql("mended", 0)[0]["metric"].take();
    assert_eq!(metric, json!({"__name__": "mended", "a": "2", "z": "1"}));
    let empty = SentSeries { samples: Vec::new(), ..sent(&UP, 0, 0.0) };
    let answer = store.remote_2(&[empty]).expect_status(400);
    assert!(answer.text().contains("TimeSeries must contain at least one sample or histogram"), "{}", answer.text());
    let metrics = store.metrics();
    assert_eq!(metrics.sum("treering_dropped_total", "reason=\"duplicate_label\""), 2.0);
}

#[test]
fn late_repeated_and_changed_samples_are_taken() {
    let store = start();
    let body = |values: &[(i64, f64)]| {
        let samples = values.iter().map(|&(ms, value)| FloatSample { time_ms: at_ms(ms), start_ms: 0, value });
        SentSeries { samples: samples.collect(), ..sent(&UP, 0, 0.0) }
    };
    store.remote_1(&[body(&[(60_000, 6.0), (20_000, 2.0), (40_000, 4.0)])]).expect_status(204);
    let late = [body(&[(-3_600_000, 9.0), (10_000, 1.0), (20_000, 2.0), (40_000, 4.5)])];
    for _ in 0..3 {
        store.remote_2(&late).expect_status(204);
    }
    let found: Vec<(i64, String)> = store.samples("up[2h]", 60_000);
    let expected = [(-3_600_000, "9"), (10_000, "1"), (20_000, "2"), (40_000, "4.5"), (60_000, "6")];
    assert_eq!(found, expected.map(|(ms, value)| (ms, value.to_owned())), "the last of two at one time counts");
    // Another series at the same place of the body, and an order that changes: nothing is taken for something else.
    let other = [("__name__", "up"), ("cluster", "alex"), ("instance", "a1:9100"), ("job", "other")];
    for round in 0..4 {
        let mut series = vec![sent(&UP, 61_000 + round, 1.0), sent(&other, 61_000 + round, 2.0)];
        if round % 2 == 1 {
            series.reverse();
        }
        store.remote_1(&series).expect_status(204);
        store.remote_2(&series).expect_status(204);
    }
    assert_eq!(store.promql("up{job=\"other\"}", 62_000)[0]["value"][1], "2");
    assert_eq!(store.promql("count_over_time(up{job=\"node\"}[1s])", 61_999)[0]["value"][1], "4");
    assert_eq!(store.promql("max_over_time(up{job=\"node\"}[1s])", 61_999)[0]["value"][1], "1");
}

#[test]
fn the_end_of_a_series_is_kept() {
    let store = start();
    store.remote_2(&[and(sent(&UP, 0, 1.0), 15_000, STALE)]).expect_status(204);
    assert_eq!(store.promql("up", 14_999)[0]["value"][1], "1");
    assert_eq!(store.promql("up", 15_000), json!([]), "at once, not after the lookback");
    assert_eq!(store.samples("up[1m]", 20_000).len(), 1);
    store.remote_1(&[sent(&UP, 30_000, f64::NAN)]).expect_status(204);
    assert_eq!(store.promql("up", 30_000)[0]["value"][1], "NaN");
}

#[test]
fn histograms_exemplars_metadata_and_starts_come_back() {
    let store = start();
    let histogram = FloatHistogram {
        schema: 1,
        count: 6.0,
        sum: 10.0,
        positive: Buckets::contiguous(0, vec![1.0, 2.0, 3.0]),
        ..FloatHistogram::default()
    };
    let trace = |id: &str, ms, value| Exemplar {
        labels: Labels::from_pairs([("trace_id", id)]),
        value,
        time_ms: if ms == 0 { 0 } else { at_ms(ms) },
    };
    let latency = SentSeries {
        samples: Vec::new(),
        histograms: vec![(at_ms(3), at_ms(-60_000), Arc::new(histogram))],
        exemplars: vec![trace("x1", 2, 0.5), trace("x2", 3, 0.75)],
        metadata: Some(Metadata { kind: MetricKind::Histogram, help: "How long.".into(), unit: "seconds".into() }),
        ..sent(&[("__name__", "latency_seconds"), ("instance", "a1:80")], 0, 0.0)
    };
    let answer = store.remote_2(std::slice::from_ref(&latency)).expect_status(204);
    assert_eq!(written(&answer), ["0", "1", "2"].map(str::to_owned));
    assert_eq!(store.promql("histogram_count(latency_seconds)", 10)[0]["value"][1], "6");
    assert_eq!(store.promql("histogram_sum(latency_seconds)", 10)[0]["value"][1], "10");
    let range = [("query", "latency_seconds"), ("start", &(T0 - 1).to_string()), ("end", &(T0 + 60).to_string())];
    let exemplars = store.ask_prometheus("query_exemplars", &range);
    let of_series = exemplars["data"][0]["exemplars"].as_array().unwrap();
    assert_eq!(of_series.len(), 2, "{exemplars}");
    assert_eq!(of_series[0]["labels"]["trace_id"], "x1");
    let metadata = store.get("/api/v1/metadata?metric=latency_seconds").expect_status(200).json();
    let expected = json!([{"type": "histogram", "help": "How long.", "unit": "seconds"}]);
    assert_eq!(metadata["data"]["latency_seconds"], expected, "{metadata}");
    // Metadata of 1.0 are apart from the series.
    let load = Metadata { kind: MetricKind::Gauge, help: "Load.".into(), unit: "".into() };
    let body = write_1(&[sent(&[("__name__", "load1"), ("instance", "a1:80")], 0, 1.0)], &[("load1", load)]);
    store.remote("application/x-protobuf", "snappy", snappy(&body)).expect_status(204);
    let metadata = store.get("/api/v1/metadata?metric=load1").expect_status(200).json();
    assert_eq!(metadata["data"]["load1"][0]["help"], "Load.");
}

#[test]
fn a_crash_loses_nothing_that_was_answered() {
    let mut store = start();
    for tick in 0..20 {
        let series: Vec<SentSeries> = (0..50)
            .map(|number| {
                let number = number.to_string();
                let labels = [("__name__", "m"), ("instance", "a1:1"), ("n", &number)];
                sent(&labels, 1000 * tick, tick as f64)
            })
            .collect();
        store.remote_2(&series).expect_status(204);
    }
    let all = |store: &Store| store.promql("sum by (n) (sum_over_time(m[1h]))", 60_000);
    let before = all(&store);
    assert_eq!(before.as_array().unwrap().len(), 50);
    for how in [How::Kill, How::Term] {
        store.restart(how);
        assert_eq!(all(&store), before, "{how:?}");
        // What was remembered of senders is gone, and series are found again.
        store.remote_2(&[sent(&[("__name__", "m"), ("instance", "a1:1"), ("n", "7")], 0, 0.0)]).expect_status(204);
        assert_eq!(store.promql("count(m)", 19_000)[0]["value"][1], "50");
    }
}

#[test]
fn writing_and_reading_need_their_roles() {
    let signer = Signer::new(1);
    let roles = json!({"write": ["writer"], "read": ["reader"]});
    let config = Config::new("native").set(setting::PUBLIC_KEY, signer.public_key()).set(setting::ROLES, roles);
    let store = Store::start(config);
    let body = || snappy(&write_1(&[sent(&UP, 0, 1.0)], &[]));
    let send = |path: &str, role: &str| {
        let token = format!("Bearer {}", signer.token(&json!({"roles": [role]})));
        store.send(store.request("POST", path).header("Authorization", token).body(body())).status
    };
    assert_eq!(store.post("/api/v1/write", body()).status, 401);
    for path in ["/api/v1/write", "/api/v1/import/prometheus", "/api/v1/otlp/v1/metrics"] {
        assert_eq!(send(path, "reader"), 403, "{path}");
    }
    assert_eq!(send("/api/v1/read", "writer"), 403);
    assert_eq!(send("/api/v1/write", "writer"), 204);
}
