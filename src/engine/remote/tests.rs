//! The receiver inside an engine: what is remembered never changes where anything goes.

use std::sync::Arc;

use nix::errno::Errno;

use super::intake::Intake;
use super::receiver::KeyKind;
use super::*;
use crate::disk::{Disk, SharedDisk, SystemDisk};
use crate::engine::log::shard_of;
use crate::engine::{Engine, IngestError, Options};
use crate::formats::remote::FloatSample;
use crate::model::histogram::FloatHistogram;
use crate::model::relabel::{Action, Rule, RuleSettings};
use crate::model::{Aggregation, Exemplar, Labels, Matcher, Metric, MetricTable};
use crate::store::Store;
use crate::telemetry::Telemetry;
use crate::testing::{FaultyDisk, Lasts, ManualClock, Random, SentSeries, write_1, write_2};

const NOW: i64 = 1_770_244_800;

fn open(folder: &std::path::Path) -> Engine {
    open_on(Arc::new(SystemDisk), folder)
}

fn open_on(disk: SharedDisk, folder: &std::path::Path) -> Engine {
    let metric = |name: &str| Metric { name: name.into(), frequency_secs: 10, aggregation: Aggregation::Sum };
    let metrics = MetricTable::new(["grid", "mapped"].map(metric));
    let clock = Arc::new(ManualClock::at(NOW));
    let engine = Engine::open(Options::new(folder), metrics, disk, clock, Arc::new(Telemetry::default())).unwrap();
    engine.recover().unwrap();
    engine
}

fn rules(drop: &str) -> RemoteOptions {
    let drop = RuleSettings {
        source_labels: Some(vec!["__name__".into()]),
        regex: Some(drop.into()),
        action: Action::Drop,
        ..RuleSettings::default()
    };
    let mapping = MappingSettings {
        matchers: vec![Matcher::equal("__name__", "chosen")],
        metric: Some("mapped".into()),
        kind: "accelerator".into(),
        id: "$n".into(),
        scale: Some(2.0),
        keep: true,
        ..MappingSettings::default()
    };
    RemoteOptions {
        relabel: vec![Rule::new(drop).unwrap()],
        mappings: vec![Mapping::new(mapping).unwrap()],
        ..RemoteOptions::default()
    }
}

/// Everything that is stored, as text.
fn content(store: &Store) -> Vec<String> {
    let mut lines = Vec::new();
    for host in store.hosts() {
        let mut found = host.find_stamped(&[], i64::MIN, i64::MAX);
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        let ids: Vec<_> = found.iter().map(|found| found.id).collect();
        for (found, view) in found.iter().zip(host.take_stamped(&ids, i64::MIN, i64::MAX)) {
            let (mut times, mut values, mut histograms, mut starts) = (vec![], vec![], vec![], vec![]);
            let mut reader = view.reader(i64::MIN, i64::MAX);
            while reader.next(&mut times, &mut values, &mut histograms, &mut starts) {}
            lines.push(format!("{}/{} {} {times:?} {values:?}", host.cluster(), host.name(), found.labels));
        }
        let summary = store.summary(&[host.cluster().to_string(), host.name().to_string()]);
        lines.push(format!("{}/{} {summary:?}", host.cluster(), host.name()));
    }
    lines
}

/// Two engines get the same bodies: one forgets after each what it has learnt. Orders change, series come and go, rules
/// change in between.
#[test]
fn remembering_changes_nothing() {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = u64::from(since.subsec_nanos());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let engines = [open(folders[0].path()), open(folders[1].path())];
    engines.iter().for_each(|engine| engine.set_remote_options(rules("dropped.*")));
    let mut order: Vec<u64> = (0..40).collect();
    for round in 0..60_i64 {
        if random.below(4) == 0 {
            let (a, b) = (random.below(40), random.below(40));
            order.swap(a, b);
        }
        if round == 30 {
            engines.iter().for_each(|engine| engine.set_remote_options(rules("m3|dropped")));
        }
        let from = random.below(30);
        let series: Vec<SentSeries> = order[from..]
            .iter()
            .map(|number| {
                let name = match number % 8 {
                    0 => "grid".to_owned(),
                    1 => "chosen".to_owned(),
                    2 => "dropped".to_owned(),
                    kind => format!("m{kind}"),
                };
                let host = format!("h{}:9100", number % 3);
                let mut labels = vec![("__name__", name.clone()), ("instance", host)];
                match name.as_str() {
                    "grid" => labels.extend([("type", "socket".to_owned()), ("type_id", number.to_string())]),
                    _ => labels.push(("n", number.to_string())),
                }
                let time_ms = 1000 * (NOW - 1000 + 10 * round) + *number as i64;
                SentSeries::of_sample(labels, time_ms, (round * 100) as f64 + *number as f64)
            })
            .collect();
        let (version, body) = match random.below(2) {
            0 => (WriteVersion::V1, write_1(&series, &[])),
            _ => (WriteVersion::V2, write_2(&series)),
        };
        let reports = engines.each_ref().map(|engine| engine.write_remote(version, &body).unwrap());
        assert_eq!(reports[0], reports[1], "round {round}");
        assert_eq!(reports[0].complaint(), None);
        assert_eq!(reports[0].samples(), series.len() as u64, "what a rule drops counts as taken");
        engines[1].forget_targets();
    }
    assert!(engines[0].store().known_bytes() > 0 && engines[1].store().known_bytes() == 0);
    let [remembering, forgetting] = engines.each_ref().map(|engine| content(engine.store()));
    assert!(remembering.len() > 20, "{remembering:?}");
    assert_eq!(remembering, forgetting);
}

#[test]
fn series_that_have_gone_are_found_anew() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let body = |ms: i64| {
        let labels = [("__name__", "m"), ("instance", "a:1")];
        write_2(&[SentSeries::of_sample(labels, 1000 * NOW - ms, 1.0)])
    };
    engine.write_remote(WriteVersion::V2, &body(5)).unwrap();
    let host = engine.store().host("default", "a").unwrap();
    let first = host.find_stamped(&[], i64::MIN, i64::MAX)[0].id;
    let generation = host.stamped_generation();
    host.move_horizon([], NOW + 1);
    // Once to see that it is not asked for, once to take it out.
    while host.holds_stamped(first) {
        host.sweep_stamped();
    }
    assert_ne!(host.stamped_generation(), generation);
    let report = engine.write_remote(WriteVersion::V2, &body(-2_000)).unwrap();
    assert_eq!((report.samples(), report.complaint()), (1, None));
    assert_eq!(host.find_stamped(&[], i64::MIN, i64::MAX).len(), 1);
}

/// A histogram that came once for a series of the grid gave it a stamped series for good: from then on each of its
/// numbers was stored twice, until the next restart.
#[test]
fn a_histogram_takes_no_numbers_away_from_the_grid() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let labels = [("__name__", "grid"), ("instance", "a:1")];
    let number = |secs: i64| SentSeries::of_sample(labels, 1000 * secs, 1.0);
    let with_histogram = SentSeries {
        samples: Vec::new(),
        histograms: vec![(1000 * NOW, 0, Arc::new(FloatHistogram::default()))],
        ..number(NOW)
    };
    for (series, numbers, histograms) in [(number(NOW - 20), 1, 0), (with_histogram, 0, 1), (number(NOW - 10), 1, 0)] {
        for (version, body) in
            [(WriteVersion::V1, write_1(std::slice::from_ref(&series), &[])), (WriteVersion::V2, write_2(&[series]))]
        {
            let report = engine.write_remote(version, &body).unwrap();
            assert_eq!((report.stored.grid, report.doubled, report.stored.histograms), (numbers, 0, histograms));
            assert_eq!(report.complaint(), None);
        }
    }
}

/// A series that was known had what it held beyond the limit left out, and its sender was told that all is stored.
#[test]
fn a_known_series_with_too_many_histograms_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let labels = [("__name__", "m"), ("instance", "a:1")];
    let histograms = |count: i64| {
        let at = |number| (1000 * NOW - number, 0, Arc::new(FloatHistogram::default()));
        let series = SentSeries { histograms: (0..count).map(at).collect(), ..SentSeries::default() };
        SentSeries { labels: SentSeries::of_sample(labels, 0, 0.0).labels, ..series }
    };
    for version in [WriteVersion::V1, WriteVersion::V2] {
        for (count, refused) in [(1, 0), (10_001, 10_001), (10_000, 0)] {
            let series = histograms(count);
            let body = if version == WriteVersion::V1 { write_1(&[series], &[]) } else { write_2(&[series]) };
            let report = engine.write_remote(version, &body).unwrap();
            let stored = (report.stored.skipped_in_all(), report.stored.histograms);
            assert_eq!(stored, (refused, count as u64 - refused), "{count}");
        }
    }
}

/// What was remembered of senders of 1.0 filled all the room: when they changed to 2.0, nothing of them was remembered
/// any more, and each of their bodies was worked out anew.
#[test]
fn senders_that_change_their_version_are_remembered_again() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = MetricTable::new([]);
    let (disk, clock) = (Arc::new(SystemDisk), Arc::new(ManualClock::at(NOW)));
    let options = Options { memory_bytes_max: 8_000_000, ..Options::new(folder.path()) };
    let engine = Engine::open(options, metrics, disk, clock, Arc::new(Telemetry::default())).unwrap();
    engine.recover().unwrap();
    // What a rule drops is remembered, too, and takes no other memory.
    engine.set_remote_options(rules("m"));
    let series = |number: u64| {
        let labels = [("__name__", "m".to_owned()), ("instance", "a:1".to_owned()), ("n", number.to_string())];
        SentSeries::of_sample(labels, 1000 * NOW, 1.0)
    };
    for part in 0..500 {
        let body: Vec<SentSeries> = (part * 200..(part + 1) * 200).map(series).collect();
        engine.write_remote(WriteVersion::V1, &write_1(&body, &[])).unwrap();
        if engine.store().known_bytes() >= 1_000_000 {
            break;
        }
    }
    assert!(engine.store().known_bytes() >= 1_000_000, "{}", engine.store().known_bytes());
    let body = write_2(&[series(1), series(2)]);
    for _ in 0..3 {
        engine.write_remote(WriteVersion::V2, &body).unwrap();
    }
    let known = engine.receiver.known(KeyKind::Write2).memory_bytes();
    assert!(known > 0 && engine.store().known_bytes() < 1_000_000, "{known}");
}

#[test]
fn a_malformed_body_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let mut body = write_1(&[SentSeries::of_sample([("__name__", "m")], 1000 * NOW, 1.0)], &[]);
    body.extend([0x0A, 0x7F]);
    assert!(matches!(engine.write_remote(WriteVersion::V1, &body), Err(RemoteError::Body(_))));
    let samples: usize = content(engine.store()).iter().filter(|line| line.contains("[1770")).count();
    assert_eq!(samples, 0);
}

/// Times and starts of all samples of a host with one series.
fn held(engine: &Engine, host: &str) -> Vec<(i64, i64)> {
    let host = engine.store().host("default", host).unwrap();
    let ids: Vec<_> = host.find_stamped(&[], i64::MIN, i64::MAX).iter().map(|found| found.id).collect();
    let (mut times, mut values, mut histograms, mut starts) = (vec![], vec![], vec![], vec![]);
    for view in host.take_stamped(&ids, i64::MIN, i64::MAX) {
        let mut reader = view.reader(i64::MIN, i64::MAX);
        while reader.next(&mut times, &mut values, &mut histograms, &mut starts) {}
    }
    times.iter().enumerate().map(|(at, time)| (*time, starts.get(at).copied().unwrap_or(0))).collect()
}

/// A body that fails in the middle said that nothing of it was written, though hosts before the failure were stored.
#[test]
fn what_is_written_before_a_failure_is_counted() {
    let disk = FaultyDisk::new(11);
    Disk::create_dir_all(&disk, std::path::Path::new("/var")).unwrap();
    let engine = open_on(Arc::new(disk.clone()), std::path::Path::new("/var/checkpoints"));
    // Two hosts whose logs are two.
    let good = "a0".to_owned();
    let bad =
        (1..).map(|n| format!("a{n}")).find(|host| shard_of("default", host) != shard_of("default", &good)).unwrap();
    let folder = engine.shard_folder(shard_of("default", &bad));
    let series = |host: &str, count: i64| SentSeries {
        samples: (0..count).map(|n| FloatSample { time_ms: 1000 * NOW - n, start_ms: 0, value: n as f64 }).collect(),
        ..SentSeries::of_sample([("__name__", "m"), ("instance", host)], 0, 0.0)
    };
    let body = write_2(&[series(&good, 3), series(&bad, 5)]);
    disk.fail(0, Lasts::UntilHealed, Errno::ENOSPC, move |operation, path| {
        operation.is_change() && path.starts_with(&folder)
    });
    let error = engine.write_remote(WriteVersion::V2, &body).unwrap_err();
    let RemoteError::Store { error, written } = error else { panic!("{error}") };
    assert!(matches!(error, IngestError::LogFailed(_)), "{error}");
    assert_eq!((written.samples(), written.histograms(), written.exemplars()), (3, 0, 0));
    assert_eq!((held(&engine, &good).len(), held(&engine, &bad).len()), (3, 0));
    // The sender comes again with all of it.
    disk.heal();
    engine.checkpoint();
    let report = engine.write_remote(WriteVersion::V2, &body).unwrap();
    assert_eq!((report.samples(), report.complaint()), (8, None));
    assert_eq!((held(&engine, &good).len(), held(&engine, &bad).len()), (3, 5), "nothing twice");
}

/// Exemplars too far ahead were left out without a word, and those before the horizon were: the sender heard 204.
#[test]
fn exemplars_that_are_left_out_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let exemplar = |time_ms: i64| Exemplar {
        labels: Labels::from_pairs([("trace_id", time_ms.to_string())]),
        value: 1.0,
        time_ms,
    };
    let body = |times_ms: &[i64]| {
        let exemplars = times_ms.iter().copied().map(exemplar).collect();
        let labels = [("__name__", "m"), ("instance", "a:1")];
        write_2(&[SentSeries { exemplars, ..SentSeries::of_sample(labels, 1000 * NOW, 1.0) }])
    };
    let write = |times_ms: &[i64]| engine.write_remote(WriteVersion::V2, &body(times_ms)).unwrap();
    let report = write(&[1000 * NOW - 1, 1000 * NOW + 7_200_000]);
    assert_eq!((report.samples(), report.exemplars(), report.stored.skipped_for("future")), (1, 1, 1));
    assert!(report.complaint().unwrap().contains("an exemplar of 1770252000000 ms"), "{report:?}");
    // More than a series keeps: each of them is taken, and the newest stay, whatever the order.
    let many: Vec<i64> = (2..40).map(|n| 1000 * NOW - n).collect();
    assert_eq!((write(&many).exemplars(), write(&many).complaint()), (38, None));
    let host = engine.store().host("default", "a").unwrap();
    let kept = host.exemplars(&[], i64::MIN, i64::MAX);
    assert_eq!(kept[0].1.last().map(|exemplar| exemplar.time_ms), Some(1000 * NOW - 1));
    host.move_horizon([], NOW - 10);
    let report = write(&[1000 * NOW - 11_000, 1000 * NOW]);
    assert_eq!((report.exemplars(), report.stored.skipped_for("before_horizon")), (1, 1), "{report:?}");
    assert!(report.complaint().unwrap().contains("exemplars lie before what their host keeps"));
}

#[test]
fn starts_are_kept_and_zero_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let samples = [(0, 0), (1, 1), (2, -1), (3, 1000 * NOW - 60_000)];
    let sample = |(n, start_ms): (i64, i64)| FloatSample { time_ms: 1000 * NOW + n, start_ms, value: 1.0 };
    let series = SentSeries {
        samples: samples.into_iter().map(sample).collect(),
        ..SentSeries::of_sample([("__name__", "m_total"), ("instance", "a:1")], 0, 0.0)
    };
    let report = engine.write_remote(WriteVersion::V2, &write_2(&[series])).unwrap();
    assert_eq!((report.samples(), report.complaint()), (4, None));
    let found: Vec<_> = held(&engine, "a").iter().map(|(time, start)| (time - 1000 * NOW, *start)).collect();
    assert_eq!(found, samples, "no sample at a start, and a start of 0 is no start");
}

/// What comes next is looked up once: another body may teach another order between the question for the expected key
/// and the answer that it is the one.
#[test]
fn what_is_expected_stays_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let names = ["a", "b", "c"];
    let series = |name: &str| SentSeries::of_sample([("__name__", name), ("instance", "a:1")], 1000 * NOW, 1.0);
    // Twice: the first body teaches the series, the second one finds them in this order.
    let body = write_2(&names.map(series));
    for _ in 0..2 {
        engine.write_remote(WriteVersion::V2, &body).unwrap();
    }
    let mut one = Intake::new(&engine, KeyKind::Write2, "test");
    let mut other = Intake::new(&engine, KeyKind::Write2, "test");
    // The keys, in the order of the body.
    let mut first = Vec::new();
    engine.receiver.known(KeyKind::Write2).copy_key(0, &mut first);
    let mut keys = vec![first];
    let mut walk = Intake::new(&engine, KeyKind::Write2, "test");
    walk.find(&keys[0], false).unwrap();
    for _ in 1..names.len() {
        keys.push(walk.expected().to_vec());
        walk.find(&keys[keys.len() - 1], true).unwrap();
    }
    assert!(keys.iter().all(|key| !key.is_empty()) && keys[1] != keys[2]);
    one.find(&keys[0], false).unwrap();
    assert_eq!(one.expected(), keys[1]);
    other.find(&keys[0], false).unwrap();
    other.find(&keys[2], false).unwrap();
    let mut after = Intake::new(&engine, KeyKind::Write2, "test");
    after.find(&keys[0], false).unwrap();
    assert_eq!(after.expected(), keys[2], "the other body has taught another order");
    assert_eq!(one.expected(), keys[1], "and this one still waits for what it asked for");
    let current = one.find(&keys[1], true).unwrap();
    one.float(&current, 1000 * NOW + 7, 0, 7.0);
    drop((other, walk, after));
    one.finish().unwrap();
    let held: Vec<String> =
        content(engine.store()).into_iter().filter(|line| line.contains(&(1000 * NOW + 7).to_string())).collect();
    assert!(held.len() == 1 && held[0].contains("__name__=\"b\""), "{held:?}");
}
