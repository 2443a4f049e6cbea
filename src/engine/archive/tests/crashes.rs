//! Crashes and failures at every step of a pass: no row twice, none missing.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::bench::*;
use crate::engine::{Engine, Partition};
use crate::formats::parquet::ValueType;

/// A disk on which nothing changes any more after some operations, as if the process had ended there; and how many
/// there were.
fn mortal_disk(operations: u64) -> (Arc<HookedDisk>, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let disk = HookedDisk::new(move |_: &str, _: &Path| {
        if counted.fetch_add(1, Ordering::Relaxed) >= operations {
            return Err(io::Error::other("the process has ended"));
        }
        Ok(())
    });
    (disk, count)
}

/// Lines of two hosts over the cutoff, a device and a nested component among them.
fn lines() -> String {
    let mut lines = String::new();
    for tick in 0..150 {
        let secs = NOW - RETENTION - 100 * 60 + tick * 60;
        let value = (tick as f64).sqrt();
        lines += &format!("load,hostname=a value={value} {secs}\n");
        lines += &format!("load,hostname=b,type=socket,type-id=1,stype=die,stype-id=0 value={value} {secs}\n");
        lines += &format!("power,hostname=b,type=node,stype=network,stype-id=eth0 value={tick} {secs}\n");
    }
    lines
}

/// All rows that the lines make, and the late one.
fn expected(is_single: bool) -> Vec<(String, String, i64, f64)> {
    let single = |value: f64| if is_single { f64::from(value as f32) } else { value };
    let mut rows = Vec::new();
    for tick in 0..150 {
        let secs = NOW - RETENTION - 100 * 60 + tick * 60;
        let value = single((tick as f64).sqrt());
        rows.push(("a".to_owned(), "node".to_owned(), secs, value));
        rows.push(("b".to_owned(), "die".to_owned(), secs, value));
        rows.push(("b".to_owned(), "network".to_owned(), secs, tick as f64));
    }
    rows.push(("a".to_owned(), "node".to_owned(), NOW - RETENTION - 200 * 60, 0.5));
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
    rows
}

fn all_rows(bench: &Bench) -> Vec<(String, String, i64, f64)> {
    let mut rows: Vec<_> = bench.rows().into_iter().map(|row| (row.hostname, row.scope, row.secs, row.value)).collect();
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
    rows
}

fn late(engine: &Engine) {
    write(engine, &format!("load,hostname=a value=0.5 {}\n", NOW - RETENTION - 200 * 60));
}

/// A pass and the checkpoint behind it end at each of their operations in turn. The next start settles what is left,
/// takes a late sample, and in the end every row is in the files exactly once.
#[test]
fn a_crash_at_any_step_neither_loses_nor_doubles() {
    for (format, partition, value) in [
        (FORMS[0], Partition::Cleanup, ValueType::Float32),
        (FORMS[0], Partition::Day, ValueType::Float64),
        (FORMS[1], Partition::Cleanup, ValueType::Float64),
        (FORMS[2], Partition::Cleanup, ValueType::Float32),
    ] {
        let is_single = value == ValueType::Float32 || format == FORMS[1];
        let mut crashes = 0;
        loop {
            let mut bench = Bench::new(format);
            bench.archive_options().partition = partition;
            bench.archive_options().value = value;
            let engine = bench.open();
            write(&engine, &lines());
            // One half comes from checkpoints, the other from logs.
            engine.close();
            drop(engine);
            let (disk, count) = mortal_disk(u64::MAX);
            let engine = bench.open_on(disk).unwrap();
            let opened = count.load(Ordering::Relaxed);
            drop(engine);
            let (disk, count) = mortal_disk(opened + crashes);
            let engine = bench.open_on(disk).unwrap();
            engine.retain();
            engine.checkpoint();
            let is_over = count.load(Ordering::Relaxed) <= opened + crashes;
            drop(engine);
            let context = format!("{format:?} {partition:?} {value:?}, operation {crashes}");
            let engine = bench.open();
            late(&engine);
            if crashes % 2 == 0 {
                assert_eq!(engine.checkpoint().failed, 0, "{context}");
            }
            clean(&engine);
            assert_eq!(values(&engine, "a", "load", &[]).len(), 50, "{context}");
            if crashes % 3 == 0 {
                drop(engine);
                let engine = bench.open();
                assert_eq!(values(&engine, "a", "load", &[]).len(), 50, "{context}");
                archive_all(&engine);
            } else {
                archive_all(&engine);
            }
            let mut rows = all_rows(&bench);
            if is_single {
                // What went through no file yet is exact.
                rows.iter_mut().for_each(|row| row.3 = f64::from(row.3 as f32));
            }
            assert_eq!(rows, expected(is_single), "{context}");
            let leftovers = std::fs::read_dir(bench.path("archive/alex")).unwrap();
            let names: Vec<String> = leftovers.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            assert!(names.iter().all(|name| !name.ends_with(".tmp")), "{context}: {names:?}");
            if is_over {
                break;
            }
            crashes += 1;
        }
        assert!(crashes > 10, "{format:?}: {crashes}");
    }
}

/// A full disk, or an archive that is gone, costs nothing: all stays in memory, is counted, and the next pass does it.
#[test]
fn a_failure_keeps_everything() {
    for failing in ["create", "rename", "sync_dir", "create_dir_all"] {
        let bench = Bench::new(FORMS[0]);
        let fails = Arc::new(AtomicBool::new(true));
        let is_failing = Arc::clone(&fails);
        let disk = HookedDisk::new(move |operation, path| {
            let is_archive = path.to_string_lossy().contains("/archive");
            if is_archive && operation == failing && is_failing.load(Ordering::Relaxed) {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            Ok(())
        });
        let engine = bench.open_on(disk).unwrap();
        write(&engine, &lines());
        late(&engine);
        for attempt in 1..=3 {
            assert!(engine.retain().is_failed, "{failing}");
            assert_eq!(values(&engine, "a", "load", &[]).len(), 250, "{failing} {attempt}");
            assert!(bench.telemetry.encode().contains(&format!("treering_archive_failures_total {attempt}")));
        }
        fails.store(false, Ordering::Relaxed);
        clean(&engine);
        archive_all(&engine);
        let mut rows = all_rows(&bench);
        rows.iter_mut().for_each(|row| row.3 = f64::from(row.3 as f32));
        assert_eq!(rows, expected(true), "{failing}");
    }
}

/// A manifest that can't be read is set aside, and its files are looked for in memory once more.
#[test]
fn a_damaged_manifest_doubles_nothing() {
    let bench = Bench::new(FORMS[0]);
    let engine = bench.open();
    write(&engine, &lines());
    late(&engine);
    clean(&engine);
    drop(engine);
    let manifest = bench.path("archive/alex/_manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("\"pending\""), "{text}");
    std::fs::write(&manifest, &text[..text.len() / 2]).unwrap();
    let engine = bench.open();
    clean(&engine);
    archive_all(&engine);
    assert_eq!(all_rows(&bench), expected(true));
    assert!(bench.path("archive/alex/_manifest.json.corrupt").exists());
    engine.close();
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(!text.contains("\"pending\""), "{text}");
    drop(engine);
    std::fs::write(&manifest, r#"{ "version": 2, "files": [] }"#).unwrap();
    let engine = bench.open();
    write(&engine, &lines());
    assert!(engine.retain().is_failed, "what a newer program wrote is not overwritten");
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), r#"{ "version": 2, "files": [] }"#);
}

/// A pass that is under way when the store is to end leaves nothing half done.
#[test]
fn a_pass_ends_when_the_store_does() {
    let bench = Bench::new(FORMS[0]);
    let cell: Arc<std::sync::OnceLock<Arc<Engine>>> = Arc::default();
    let engine_cell = Arc::clone(&cell);
    let asked = AtomicBool::new(false);
    let disk = HookedDisk::new(move |operation, path| {
        let is_ours = operation == "create" && path.to_string_lossy().ends_with(".parquet.tmp");
        if is_ours && !asked.swap(true, Ordering::Relaxed) {
            engine_cell.get().unwrap().stopping.store(true, Ordering::Relaxed);
        }
        Ok(())
    });
    let engine = Arc::new(bench.open_on(disk).unwrap());
    _ = cell.set(Arc::clone(&engine));
    write(&engine, &lines());
    late(&engine);
    assert!(engine.retain().is_failed);
    assert_eq!(bench.files(), [""; 0]);
    assert_eq!(std::fs::read_dir(bench.path("archive/alex")).unwrap().count(), 0, "no temporary file is left");
    assert!(bench.telemetry.encode().contains("treering_archive_failures_total 0"));
    engine.stopping.store(false, Ordering::Relaxed);
    assert_eq!(clean(&engine).rows, 301);
}
