//! The engine as a whole, on real files and a clock that the test moves: stories that the binary can't be asked for.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::disk::SystemDisk;
use crate::model::{Aggregation, Element, Metric, MetricTable, Selector};
use crate::telemetry::{Reason, SharedTelemetry, Source, Telemetry};
use crate::testing::ManualClock;

const NOW: i64 = 1_770_244_800;
const FORMS: [CheckpointFormat; 3] = [CheckpointFormat::Native, CheckpointFormat::Wal, CheckpointFormat::Json];

fn options(folder: &Path, format: CheckpointFormat) -> Options {
    Options { format, workers: 2, ..Options::new(folder.join("checkpoints")) }
}

fn open(options: Options) -> (Engine, SharedTelemetry) {
    let telemetry: SharedTelemetry = Arc::new(Telemetry::default());
    let metric = Metric { name: "load".into(), frequency_secs: 60, aggregation: Aggregation::Sum };
    let (disk, clock) = (Arc::new(SystemDisk), Arc::new(ManualClock::at(NOW)));
    let engine = Engine::open(options, MetricTable::new([metric]), disk, clock, Arc::clone(&telemetry)).unwrap();
    engine.recover().unwrap();
    (engine, telemetry)
}

fn write(engine: &Engine, lines: &str) -> IngestReport {
    let mut report = IngestReport::default();
    engine.ingest("http", "alex", lines.as_bytes(), &mut report).unwrap();
    report
}

fn values(engine: &Engine, host: &str, below: &[&str]) -> Vec<f64> {
    let below = below.iter().map(|&name| Element::from(name)).collect();
    let selector = Selector { cluster: "alex".into(), host: host.into(), below };
    engine.store().read(&selector, "load", i64::MIN, i64::MAX).map(|answer| answer.data).unwrap_or_default()
}

/// A host that first sends while a checkpoint is under way was in no snapshot, and the segment that held it was deleted
/// as covered.
#[test]
fn hosts_that_are_new_during_a_checkpoint_are_kept() {
    for format in FORMS {
        let folder = tempfile::tempdir().unwrap();
        let (engine, _) = open(options(folder.path(), format));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for host in 0..600 {
                    write(&engine, &format!("load,hostname=h{host} value={host} {NOW}\n"));
                }
            });
            while !writer.is_finished() {
                assert_eq!(engine.checkpoint().failed, 0);
            }
        });
        // No last checkpoint: as after kill -9.
        drop(engine);
        let (engine, _) = open(options(folder.path(), format));
        for host in 0..600 {
            assert_eq!(values(&engine, &format!("h{host}"), &[]), [f64::from(host)], "{format:?} h{host}");
        }
    }
}

/// The newest snapshot is damaged and an older one is still there: what is newer wins, and the log between the two is
/// replayed.
#[test]
fn a_damaged_snapshot_falls_back_to_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(options(folder.path(), CheckpointFormat::Native));
    write(&engine, &format!("load,hostname=a value=1 {NOW}\nload,hostname=a value=2 {}\n", NOW + 60));
    assert_eq!(engine.checkpoint().failed, 0);
    let shard = engine.shard_folder(super::log::shard_of("alex", "a"));
    let list = |ending: &str| -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(&shard).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
        paths.sort();
        paths
    };
    let old = list(".snapshot").pop().unwrap();
    let old_bytes = std::fs::read(&old).unwrap();
    write(&engine, &format!("load,hostname=a value=20 {}\nload,hostname=a value=3 {}\n", NOW + 60, NOW + 120));
    let segments: Vec<_> = list(".log").into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect();
    assert_eq!(engine.checkpoint().failed, 0);
    drop(engine);
    // The crash came before the older files were removed, and the newest is rotten in its only section.
    let newest = list(".snapshot").pop().unwrap();
    std::fs::write(&old, &old_bytes).unwrap();
    segments.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    std::fs::write(&newest, &bytes).unwrap();
    let (engine, _) = open(options(folder.path(), CheckpointFormat::Native));
    assert_eq!(values(&engine, "a", &[]), [1.0, 20.0, 3.0]);
    assert_eq!(list(".corrupt").len(), 1, "the damaged one is kept beside");
}

/// What was freed stays freed, whatever form recorded it, and before any checkpoint too.
#[test]
fn freed_data_stays_away() {
    for format in FORMS {
        let folder = tempfile::tempdir().unwrap();
        let (engine, _) = open(options(folder.path(), format));
        for tick in 0..100 {
            let secs = NOW - 6000 + tick * 60;
            write(&engine, &format!("load,hostname=a,type=core,type-id=0 value={tick} {secs}\n"));
            write(&engine, &format!("load,hostname=a,type=core,type-id=1 value={tick} {secs}\n"));
        }
        let selector = ["alex", "a", "core0"].map(str::to_owned).to_vec();
        assert!(engine.free(&[selector], i64::MAX).unwrap() > 0);
        drop(engine);
        for _ in 0..2 {
            let (engine, _) = open(options(folder.path(), format));
            assert_eq!(values(&engine, "a", &["core0"]), [0.0; 0], "{format:?}");
            assert_eq!(values(&engine, "a", &["core1"]).len(), 100, "{format:?}");
            engine.close();
        }
    }
}

/// One sample of a clock that stands at 1970 made the steps of age so wide that the cap freed everything.
#[test]
fn the_memory_cap_frees_no_more_than_it_must() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), CheckpointFormat::Native);
    options.memory_bytes_max = 600_000;
    let (engine, _) = open(options);
    write(&engine, "load,hostname=dead value=1 1\n");
    let mut most = 0;
    for tick in 0..3000 {
        let secs = NOW - 3000 * 60 + tick * 60;
        let noise = |core: i64| ((tick * 2_654_435_761 + core * 40_503) % 1_000_003) as f64;
        let line = |core| format!("load,hostname=a,type=core,type-id={core} value={} {secs}", noise(core).sqrt());
        let lines: Vec<String> = (0..40).map(line).collect();
        write(&engine, &lines.join("\n"));
        most = most.max(engine.store().memory_bytes());
    }
    assert!(most <= 600_000, "{most}");
    let kept = values(&engine, "a", &["core0"]).len();
    assert!((500..3000).contains(&kept), "{kept} of 3000 ticks are kept");
}

/// A cap that open rows alone had passed freed those of hosts whose last sample was older than another host's: samples
/// that nothing had room for were acknowledged, and gone.
#[test]
fn the_memory_cap_leaves_open_rows_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), CheckpointFormat::Native);
    options.memory_bytes_max = 40_000;
    let (engine, _) = open(options);
    let mut stored = [0; 4];
    let busy = (0..120).find_map(|tick| {
        let host = tick % stored.len();
        let line = |core| {
            format!("load,hostname=h{host},type=core,type-id={core} value=1 {}\n", NOW - 7200 + tick as i64 * 60)
        };
        let lines: String = (0..100).map(line).collect();
        let outcome = engine.ingest("http", "alex", lines.as_bytes(), &mut IngestReport::default());
        stored[host] += usize::from(outcome.is_ok());
        outcome.err()
    });
    assert!(matches!(busy, Some(IngestError::Busy(_))), "{busy:?}");
    for (host, count) in stored.into_iter().enumerate() {
        assert_eq!(values(&engine, &format!("h{host}"), &["core0"]).iter().filter(|v| !v.is_nan()).count(), count);
    }
}

/// Two processes in one directory would delete each other's logs.
#[test]
fn a_directory_has_one_engine() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, telemetry) = open(options(folder.path(), CheckpointFormat::Native));
    let again = || {
        let (disk, clock) = (Arc::new(SystemDisk), Arc::new(ManualClock::at(NOW)));
        let options = options(folder.path(), CheckpointFormat::Native);
        Engine::open(options, MetricTable::default(), disk, clock, Arc::clone(&telemetry))
    };
    assert!(matches!(again(), Err(OpenError::InUse { .. })));
    drop(engine);
    assert!(again().is_ok());
}

/// Names that the reference's files can't hold made every checkpoint fail for ever.
#[test]
fn names_that_no_file_can_hold_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, telemetry) = open(options(folder.path(), CheckpointFormat::Wal));
    let (wide, long) = ("ä".repeat(60), "x".repeat(200));
    let report = write(
        &engine,
        &format!(
            "load,hostname={wide} value=1 {NOW}\nload,hostname=a,type={long},type-id={long} value=1 {NOW}\n\
             load,hostname=a value=1 {NOW}\n"
        ),
    );
    assert_eq!((report.stored, report.skipped, report.bad), (1, 0, 2));
    assert!(telemetry.encode().contains("treering_dropped_total{reason=\"limit_name\"} 2"));
    assert_eq!(engine.checkpoint().failed, 0);
}

/// An import told that names were refused, and not where.
#[test]
fn refused_names_are_told_by_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(options(folder.path(), CheckpointFormat::Native));
    let refused = "load,cluster=..,hostname=b value=1 17\n".repeat(20);
    let report = write(&engine, &format!("load,hostname=a/b value=1 {NOW}\nload,hostname=a value=1 {NOW}\n{refused}"));
    assert_eq!((report.stored, report.skipped, report.bad), (1, 21, 0));
    assert_eq!(report.complaint(), None, "a sender can do nothing about it");
    let numbers: Vec<u64> = report.first_refused.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [1, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    let reasons: Vec<&str> = report.first_refused.iter().take(2).map(|line| &*line.reason).collect();
    let expected = "expected names without \"..\", /, \\ and NUL";
    let first = format!("cluster \"alex\", host \"a/b\": {expected}");
    assert_eq!(reasons, [first, format!("cluster \"..\", host \"b\": {expected}")]);
}

/// A batch that was refused half-way and sent again was counted twice, what it lost included.
#[test]
fn what_is_refused_and_sent_again_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, telemetry) = open(options(folder.path(), CheckpointFormat::Wal));
    let in_the_way = folder.path().join("checkpoints/alex/b");
    std::fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
    std::fs::write(&in_the_way, "a file where the host's folder should be").unwrap();
    let lines = format!(
        "load,hostname=a value=1 {NOW}\nother,hostname=a value=1 {NOW}\nload,hostname=a value=1 {}\n\
         load,hostname=b value=2 {NOW}\n",
        NOW + 999_999
    );
    for _ in 0..3 {
        let refused = engine.ingest("nats", "alex", lines.as_bytes(), &mut IngestReport::default());
        assert!(matches!(refused, Err(IngestError::LogFailed(_))), "{refused:?}");
    }
    std::fs::remove_file(&in_the_way).unwrap();
    engine.ingest("nats", "alex", lines.as_bytes(), &mut IngestReport::default()).unwrap();
    assert_eq!((values(&engine, "a", &[]), values(&engine, "b", &[])), (vec![1.0], vec![2.0]));
    let dropped = |reason| telemetry.dropped.get_or_create(&Reason { reason }).get();
    assert_eq!(telemetry.samples.get_or_create(&Source { source: "nats" }).get(), 2);
    assert_eq!((dropped("unknown_metric"), dropped("future")), (1, 1));
}

/// The form was changed, a value corrected, and the process killed before the first checkpoint. The next start read the
/// files of both forms, and the older value of the former form won over the corrected one.
#[test]
fn a_change_of_form_loses_no_correction() {
    for former in FORMS {
        for next in FORMS {
            let folder = tempfile::tempdir().unwrap();
            let (engine, _) = open(options(folder.path(), former));
            write(&engine, &format!("load,hostname=a value=1 {NOW}\nload,hostname=a value=2 {}\n", NOW + 60));
            drop(engine);
            let (engine, _) = open(options(folder.path(), next));
            write(&engine, &format!("load,hostname=a value=3 {NOW}\n"));
            // No last checkpoint: as after kill -9.
            drop(engine);
            for form in [next, former, next] {
                let (engine, _) = open(options(folder.path(), form));
                assert_eq!(values(&engine, "a", &[]), [3.0, 2.0], "{former:?} to {next:?}, read by {form:?}");
            }
        }
    }
}

/// While what another form left is in no checkpoint, nothing is taken that the next start could not put in order.
#[test]
fn no_write_is_taken_before_the_former_form_is_in_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(options(folder.path(), CheckpointFormat::Wal));
    write(&engine, &format!("load,hostname=a value=1 {NOW}\n"));
    drop(engine);
    // A file where the folder for the former form's files should be: they can't be moved there.
    let adopted = folder.path().join("checkpoints/.treering/adopted");
    std::fs::write(&adopted, "").unwrap();
    let (engine, _) = open(options(folder.path(), CheckpointFormat::Native));
    assert_eq!(values(&engine, "a", &[]), [1.0], "reads go on");
    let line = format!("load,hostname=b value=2 {NOW}\n");
    let mut report = IngestReport::default();
    let refused = engine.ingest("http", "alex", line.as_bytes(), &mut report).unwrap_err();
    assert!(matches!(&refused, IngestError::LogFailed(reason) if reason.contains("another form")), "{refused}");
    std::fs::remove_file(&adopted).unwrap();
    assert_eq!(engine.checkpoint().failed, 0);
    write(&engine, &line);
    assert_eq!(values(&engine, "b", &[]), [2.0]);
}

/// A process was killed between the new snapshot of a host and the removal of the one before, and a series had begun a
/// new phase in between: each of its values stood in both files, a second apart, and was answered twice.
#[test]
fn two_snapshots_of_different_phases_hold_each_value_once() {
    for format in [CheckpointFormat::Wal, CheckpointFormat::Json] {
        let folder = tempfile::tempdir().unwrap();
        let (engine, _) = open(options(folder.path(), format));
        let early = NOW - 100 * 60;
        for slot in [0, 1, 3, 7] {
            write(&engine, &format!("load,hostname=a value={slot} {}\n", early + 60 * slot));
        }
        assert_eq!(engine.checkpoint().failed, 0);
        let host = folder.path().join("checkpoints/alex/a");
        let snapshot = |but: &[std::path::PathBuf]| -> std::path::PathBuf {
            let entries = std::fs::read_dir(&host).unwrap().map(|entry| entry.unwrap().path());
            let mut found = entries.filter(|path| !path.ends_with("current.wal") && !but.contains(path));
            found.next().unwrap()
        };
        let before = host.join(format!("{}.{}", NOW - 1000, snapshot(&[]).extension().unwrap().to_str().unwrap()));
        std::fs::copy(snapshot(&[]), folder.path().join("before")).unwrap();
        // After a gap of more than a window, the phase is another one.
        write(&engine, &format!("load,hostname=a value=90 {}\n", early + 60 * 90 + 7));
        assert_eq!(engine.checkpoint().failed, 0);
        drop(engine);
        std::fs::rename(folder.path().join("before"), &before).unwrap();
        assert_ne!(snapshot(std::slice::from_ref(&before)), before);
        let (engine, _) = open(options(folder.path(), format));
        let found: Vec<f64> = values(&engine, "a", &[]).into_iter().filter(|value| !value.is_nan()).collect();
        assert_eq!(found, [0.0, 1.0, 3.0, 7.0, 90.0], "{format:?}");
    }
}

/// The checkpoint directory was moved away under a running store. Its open logs went with it, and what was written to
/// them was acknowledged for as long as a segment lasts.
#[test]
fn a_directory_that_was_moved_away_is_noticed() {
    for format in FORMS {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path(), format);
        let (place, away) = (options.checkpoints.clone(), folder.path().join("away"));
        let (engine, _) = open(options.clone());
        write(&engine, &format!("load,hostname=a1 value=1 {NOW}\n"));
        std::fs::rename(&place, &away).unwrap();
        engine.check_place();
        let line = format!("load,hostname=a1 value=2 {}\n", NOW + 60);
        let refused = engine.ingest("http", "alex", line.as_bytes(), &mut IngestReport::default()).unwrap_err();
        assert!(refused.to_string().contains("was taken away"), "{format:?}: {refused}");
        assert!(!place.exists(), "{format:?}: nothing is made in its place");
        assert_eq!(values(&engine, "a1", &[]), [1.0], "{format:?}");
        std::fs::rename(&away, &place).unwrap();
        engine.check_place();
        write(&engine, &format!("load,hostname=a1 value=3 {}\n", NOW + 60));
        drop(engine);
        assert_eq!(values(&open(options).0, "a1", &[]), [1.0, 3.0], "{format:?}");
    }
}
