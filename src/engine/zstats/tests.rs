//! Scrapes inside an engine: what is acknowledged is stored, what is not leaves no trace in the state.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;

use super::*;
use crate::disk::{Disk, SharedDisk, SystemDisk};
use crate::engine::{Engine, IngestError, Options};
use crate::formats::zstats::{Blob, BlobSample, Code, Request, StateLimits};
use crate::model::{Aggregation, Metric, MetricKind, MetricTable, is_stale};
use crate::telemetry::{Kind, Reason, Telemetry};
use crate::testing::{FaultyDisk, Lasts, ManualClock, Operation};

const NOW: i64 = 1_770_244_800;
const START_MS: i64 = NOW * 1000;

fn options(spool: Option<&Path>) -> ZstatsOptions {
    let spool = spool.map(|directory| SpoolOptions { is_synced: true, ..SpoolOptions::new(directory) });
    ZstatsOptions { accounts: vec!["a".into(), "b".into()], limits: StateLimits::default(), spool }
}

fn open_on(disk: SharedDisk, folder: &Path, spool: Option<&Path>) -> (Engine, Arc<ManualClock>) {
    let metric = Metric { name: "load".into(), frequency_secs: 10, aggregation: Aggregation::Sum };
    let clock = Arc::new(ManualClock::at(NOW));
    let (metrics, telemetry) = (MetricTable::new([metric]), Arc::new(Telemetry::default()));
    let engine = Engine::open(Options::new(folder), metrics, disk, clock.clone(), telemetry).unwrap();
    engine.collect_scrapes(options(spool)).unwrap();
    engine.recover().unwrap();
    (engine, clock)
}

/// A full scrape of the target `h.job`: its series' names and values.
fn full<'a>(generation: i64, time_ms: i64, series: &[(&'a str, f64)]) -> Blob<'a> {
    let mut blob = Blob { instance: "h.job", generation, time_ms, is_text: true, ..Blob::default() };
    blob.series_count = series.len() as i64;
    for (index, (name, value)) in series.iter().enumerate() {
        let start = blob.labels.len();
        blob.labels.extend([("__name__", *name), ("instance", "h:9100"), ("job", "job")]);
        blob.samples.push(BlobSample {
            index: index as i32,
            labels: start..blob.labels.len(),
            kind: "counter",
            help: "What it counts.",
            time_ms,
            value: *value,
        });
    }
    blob
}

/// Differences of its series at these positions.
fn add<'a>(generation: i64, time_ms: i64, series_count: i64, samples: &[(i32, f64)]) -> Blob<'a> {
    let sample = |(index, value): &(i32, f64)| BlobSample {
        index: *index,
        value: *value,
        time_ms: 10_000,
        ..BlobSample::default()
    };
    let samples = samples.iter().map(sample).collect();
    let (is_incremental, is_text) = (true, true);
    Blob { instance: "h.job", generation, time_ms, series_count, samples, is_incremental, is_text, ..Blob::default() }
}

fn take<'a>(engine: &Engine, blobs: impl Into<Vec<Blob<'a>>>) -> Result<Vec<Code>, TakeError> {
    let request = Request { version: 1, blobs: blobs.into(), ..Request::default() };
    engine.take_scrapes("a", &request).map(|taken| taken.codes)
}

/// Seconds since the start and values of a series; no value where it ended.
fn held(engine: &Engine, name: &str) -> Vec<(i64, Option<f64>)> {
    let Some(host) = engine.store().host("default", "h") else { return Vec::new() };
    let found = host.find_stamped(&[], i64::MIN, i64::MAX);
    let ids: Vec<_> = found.iter().filter(|found| found.labels.metric_name() == name).map(|found| found.id).collect();
    let mut held = Vec::new();
    for view in host.take_stamped(&ids, i64::MIN, i64::MAX) {
        let mut reader = view.reader(i64::MIN, i64::MAX);
        let (mut times, mut values, mut histograms, mut starts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        while reader.next(&mut times, &mut values, &mut histograms, &mut starts) {}
        let value = |value: f64| (!is_stale(value)).then_some(value);
        held.extend(times.iter().zip(values).map(|(time_ms, of)| ((time_ms - START_MS) / 1000, value(of))));
    }
    held
}

#[test]
fn scrapes_become_series() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open_on(Arc::new(SystemDisk), folder.path(), None);
    let codes = take(
        &engine,
        [
            full(1, START_MS, &[("x_total", 1.0), ("y_total", 10.0)]),
            add(2, START_MS + 10_000, 2, &[(0, 0.5)]),
            add(3, START_MS + 20_000, 2, &[]),
            // One has gone.
            full(9, START_MS + 30_000, &[("y_total", 12.0)]),
            // The scrape before is not known.
            add(11, START_MS + 40_000, 1, &[]),
        ],
    );
    assert_eq!(codes.unwrap(), [Code::Taken, Code::Taken, Code::Taken, Code::Taken, Code::SendFull]);
    assert_eq!(held(&engine, "x_total"), [(0, Some(1.0)), (10, Some(1.5)), (20, Some(1.5)), (30, None)]);
    assert_eq!(held(&engine, "y_total"), [(0, Some(10.0)), (10, Some(10.0)), (20, Some(10.0)), (30, Some(12.0))]);
    let metadata = engine.store().metadata_of("x_total").unwrap();
    assert_eq!((metadata.kind, &*metadata.help), (MetricKind::Counter, "What it counts."));
    let scrapes = |kind| engine.telemetry().zstats.scrapes.get_or_create(&Kind { kind }).get();
    assert_eq!((scrapes("full"), scrapes("incremental")), (2, 2));
    let refused = Reason { reason: "generation" };
    assert_eq!(engine.telemetry().zstats.scrapes_refused.get_or_create(&refused).get(), 1);
    assert_eq!(engine.telemetry().zstats.targets.get(), 1);
    assert!(engine.telemetry().zstats.state_bytes.get() > 100);
    let nobody = engine.take_scrapes("nobody", &Request::default());
    assert!(matches!(nobody, Err(TakeError::Account { .. })));
}

/// A full disk refuses a request in the middle of a sequence. Its sender keeps it and comes again: with the state one
/// step ahead, its differences would be added twice or never.
#[test]
fn what_the_log_does_not_take_is_not_in_the_state() {
    let disk = FaultyDisk::new(1);
    let (engine, _) = open_on(Arc::new(disk.clone()), Path::new("/checkpoints"), None);
    take(&engine, [full(1, START_MS, &[("x", 1.0), ("z", 7.0)])]).unwrap();
    let requests: [Vec<Blob<'_>>; 2] = [
        vec![add(2, START_MS + 10_000, 2, &[(0, 0.5)])],
        vec![add(3, START_MS + 20_000, 2, &[(0, 0.5)]), full(7, START_MS + 30_000, &[("x", 5.0)])],
    ];
    for request in requests {
        disk.run_full(10);
        for _ in 0..3 {
            let refused = take(&engine, request.clone());
            assert!(matches!(refused, Err(TakeError::Store(IngestError::LogFailed(_)))), "{refused:?}");
        }
        disk.heal();
        let codes = take(&engine, request.clone()).unwrap();
        assert_eq!(codes, vec![Code::Taken; request.len()]);
    }
    assert_eq!(held(&engine, "x"), [(0, Some(1.0)), (10, Some(1.5)), (20, Some(2.0)), (30, Some(5.0))]);
    assert_eq!(held(&engine, "z"), [(0, Some(7.0)), (10, Some(7.0)), (20, Some(7.0)), (30, None)]);
}

#[test]
fn what_the_spool_does_not_take_is_not_acknowledged() {
    let disk = FaultyDisk::new(1);
    let spool = Path::new("/spool");
    let (engine, _) = open_on(Arc::new(disk.clone()), Path::new("/checkpoints"), Some(spool));
    let request = Request { blobs: vec![full(1, START_MS, &[("x", 1.0)])], ..Request::default() };
    let taken = engine.take_scrapes("a", &request).unwrap();
    let [kept] = &taken.kept[..] else { panic!("{taken:?}") };
    assert_eq!((kept.position, kept.time_ms), (0, START_MS));
    assert!(kept.kept.data_path.starts_with("/spool/a/h.job/"), "{kept:?}");
    disk.fail(0, Lasts::UntilHealed, Errno::EIO, |_, path| path.starts_with("/spool"));
    let refused = take(&engine, [add(2, START_MS + 10_000, 1, &[(0, 0.5)])]);
    assert!(matches!(refused, Err(TakeError::Spool(_))), "{refused:?}");
    disk.heal();
    // What was kept of a scrape that the log does not take is not for readers: it comes again.
    disk.fail(0, Lasts::UntilHealed, Errno::EIO, |_, path| path.starts_with("/checkpoints"));
    let refused = take(&engine, [add(2, START_MS + 10_000, 1, &[(0, 0.5)])]);
    assert!(matches!(refused, Err(TakeError::Store(IngestError::LogFailed(_)))), "{refused:?}");
    assert_eq!(disk.list(&spool.join("a/h.job")).unwrap().len(), 1);
    disk.heal();
    assert_eq!(take(&engine, [add(2, START_MS + 10_000, 1, &[(0, 0.5)])]).unwrap(), [Code::Taken]);
    assert_eq!(disk.list(&spool.join("a/h.job")).unwrap().len(), 2);
    assert_eq!(held(&engine, "x"), [(0, Some(1.0)), (10, Some(1.5))]);
    // A name that the file system never takes must not hold back what comes after it.
    disk.fail(0, Lasts::UntilHealed, Errno::ENOTDIR, |_, path| path.starts_with("/spool"));
    assert_eq!(take(&engine, [add(3, START_MS + 20_000, 1, &[(0, 0.5)])]).unwrap(), [Code::Failed]);
    disk.heal();
    assert_eq!(take(&engine, [add(4, START_MS + 30_000, 1, &[(0, 0.5)])]).unwrap(), [Code::Taken]);
    assert_eq!(held(&engine, "x")[2..], [(20, Some(2.0)), (30, Some(2.5))]);
}

/// A request that failed came again, and readers of the spool got its first scrapes twice.
#[test]
fn what_is_not_acknowledged_is_taken_back() {
    let disk = FaultyDisk::new(1);
    let spool = Path::new("/spool");
    let (engine, _) = open_on(Arc::new(disk.clone()), Path::new("/checkpoints"), Some(spool));
    let other = Blob { instance: "other:1.job", ..full(1, START_MS, &[("y", 1.0)]) };
    let blobs = || [full(1, START_MS, &[("x", 1.0)]), other.clone()];
    disk.fail(0, Lasts::UntilHealed, Errno::ENOSPC, |operation, path| {
        operation == Operation::Write && path.starts_with("/spool/a/other_1.job")
    });
    assert!(matches!(take(&engine, blobs()), Err(TakeError::Spool(_))));
    assert_eq!(disk.files_below(spool), Vec::<PathBuf>::new());
    disk.heal();
    assert_eq!(take(&engine, blobs()).unwrap(), [Code::Taken; 2]);
    assert_eq!(disk.files_below(spool).len(), 4);
}

#[test]
fn targets_that_stop_end_their_series() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, clock) = open_on(Arc::new(SystemDisk), folder.path(), None);
    take(&engine, [full(1, START_MS, &[("x", 1.0)]), add(2, START_MS + 10_000, 1, &[])]).unwrap();
    clock.advance(179);
    engine.end_silent_targets();
    assert_eq!(held(&engine, "x").len(), 2);
    clock.advance(1);
    engine.end_silent_targets();
    engine.end_silent_targets();
    assert_eq!(held(&engine, "x"), [(0, Some(1.0)), (10, Some(1.0)), (20, None)], "once");
    assert_eq!(engine.telemetry().zstats.targets_ended.get(), 1);
    // It comes back as if nothing was, unless it was away for long.
    assert_eq!(take(&engine, [add(3, START_MS + 190_000, 1, &[])]).unwrap(), [Code::Taken]);
    assert_eq!(held(&engine, "x").last(), Some(&(190, Some(1.0))));
    clock.advance(600);
    engine.end_silent_targets();
    assert_eq!((engine.telemetry().zstats.targets.get(), engine.telemetry().zstats.state_bytes.get()), (0, 0));
    assert_eq!(take(&engine, [add(4, START_MS + 800_000, 1, &[])]).unwrap(), [Code::SendFull]);
}

/// The state is gone after a restart: every target is asked for its scrape in full, once, and nothing is missing.
#[test]
fn a_restart_asks_for_full_scrapes() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open_on(Arc::new(SystemDisk), folder.path(), None);
    take(&engine, [full(1, START_MS, &[("x", 1.0)]), add(2, START_MS + 10_000, 1, &[(0, 1.0)])]).unwrap();
    drop(engine);
    let (engine, _) = open_on(Arc::new(SystemDisk), folder.path(), None);
    assert_eq!(take(&engine, [add(3, START_MS + 20_000, 1, &[(0, 1.0)])]).unwrap(), [Code::SendFull]);
    assert_eq!(take(&engine, [full(3, START_MS + 20_000, &[("x", 3.0)])]).unwrap(), [Code::Taken]);
    assert_eq!(take(&engine, [add(4, START_MS + 30_000, 1, &[(0, 1.0)])]).unwrap(), [Code::Taken]);
    assert_eq!(held(&engine, "x"), [(0, Some(1.0)), (10, Some(2.0)), (20, Some(3.0)), (30, Some(4.0))]);
}

/// Accounts share the bytes that may be kept.
#[test]
fn the_state_of_all_accounts_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = MetricTable::default();
    let (clock, telemetry) = (Arc::new(ManualClock::at(NOW)), Arc::new(Telemetry::default()));
    let engine = Engine::open(Options::new(folder.path()), metrics, Arc::new(SystemDisk), clock, telemetry).unwrap();
    let limits = StateLimits { bytes_max: 1000, ..StateLimits::default() };
    engine.collect_scrapes(ZstatsOptions { limits, ..options(None) }).unwrap();
    engine.recover().unwrap();
    let request = Request { blobs: vec![full(1, START_MS, &[("x", 1.0)])], ..Request::default() };
    assert_eq!(engine.take_scrapes("a", &request).unwrap().codes, [Code::Taken]);
    assert!(engine.telemetry().zstats.state_bytes.get() > 500);
    assert_eq!(engine.take_scrapes("b", &request).unwrap().codes, [Code::Failed]);
    assert_eq!(engine.take_scrapes("a", &request).unwrap().codes, [Code::Taken], "in place of the one before");
}
