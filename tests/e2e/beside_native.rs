//! Native histograms of a real Prometheus: it scrapes them from a target in the binary form of the exposition, hands
//! them on, and afterwards the two hold the same histograms and give the same answers.
//!
//! Debian's Prometheus 2.42 interpolates linearly within a bucket where version 3 does so exponentially: quantiles and
//! fractions differ by less than a bucket then, which is 0.3 % of a value with the finest schema.

use prost::Message;
use serde_json::Value;

use crate::beside_prometheus::{ask, by_labels, is_close, is_empty, is_same_text, quiet_millisecond, same, seconds};
use crate::harness::{Config, How, Prometheus, Store, Target, eventually, free_port, programs};

/// The messages of `io.prometheus.client`, as far as they are needed.
#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    /// 4 is a histogram.
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<LabelPair>,
    #[prost(message, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    sum: f64,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "6")]
    zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    zero_count: u64,
    #[prost(message, repeated, tag = "9")]
    negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "10")]
    negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "13")]
    positive_deltas: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// The differences of counts, as the messages have them.
fn deltas(counts: &[u64]) -> Vec<i64> {
    let mut before = 0;
    counts.iter().map(|&count| count.cast_signed() - std::mem::replace(&mut before, count.cast_signed())).collect()
}

/// What the target says at its scrape of this number: three histograms that grow, of which one also falls back, and
/// one that gets new buckets. They begin well above zero, as the counters of the other tests do.
fn page(scrape: u64) -> Vec<u8> {
    let histogram = |schema, offset, positive: &[u64], negative: &[u64], zero_count| Histogram {
        count: positive.iter().chain(negative).sum::<u64>() + zero_count,
        sum: positive.iter().sum::<u64>() as f64 * 1.25 - negative.iter().sum::<u64>() as f64 * 0.5,
        schema,
        zero_threshold: 1e-9,
        zero_count,
        positive_spans: vec![Span { offset, length: positive.len() as u32 }],
        positive_deltas: deltas(positive),
        negative_spans: if negative.is_empty() {
            Vec::new()
        } else {
            vec![Span { offset: -2, length: negative.len() as u32 }]
        },
        negative_deltas: deltas(negative),
    };
    let metric = |kind: &str, histogram| Metric {
        labels: vec![LabelPair { name: "kind".to_owned(), value: kind.to_owned() }],
        histogram: Some(histogram),
    };
    let falls = scrape % 6;
    // A span more from the fourth scrape on.
    let mut growing = histogram(8, 20, &[5000 + 2 * scrape, 7000 + 3 * scrape, 100 + scrape], &[], 0);
    if scrape > 3 {
        growing.positive_spans.push(Span { offset: 5, length: 1 });
        growing.positive_deltas = deltas(&[5000 + 2 * scrape, 7000 + 3 * scrape, 100 + scrape, scrape]);
        growing.count += scrape;
    }
    let family = MetricFamily {
        name: "native_seconds".to_owned(),
        help: "How long it took.".to_owned(),
        kind: 4,
        metrics: vec![
            metric("growing", growing),
            metric("falling", histogram(8, -300, &[4000 + 9 * falls, 4100 + 7 * falls, 900 + falls], &[], 30)),
            metric(
                "both_sides",
                histogram(8, 0, &[3000 + scrape, 2000], &[1000 + scrape, 500 + 4 * scrape], 40 + scrape),
            ),
        ],
    };
    family.encode_length_delimited_to_vec()
}

/// What is the same to the last bit.
const EXACT: &[&str] = &[
    "histogram_count(native_seconds)",
    "histogram_sum(native_seconds)",
    "histogram_count(native_seconds offset 3s)",
    "histogram_sum(sum by (instance) (native_seconds))",
    "histogram_count(sum without (kind) (native_seconds))",
    "count_over_time(native_seconds[6s])",
    "timestamp(native_seconds)",
    "count(native_seconds)",
];

/// What other versions may add up in another order.
const CLOSE: &[&str] = &[
    "histogram_count(rate(native_seconds[5s]))",
    "histogram_sum(rate(native_seconds[5s]))",
    "histogram_count(increase(native_seconds{kind=\"falling\"}[8s]))",
    "histogram_sum(sum by (instance) (rate(native_seconds[6s])))",
    "histogram_sum(rate(native_seconds[5s])) / histogram_count(rate(native_seconds[5s]))",
    "histogram_quantile(0, native_seconds{kind=\"growing\"})",
    "histogram_quantile(1, native_seconds)",
];

/// What is interpolated within a bucket.
const WITHIN_A_BUCKET: &[&str] = &[
    "histogram_quantile(0.5, native_seconds)",
    "histogram_quantile(0.99, native_seconds)",
    "histogram_quantile(0.1, native_seconds{kind=\"both_sides\"})",
    "histogram_quantile(0.9, rate(native_seconds[5s]))",
    "histogram_quantile(0.75, sum by (instance) (rate(native_seconds[6s])))",
];

fn is_within_a_bucket(one: &str, other: &str) -> bool {
    let (left, right): (f64, f64) = (one.parse().unwrap(), other.parse().unwrap());
    one == other || (left - right).abs() <= 0.003 * left.abs().max(right.abs())
}

#[test]
fn native_histograms_are_those_that_prometheus_has() {
    let Some(mut prometheus) = Prometheus::prepare() else {
        let reason = "no prometheus: `make test` installs it where it can";
        return programs::skipped("native_histograms_are_those_that_prometheus_has", reason);
    };
    prometheus.enable("native-histograms");
    let mut store = Store::start(Config::new("native"));
    let port = free_port();
    let target = Target::serve(port, PROTOBUF, page);
    let configuration = |targets: &str| {
        format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             remote_write:\n- url: http://127.0.0.1:{}/api/v1/write\n  send_native_histograms: true\n\
             \x20 queue_config: {{batch_send_deadline: 200ms, min_backoff: 30ms, max_backoff: 300ms}}\n\
             scrape_configs:\n- job_name: world\n  static_configs: {targets}\n",
            store.port
        )
    };
    let scraping = configuration(&format!("[{{targets: ['127.0.0.1:{port}'], labels: {{instance: 'n1:9100'}}}}]"));
    let idle = configuration("[]");
    prometheus.configure(&scraping);
    prometheus.resume();
    target.await_scrapes(6);
    // What the store was away for comes later.
    store.restart(How::Kill);
    target.await_scrapes(6);
    prometheus.configure(&idle);
    prometheus.reload();
    let ask_store = |store: &Store, path: &str, asked: &[(&str, &str)]| {
        ask(store.request("POST", &format!("/api/v1/{path}")), asked)
    };
    let ask_prometheus =
        |path: &str, asked: &[(&str, &str)]| ask(prometheus.request("POST", &format!("/api/v1/{path}")), asked);
    let alive = [("query", "native_seconds")];
    eventually("Prometheus ends its series", || is_empty(&ask_prometheus("query", &alive)));
    eventually("they end here too", || is_empty(&ask_store(&store, "query", &alive)));
    let all = [("query", "native_seconds[1h]")];
    let theirs = by_labels(&ask_prometheus("query", &all), "histograms");
    let times_ms: Vec<i64> = theirs.values().flatten().map(|(time_ms, _)| *time_ms).collect();
    assert!(theirs.len() == 3 && times_ms.len() >= 30, "{theirs:?}");
    for how in [None, Some(How::Kill), Some(How::Term)] {
        if let Some(how) = how {
            store.restart(how);
        }
        let ours = by_labels(&ask_store(&store, "query", &all), "histograms");
        same(&format!("all histograms, after {how:?}"), &theirs, &ours, is_same_text);
    }
    let (first, last) = (times_ms.iter().min().unwrap(), times_ms.iter().max().unwrap());
    let offset_ms = quiet_millisecond(&times_ms);
    let (start, end) = (first / 1000 * 1000 + offset_ms, last / 1000 * 1000 + 2000 + offset_ms);
    let (start, end) = (seconds(start), seconds(end));
    let close = CLOSE.iter().map(|expr| (expr, is_close as fn(&str, &str) -> bool));
    let within = WITHIN_A_BUCKET.iter().map(|expr| (expr, is_within_a_bucket as _));
    for (expr, is_same) in EXACT.iter().map(|expr| (expr, is_same_text as _)).chain(close).chain(within) {
        let asked = [("query", *expr), ("start", &*start), ("end", &*end), ("step", "1")];
        let theirs = by_labels(&ask_prometheus("query_range", &asked), "values");
        assert!(theirs.values().flatten().count() > 5, "{expr} asks for nothing");
        same(expr, &theirs, &by_labels(&ask_store(&store, "query_range", &asked), "values"), is_same);
    }
    // Sums of histograms are histograms.
    let asked = [("query", "sum by (instance) (native_seconds)"), ("start", &*start), ("end", &*end), ("step", "1")];
    let sums = |data: &Value| by_labels(data, "histograms");
    let theirs = sums(&ask_prometheus("query_range", &asked));
    assert!(theirs.values().flatten().count() > 5);
    same("sums", &theirs, &sums(&ask_store(&store, "query_range", &asked)), is_same_text);
}
