//! The simulated cluster as a whole: its lines are good, plausible, always the same, and hold every metric.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::formats::line::{lines, parse_key, seconds, split};
use crate::model::{Aggregation, Metric};

use super::cluster::{Body, Cluster};
use super::questions::questions;

const START: i64 = 1_790_000_000;

/// The metrics of the example config that `make` copies.
fn example() -> Vec<Metric> {
    let text = include_str!("../../../configs/config.json");
    let config: serde_json::Value = serde_json::from_str(text).unwrap();
    let metrics = config["metrics"].as_object().unwrap().iter();
    metrics
        .map(|(name, metric)| Metric {
            name: name.as_str().into(),
            frequency_secs: u32::try_from(metric["frequency"].as_u64().unwrap()).unwrap(),
            aggregation: match metric["aggregation"].as_str() {
                Some("sum") => Aggregation::Sum,
                Some("avg") => Aggregation::Avg,
                _ => Aggregation::None,
            },
        })
        .collect()
}

fn metric(name: &str, frequency_secs: u32) -> Metric {
    Metric { name: name.into(), frequency_secs, aggregation: Aggregation::Sum }
}

fn body(cluster: &Cluster, host: u32, tick_secs: i64) -> Body {
    let mut body = Body::default();
    cluster.append(host, tick_secs, &mut body);
    body
}

/// The values of a body by the series' key; checks that every line is good on the way.
fn values(body: &Body) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for line in lines(body.text.as_bytes()) {
        let split = split(line).unwrap().unwrap();
        parse_key(split.key).unwrap();
        let key = String::from_utf8(split.key.to_vec()).unwrap();
        assert!(values.insert(key, split.value).is_none(), "twice: {}", String::from_utf8_lossy(line));
    }
    assert_eq!(values.len() as u64, body.lines);
    values
}

#[test]
fn every_configured_metric_is_sent_with_its_place() {
    let mut metrics = example();
    metrics.push(metric("nobody knows, this one", 10));
    let cluster = Cluster::new("demo", 2, 10, &metrics);
    let body = body(&cluster, 1, START);
    let mut sent = BTreeSet::new();
    for line in lines(body.text.as_bytes()) {
        let split = split(line).unwrap().unwrap();
        let key = parse_key(split.key).unwrap();
        assert_eq!((key.cluster.as_deref(), &*key.host), (Some("demo"), "demo002"));
        assert!(!key.kind.is_empty());
        let secs = seconds(split.time.unwrap());
        assert!((START - 10 < secs) && secs <= START, "{secs}");
        sent.insert(key.metric.into_owned());
    }
    let configured: BTreeSet<String> = metrics.iter().map(|metric| metric.name.to_string()).collect();
    assert_eq!(sent, configured);
    assert_eq!(body.lines, cluster.lines_of_host());
}

#[test]
fn metrics_come_at_their_own_frequency() {
    let cluster = Cluster::new("demo", 1, 10, &[metric("cpu_load", 10), metric("mem_used", 60), metric("ipc", 3)]);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for tick in 0..360 {
        for line in lines(body(&cluster, 0, START + 10 * tick).text.as_bytes()) {
            let key = parse_key(split(line).unwrap().unwrap().key).unwrap().metric.into_owned();
            *counts.entry(key).or_default() += 1;
        }
    }
    assert_eq!(counts["cpu_load"], 360);
    assert_eq!(counts["mem_used"], 60);
    assert_eq!(counts["ipc"], 360 * 16, "no oftener than the interval");
}

#[test]
fn the_same_time_gives_the_same_lines() {
    let one = Cluster::new("demo", 4, 10, &example());
    let other = Cluster::new("demo", 8, 10, &example());
    assert_eq!(body(&one, 3, START), body(&other, 3, START));
    assert_ne!(body(&one, 3, START), body(&one, 3, START + 10));
    assert_ne!(values(&body(&one, 0, START)), values(&body(&one, 2, START)));
}

#[test]
fn a_busy_day_looks_like_one() {
    let cluster = Cluster::new("demo", 8, 60, &example());
    let mut range: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for host in 0..8 {
        for tick in 0..1440 {
            for (key, value) in values(&body(&cluster, host, START - START % 60 + 60 * tick)) {
                let metric = key.split(',').next().unwrap().to_owned();
                let (least, most) = range.entry(metric).or_insert((value, value));
                *least = least.min(value);
                *most = most.max(value);
            }
        }
    }
    let of = |metric: &str| range[metric];
    for percent in ["cpu_user", "cpu_system", "cpu_idle", "cpu_iowait", "acc_utilization", "vectorization_ratio"] {
        let (least, most) = of(percent);
        assert!(least >= 0.0 && most <= 100.0, "{percent}: {least} to {most}");
    }
    assert!(of("cpu_user").0 < 1.0 && of("cpu_user").1 > 90.0, "{:?}", of("cpu_user"));
    assert!(of("cpu_load").0 < 0.5 && of("cpu_load").1 > 14.0, "{:?}", of("cpu_load"));
    assert!(of("node_power").0 > 150.0 && of("node_power").1 < 800.0, "{:?}", of("node_power"));
    assert!(of("temp_core").0 > 25.0 && of("temp_core").1 < 95.0, "{:?}", of("temp_core"));
    assert!(of("clock").0 >= 1180.0 && of("clock").1 <= 2650.0, "{:?}", of("clock"));
    for (metric, (least, most)) in &range {
        assert!(most > least, "{metric} stands still at {least}");
        assert!(*least >= 0.0, "{metric} is negative: {least}");
    }
}

#[test]
fn the_shares_of_a_thread_make_a_hundred() {
    let cluster = Cluster::new("demo", 1, 10, &example());
    for tick in 0..500 {
        let values = values(&body(&cluster, 0, START + 60 * tick));
        let share = |metric: &str| values[&format!("{metric},cluster=demo,hostname=demo001,type=hwthread,type-id=0")];
        let sum: f64 = ["cpu_user", "cpu_system", "cpu_iowait", "cpu_idle"].map(share).iter().sum();
        assert!((99.9..130.0).contains(&sum), "{sum} at tick {tick}");
    }
}

#[test]
fn the_three_questions_are_requests_that_the_store_understands() {
    let metrics = example();
    let cluster = Cluster::new("demo", 8, 10, &metrics);
    let asked = questions(&cluster, &metrics, START, START + 600);
    assert_eq!(asked.len(), 3);
    let requests: Vec<_> =
        asked.iter().map(|question| crate::query::Request::parse(question.body.as_bytes()).unwrap()).collect();
    assert_eq!(requests[0].queries[0].kind_ids, ["3"]);
    assert_eq!((&*requests[1].queries[0].metric, &*requests[1].queries[0].host), ("flops_any", "demo001"));
    assert_eq!(requests[2].for_all_nodes.len(), 1);
    assert!(requests.iter().all(|request| request.cluster == "demo" && request.to_secs == START + 600));
}

proptest! {
    /// Whatever the time and the host: good lines, finite values, no surprise.
    #[test]
    fn lines_are_good_at_any_time(secs in 0i64..4_000_000_000, host in 0u32..10_000, interval in 1i64..4_000) {
        let cluster = Cluster::new("demo", 10_000, interval, &example());
        let values = values(&body(&cluster, host, cluster.tick_at(secs)));
        for (key, value) in values {
            prop_assert!(value.is_finite() && value >= 0.0, "{key} is {value}");
        }
    }
}
