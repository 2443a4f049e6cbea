//! Power failures around passes and checkpoints.

use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;

use super::bench::*;
use crate::disk::Disk;
use crate::engine::{CheckpointFormat, Engine, WalSync};
use crate::testing::{FaultyDisk, Lasts};

/// A disk with the folder that administrators make.
fn disk(bench: &mut Bench, seed: u64) -> FaultyDisk {
    let disk = FaultyDisk::new(seed);
    disk.create_dir_all(Path::new("/var")).unwrap();
    disk.sync_all(Path::new("/")).unwrap();
    bench.options.checkpoints = "/var/checkpoints".into();
    bench.archive_options().directory = "/var/archive".into();
    disk
}

fn open(bench: &Bench, disk: &FaultyDisk) -> Engine {
    bench.open_on(Arc::new(disk.clone())).unwrap()
}

/// Seconds and values of all files, in the order of their names.
fn archived(disk: &FaultyDisk) -> Vec<(i64, f64)> {
    let mut files = disk.files_below(Path::new("/var/archive"));
    files.retain(|file| file.extension().is_some_and(|ending| ending == "parquet"));
    files.sort();
    let rows = files.iter().flat_map(|file| rows_in(disk.open_random(file).unwrap()));
    rows.map(|row| (row.secs, row.value)).collect()
}

/// The same once an engine has started anew, cleaned up, and archived all that it held.
fn archived_after_restart(bench: &Bench, disk: &FaultyDisk) -> Vec<(i64, f64)> {
    let engine = open(bench, disk);
    clean(&engine);
    archive_all(&engine);
    archived(disk)
}

const OLD: i64 = NOW - RETENTION - 6000;

/// A checkpoint removed logs, which had archived rows, and called the file settled before the removal was durable: a
/// power failure brought the logs back, and the next pass archived their rows a second time. Nor did the archive's own
/// folder have a durable name.
#[test]
fn what_a_checkpoint_removed_is_not_archived_again() {
    for format in FORMS {
        for seed in 0..12 {
            let mut bench = Bench::new(format);
            let disk = disk(&mut bench, seed);
            let engine = open(&bench, &disk);
            write(&engine, &format!("load,hostname=a value=1 {OLD}\nload,hostname=a value=2 {NOW}\n"));
            assert_eq!(clean(&engine).rows, 1);
            assert_eq!(engine.checkpoint().failed, 0);
            drop(engine);
            disk.crash_power();
            assert_eq!(archived_after_restart(&bench, &disk), [(OLD, 1.0), (NOW, 2.0)], "{format:?} {seed}");
        }
    }
}

/// The same, where the cleanup offline removes them.
#[test]
fn what_a_cleanup_offline_removed_is_not_archived_again() {
    for format in FORMS {
        for seed in 0..12 {
            let mut bench = Bench::new(format);
            let disk = disk(&mut bench, seed);
            let engine = open(&bench, &disk);
            write(&engine, &format!("load,hostname=a value=1 {OLD}\nload,hostname=a value=2 {NOW}\n"));
            engine.seal();
            drop(engine);
            let metrics = crate::model::MetricTable::new(bench.metrics());
            let (clock, telemetry) = (bench.clock.clone(), bench.telemetry.clone());
            let engine =
                Engine::open(bench.options.clone(), metrics, Arc::new(disk.clone()), clock, telemetry).unwrap();
            assert_eq!(engine.cleanup_offline(&|_| {}).unwrap().rows, 1);
            drop(engine);
            disk.crash_power();
            assert_eq!(archived_after_restart(&bench, &disk), [(OLD, 1.0), (NOW, 2.0)], "{format:?} {seed}");
        }
    }
}

/// A row of the archive was in memory and in the unflushed log when the power failed. The value that it had replaced
/// came back from the checkpoint, looked newer than the file, and went into the next one.
#[test]
fn an_archived_row_outlives_what_it_replaced() {
    for format in FORMS {
        for seed in 0..12 {
            let mut bench = Bench::new(format);
            bench.options.wal_sync = WalSync::Never;
            let disk = disk(&mut bench, seed);
            let engine = open(&bench, &disk);
            write(&engine, &format!("load,hostname=a value=1 {OLD}\n"));
            assert_eq!(engine.checkpoint().failed, 0);
            write(&engine, &format!("load,hostname=a value=2 {OLD}\n"));
            assert_eq!(clean(&engine).rows, 1);
            drop(engine);
            disk.crash_power();
            let engine = open(&bench, &disk);
            archive_all(&engine);
            assert_eq!(archived(&disk), [(OLD, 2.0)], "{format:?} {seed}");
        }
    }
}

/// Files of the reference's forms have joined names: after a restart, kind and id were parted elsewhere than in the
/// file that a crash had left pending, and its rows were archived again.
#[test]
fn a_component_is_found_by_its_joined_name() {
    for format in FORMS {
        let mut bench = Bench::new(format);
        let disk = disk(&mut bench, 1);
        let engine = open(&bench, &disk);
        write(&engine, &format!("load,hostname=a,type=socket,type-id=0,stype=link,stype-id=x value=1 {OLD}\n"));
        // The file is there, and no horizon, nor a state file that knows the parts of names.
        disk.fail(0, Lasts::UntilHealed, Errno::EIO, |what, path| {
            what.is_change() && !what.is_sync() && path.starts_with("/var/checkpoints")
        });
        let report = engine.retain();
        assert_eq!((report.rows, report.is_failed), (1, true), "{format:?}");
        drop(engine);
        disk.crash_process();
        assert_eq!(archived_after_restart(&bench, &disk), [(OLD, 1.0)], "{format:?}");
    }
}

/// What was freed before a crash waited for the next regular cleanup, which may be days away.
#[test]
fn a_start_asks_for_the_pass_that_was_due() {
    for format in [CheckpointFormat::Native, CheckpointFormat::Wal, CheckpointFormat::Json] {
        let mut bench = Bench::new(format);
        let disk = disk(&mut bench, 1);
        let engine = open(&bench, &disk);
        write(&engine, &format!("load,hostname=a value=1 {}\nload,hostname=a value=2 {NOW}\n", NOW - 600));
        engine.free(&[vec![]], NOW - 300).unwrap();
        drop(engine);
        disk.crash_process();
        let engine = open(&bench, &disk);
        assert_eq!(values(&engine, "a", "load", &[]), [2.0]);
        let report = engine.archive_wanted();
        assert_eq!((report.rows, report.is_failed), (1, false), "{format:?}");
        assert_eq!(archived(&disk), [(NOW - 600, 1.0)]);
        drop(engine);
        // Nothing lies hidden: nothing is due.
        assert_eq!(open(&bench, &disk).archive_wanted().files, 0);
    }
}

/// A pass for what was freed and one for the memory cap in one go: the report told of the second alone.
#[test]
fn a_report_counts_both_passes() {
    let mut bench = Bench::new(CheckpointFormat::Native);
    let disk = disk(&mut bench, 1);
    let engine = open(&bench, &disk);
    write(&engine, &format!("load,hostname=a value=1 {}\n", NOW - 600));
    drop(engine);
    disk.crash_process();
    bench.options.memory_bytes_max = 1;
    let engine = open(&bench, &disk);
    engine.free(&[vec![]], i64::MAX).unwrap();
    let refused = engine.ingest("http", "alex", b"load,hostname=a value=2", &mut Default::default());
    assert!(matches!(refused, Err(crate::engine::IngestError::Busy(_))), "{refused:?}");
    assert_eq!(engine.archive_wanted().rows, 1);
    assert_eq!(archived(&disk), [(NOW - 600, 1.0)]);
}
