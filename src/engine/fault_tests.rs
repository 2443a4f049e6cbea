//! Stories of an engine whose disk fails: what is refused, what goes on, what comes back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nix::errno::Errno;

use super::files::host_folder;
use super::log::shard_of;
use super::*;
use crate::disk::Disk;
use crate::formats::ccms::WAL_FILE;
use crate::formats::native::FileName;
use crate::model::{Aggregation, Element, Metric, MetricTable, Selector};
use crate::telemetry::Telemetry;
use crate::testing::{FaultyDisk, Lasts, ManualClock, Operation, Random};

const NOW: i64 = 1_770_244_800;
const CHECKPOINTS: &str = "/checkpoints";
const FORMS: [CheckpointFormat; 3] = [CheckpointFormat::Native, CheckpointFormat::Wal, CheckpointFormat::Json];

fn open(disk: &FaultyDisk, format: CheckpointFormat, wal_sync: WalSync) -> Engine {
    let options = Options { format, wal_sync, ..Options::new(CHECKPOINTS) };
    let metric = Metric { name: "load".into(), frequency_secs: 60, aggregation: Aggregation::Sum };
    let (clock, telemetry) = (Arc::new(ManualClock::at(NOW)), Arc::new(Telemetry::default()));
    let engine = Engine::open(options, MetricTable::new([metric]), Arc::new(disk.clone()), clock, telemetry).unwrap();
    engine.recover().unwrap();
    engine
}

fn write(engine: &Engine, host: &str, value: f64, secs: i64) -> Result<(), IngestError> {
    let line = format!("load,hostname={host} value={value} {secs}\n");
    engine.ingest("http", "alex", line.as_bytes(), &mut IngestReport::default())
}

fn values(engine: &Engine, host: &str) -> Vec<f64> {
    let selector = Selector { cluster: "alex".into(), host: host.into(), below: Vec::<Element>::new() };
    let answer = engine.store().read(&selector, "load", i64::MIN, i64::MAX);
    answer.map(|answer| answer.data).unwrap_or_default()
}

/// The disk runs full, is mounted read-only, or the checkpoint directory is gone: writes are refused with the reason,
/// reads go on, and when the disk is well so are writes, without a restart. What was refused is nowhere, later neither.
#[test]
fn a_broken_disk_refuses_writes_and_heals_by_itself() {
    type Break = (&'static str, fn(&FaultyDisk));
    let breaks: [Break; 3] = [
        ("No space left", |disk| disk.run_full(10)),
        ("Read-only file system", |disk| disk.set_read_only()),
        ("taken away", |disk| disk.take_away(Path::new(CHECKPOINTS))),
    ];
    for (format, (reason, break_disk)) in FORMS.into_iter().flat_map(|form| breaks.map(|broken| (form, broken))) {
        let disk = FaultyDisk::new(1);
        let engine = open(&disk, format, WalSync::Interval);
        write(&engine, "a", 1.0, NOW).unwrap();
        break_disk(&disk);
        // The first one may find an open file only.
        let mut said = String::new();
        for attempt in 0..3 {
            let refused = write(&engine, "a", 100.0, NOW + 60 + attempt);
            said = refused.expect_err("the disk is broken").to_string();
            assert!(matches!(write(&engine, "new", 100.0, NOW), Err(IngestError::LogFailed(_))));
        }
        assert!(said.starts_with("writes are refused: /checkpoints") && said.contains(reason), "{format:?}: {said}");
        assert_eq!(values(&engine, "a"), [1.0], "{format:?}");
        assert!(engine.checkpoint().failed > 0);
        disk.heal();
        write(&engine, "a", 3.0, NOW + 120).unwrap();
        let expected = |engine: &Engine| {
            let found = values(engine, "a");
            assert_eq!((found[0], found[1].is_nan(), found[2]), (1.0, true, 3.0), "{format:?} {reason}: {found:?}");
            assert!(values(engine, "new").is_empty());
        };
        expected(&engine);
        drop(engine);
        disk.crash_process();
        let engine = open(&disk, format, WalSync::Interval);
        expected(&engine);
    }
}

/// While the checkpoint directory was away a checkpoint looked for a host's log, found none, and noted that it was
/// empty: when the directory was back, the next write cut the log off at its beginning, with all that was acknowledged.
#[test]
fn a_log_that_was_away_is_not_an_empty_one() {
    for format in [CheckpointFormat::Wal, CheckpointFormat::Json] {
        let disk = FaultyDisk::new(7);
        let engine = open(&disk, format, WalSync::Interval);
        write(&engine, "a1", 1.0, NOW).unwrap();
        write(&engine, "a1", 2.0, NOW + 60).unwrap();
        disk.take_away(Path::new(CHECKPOINTS));
        engine.flush().unwrap_err();
        assert!(engine.checkpoint().failed > 0);
        disk.heal();
        write(&engine, "a1", 3.0, NOW + 120).unwrap();
        drop(engine);
        disk.crash_process();
        assert_eq!(values(&open(&disk, format, WalSync::Interval), "a1"), [1.0, 2.0, 3.0], "{format:?}");
    }
}

/// The power failed after a free and before the host's folder was durable: its state file was all that was left of the
/// host, and no start looked at it. So a sample before the horizon was taken and acknowledged, and the start after
/// that, which saw the folder again, dropped it as freed.
#[test]
fn a_horizon_without_a_folder_counts() {
    for format in [CheckpointFormat::Wal, CheckpointFormat::Json] {
        let disk = FaultyDisk::new(3);
        let engine = open(&disk, format, WalSync::Never);
        write(&engine, "a1", 1.0, NOW).unwrap();
        engine.free(&[vec!["alex".into(), "a1".into()]], i64::MAX).unwrap();
        drop(engine);
        disk.crash_process();
        let folder = host_folder(Path::new(CHECKPOINTS), "alex", "a1");
        disk.remove(&folder.join(WAL_FILE)).unwrap();
        disk.remove_dir(&folder).unwrap();
        let engine = open(&disk, format, WalSync::Never);
        write(&engine, "a1", 2.0, NOW - 60).unwrap();
        write(&engine, "a1", 3.0, NOW + 60).unwrap();
        assert_eq!(values(&engine, "a1"), [3.0], "{format:?}");
        drop(engine);
        disk.crash_process();
        assert_eq!(values(&open(&disk, format, WalSync::Never), "a1"), [3.0], "{format:?}");
    }
}

/// Memory dropped what the log could not hold yet: the answer was an error, and the next start brought the data back.
#[test]
fn a_refused_free_has_not_happened() {
    for format in FORMS {
        let disk = FaultyDisk::new(1);
        let engine = open(&disk, format, WalSync::Interval);
        write(&engine, "a", 1.0, NOW).unwrap();
        disk.set_read_only();
        let free = || engine.free(&[vec!["alex".to_owned(), "a".to_owned()]], i64::MAX);
        assert!(matches!(free(), Err(IngestError::LogFailed(_))));
        assert_eq!(values(&engine, "a"), [1.0], "{format:?}");
        disk.heal();
        assert_eq!(free().unwrap(), 1);
        assert!(values(&engine, "a").is_empty());
        drop(engine);
        disk.crash_process();
        assert!(values(&open(&disk, format, WalSync::Interval), "a").is_empty(), "{format:?}");
    }
}

/// Where every write is flushed before its answer, so is a free: a power failure brought the data back.
#[test]
fn a_free_is_as_durable_as_a_write() {
    for (seed, format) in (0..20).flat_map(|seed| FORMS.map(|form| (seed, form))) {
        let disk = FaultyDisk::new(seed);
        let engine = open(&disk, format, WalSync::Always);
        write(&engine, "a", 1.0, NOW).unwrap();
        engine.free(&[vec!["alex".to_owned()]], i64::MAX).unwrap();
        write(&engine, "b", 2.0, NOW).unwrap();
        drop(engine);
        disk.crash_power();
        let engine = open(&disk, format, WalSync::Always);
        assert!(values(&engine, "a").is_empty(), "{format:?}");
        assert_eq!(values(&engine, "b"), [2.0], "{format:?}");
    }
}

/// One bad sector under the record that named a host's series, and all of the host's samples up to the end of the
/// segment were of series that nothing named.
#[test]
fn a_damaged_record_makes_no_other_nameless() {
    let disk = FaultyDisk::new(1);
    let engine = open(&disk, CheckpointFormat::Native, WalSync::Interval);
    for tick in 0..50 {
        write(&engine, "a", f64::from(tick), NOW - 3000 + i64::from(tick) * 60).unwrap();
    }
    let shard = engine.shard_folder(shard_of("alex", "a"));
    drop(engine);
    disk.crash_process();
    // Into the payload of the first record.
    assert!(disk.rot(&shard.join(FileName::Segment(1).to_string()), 36 + 16 + 5, 0x40));
    let engine = open(&disk, CheckpointFormat::Native, WalSync::Interval);
    assert_eq!(values(&engine, "a"), (1..50).map(f64::from).collect::<Vec<_>>());
}

/// Definitions come again, but the log stays small: a tick of ten series takes no more than 12 bytes a sample.
#[test]
fn repeated_definitions_keep_the_log_small() {
    let disk = FaultyDisk::new(1);
    let engine = open(&disk, CheckpointFormat::Native, WalSync::Interval);
    for tick in 0..720 {
        let secs = NOW - 720 * 60 + tick * 60;
        let line = |core| format!("load,hostname=a,type=hwthread,type-id={core} value={}.{core} {secs}\n", tick % 40);
        let body: String = (0..10).map(line).collect();
        engine.ingest("http", "alex", body.as_bytes(), &mut IngestReport::default()).unwrap();
    }
    let bytes = disk.used_bytes();
    assert!(bytes < 12 * 7200, "{} bytes a sample", bytes as f64 / 7200.0);
}

/// A sender's clock stood at 1970 for one sample: the series spanned more slots than a file can hold, and its host was
/// in no checkpoint any more.
#[test]
fn a_series_over_decades_does_not_stop_checkpoints() {
    for format in [CheckpointFormat::Wal, CheckpointFormat::Json] {
        let disk = FaultyDisk::new(1);
        let engine = open(&disk, format, WalSync::Interval);
        write(&engine, "a", 1.0, 1).unwrap();
        write(&engine, "a", 2.0, NOW).unwrap();
        write(&engine, "a", 3.0, NOW + 60).unwrap();
        assert_eq!(engine.checkpoint().failed, 0);
        assert_eq!(engine.telemetry().checkpoint_series_cut.get(), 1);
        let log = host_folder(Path::new(CHECKPOINTS), "alex", "a").join(WAL_FILE);
        assert!(disk.peek(&log).is_none(), "the log is covered");
        drop(engine);
        disk.crash_process();
        assert_eq!(values(&open(&disk, format, WalSync::Interval), "a"), [2.0, 3.0], "{format:?}");
    }
}

/// Files of another form that no checkpoint could take over yet: what is written beside them would lose against them
/// at the next start, or they against it.
#[test]
fn nothing_is_written_beside_files_of_another_form() {
    for (from, to) in
        [(CheckpointFormat::Native, CheckpointFormat::Wal), (CheckpointFormat::Wal, CheckpointFormat::Native)]
    {
        let disk = FaultyDisk::new(1);
        let engine = open(&disk, from, WalSync::Interval);
        write(&engine, "a", 1.0, NOW).unwrap();
        drop(engine);
        disk.crash_process();
        disk.fail(0, Lasts::UntilHealed, Errno::ENOSPC, |operation, _| operation == Operation::Write);
        let engine = open(&disk, to, WalSync::Interval);
        assert_eq!(values(&engine, "a"), [1.0]);
        assert!(matches!(write(&engine, "a", 2.0, NOW), Err(IngestError::LogFailed(_))));
        disk.heal();
        assert_eq!(engine.checkpoint().failed, 0);
        write(&engine, "a", 2.0, NOW).unwrap();
        drop(engine);
        disk.crash_process();
        assert_eq!(values(&open(&disk, to, WalSync::Interval), "a"), [2.0], "{from:?} to {to:?}");
    }
}

/// Writers, flushes and checkpoints at once on a disk that fails now and then: all that was acknowledged is there after
/// a kill.
#[test]
fn writers_and_checkpoints_on_a_failing_disk() {
    for (seed, format) in (0..6).flat_map(|seed| FORMS.map(|form| (seed, form))) {
        let disk = FaultyDisk::new(seed);
        let wal_sync = if seed % 2 == 0 { WalSync::Interval } else { WalSync::Always };
        let engine = open(&disk, format, wal_sync);
        let is_over = AtomicBool::new(false);
        let acknowledged: [AtomicU32; 3] = Default::default();
        let writer = |number: usize| {
            let mut tick = 0;
            while !is_over.load(Ordering::Relaxed) && tick < 600 {
                // In order and each again until it is taken, so that the last acknowledged one says all.
                if write(&engine, &format!("h{number}"), f64::from(tick), NOW - 36_000 + i64::from(tick) * 60).is_ok() {
                    tick += 1;
                    acknowledged[number].store(tick, Ordering::Relaxed);
                }
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            for number in 0..acknowledged.len() {
                scope.spawn(move || writer(number));
            }
            let mut random = Random::new(seed);
            for _ in 0..25 {
                let spared = random.below(20) as u64;
                disk.fail(spared, Lasts::Once, Errno::EIO, |operation, _| operation.is_change());
                if random.percent(50) {
                    engine.checkpoint();
                } else {
                    _ = engine.flush();
                }
                if random.percent(50) {
                    disk.heal();
                }
            }
            disk.halt_after(random.below(20) as u64);
            engine.checkpoint();
            disk.halt_after(0);
            is_over.store(true, Ordering::Relaxed);
        });
        drop(engine);
        if wal_sync == WalSync::Always {
            disk.crash_power();
        } else {
            disk.crash_process();
        }
        let engine = open(&disk, format, wal_sync);
        for (number, acknowledged) in acknowledged.iter().enumerate() {
            let found = values(&engine, &format!("h{number}"));
            let acknowledged = acknowledged.load(Ordering::Relaxed);
            // One more may have been under way.
            assert!(
                (acknowledged..acknowledged + 2).contains(&(found.len() as u32)),
                "seed {seed} {format:?}: {found:?}"
            );
            assert!(found.iter().enumerate().all(|(tick, value)| tick as f64 == *value), "seed {seed} {format:?}");
        }
        assert!(disk.list(Path::new(CHECKPOINTS)).is_ok());
    }
}
