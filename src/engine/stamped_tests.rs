//! Stamped series through the engine: what is acknowledged comes back, what is refused does not.

use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use super::log::shard_of;
use super::*;
use crate::disk::{Disk, SharedDisk, SystemDisk};
use crate::formats::parquet::SamplesReader;
use crate::model::histogram::{Buckets, FloatHistogram};
use crate::model::{
    Aggregation, Exemplar, Labels, MatchOp, Matcher, Metadata, Metric, MetricKind, MetricTable, STALE, Sample,
    StampedId, StampedSample, StampedValue,
};
use crate::store::{Host, SeriesPath};
use crate::telemetry::{Reason, Source, Telemetry};
use crate::testing::{FaultyDisk, Lasts, ManualClock, Random};

const NOW: i64 = 1_770_244_800;
const NOW_MS: i64 = NOW * 1000;

fn open_on(disk: SharedDisk, options: Options) -> Engine {
    let metric = Metric { name: "load".into(), frequency_secs: 60, aggregation: Aggregation::Sum };
    let clock = Arc::new(ManualClock::at(NOW));
    let engine =
        Engine::open(options, MetricTable::new([metric]), disk, clock, Arc::new(Telemetry::default())).unwrap();
    engine.recover().unwrap();
    engine
}

fn open(folder: &Path) -> Engine {
    open_on(Arc::new(SystemDisk), Options { workers: 2, ..Options::new(folder.join("checkpoints")) })
}

fn labels(job: &str) -> Labels {
    Labels::from_pairs([("__name__", "up"), ("instance", "a0001:9100"), ("job", job)])
}

fn float(series: StampedId, time_ms: i64, value: f64) -> StampedSample {
    StampedSample { series, time_ms, start_ms: 0, value: StampedValue::Float(value) }
}

fn histogram(buckets: Vec<f64>) -> StampedValue {
    let count = buckets.iter().sum();
    let positive = Buckets::contiguous(-1, buckets);
    StampedValue::Histogram(Arc::new(FloatHistogram { count, sum: count / 2.0, positive, ..FloatHistogram::default() }))
}

fn exemplar(time_ms: i64) -> Exemplar {
    Exemplar { labels: Labels::from_pairs([("trace_id", time_ms.to_string())]), value: 0.5, time_ms }
}

/// Host and number of a series of host `alex/a`.
fn series(engine: &Engine, write: &StampedWrite<'_>, job: &str) -> (Arc<Host>, StampedId) {
    let host = write.host("alex", "a").unwrap();
    let id = host.stamped(&labels(job), engine.store().limits()).unwrap();
    (host, id)
}

/// Everything that a series of host `alex/a` holds: time, start, and the value or the histogram as text.
fn held(engine: &Engine, job: &str) -> Vec<(i64, i64, String)> {
    let Some(host) = engine.store().host("alex", "a") else { return Vec::new() };
    let found = host.find_stamped(&[Matcher::new("job", MatchOp::Equal, job).unwrap()], i64::MIN, i64::MAX);
    let ids: Vec<StampedId> = found.iter().map(|found| found.id).collect();
    let mut held = Vec::new();
    for view in host.take_stamped(&ids, i64::MIN, i64::MAX) {
        let mut reader = view.reader(i64::MIN, i64::MAX);
        let (mut times, mut values, mut histograms, mut starts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        while reader.next(&mut times, &mut values, &mut histograms, &mut starts) {}
        for (at, &time) in times.iter().enumerate() {
            let histogram = histograms.iter().find(|(place, _)| *place as usize == at);
            let text = match histogram {
                Some((_, histogram)) => histogram.to_string(),
                None => format!("{:016x}", values[at].to_bits()),
            };
            held.push((time, starts.get(at).copied().unwrap_or(0), text));
        }
    }
    held
}

fn exemplars(engine: &Engine) -> Vec<Exemplar> {
    let Some(host) = engine.store().host("alex", "a") else { return Vec::new() };
    host.exemplars(&[], i64::MIN, i64::MAX).into_iter().flat_map(|(_, exemplars)| exemplars).collect()
}

fn counter() -> Metadata {
    Metadata { kind: MetricKind::Counter, help: "It is up.".into(), unit: "".into() }
}

/// Writes in and out of order, with start times, histograms, a marker, exemplars, metadata and grid samples.
fn write_everything(engine: &Engine) -> StampedReport {
    let mut report = StampedReport::default();
    for body in 0..3 {
        let mut write = engine.write_stamped("remote_write");
        let (host, node) = series(engine, &write, "node");
        let (_, api) = series(engine, &write, "api");
        for at in 0..100i64 {
            let time_ms = NOW_MS - 3_000_000 + (at * 3 + body) * 10_007;
            write.sample(&host, float(node, time_ms, at as f64 / 3.0));
            let start_ms = if at % 2 == 0 { NOW_MS - 4_000_000 } else { 0 };
            let value = if at % 7 == 3 { histogram(vec![1.0, at as f64]) } else { StampedValue::Float(0.25) };
            write.sample(&host, StampedSample { series: api, time_ms, start_ms, value });
        }
        write.sample(
            &host,
            float(node, NOW_MS + body, if body == 2 { STALE } else { f64::from_bits(0x7ff8_dead_0000_0001) }),
        );
        write.exemplar(&host, api, exemplar(NOW_MS - 1000 + body));
        let metrics = engine.store().metrics();
        let path = SeriesPath { components: &[], is_device: false, metric: metrics.find("load").unwrap() };
        let load = host.series(&path, engine.store().limits()).unwrap();
        write.grid_sample(&host, Sample { series: load, secs: NOW - 120 + body * 60, value: 1.0 });
        write.metadata("up", counter());
        write.finish(&mut report).unwrap();
    }
    report
}

/// Series that hold nothing are forgotten now and then; a body that has looked one up just before is told to come
/// again, and nothing of it is stored, for its number means nothing any more.
#[test]
fn a_body_for_series_that_were_forgotten_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let body = |of_exemplar: bool| {
        let mut write = engine.write_stamped("remote_write");
        let (host, node) = series(&engine, &write, "node");
        match of_exemplar {
            true => write.exemplar(&host, node, exemplar(NOW_MS)),
            false => write.sample(&host, float(node, NOW_MS, 1.0)),
        }
        (write, host, node)
    };
    for of_exemplar in [false, true] {
        let (write, host, node) = body(of_exemplar);
        // Once to see that nobody asks for it, once to take it out.
        while host.holds_stamped(node) {
            host.sweep_stamped();
        }
        let mut report = StampedReport::default();
        let error = write.finish(&mut report).unwrap_err();
        assert!(matches!(error, IngestError::Forgotten), "{error}");
        assert_eq!((report.samples, report.exemplars, held(&engine, "node").len()), (0, 0, 0));
        assert!(exemplars(&engine).is_empty());
    }
    for of_exemplar in [false, true] {
        let mut report = StampedReport::default();
        body(of_exemplar).0.finish(&mut report).unwrap();
        assert_eq!((report.samples, report.exemplars), (u64::from(!of_exemplar), u64::from(of_exemplar)));
    }
    assert_eq!((held(&engine, "node").len(), exemplars(&engine).len()), (1, 1));
    drop(engine);
    let engine = open(folder.path());
    assert_eq!((held(&engine, "node").len(), exemplars(&engine).len()), (1, 1), "the log has no more either");
}

#[test]
fn everything_comes_back_from_log_and_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let report = write_everything(&engine);
    assert_eq!((report.grid, report.exemplars, report.metadata), (3, 3, 1), "{report:?}");
    assert_eq!((report.samples + report.histograms, report.histograms), (606, 42), "{report:?}");
    assert_eq!(report.skipped_in_all(), 0, "{report:?}");
    let source = Source { source: "remote_write" };
    assert_eq!(engine.telemetry().samples.get_or_create(&source).get(), 606);
    let all = |engine: &Engine| (held(engine, "node"), held(engine, "api"), exemplars(engine));
    let expected = all(&engine);
    assert_eq!((expected.0.len(), expected.1.len(), expected.2.len()), (303, 300, 3));
    assert!(expected.0.iter().is_sorted() && expected.1.iter().any(|(_, start, _)| *start > 0));
    drop(engine);
    for round in 0..3 {
        // No last checkpoint: as after kill -9.
        let engine = open(folder.path());
        assert_eq!(all(&engine), expected, "round {round}");
        assert_eq!(engine.store().metadata_of("up"), Some(counter()), "round {round}");
        let answer = engine.store().host("alex", "a").unwrap();
        assert_eq!(answer.series_with_data().len(), 1, "round {round}");
        if round == 0 {
            assert_eq!(engine.checkpoint().failed, 0);
        } else {
            // What came before once more: harmless.
            let again = write_everything(&engine);
            assert_eq!(again.metadata, 0);
        }
    }
}

#[test]
fn the_forms_of_the_reference_take_the_grid_alone() {
    for format in [CheckpointFormat::Wal, CheckpointFormat::Json] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { format, ..Options::new(folder.path().join("checkpoints")) };
        let engine = open_on(Arc::new(SystemDisk), options);
        let mut report = StampedReport::default();
        let mut write = engine.write_stamped("rules");
        let (host, up) = series(&engine, &write, "node");
        let metrics = engine.store().metrics();
        let path = SeriesPath { components: &[], is_device: false, metric: metrics.find("load").unwrap() };
        let load = host.series(&path, engine.store().limits()).unwrap();
        write.grid_sample(&host, Sample { series: load, secs: NOW, value: 1.0 });
        write.finish(&mut report).unwrap();
        assert_eq!((report.grid, report.samples), (1, 1));
        let mut write = engine.write_stamped("rules");
        write.sample(&host, float(up, NOW_MS, 1.0));
        assert!(matches!(write.finish(&mut report), Err(IngestError::GridOnly)));
        assert!(held(&engine, "node").is_empty());
    }
}

#[test]
fn what_is_left_out_is_counted_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    write_everything(&engine);
    engine.free(&[vec!["alex".into(), "a".into()]], NOW - 600).unwrap();
    let before = held(&engine, "node").len();
    let mut report = StampedReport::default();
    let mut write = engine.write_stamped("remote_write");
    let (host, node) = series(&engine, &write, "node");
    write.sample(&host, float(node, NOW_MS + 3_600_001, 1.0));
    write.sample(&host, float(node, (NOW - 601) * 1000, 1.0));
    write.sample(&host, StampedSample { value: histogram(vec![1.0]), ..float(node, (NOW - 602) * 1000, 0.0) });
    write.sample(&host, StampedSample { value: histogram(vec![-1.0]), ..float(node, NOW_MS, 0.0) });
    write.sample(&host, float(node, NOW_MS + 17, 1.0));
    write.refuse("limit_labels", 4, || "too many labels".into());
    write.finish(&mut report).unwrap();
    let reasons = ["future", "before_horizon", "invalid_histogram", "limit_labels"];
    assert_eq!(reasons.map(|reason| report.skipped_for(reason)), [1, 2, 1, 4], "{report:?}");
    assert_eq!((report.samples, report.histograms, report.explanations.len()), (1, 0, 4), "{report:?}");
    for (reason, count) in reasons.into_iter().zip([1, 2, 1, 4]) {
        assert_eq!(engine.telemetry().dropped.get_or_create(&Reason { reason }).get(), count, "{reason}");
    }
    assert_eq!(held(&engine, "node").len(), before + 1);
    // What was freed stays freed, whatever the log has of it.
    let expected = held(&engine, "node");
    drop((engine, host));
    let engine = open(folder.path());
    assert_eq!(held(&engine, "node"), expected);
    let write = engine.write_stamped("remote_write");
    for (cluster, host) in [("..", "a"), ("alex", "a/b"), ("alex", &"x".repeat(300))] {
        write.host(cluster, host).unwrap_err();
    }
}

#[test]
fn what_a_log_refuses_is_not_half_stored() {
    let disk = FaultyDisk::new(7);
    Disk::create_dir_all(&disk, Path::new("/var")).unwrap();
    let engine = open_on(Arc::new(disk.clone()), Options::new("/var/checkpoints"));
    write_everything(&engine);
    let expected = (held(&engine, "node"), exemplars(&engine));
    disk.fail(0, Lasts::UntilHealed, Errno::ENOSPC, |operation, _| operation.is_change());
    let mut report = StampedReport::default();
    let body = |engine: &Engine, report: &mut StampedReport| {
        let mut write = engine.write_stamped("remote_write");
        let (host, node) = series(engine, &write, "node");
        write.sample(&host, float(node, NOW_MS + 500, 1.0));
        write.exemplar(&host, node, exemplar(NOW_MS + 500));
        write.metadata("up", Metadata::default());
        write.finish(report)
    };
    let outcome = body(&engine, &mut report);
    assert!(matches!(outcome, Err(IngestError::LogFailed(_))), "{outcome:?}");
    assert_eq!(report, StampedReport::default());
    assert_eq!((held(&engine, "node"), exemplars(&engine)), expected);
    disk.heal();
    // The same once more: all of it is written, the metadata that memory has already, too.
    body(&engine, &mut report).unwrap();
    assert_eq!((report.samples, report.exemplars), (1, 1));
    disk.crash_process();
    drop(engine);
    let engine = open_on(Arc::new(disk.clone()), Options::new("/var/checkpoints"));
    assert_eq!((held(&engine, "node").len(), exemplars(&engine).len()), (expected.0.len() + 1, expected.1.len() + 1));
    assert_eq!(engine.store().metadata_of("up"), Some(Metadata::default()));
}

/// A body of histograms that no single record may hold: it is cut in halves until it fits.
#[test]
fn a_body_beyond_a_record_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let mut write = engine.write_stamped("remote_write");
    let (host, node) = series(&engine, &write, "node");
    let value = histogram(vec![1.0; 60_000]);
    for at in 0..71 {
        write.sample(&host, StampedSample { value: value.clone(), ..float(node, NOW_MS - 1000 + at, 0.0) });
    }
    let mut report = StampedReport::default();
    write.finish(&mut report).unwrap();
    assert_eq!(report.histograms, 71);
    drop(engine);
    let engine = open(folder.path());
    assert_eq!(held(&engine, "node").len(), 71);
}

/// A bad sector in the record that named the series took all later samples of the segment with it: the names are said
/// again in the next one.
#[test]
fn a_damaged_record_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    for body in 0..20 {
        let mut write = engine.write_stamped("remote_write");
        let (host, node) = series(&engine, &write, "node");
        write.sample(&host, float(node, NOW_MS + body, body as f64));
        write.finish(&mut StampedReport::default()).unwrap();
    }
    let shard = engine.shard_folder(shard_of("alex", "a"));
    drop(engine);
    let log = std::fs::read_dir(shard).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    let sound = std::fs::read(&log).unwrap();
    let (records, mut at) = (crate::formats::native::SegmentReader::open(&sound).unwrap().count(), 60);
    assert_eq!(records, 20);
    while at < sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x20;
        std::fs::write(&log, bytes).unwrap();
        let engine = open(folder.path());
        assert_eq!(held(&engine, "node").len(), 19, "byte {at}");
        drop(engine);
        at += 41;
    }
}

/// Everything that the files of stamped samples hold: hosts, labels, times.
fn archived(folder: &Path) -> Vec<(String, Labels, Vec<i64>)> {
    let mut found: Vec<std::path::PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder.join("archive/alex")).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".samples.parquet") {
            found.push(path);
        }
    }
    found.sort();
    let read = |path: &std::path::PathBuf| {
        let reader = SamplesReader::open(SystemDisk.open_random(path).unwrap(), None).unwrap();
        reader
            .map(|batch| batch.map(|batch| (batch.hostname, batch.labels, batch.times_ms)).unwrap())
            .collect::<Vec<_>>()
    };
    found.iter().flat_map(read).collect()
}

#[test]
fn what_leaves_is_in_the_archive_and_only_there() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        workers: 2,
        retention: std::time::Duration::from_secs(1800),
        cleanup: CleanupMode::Archive(ArchiveOptions::new(folder.path().join("archive"))),
        ..Options::new(folder.path().join("checkpoints"))
    };
    let engine = open_on(Arc::new(SystemDisk), options());
    write_everything(&engine);
    let all: Vec<i64> = held(&engine, "node").into_iter().chain(held(&engine, "api")).map(|row| row.0).collect();
    let report = engine.retain();
    assert!(!report.is_failed && report.rows > 100, "{report:?}");
    let kept: Vec<i64> = held(&engine, "node").into_iter().chain(held(&engine, "api")).map(|row| row.0).collect();
    assert!(kept.iter().all(|time| *time >= (NOW - 1800) * 1000) && kept.len() < all.len());
    let gone: Vec<i64> = archived(folder.path()).into_iter().flat_map(|(_, _, times)| times).collect();
    assert_eq!(gone.len() as u64, report.rows);
    let mut together: Vec<i64> = kept.iter().chain(&gone).copied().collect();
    let mut expected = all.clone();
    together.sort_unstable();
    expected.sort_unstable();
    assert_eq!(together, expected);
    // Another pass changes nothing. A start without a checkpoint replays the log, and looks for what the file has.
    assert_eq!(engine.retain().rows, 0);
    let before = (held(&engine, "node"), held(&engine, "api"));
    drop(engine);
    let engine = open_on(Arc::new(SystemDisk), options());
    assert_eq!((held(&engine, "node"), held(&engine, "api")), before);
    assert_eq!(engine.retain().rows, 0, "nothing came back to be archived twice");
    // What comes late for the archived time goes into the next file.
    let mut write = engine.write_stamped("remote_write");
    let (host, node) = series(&engine, &write, "node");
    write.sample(&host, float(node, (NOW - 1900) * 1000, 9.0));
    write.finish(&mut StampedReport::default()).unwrap();
    drop(host);
    assert_eq!(engine.retain().rows, 1);
    assert_eq!(archived(folder.path()).last().unwrap().2, [(NOW - 1900) * 1000]);
    assert_eq!(engine.checkpoint().failed, 0);
    drop(engine);
    let engine = open_on(Arc::new(SystemDisk), options());
    assert_eq!((held(&engine, "node"), held(&engine, "api")), before);
}

/// A cleanup offline takes stamped samples out of the snapshots as it takes rows, and leaves metadata where it was.
#[test]
fn a_cleanup_offline_archives_samples() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        retention: std::time::Duration::from_secs(1800),
        cleanup: CleanupMode::Archive(ArchiveOptions::new(folder.path().join("archive"))),
        ..Options::new(folder.path().join("checkpoints"))
    };
    let engine = open_on(Arc::new(SystemDisk), options());
    write_everything(&engine);
    let all = held(&engine, "node").len() + held(&engine, "api").len();
    drop(engine);
    let metric = Metric { name: "load".into(), frequency_secs: 60, aggregation: Aggregation::Sum };
    let clock = Arc::new(ManualClock::at(NOW));
    let (disk, telemetry) = (Arc::new(SystemDisk), Arc::new(Telemetry::default()));
    let offline = Engine::open(options(), MetricTable::new([metric]), disk, clock, telemetry).unwrap();
    let report = offline.cleanup_offline(&|_| {}).unwrap();
    drop(offline);
    let gone: usize = archived(folder.path()).into_iter().map(|(_, _, times)| times.len()).sum();
    assert_eq!(gone as u64, report.rows);
    let engine = open_on(Arc::new(SystemDisk), options());
    assert_eq!(held(&engine, "node").len() + held(&engine, "api").len() + gone, all);
    assert!(gone > 100);
    assert_eq!(engine.store().metadata_of("up"), Some(counter()));
}

/// A target that ended after a scrape left its rows open, and a histogram that waited for others: the cap freed nothing
/// of their host that was newer, and then writes to all hosts were refused.
#[test]
fn open_rows_of_the_dead_do_not_keep_the_memory_cap_from_freeing() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { workers: 2, memory_bytes_max: 600_000, ..Options::new(folder.path().join("checkpoints")) };
    let engine = open_on(Arc::new(SystemDisk), options);
    let mut random = Random::new(7);
    for tick in 0..3000 {
        let time_ms = NOW_MS - (3000 - tick) * 60_000;
        let mut write = engine.write_stamped("test");
        if tick == 0 {
            let (host, id) = series(&engine, &write, "dead");
            write.sample(&host, float(id, time_ms, 1.0));
            let (host, id) = series(&engine, &write, "dead histogram");
            let value = histogram(vec![1.0, 2.0]);
            write.sample(&host, StampedSample { series: id, time_ms, start_ms: 0, value });
        } else {
            for job in 0..40 {
                let (host, id) = series(&engine, &write, &format!("live {job}"));
                write.sample(&host, float(id, time_ms, (random.below(1_000_003) as f64).sqrt()));
            }
        }
        write.finish(&mut StampedReport::default()).unwrap();
        assert!(engine.store().memory_bytes() <= 600_000, "tick {tick}: {}", engine.store().memory_bytes());
    }
    let kept = held(&engine, "live 0").len();
    assert!((300..3000).contains(&kept), "{kept} of 3000 ticks are kept");
}
