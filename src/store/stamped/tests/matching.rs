//! The index against trying every series.

use super::{NOW_MS, assert_counted, float, host, series, store};
use crate::model::{Labels, MatchOp, Matcher, StampedId};
use crate::store::{LimitReached, Limits, Store};
use crate::testing::Random;

#[test]
fn matchers_find_what_trying_all_finds() {
    for seed in 0..30 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let store = store();
        let host = host(&store);
        let mut all: Vec<(StampedId, Labels)> = Vec::new();
        for _ in 0..200 {
            let mut pairs = vec![("__name__", format!("m{}", random.below(5)))];
            for name in ["a", "b", "c"] {
                if random.percent(60) {
                    pairs.push((name, random.pick(&["x", "y", "xy", "zz", "1"]).to_string()));
                }
            }
            let labels = Labels::from_pairs(pairs.iter().map(|(name, value)| (*name, &**value)));
            let id = host.stamped(&labels, store.limits()).unwrap();
            if !all.iter().any(|(known, _)| *known == id) {
                all.push((id, labels));
            }
        }
        // A part has no data and goes.
        let keep: Vec<_> = all.iter().filter(|_| random.percent(80)).cloned().collect();
        for (id, _) in &keep {
            host.apply_stamped(&[float(*id, NOW_MS, 1.0)], NOW_MS);
        }
        host.sweep_stamped();
        assert_eq!(host.sweep_stamped() as usize, all.len() - keep.len());
        assert_counted(&store);
        for _ in 0..200 {
            let matchers: Vec<Matcher> = (0..1 + random.below(4))
                .map(|_| {
                    let name = *random.pick(&["__name__", "a", "b", "c", "none"]);
                    let op = *random.pick(&[MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
                    let value =
                        *random.pick(&["", "x", "y", "x|y", "x.*", ".*", ".+", "m1", "m[12]", "|x", "m1|m1|m2"]);
                    Matcher::new(name, op, value).unwrap()
                })
                .collect();
            let mut expected: Vec<(StampedId, Labels)> = keep
                .iter()
                .filter(|(_, labels)| matchers.iter().all(|matcher| matcher.matches_labels(labels)))
                .cloned()
                .collect();
            expected.sort_unstable_by_key(|(id, _)| *id);
            let found = host.find_stamped(&matchers, i64::MIN, i64::MAX);
            let found: Vec<_> = found.into_iter().map(|found| (found.id, found.labels)).collect();
            assert_eq!(found, expected, "{matchers:?}");
        }
    }
}

#[test]
fn ids_never_mean_another_series() {
    let store = store();
    let host = host(&store);
    let first = series(&store, &[("__name__", "up"), ("pod", "1")]);
    assert_eq!(series(&store, &[("__name__", "up"), ("pod", "1")]), first);
    host.sweep_stamped();
    // Asked for since: it stays.
    series(&store, &[("__name__", "up"), ("pod", "1")]);
    assert_eq!(host.sweep_stamped(), 0);
    assert_eq!((host.sweep_stamped(), host.holds_stamped(first)), (1, false));
    let again = series(&store, &[("__name__", "up"), ("pod", "1")]);
    assert_ne!(again, first);
    assert_eq!(host.apply_stamped(&[float(first, NOW_MS, 1.0), float(again, NOW_MS, 2.0)], NOW_MS).gone, 1);
    assert_eq!((host.stamped_labels(first), host.stamped_series()), (Labels::empty(), 1));
    assert_counted(&store);
}

#[test]
fn limits_refuse_what_is_beyond() {
    let limits = Limits {
        stamped_per_host_max: 2,
        stamped_max: 3,
        labels_per_series_max: 3,
        label_name_bytes_max: 8,
        label_value_bytes_max: 4,
        ..Limits::default()
    };
    let store = Store::new(crate::model::MetricTable::new([]), limits);
    let create = |host: &str, pairs: &[(&str, &str)]| {
        store.host_or_create("alex", host).unwrap().stamped(&super::labels(pairs), store.limits())
    };
    assert!(create("a", &[("__name__", "m1")]).is_ok());
    assert!(create("a", &[("__name__", "m2")]).is_ok());
    assert_eq!(create("a", &[("__name__", "m3")]), Err(LimitReached::StampedPerHost(2)));
    assert!(create("a", &[("__name__", "m1")]).is_ok(), "what is there is found");
    assert!(create("b", &[("__name__", "m1")]).is_ok());
    assert_eq!(create("b", &[("__name__", "m2")]), Err(LimitReached::Stamped(3)));
    let many = [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")];
    assert_eq!(create("b", &many), Err(LimitReached::Labels(3)));
    assert_eq!(create("b", &[("a23456789", "1")]), Err(LimitReached::LabelName(8)));
    assert_eq!(create("b", &[("a", "12345")]), Err(LimitReached::LabelValue(4)));
    assert_eq!(store.stamped_cardinality(10).series, 3);
    store.forget(&store.host("alex", "a").unwrap());
    assert!(create("b", &[("__name__", "m2")]).is_ok(), "what a host had is free again");
}

#[test]
fn cardinality_says_what_explodes() {
    let store = store();
    for host in ["a", "b"] {
        let host = store.host_or_create("alex", host).unwrap();
        for number in 0..10 {
            let number = number.to_string();
            let labels = Labels::from_pairs([("__name__", "m"), ("number", &*number), ("host", &**host.name())]);
            let id = host.stamped(&labels, store.limits()).unwrap();
            host.apply_stamped(&[float(id, NOW_MS, 1.0)], NOW_MS);
        }
    }
    let counts = store.stamped_cardinality(2);
    assert_eq!((counts.series, counts.label_pairs, counts.min_ms, counts.max_ms), (20, 13, NOW_MS, NOW_MS));
    assert_eq!(counts.series_by_metric, [("m".into(), 20)]);
    assert_eq!(counts.values_by_label, [("number".into(), 10), ("host".into(), 2)]);
    assert_eq!(counts.bytes_by_label, [("__name__".into(), 20), ("host".into(), 20)]);
    assert_eq!(counts.series_by_pair, [("__name__=m".into(), 20), ("host=a".into(), 10)]);
}
