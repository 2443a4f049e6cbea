//! Queries over a tree that holds both kinds of series.

use std::sync::Arc;

use crate::model::histogram::{Buckets, FloatHistogram};
use crate::model::{
    Aggregation, Exemplar, Labels, MatchOp, Matcher, Metric, MetricId, MetricTable, STALE, Sample, StampedSample,
    StampedValue,
};
use crate::promql::parse::{ParseOptions, parse_expr};
use crate::promql::{Hints, Options, Point, QueryError, Samples, Source, Times, Unlimited, Value, evaluate};
use crate::store::{Limits, SeriesPath, Store};

use super::*;

/// Seconds of the first samples; a multiple of a minute.
const START: i64 = 1_770_000_000;
const START_MS: i64 = START * 1000;

/// A hundred minutes of `load` (60 s) on the grid at host f1, nothing stamped.
fn store() -> Store {
    let metric =
        |name: &str, frequency_secs| Metric { name: name.into(), frequency_secs, aggregation: Aggregation::None };
    let store = Store::new(MetricTable::new([metric("load", 60), metric("slow", 600)]), Limits::default());
    let host = store.host_or_create("fritz", "f1").unwrap();
    for (metric, frequency) in [(0, 60), (1, 600)] {
        let path = SeriesPath { components: &[], is_device: false, metric: MetricId(metric) };
        let series = host.series(&path, store.limits()).unwrap();
        for row in 0..6000 / frequency {
            let sample = Sample { series, secs: START + row * frequency, value: row as f64 };
            host.apply(&store.metrics(), &[sample], sample.secs);
        }
    }
    store
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

/// Adds samples, in milliseconds from the start, to a stamped series on a host.
fn send(store: &Store, host: &str, pairs: &[(&str, &str)], samples: &[(i64, f64)]) {
    let host = store.host_or_create("fritz", host).unwrap();
    let series = host.stamped(&labels(pairs), store.limits()).unwrap();
    let samples: Vec<StampedSample> = samples
        .iter()
        .map(|&(offset_ms, value)| StampedSample {
            series,
            time_ms: START_MS + offset_ms,
            start_ms: 0,
            value: StampedValue::Float(value),
        })
        .collect();
    let applied = host.apply_stamped(&samples, START_MS);
    assert_eq!(applied.gone, 0, "{applied:?}");
}

fn instant(store: &Store, query: &str, offset_ms: i64) -> Vec<(String, f64)> {
    let expr = parse_expr(query, &ParseOptions::plain()).unwrap();
    let options = Options::default();
    let time_ms = START_MS + offset_ms;
    let times = Times { start_ms: time_ms, end_ms: time_ms, step_ms: 0 };
    let source = TreeSource::new(store, options.lookback_ms, &Unlimited);
    let outcome = evaluate(&source, &expr, times, &options, &Unlimited);
    let Value::Vector { series, .. } = outcome.value.unwrap() else { panic!("{query} is no vector") };
    let float = |point: Point| match point {
        Point::Float(value) => value,
        Point::Histogram(histogram) => histogram.count,
    };
    let mut series: Vec<_> = series.into_iter().map(|(labels, point)| (labels.to_string(), float(point))).collect();
    series.sort_by(|a, b| a.0.cmp(&b.0));
    series
}

fn values(store: &Store, query: &str, offset_ms: i64) -> Vec<f64> {
    instant(store, query, offset_ms).into_iter().map(|(_, value)| value).collect()
}

#[test]
fn stamped_series_keep_their_labels_and_milliseconds() {
    let store = store();
    let up = [("__name__", "up"), ("instance", "f1:9100"), ("job", "node")];
    send(&store, "f1", &up, &[(1, 1.0), (15_007, 0.0), (30_002, STALE)]);
    // No cluster and no hostname, though the host lies in the tree under both.
    let expected = r#"{__name__="up", instance="f1:9100", job="node"}"#.to_owned();
    assert_eq!(instant(&store, "up", 15_006), [(expected.clone(), 1.0)]);
    assert_eq!(instant(&store, r#"up{job="node",hostname=""}"#, 15_007), [(expected, 0.0)]);
    assert!(instant(&store, r#"up{hostname="f1"}"#, 15_007).is_empty());
    assert!(values(&store, "up", 30_002).is_empty(), "it has ended");
    assert_eq!(values(&store, "timestamp(up)", 20_000), [(START_MS + 15_007) as f64 / 1000.0]);
    assert_eq!(values(&store, "count_over_time(up[15006ms])", 15_007), [1.0], "the range is open at the left");
    assert_eq!(values(&store, "count_over_time(up[15007ms])", 15_007), [2.0]);
}

/// The host of a stamped series follows from its labels by rules, so the labels may name another one.
#[test]
fn labels_that_name_a_host_prune_no_stamped_series() {
    let store = store();
    let pairs = [("__name__", "load"), ("cluster", "elsewhere"), ("hostname", "f9"), ("type", "node")];
    send(&store, "f2", &pairs, &[(60_000, 77.0)]);
    assert_eq!(values(&store, r#"load{cluster="elsewhere"}"#, 60_000), [77.0]);
    assert_eq!(values(&store, r#"load{cluster=~"else.*",hostname="f9"}"#, 60_000), [77.0]);
    assert!(values(&store, r#"load{hostname="f2"}"#, 60_000).is_empty());
    assert_eq!(values(&store, "load", 60_000), [77.0, 1.0]);
    assert_eq!(values(&store, "sum(load)", 60_000), [78.0]);
}

#[test]
fn lookback_is_the_querys_for_stamped_series_and_longer_for_slow_grids() {
    let store = store();
    send(&store, "f1", &[("__name__", "slow"), ("job", "x")], &[(0, 5.0)]);
    assert_eq!(values(&store, "slow", 299_999), [0.0, 5.0]);
    assert_eq!(values(&store, r#"slow{job="x"}"#, 300_000), [] as [f64; 0]);
    assert_eq!(values(&store, r#"slow{job=""}"#, 6_000_000), [9.0], "its last row is at 5400 s");
}

#[test]
fn one_label_set_in_both_kinds_and_on_two_hosts_is_one_series() {
    let store = store();
    let grid = [("__name__", "load"), ("cluster", "fritz"), ("hostname", "f1"), ("type", "node")];
    // At one time with row 1, and between rows 2 and 3.
    send(&store, "f2", &grid, &[(60_000, 100.0), (150_500, 101.0)]);
    // The first host counts.
    send(&store, "f3", &grid, &[(60_000, 200.0), (150_500, 201.0), (151_000, 202.0)]);
    let load = r#"load{hostname="f1"}"#;
    assert_eq!(instant(&store, load, 60_000).len(), 1);
    let at = |offset_ms| values(&store, load, offset_ms)[0];
    assert_eq!([0, 60_000, 120_000, 150_500, 151_000, 180_000].map(at), [0.0, 100.0, 2.0, 101.0, 202.0, 3.0]);
    assert_eq!(values(&store, &format!("count_over_time({load}[180001ms])"), 180_000), [6.0]);

    // Many samples of both, in batches.
    let many: Vec<(i64, f64)> = (0..3000).map(|at| (at * 2000, 0.5)).collect();
    send(&store, "f4", &grid, &many);
    assert_eq!(values(&store, &format!("count_over_time({load}[2h])"), 6_000_000), [3002.0]);
    let listed = TreeSource::new(&store, 0, &Unlimited).series(whole(), 10);
    assert_eq!(listed.len(), 2, "load and slow: {listed:?}");
}

#[test]
fn histograms_and_start_times_come_through() {
    let store = store();
    let host = store.host_or_create("fritz", "f1").unwrap();
    let id = host.stamped(&labels(&[("__name__", "seconds")]), store.limits()).unwrap();
    let histogram = |count: f64| {
        let positive = Buckets::contiguous(0, vec![count]);
        Arc::new(FloatHistogram { count, sum: count, positive, ..FloatHistogram::default() })
    };
    let sample = |offset_ms, value| StampedSample { series: id, time_ms: START_MS + offset_ms, start_ms: 7, value };
    let samples: Vec<StampedSample> = (0..200)
        .map(|at| match at % 50 {
            49 => sample(at * 1000, StampedValue::Float(at as f64)),
            _ => sample(at * 1000, StampedValue::Histogram(histogram(at as f64))),
        })
        .collect();
    host.apply_stamped(&samples, START_MS);
    assert_eq!(values(&store, "histogram_count(seconds)", 150_000), [150.0]);
    assert_eq!(values(&store, "count_over_time(seconds[1h])", 199_000), [200.0]);
    assert_eq!(values(&store, "seconds", 199_000), [199.0]);
    let source = TreeSource::new(&store, 300_000, &Unlimited);
    let hints = Hints { start_ms: START_MS, end_ms: START_MS + 200_000, ..Hints::default() };
    let selection = source.select(&[Matcher::equal("__name__", "seconds")], &hints).unwrap();
    let mut read = Samples::default();
    let mut cursor = selection.series[0].cursor(START_MS, START_MS + 200_000);
    while cursor.next_batch(&mut read).unwrap() {}
    assert_eq!((read.len(), read.histograms.len(), read.starts.len()), (200, 196, 200));
    assert!(read.starts.iter().all(|start_ms| *start_ms == 7));
}

fn whole() -> Wanted<'static> {
    Wanted { matcher_sets: &[], start_ms: i64::MIN / 2, end_ms: i64::MAX / 2 }
}

#[test]
fn listings_cover_both_kinds_in_their_time() {
    let store = store();
    send(&store, "f1", &[("__name__", "up"), ("job", "node")], &[(0, 1.0), (10_000, 1.0)]);
    send(&store, "f2", &[("__name__", "up"), ("job", "slurm"), ("type", "node")], &[(9_000_000, 1.0)]);
    let source = TreeSource::new(&store, 0, &Unlimited);
    let all = ["__name__", "cluster", "hostname", "job", "type"];
    assert_eq!(source.label_names(whole()), all);
    assert_eq!(source.label_values("__name__", whole()), ["load", "slow", "up"]);
    assert_eq!(source.label_values("job", whole()), ["node", "slurm"]);
    assert!(source.label_values("nothing", whole()).is_empty());
    let within = |from: i64, to: i64| Wanted { start_ms: START_MS + from, end_ms: START_MS + to, ..whole() };
    let late = within(8_000_000, 10_000_000);
    assert_eq!(source.label_names(late), ["__name__", "job", "type"], "the grid and f1 ended before");
    assert_eq!(source.label_values("job", late), ["slurm"]);
    assert_eq!(source.label_values("job", within(10_000, 20_000)), ["node"]);
    assert!(source.label_values("job", within(10_001, 20_000)).is_empty());
    let listed = |wanted| source.series(wanted, 10).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(listed(late), [r#"{__name__="up", job="slurm", type="node"}"#]);
    assert_eq!(listed(whole()).len(), 4);
    let sets = [vec![Matcher::equal("job", "node")], vec![Matcher::new("job", MatchOp::Regex, "n.*").unwrap()]];
    let some = Wanted { matcher_sets: &sets, ..whole() };
    assert_eq!(listed(some), [r#"{__name__="up", job="node"}"#]);
    assert_eq!(source.label_names(some), ["__name__", "job"]);
    assert_eq!(source.series(whole(), 2).len(), 2);
}

#[test]
fn both_kinds_are_counted() {
    let store = store();
    send(&store, "f1", &[("__name__", "load"), ("job", "node"), ("type", "node")], &[(0, 1.0)]);
    send(&store, "f2", &[("__name__", "up"), ("job", "node")], &[(5, 1.0)]);
    let counted = TreeSource::new(&store, 0, &Unlimited).cardinality(3);
    let count = |name: &str, value| Count { name: name.into(), value };
    assert_eq!(counted.series, 4);
    // load, slow, up; fritz; f1; node; job=node.
    assert_eq!(counted.label_pairs, 3 + 1 + 1 + 1 + 1);
    assert_eq!(counted.series_by_metric, [count("load", 2), count("slow", 1), count("up", 1)]);
    assert_eq!(counted.values_by_label, [count("__name__", 3), count("cluster", 1), count("hostname", 1)]);
    assert_eq!(counted.series_by_pair, [count("type=node", 3), count("__name__=load", 2), count("cluster=fritz", 2)]);
    assert_eq!(counted.bytes_by_label[0], count("__name__", 4 + 4 + 4 + 2));
    assert_eq!(counted.stamped_range_ms, Some((START_MS, START_MS + 5)));
}

#[test]
fn exemplars_of_all_hosts_come_once_and_in_order() {
    let store = store();
    let pairs = [("__name__", "requests_total"), ("job", "web")];
    let exemplar = |trace: &str, offset_ms| Exemplar {
        labels: labels(&[("trace_id", trace)]),
        value: 0.5,
        time_ms: START_MS + offset_ms,
    };
    for (host, exemplars) in
        [("f2", vec![exemplar("c", 30), exemplar("d", 40)]), ("f1", vec![exemplar("a", 10), exemplar("c", 30)])]
    {
        send(&store, host, &pairs, &[(0, 1.0)]);
        let host = store.host("fritz", host).unwrap();
        let id = host.stamped(&labels(&pairs), store.limits()).unwrap();
        let exemplars: Vec<_> = exemplars.into_iter().map(|exemplar| (id, exemplar)).collect();
        assert_eq!(host.add_exemplars(&exemplars).stored, 2);
    }
    let source = TreeSource::new(&store, 0, &Unlimited);
    let sets = [vec![Matcher::equal("job", "web")], vec![Matcher::equal("__name__", "requests_total")]];
    let found = source.exemplars(&sets, (START_MS, START_MS + 35));
    assert_eq!(found, [(labels(&pairs), vec![exemplar("a", 10), exemplar("c", 30)])]);
    assert!(source.exemplars(&sets, (START_MS + 41, START_MS + 100)).is_empty());
    assert!(source.exemplars(&[vec![Matcher::equal("job", "x")]], (START_MS, START_MS + 100)).is_empty());
}

#[test]
fn a_selector_of_too_many_series_is_refused() {
    let store = store();
    send(&store, "f1", &[("__name__", "load"), ("job", "x")], &[(0, 1.0)]);
    send(&store, "f1", &[("__name__", "load"), ("job", "y")], &[(0, 1.0)]);
    let expr = parse_expr("count(load)", &ParseOptions::plain()).unwrap();
    let options = Options::default();
    let times = Times { start_ms: START_MS, end_ms: START_MS, step_ms: 0 };
    let ask = |series_max| {
        let source = TreeSource::new(&store, options.lookback_ms, &Unlimited).series_max(series_max);
        evaluate(&source, &expr, times, &options, &Unlimited).value
    };
    assert!(ask(3).is_ok());
    // Two stamped and one of the grid; one alone is too much, too.
    for most in [2, 1, 0] {
        let error = ask(most).unwrap_err();
        assert!(matches!(error, QueryError::TooManySeries(found) if found == most), "{error}");
    }
}
