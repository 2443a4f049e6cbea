//! Bodies that no honest sender sends: refused fast, with a reason, and nothing else suffers.

use std::time::{Duration, Instant};

use serde_json::json;

use treering::formats::remote::snappy;
use treering::testing::{SentSeries, write_1, write_2};

use crate::harness::{Config, Store, V2, sent};

const V1: &str = "application/x-protobuf";
const GOOD: [(&str, &str); 2] = [("__name__", "good"), ("instance", "a1:1")];

/// How long a refusal may take on a loaded machine.
const FAST: Duration = Duration::from_secs(10);

fn small() -> Config {
    let limits = json!({"samples-per-body": 1000, "body": "1MiB"});
    let config = Config::new("native").set("/remote-write", json!({"limits": limits}));
    config.set("/metric-store/limits", json!({"stamped-per-host": 100, "labels-per-series": 20}))
}

#[test]
fn hostile_bodies_are_refused_fast() {
    let store = Store::start(small());
    // A block of snappy that says to become 4 GB, one that becomes 2 MiB of zeros, and a frame of zstd likewise.
    let lie = [&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F][..], &[0; 100]].concat();
    let zeros = vec![0; 2 << 20];
    let good = write_2(&[sent(&GOOD, 0, 1.0)]);
    let mut cut = snappy(&good);
    cut.truncate(cut.len() - 5);
    let flood: Vec<(String, String)> = (0..100_000).map(|n| (format!("label_{n}"), "x".to_owned())).collect();
    let flood = SentSeries { labels: flood, ..sent(&GOOD, 0, 1.0) };
    let long = SentSeries { labels: vec![("__name__".into(), "x".repeat(500_000))], ..sent(&GOOD, 0, 1.0) };
    let many: Vec<SentSeries> = (0..1001).map(|ms| sent(&GOOD, ms, 1.0)).collect();
    let large = snappy(&write_1(&[flood.clone(), flood.clone()], &[]));
    for (what, content_type, encoding, body, status) in [
        ("a length that lies", V1, "snappy", lie, 413),
        ("a bomb of snappy", V1, "snappy", snappy(&zeros), 413),
        ("a bomb of zstd", V2, "zstd", zstd::bulk::compress(&zeros, 1).unwrap(), 413),
        ("a body that is cut off", V2, "snappy", cut, 400),
        ("a message that is cut off", V2, "snappy", snappy(&good[..good.len() - 3]), 400),
        ("too many samples", V1, "snappy", snappy(&write_1(&many, &[])), 400),
        ("a name of half a megabyte", V2, "snappy", snappy(&write_2(&[long])), 400),
        ("a flood of labels", V1, "snappy", large, 413),
        ("nothing but zeros", V1, "snappy", snappy(&[0; 1000]), 400),
        ("groups in groups", V1, "snappy", snappy(&[0x0B; 100_000]), 400),
    ] {
        let begun = Instant::now();
        let answer = store.remote(content_type, encoding, body);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(!answer.body.is_empty() && answer.body.len() < 10_000, "{what}: {} bytes", answer.body.len());
        assert!(begun.elapsed() < FAST, "{what}: {:?}", begun.elapsed());
    }
    assert_eq!(store.promql("count({__name__=~\".+\"})", 0), json!([]), "nothing of it is stored");
    store.remote_2(&[sent(&GOOD, 0, 1.0)]).expect_status(204);
    assert!(store.metrics().sum("treering_refused_total", "reason=\"body_too_large\"") >= 3.0);
}

#[test]
fn floods_of_series_and_labels_end_at_the_limits() {
    let store = Store::start(small());
    let series: Vec<SentSeries> = (0..150)
        .map(|number| {
            let number = number.to_string();
            sent(&[("__name__", "flood"), ("instance", "a1:1"), ("n", &number)], 0, 1.0)
        })
        .collect();
    let answer = store.remote_2(&series).expect_status(400);
    assert!(answer.text().contains("the limit of 100 stamped series per host is reached"), "{}", answer.text());
    assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), "100");
    let labels: Vec<(String, String)> = (0..20).map(|n| (format!("l{n}"), "x".to_owned())).collect();
    let mut wide = sent(&[("__name__", "wide"), ("instance", "a2:1")], 0, 1.0);
    wide.labels.extend(labels);
    store.remote_1(&[wide]).expect_status(400);
    store.remote_1(&[sent(&[("__name__", "good"), ("instance", "a2:1")], 0, 1.0)]).expect_status(204);
    assert_eq!(store.promql("count(flood)", 0)[0]["value"][1], "100");
    let metrics = store.metrics();
    assert_eq!(metrics.sum("treering_dropped_total", "reason=\"limit_stamped_per_host\""), 50.0);
}

#[test]
fn numbers_that_are_none_are_refused_on_demand() {
    let config = Config::new("native").set("/remote-write", json!({"reject-non-finite": true}));
    let store = Store::start(config);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let answer = store.remote_2(&[sent(&GOOD, 0, value), sent(&GOOD, 1, 1.0)]).expect_status(400);
        assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), "1");
    }
    store.remote_2(&[sent(&GOOD, 1000, treering::model::STALE)]).expect_status(204);
    assert_eq!(store.promql("good", 1000), json!([]), "ends are no numbers");
}

/// The forms of cc-metric-store have no room for labels: what belongs to the grid is taken, the rest explained.
#[test]
fn other_forms_take_what_belongs_to_the_grid() {
    let store = Store::start(Config::new("wal"));
    let grid = [("__name__", "mem_used"), ("cluster", "alex"), ("hostname", "a1"), ("type", "node")];
    let answer = store.remote_2(&[sent(&grid, 0, 7.0), sent(&GOOD, 0, 1.0)]).expect_status(400);
    assert!(answer.text().contains("file-format"), "{}", answer.text());
    assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), "1");
    assert_eq!(store.promql("mem_used", 0)[0]["value"][1], "7");
}
