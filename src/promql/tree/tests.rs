//! Queries over a tree of a few hosts.

use crate::model::{Aggregation, Component, MatchOp, Matcher, Metric, MetricId, MetricTable, Sample};
use crate::promql::parse::{ParseOptions, parse_expr};
use crate::promql::{Interrupt, Options, Point, Source, Stop, Times, Unlimited, Value, evaluate};
use crate::store::{Limits, SeriesPath, Store};

use super::*;

const START: i64 = 1_770_000_000;

/// Two clusters; `load` (60 s) and `net` (600 s) at hosts, cores and a device. Row `n` is sent at `60·n + n mod 3`.
fn store() -> Store {
    let metric =
        |name: &str, frequency_secs| Metric { name: name.into(), frequency_secs, aggregation: Aggregation::None };
    let store = Store::new(MetricTable::new([metric("load", 60), metric("net", 600)]), Limits::default());
    for (cluster, name) in [("fritz", "f1"), ("fritz", "f2"), ("alex", "a1")] {
        let host = store.host_or_create(cluster, name).unwrap();
        let core = [Component::new("core", "3")];
        let device = [Component::new("network", "eth0")];
        let nested = [Component::new("socket", "0"), Component::new("memoryDomain", "1")];
        let mut paths: Vec<(&[Component], bool, u32)> = vec![(&[], false, 0), (&core, false, 0), (&device, true, 1)];
        if name == "f1" {
            paths.push((&nested, false, 0));
        }
        for (at, (components, is_device, metric)) in paths.into_iter().enumerate() {
            let path = SeriesPath { components, is_device, metric: MetricId(metric) };
            let series = host.series(&path, store.limits()).unwrap();
            let frequency = if metric == 0 { 60 } else { 600 };
            for row in 0..(100 * 60 / frequency) {
                let sample =
                    Sample { series, secs: START + row * frequency + row % 3, value: (row * 10) as f64 + at as f64 };
                host.apply(&store.metrics(), &[sample], sample.secs);
            }
        }
    }
    store
}

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher::new(name, op, value).unwrap()
}

fn series(store: &Store, matchers: &[Matcher]) -> Vec<String> {
    let sets = [matchers.to_vec()];
    let wanted = Wanted { matcher_sets: &sets, start_ms: START * 1000, end_ms: (START + 6000) * 1000 };
    let source = TreeSource::new(store, 300_000, &Unlimited);
    let listed: Vec<String> = source.series(wanted, 1000).iter().map(ToString::to_string).collect();
    let hints = crate::promql::Hints { start_ms: wanted.start_ms, end_ms: wanted.end_ms, ..Default::default() };
    let mut selected: Vec<_> =
        source.select(matchers, &hints).unwrap().series.iter().map(|s| s.labels().clone()).collect();
    selected.sort();
    assert_eq!(selected.iter().map(ToString::to_string).collect::<Vec<_>>(), listed, "both ways find the same");
    listed
}

#[test]
fn series_have_the_labels_of_their_place_in_the_tree() {
    let store = store();
    let f1 = [matcher("hostname", MatchOp::Equal, "f1")];
    let expected = [
        r#"{__name__="load", cluster="fritz", hostname="f1", stype="memoryDomain", stype_id="1", type="socket", type_id="0"}"#,
        r#"{__name__="load", cluster="fritz", hostname="f1", type="core", type_id="3"}"#,
        r#"{__name__="load", cluster="fritz", hostname="f1", type="node"}"#,
        r#"{__name__="net", cluster="fritz", hostname="f1", stype="network", stype_id="eth0", type="node"}"#,
    ];
    assert_eq!(series(&store, &f1), expected);
}

#[test]
fn matchers_prune_and_filter() {
    use MatchOp::{Equal, NotEqual, NotRegex, Regex};
    let store = store();
    let count = |matchers: &[(&str, MatchOp, &str)]| {
        let matchers: Vec<Matcher> = matchers.iter().map(|&(name, op, value)| matcher(name, op, value)).collect();
        series(&store, &matchers).len()
    };
    assert_eq!(count(&[]), 10);
    assert_eq!(count(&[("__name__", Equal, "net")]), 3);
    assert_eq!(count(&[("__name__", Regex, "load|net|none")]), 10);
    assert_eq!(count(&[("__name__", NotEqual, "net"), ("type", Equal, "node")]), 3);
    assert_eq!(count(&[("cluster", Regex, "fr.*"), ("hostname", Regex, "f2|a1")]), 3);
    assert_eq!(count(&[("cluster", Equal, "alex"), ("cluster", NotRegex, "al.+")]), 0);
    assert_eq!(count(&[("hostname", Equal, "f1"), ("hostname", Equal, "f2")]), 0);
    assert_eq!(count(&[("stype", NotEqual, "")]), 4);
    assert_eq!(count(&[("type_id", Equal, "")]), 6);
    assert_eq!(count(&[("job", Equal, "")]), 10, "no series has this label");
    assert_eq!(count(&[("job", Regex, ".+")]), 0);
}

#[test]
fn names_and_values_of_labels_are_listed() {
    let store = store();
    let source = TreeSource::new(&store, 300_000, &Unlimited);
    let all = Wanted { matcher_sets: &[], start_ms: i64::MIN, end_ms: i64::MAX };
    assert_eq!(source.label_names(all), ["__name__", "cluster", "hostname", "stype", "stype_id", "type", "type_id"]);
    assert_eq!(source.label_values("hostname", all), ["a1", "f1", "f2"]);
    assert_eq!(source.label_values("type", all), ["core", "node", "socket"]);
    assert!(source.label_values("job", all).is_empty());
    let sets = [vec![matcher("hostname", MatchOp::Equal, "a1")], vec![Matcher::equal("type", "core")]];
    let some = Wanted { matcher_sets: &sets, ..all };
    assert_eq!(source.label_values("__name__", some), ["load", "net"]);
    assert_eq!(source.label_values("type", some), ["core", "node"]);
    assert_eq!(source.series(all, 2).len(), 2);
    let before = Wanted { end_ms: (START - 200_000) * 1000, ..all };
    assert!(source.label_names(before).is_empty() && source.series(before, 10).is_empty());
    // Who is interrupted finds a part, here nothing at all.
    assert!(TreeSource::new(&store, 300_000, &Stopped).label_names(all).is_empty());
    let counted = source.cardinality(2);
    assert_eq!((counted.series, counted.label_pairs), (10, 2 + 2 + 3 + 2 + 2 + 3 + 2));
    let count = |name: &str, value| Count { name: name.into(), value };
    assert_eq!(counted.series_by_metric, [count("load", 7), count("net", 3)]);
    assert_eq!(counted.values_by_label, [count("hostname", 3), count("type", 3)]);
    assert_eq!(counted.series_by_pair[0], count("__name__=load", 7));
}

/// Whose client has gone.
struct Stopped;

impl Interrupt for Stopped {
    fn poll(&self) -> Option<Stop> {
        Some(Stop::Canceled)
    }
}

fn instant(store: &Store, query: &str, time_ms: i64) -> Vec<(String, f64)> {
    let expr = parse_expr(query, &ParseOptions::plain()).unwrap();
    let options = Options::default();
    let times = Times { start_ms: time_ms, end_ms: time_ms, step_ms: 0 };
    let outcome =
        evaluate(&TreeSource::new(store, options.lookback_ms, &Unlimited), &expr, times, &options, &Unlimited);
    let Value::Vector { series, .. } = outcome.value.unwrap() else { panic!("{query} is no vector") };
    let float = |point: Point| match point {
        Point::Float(value) => value,
        Point::Histogram(_) => panic!("a histogram"),
    };
    series.into_iter().map(|(labels, point)| (labels.to_string(), float(point))).collect()
}

#[test]
fn samples_have_the_seconds_of_their_rows() {
    let store = store();
    let at = |query: &str, secs: i64| instant(&store, query, (START + secs) * 1000).first().map(|(_, value)| *value);
    let load = r#"load{hostname="f2",type="node"}"#;
    assert_eq!(at(&format!("timestamp({load})"), 1000), Some((START + 960 + 16 % 3) as f64));
    // Row 17 comes at 1020 + 2.
    assert_eq!([1020, 1021, 1022].map(|secs| at(load, secs)), [Some(160.0), Some(160.0), Some(170.0)]);
    assert_eq!(at(&format!("count_over_time({load}[10m])"), 3000), Some(10.0));
    assert_eq!(at(load, -1), None);
    // The last row is 99, at 5940: five minutes on it is over.
    assert_eq!([6239, 6240].map(|secs| at(load, secs)), [Some(990.0), None]);
    // One that comes every ten minutes stays for twenty.
    let net = r#"net{hostname="f2"}"#;
    assert_eq!([6599, 6600].map(|secs| at(net, secs)), [Some(92.0), None], "its last row is 9, at 5400");
    let sum = instant(&store, "sum by (cluster) (load{type=~\"node|core\"})", (START + 1020) * 1000);
    let expected = [(r#"{cluster="alex"}"#.to_owned(), 321.0), (r#"{cluster="fritz"}"#.to_owned(), 642.0)];
    let mut sum = sum;
    sum.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(sum, expected);
}
