//! Directories as cc-metric-store leaves them, against what its own archiver wrote of them.
//!
//! `tests/data/archive/CASE.parquet` is what `cc-metric-store -cleanup-checkpoints` 1.5.4 made of the files of
//! `tests/conformance/CASE.json` with a retention of a second.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::bench::*;
use crate::disk::{Disk, SystemDisk};
use crate::engine::{CheckpointFormat, Engine};
use crate::model::{Aggregation, Metric, MetricTable};

/// The case's directory, and the rows that the reference made of it.
fn case(name: &str, format: CheckpointFormat) -> (Bench, MetricTable, Vec<Row>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let text = std::fs::read(root.join(format!("conformance/{name}.json"))).unwrap();
    let case: Value = serde_json::from_slice(&text).unwrap();
    let bench = Bench::new(format);
    for (path, content) in case["files"].as_object().unwrap() {
        let path = bench.options.checkpoints.join(path.strip_prefix("var/checkpoints/").unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = match content {
            Value::String(text) => text.clone().into_bytes(),
            other => STANDARD.decode(other["base64"].as_str().unwrap()).unwrap(),
        };
        std::fs::write(path, bytes).unwrap();
    }
    let metric = |(name, metric): (&String, &Value)| Metric {
        name: name.as_str().into(),
        frequency_secs: metric["frequency"].as_u64().unwrap() as u32,
        aggregation: Aggregation::None,
    };
    let metrics = MetricTable::new(case["config"]["metrics"].as_object().unwrap().iter().map(metric));
    let file = SystemDisk.open_random(&root.join(format!("data/archive/{name}.parquet"))).unwrap();
    let mut rows = rows_in(file);
    // The reference leaves parents out, and does not sort within a host.
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
    (bench, metrics, rows)
}

/// All rows that a cleanup at this second makes of the directory, without parents.
fn archived(bench: &Bench, metrics: MetricTable, now_secs: i64) -> Vec<Row> {
    bench.clock.set(now_secs);
    let disk = HookedDisk::new(|_, _| Ok(()));
    let engine =
        Engine::open(bench.options.clone(), metrics, disk, bench.clock.clone(), bench.telemetry.clone()).unwrap();
    let report = engine.cleanup_offline(&|_| {}).unwrap();
    let mut rows = bench.rows();
    assert_eq!(report.rows, rows.len() as u64);
    rows.iter_mut().for_each(|row| row.parent.clear());
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
    rows
}

#[test]
fn snapshots_become_the_same_rows() {
    for name in ["reads-bin-checkpoints", "reads-json-checkpoints"] {
        for format in FORMS {
            let (bench, metrics, expected) = case(name, format);
            assert_eq!(expected.len(), 100, "{name}");
            let last = expected.iter().map(|row| row.secs).max().unwrap();
            let rows = archived(&bench, metrics.clone(), last + 1 + RETENTION);
            assert_eq!(rows, expected, "{name} {format:?}");
            // The cutoff may fall anywhere: exactly the rows before it leave, and the rest at the next cleanup.
            for cutoff in last - 9..last {
                let (bench, metrics, expected) = case(name, format);
                let rows = archived(&bench, metrics.clone(), cutoff + RETENTION);
                let before: Vec<Row> = expected.iter().filter(|row| row.secs < cutoff).cloned().collect();
                assert_eq!(rows, before, "{name} {format:?} {cutoff}");
                bench.clock.set(last + 1 + RETENTION);
                let engine = bench.open_with(HookedDisk::new(|_, _| Ok(())), metrics).unwrap();
                clean(&engine);
                let mut rows = bench.rows();
                rows.iter_mut().for_each(|row| row.parent.clear());
                rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
                assert_eq!(rows, expected, "{name} {format:?} {cutoff}");
            }
        }
    }
}

/// The reference archives no log, but deletes what it could be restored from one day; we archive what it holds.
#[test]
fn logs_are_archived_too() {
    let (bench, metrics, expected) = case("reads-bin-and-wal-checkpoints", CheckpointFormat::Wal);
    let last = expected.iter().map(|row| row.secs).max().unwrap();
    let rows = archived(&bench, metrics, last + 1000 + RETENTION);
    let (of_snapshots, of_logs): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| expected.contains(row));
    assert_eq!(of_snapshots, expected);
    // Each log holds 12 records, of slots that no snapshot has.
    assert!(!of_logs.is_empty() && of_logs.iter().all(|row| row.secs > last), "{of_logs:?}");
}

/// A snapshot whose data began before it names its own beginning as the series' start, and holds the slot in which the
/// one before ended once more: the reference archives such a sample twice, at times that it never had. We go on with
/// the phase of the snapshot before, not farther than half a slot beside, and have it once.
#[test]
fn phases_go_on_over_snapshots() {
    let (bench, metrics, mut expected) = case("reads-phases", CheckpointFormat::Wal);
    let last = expected.iter().map(|row| row.secs).max().unwrap();
    let rows = archived(&bench, metrics, last + 60 + RETENTION);
    let key = |row: &Row| (row.hostname.clone(), row.metric.clone(), row.scope_id.clone(), row.value.to_bits());
    expected.dedup_by_key(|row| key(row));
    assert_eq!(rows.iter().map(key).collect::<Vec<_>>(), expected.iter().map(key).collect::<Vec<_>>());
    for (row, expected) in rows.iter().zip(&expected) {
        assert!((row.secs - expected.secs).abs() <= 5, "{row:?} {expected:?}");
        let phase = if row.hostname == "a3201" { 1_795_263_253 } else { 1_795_263_257 };
        assert_eq!((row.secs - phase) % 10, 0, "{row:?}");
    }
}
