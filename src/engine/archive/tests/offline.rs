//! Cleanups of the files of a store that is not running.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bench::*;
use crate::disk::SharedDisk;
use crate::engine::{CheckpointFormat, CleanupMode, CleanupReport, Engine, Partition};
use crate::model::MetricTable;

/// An engine that is opened and not recovered, and its cleanup.
fn clean_offline(bench: &Bench, disk: SharedDisk) -> Option<CleanupReport> {
    let (clock, telemetry) = (bench.clock.clone(), bench.telemetry.clone());
    let metrics = MetricTable::new(bench.metrics());
    let engine = Engine::open(bench.options.clone(), metrics, disk, clock, telemetry).ok()?;
    engine.cleanup_offline(&|_| {}).ok()
}

fn quiet() -> SharedDisk {
    HookedDisk::new(|_, _| Ok(()))
}

/// Lines of some hosts on both sides of the cutoff; the last host alone has a nested component.
fn lines() -> String {
    let mut lines = String::new();
    for host in ["a1", "a10", "a2", "b"] {
        for tick in 0..120 {
            let secs = NOW - RETENTION - 100 * 60 + tick * 60;
            lines += &format!("load,hostname={host} value={tick}.5 {secs}\n");
            lines += &format!("power,hostname={host},type=socket,type-id=1 value={} {secs}\n", tick * 2);
            if host == "b" {
                lines += &format!("load,hostname=b,type=socket,type-id=1,stype=die,stype-id=0 value={tick} {secs}\n");
            }
        }
    }
    lines + &format!("load,cluster=fritz,hostname=f value=1 {}\n", NOW - RETENTION - 60)
}

/// Leaves these files: some in a checkpoint, the rest in the logs.
fn leave(bench: &Bench, lines: &str) {
    let engine = bench.open();
    let middle = lines.len() / 2 + lines[lines.len() / 2..].find('\n').unwrap() + 1;
    write(&engine, &lines[..middle]);
    assert_eq!(engine.checkpoint().failed, 0);
    write(&engine, &lines[middle..]);
}

/// Offline, online, whatever the form: the same rows go, and the same stay.
#[test]
fn it_archives_what_a_running_store_would() {
    for format in FORMS {
        for partition in [Partition::Cleanup, Partition::Day] {
            let mut online = Bench::new(format);
            online.archive_options().partition = partition;
            leave(&online, &lines());
            let engine = online.open();
            clean(&engine);
            drop(engine);
            let mut bench = Bench::new(format);
            bench.archive_options().partition = partition;
            leave(&bench, &lines());
            let report = clean_offline(&bench, quiet()).unwrap();
            let context = format!("{format:?} {partition:?}");
            assert_eq!((report.files, report.rows), (online.files().len() as u64, 901), "{context}");
            assert_eq!(bench.files(), online.files(), "{context}");
            for file in bench.files() {
                assert_eq!(bench.rows_of(&file), online.rows_of(&file), "{context} {file}");
            }
            assert_eq!(clean_offline(&bench, quiet()).unwrap(), CleanupReport::default(), "{context}");
            let engine = bench.open();
            for host in ["a1", "a10", "a2", "b"] {
                let expected: Vec<f64> = (100..120).map(|tick| f64::from(tick) + 0.5).collect();
                assert_eq!(values(&engine, host, "load", &[]), expected, "{context} {host}");
                assert_eq!(values(&engine, host, "power", &["socket1"]).len(), 39, "{context} {host}");
            }
            assert_eq!(values(&engine, "b", "load", &["socket1", "die0"]).len(), 20, "{context}");
            assert_eq!(clean(&engine).rows, 0, "{context}");
        }
    }
}

/// Files of one form in a store of another: what is left comes over, and the old files move aside.
#[test]
fn files_of_other_forms_are_taken_along() {
    for (before, after) in [
        (CheckpointFormat::Wal, CheckpointFormat::Native),
        (CheckpointFormat::Json, CheckpointFormat::Native),
        (CheckpointFormat::Native, CheckpointFormat::Wal),
        (CheckpointFormat::Json, CheckpointFormat::Wal),
        (CheckpointFormat::Wal, CheckpointFormat::Json),
    ] {
        let mut bench = Bench::new(before);
        leave(&bench, &lines());
        bench.options.format = after;
        assert_eq!(clean_offline(&bench, quiet()).unwrap().rows, 901, "{before:?} {after:?}");
        assert_eq!(clean_offline(&bench, quiet()).unwrap().rows, 0, "{before:?} {after:?}");
        let engine = bench.open();
        assert_eq!(values(&engine, "a10", "load", &[]).len(), 20, "{before:?} {after:?}");
        assert_eq!(values(&engine, "b", "load", &["socket1", "die0"]).len(), 20, "{before:?} {after:?}");
        assert_eq!(clean(&engine).rows, 0, "{before:?} {after:?}");
    }
}

/// In the mode `delete` old data just goes.
#[test]
fn the_mode_delete_drops() {
    for format in FORMS {
        let mut bench = Bench::new(format);
        bench.options.cleanup = CleanupMode::Delete;
        leave(&bench, &lines());
        assert!(clean_offline(&bench, quiet()).unwrap().blocks > 0, "{format:?}");
        let engine = bench.open();
        assert_eq!(values(&engine, "a10", "load", &[]).len(), 20, "{format:?}");
        assert_eq!(values(&engine, "b", "load", &["socket1", "die0"]).len(), 20, "{format:?}");
    }
}

/// A cleanup that ends at each of its operations in turn is resumed by the next one, or by the store when it starts.
#[test]
fn a_crash_at_any_step_is_resumed() {
    for format in FORMS {
        let mut crashes = 0;
        loop {
            let bench = Bench::new(format);
            leave(&bench, &lines());
            let count = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&count);
            let disk = HookedDisk::new(move |_: &str, _: &Path| {
                if counted.fetch_add(1, Ordering::Relaxed) >= crashes {
                    return Err(io::Error::other("the process has ended"));
                }
                Ok(())
            });
            let is_over = clean_offline(&bench, disk).is_some();
            let context = format!("{format:?}, operation {crashes}");
            if crashes % 2 == 0 {
                clean_offline(&bench, quiet()).unwrap();
            }
            let engine = bench.open();
            clean(&engine);
            assert_eq!(values(&engine, "a10", "load", &[]).len(), 20, "{context}");
            if crashes % 3 == 0 {
                drop(engine);
                archive_all(&bench.open());
            } else {
                archive_all(&engine);
            }
            let rows: Vec<_> = bench.rows().into_iter().map(|row| (row.hostname, row.scope, row.secs)).collect();
            assert_eq!(rows.len(), 4 * 240 + 120 + 1, "{context}");
            assert!(rows.windows(2).all(|pair| pair[0] != pair[1]), "{context}");
            if is_over {
                break;
            }
            crashes += 1;
        }
        assert!(crashes > 20, "{format:?}: {crashes}");
    }
}
