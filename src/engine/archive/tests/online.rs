//! Cleanups of a running store.

use std::sync::Arc;

use super::bench::*;
use crate::disk::SystemDisk;
use crate::engine::{IngestError, IngestReport, NodeProvider, UsedNodes};
use crate::formats::parquet::ValueType;
use crate::model::{Aggregation, Metric, MetricTable};

/// One line a minute for a host, with the minute's number as its value.
fn minutes(host: &str, from: i64, count: i64) -> String {
    (0..count).map(|tick| format!("load,hostname={host} value={} {}\n", tick as f64 + 0.25, from + tick * 60)).collect()
}

/// What lies before the cutoff goes to a file, everything else stays, and a second cleanup has nothing to do; so it is
/// after a restart, from a checkpoint and from the logs alone.
#[test]
fn a_cleanup_archives_exactly_what_is_older() {
    for format in FORMS {
        for has_checkpoint in [true, false] {
            let bench = Bench::new(format);
            let engine = bench.open();
            let begin = NOW - RETENTION - 200 * 60;
            for host in ["a", "b"] {
                write(&engine, &minutes(host, begin, 400));
            }
            let report = clean(&engine);
            let context = format!("{format:?} {has_checkpoint}");
            assert_eq!((report.files, report.rows), (1, 400), "{context}");
            let files = bench.files();
            assert_eq!(files, [format!("alex/{}.parquet", NOW - RETENTION)]);
            let rows = bench.rows_of(&files[0]);
            for (number, row) in rows.iter().enumerate() {
                let tick = number as i64 % 200;
                let expected = Row {
                    hostname: if number < 200 { "a" } else { "b" }.into(),
                    metric: "load".into(),
                    scope: "node".into(),
                    scope_id: String::new(),
                    secs: begin + tick * 60,
                    parent: String::new(),
                    frequency_secs: 60,
                    value: tick as f64 + 0.25,
                };
                assert_eq!(*row, expected, "{context}");
            }
            let check = |engine: &crate::engine::Engine| {
                for host in ["a", "b"] {
                    let expected: Vec<f64> = (200..400).map(|tick| f64::from(tick) + 0.25).collect();
                    assert_eq!(values(engine, host, "load", &[]), expected, "{context}");
                }
                assert_eq!(clean(engine).files, 0, "{context}");
                assert_eq!(bench.files(), files, "{context}");
            };
            check(&engine);
            if has_checkpoint {
                assert_eq!(engine.checkpoint().failed, 0);
            }
            drop(engine);
            let engine = bench.open();
            check(&engine);
            engine.close();
            drop(engine);
            check(&bench.open());
            assert!(bench.telemetry.encode().contains("treering_archive_rows_total 400"), "{context}");
        }
    }
}

/// Late samples for an archived range stay out of sight, survive restarts, and go into the next file.
#[test]
fn late_samples_go_into_the_next_file() {
    for format in FORMS {
        let bench = Bench::new(format);
        let engine = bench.open();
        let begin = NOW - RETENTION - 200 * 60;
        write(&engine, &minutes("a", begin, 400));
        clean(&engine);
        // One of an archived slot, one of a series that is new, one of a time before everything.
        let lines = format!(
            "load,hostname=a value=-1 {}\nload,hostname=a,type=core,type-id=3 value=-2 {}\nload,hostname=a value=-3 {}\n",
            begin + 60,
            begin + 600,
            begin - 6000
        );
        assert_eq!(write(&engine, &lines).stored, 3);
        let visible: Vec<f64> = (200..400).map(|tick| f64::from(tick) + 0.25).collect();
        assert_eq!(values(&engine, "a", "load", &[]), visible);
        drop(engine);
        let engine = bench.open();
        assert_eq!(values(&engine, "a", "load", &[]), visible, "{format:?} after the log");
        engine.close();
        drop(engine);
        let engine = bench.open();
        assert_eq!(values(&engine, "a", "load", &[]), visible, "{format:?} after a checkpoint");
        assert_eq!(clean(&engine).rows, 3, "{format:?}");
        let late = bench.rows_of(bench.files().last().unwrap());
        let found: Vec<_> = late.iter().map(|row| (&*row.scope, &*row.scope_id, row.secs, row.value)).collect();
        let expected =
            [("core", "3", begin + 600, -2.0), ("node", "", begin - 6000, -3.0), ("node", "", begin + 60, -1.0)];
        assert_eq!(found, expected, "{format:?}");
        assert_eq!(clean(&engine).rows, 0);
    }
}

/// A sample that comes between the reading of its host and the dropping of its rows was in no file and was dropped.
#[test]
fn a_write_during_the_pass_is_kept() {
    for format in FORMS {
        let bench = Bench::new(format);
        let begin = NOW - RETENTION - 200 * 60;
        let engine_cell: Arc<std::sync::OnceLock<Arc<crate::engine::Engine>>> = Arc::default();
        let cell = Arc::clone(&engine_cell);
        let disk = HookedDisk::new(move |operation, path| {
            if operation == "rename" && path.to_string_lossy().ends_with(".parquet") {
                let lines = format!(
                    "load,hostname=a value=-1 {}\nload,hostname=a value=-2 {}\nload,hostname=a value=0.25 {begin}\n",
                    begin + 60,
                    begin - 3600
                );
                assert_eq!(write(cell.get().unwrap(), &lines).stored, 3);
            }
            Ok(())
        });
        let engine = Arc::new(bench.open_on(disk).unwrap());
        _ = engine_cell.set(Arc::clone(&engine));
        write(&engine, &minutes("a", begin, 400));
        write(&engine, &minutes("b", begin, 400));
        assert_eq!(clean(&engine).rows, 400, "{format:?}");
        let first = bench.files();
        assert_eq!(values(&engine, "a", "load", &[]).len(), 200);
        // The one that says what the file says is in it already; the other two are not.
        assert_eq!(clean(&engine).rows, 2, "{format:?}");
        let second: Vec<String> = bench.files().into_iter().filter(|file| !first.contains(file)).collect();
        let late: Vec<_> = bench.rows_of(&second[0]).iter().map(|row| (row.secs, row.value)).collect();
        assert_eq!(late, [(begin - 3600, -2.0), (begin + 60, -1.0)], "{format:?}");
    }
}

/// Freed data is out of reach at once, and leaves through the archive; samples after it come in as ever.
#[test]
fn freed_data_goes_to_the_archive() {
    for format in FORMS {
        let bench = Bench::new(format);
        let engine = bench.open();
        let begin = NOW - 100 * 60;
        for core in 0..2 {
            for tick in 0..100 {
                let secs = begin + tick * 60;
                write(&engine, &format!("load,hostname=a,type=core,type-id={core} value={tick} {secs}\n"));
            }
        }
        let core0 = ["alex", "a", "core0"].map(str::to_owned).to_vec();
        assert!(engine.free(&[core0], i64::MAX).unwrap() > 0);
        assert_eq!(values(&engine, "a", "load", &["core0"]), [0.0; 0]);
        assert_eq!(values(&engine, "a", "load", &["core1"]).len(), 100);
        assert_eq!(bench.files(), [""; 0]);
        // It is still there after a restart, for no file has it.
        drop(engine);
        let engine = bench.open();
        assert_eq!(values(&engine, "a", "load", &["core0"]), [0.0; 0], "{format:?}");
        write(&engine, &format!("load,hostname=a,type=core,type-id=0 value=7 {NOW}\n"));
        assert_eq!(clean(&engine).rows, 100, "{format:?}");
        assert_eq!(values(&engine, "a", "load", &["core0"]), [7.0], "{format:?}");
        assert_eq!(values(&engine, "a", "load", &["core1"]).len(), 100, "{format:?}");
        assert_eq!(engine.archive_wanted().rows, 0);
        engine.free(&[vec!["alex".to_owned()]], NOW - 60).unwrap();
        assert_eq!(engine.archive_wanted().rows, 99, "{format:?}");
        assert_eq!(values(&engine, "a", "load", &["core1"]), [99.0]);
    }
}

/// At the memory cap the oldest data goes to the archive, writers get 429 until it has, and nothing is lost.
#[test]
fn the_memory_cap_archives_what_it_drops() {
    let mut bench = Bench::new(FORMS[0]);
    bench.options.memory_bytes_max = 600_000;
    bench.archive_options().value = ValueType::Float64;
    let engine = bench.open();
    let mut written = Vec::new();
    let (mut refused, mut most) = (0, 0);
    for tick in 0..3000_i64 {
        let secs = NOW - 3000 * 60 + tick * 60;
        let noise = |core: i64| (((tick * 2_654_435_761 + core * 40_503) % 1_000_003) as f64).sqrt();
        let lines: Vec<String> = (0..40)
            .map(|core| format!("load,hostname=a,type=core,type-id={core} value={} {secs}", noise(core)))
            .collect();
        let lines = lines.join("\n");
        let mut report = IngestReport::default();
        while let Err(error) = engine.ingest("http", "alex", lines.as_bytes(), &mut report) {
            assert!(matches!(error, IngestError::Busy(_)), "{error}");
            refused += 1;
            assert!(!engine.archive_wanted().is_failed);
        }
        written.extend((0..40).map(|core| (core.to_string(), secs, noise(core))));
        most = most.max(engine.store().memory_bytes());
        if tick % 7 == 0 {
            engine.archive_wanted();
        }
    }
    assert!(most <= 600_000, "{most}");
    assert!(bench.files().len() > 2);
    let kept = values(&engine, "a", "load", &["core0"]).len();
    assert!((300..3000).contains(&kept), "{kept} of 3000 ticks are kept, {refused} bodies were refused");
    archive_all(&engine);
    let mut rows: Vec<_> = bench.rows().into_iter().map(|row| (row.scope_id, row.secs, row.value)).collect();
    let by = |a: &(String, i64, f64), b: &(String, i64, f64)| a.partial_cmp(b).unwrap();
    rows.sort_by(by);
    written.sort_by(by);
    assert_eq!(rows, written);
}

/// Rows of several parents interleave by time, ids sort as bytes, and a column names the parents.
#[test]
fn files_are_sorted_by_bytes_and_time() {
    let bench = Bench::new(FORMS[0]);
    let engine = bench.open();
    let begin = NOW - RETENTION - HOUR;
    let mut lines = String::new();
    for tick in 0..10 {
        let secs = begin + tick * 60;
        for (socket, shift) in [(0, 0), (1, 20)] {
            let parent = format!("type=socket,type-id={socket},stype=die,stype-id=7");
            lines += &format!("load,hostname=a,{parent} value={tick} {}\n", secs + shift);
        }
        for id in [2, 10, 1] {
            lines += &format!("power,hostname=a,type=core,type-id={id} value={tick} {secs}\n");
        }
        lines += &format!("load,hostname=B value={tick} {secs}\nload,hostname=a value={tick} {secs}\n");
    }
    write(&engine, &lines);
    clean(&engine);
    let rows = bench.rows_of(&bench.files()[0]);
    let mut sorted = rows.clone();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(rows, sorted);
    assert_eq!(rows.len(), 70);
    let dies: Vec<_> = rows.iter().filter(|row| row.scope == "die").map(|row| &*row.parent).collect();
    assert_eq!(dies[..4], ["socket0", "socket1", "socket0", "socket1"]);
    let ids: Vec<_> = rows.iter().filter(|row| row.scope == "core").map(|row| &*row.scope_id).collect();
    assert_eq!((ids[0], ids[10], ids[20]), ("1", "10", "2"));
    assert_eq!(rows[0].hostname, "B");
}

/// A changed frequency leaves rows of both in the file; where two grids share a second, there is one row, the newer.
#[test]
fn rows_keep_the_frequency_they_were_stored_with() {
    let bench = Bench::new(FORMS[0]);
    let engine = bench.open();
    let begin = NOW - RETENTION - 40 * HOUR;
    write(&engine, &minutes("a", begin, 200));
    engine.reload_metrics([Metric { name: "load".into(), frequency_secs: 30, aggregation: Aggregation::Sum }]);
    let later = begin + 200 * 60;
    let finer = |tick: i64| format!("load,hostname=a value={} {}\n", -tick, later + tick * 30);
    write(&engine, &(0..100).map(finer).collect::<String>());
    // Late ones, of slots that are sealed: overlay over block.
    write(&engine, &format!("load,hostname=a value=1000 {}\nload,hostname=a value=2000 {}\n", begin + 60, later + 30));
    clean(&engine);
    let rows: Vec<_> =
        bench.rows_of(&bench.files()[0]).iter().map(|row| (row.secs, row.frequency_secs, row.value)).collect();
    let mut expected: Vec<_> = (0..200).map(|tick| (begin + tick * 60, 60, tick as f64 + 0.25)).collect();
    expected.extend((0..100).map(|tick| (later + tick * 30, 30, -tick as f64)));
    expected[1].2 = 1000.0;
    expected[201].2 = 2000.0;
    assert_eq!(rows, expected);
    let metric = Metric { name: "load".into(), frequency_secs: 30, aggregation: Aggregation::Sum };
    drop(engine);
    let engine = bench.open_with(Arc::new(SystemDisk), MetricTable::new([metric])).unwrap();
    assert_eq!(clean(&engine).rows, 0, "nothing comes back from the log");
}

struct Used(Result<&'static str, &'static str>);

impl NodeProvider for Used {
    fn used_nodes(&self, _: i64) -> Result<UsedNodes, String> {
        let host = self.0.map_err(str::to_owned)?;
        Ok(UsedNodes::from([("alex".to_owned(), [host.to_owned()].into())]))
    }
}

/// Hosts in use are spared, and when nobody knows which are, everything is kept.
#[test]
fn hosts_in_use_are_spared() {
    let bench = Bench::new(FORMS[0]);
    let engine = bench.open();
    for host in ["a", "b"] {
        write(&engine, &minutes(host, NOW - RETENTION - HOUR, 120));
    }
    engine.set_node_provider(Arc::new(Used(Err("cc-backend is away"))));
    assert_eq!(clean(&engine).rows, 0);
    engine.set_node_provider(Arc::new(Used(Ok("a"))));
    assert_eq!(clean(&engine).rows, 60);
    assert!(bench.rows().iter().all(|row| row.hostname == "b"));
    assert_eq!((values(&engine, "a", "load", &[]).len(), values(&engine, "b", "load", &[]).len()), (120, 60));
    // What is in use and was freed leaves all the same, and only that.
    engine.free(&[vec!["alex".to_owned(), "a".to_owned()]], NOW - RETENTION - HOUR / 2).unwrap();
    assert_eq!(clean(&engine).rows, 30);
    drop(engine);
    let engine = bench.open();
    assert_eq!((values(&engine, "a", "load", &[]).len(), values(&engine, "b", "load", &[]).len()), (90, 60));
}
