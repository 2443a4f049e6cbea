//! Folders of days, and the retention of the archive itself.

use std::time::Duration;

use super::bench::*;
use crate::engine::{Engine, Partition};

/// A line each ten minutes over some hours before the cutoff.
fn fill(engine: &Engine, hours: i64) {
    let begin = NOW - RETENTION - hours * HOUR;
    let line = |tick: i64| format!("load,hostname=a value={tick} {}\n", begin + tick * 600);
    write(engine, &(0..hours * 6).map(line).collect::<String>());
}

/// Each day has a folder of its own, and a file there holds rows of that day alone.
#[test]
fn days_have_folders() {
    for format in FORMS {
        let mut bench = Bench::new(format);
        bench.archive_options().partition = Partition::Day;
        let engine = bench.open();
        fill(&engine, 60);
        // NOW is 22:40 UTC on the 4th of February.
        assert_eq!(clean(&engine).files, 3, "{format:?}");
        let name = NOW - RETENTION;
        let days = ["2026-01-31", "2026-02-01", "2026-02-02"];
        let expected: Vec<String> = days.iter().map(|day| format!("alex/date={day}/{name}.parquet")).collect();
        assert_eq!(bench.files(), expected, "{format:?}");
        for file in bench.files() {
            let rows = bench.rows_of(&file);
            let day = rows[0].secs.div_euclid(86_400);
            assert!(rows.iter().all(|row| row.secs.div_euclid(86_400) == day), "{file}");
        }
        assert_eq!(bench.rows().len(), 360);
        assert_eq!(clean(&engine).files, 0);
        engine.close();
        drop(engine);
        let engine = bench.open();
        assert_eq!(clean(&engine).files, 0, "{format:?}");
        // A late one goes into a new file of its day.
        write(&engine, &format!("load,hostname=a value=1 {}\n", NOW - RETENTION - 30 * HOUR + 300));
        assert_eq!(clean(&engine).rows, 1, "{format:?}");
        assert_eq!(bench.rows().len(), 361);
    }
}

/// Files that are too old go, the oldest when there are too many bytes; one that is not settled stays.
#[test]
fn the_archive_has_a_retention() {
    let mut bench = Bench::new(FORMS[0]);
    bench.archive_options().partition = Partition::Day;
    let engine = bench.open();
    fill(&engine, 100);
    clean(&engine);
    let all = bench.files();
    assert_eq!(all.len(), 5);
    drop(engine);
    bench.archive_options().max_age = Some(Duration::from_secs(24 * 3600));
    let engine = bench.open();
    clean(&engine);
    assert_eq!(bench.files(), all, "nothing is settled before a checkpoint");
    assert_eq!(engine.checkpoint().failed, 0);
    drop(engine);
    // The newest row is 48 hours old: a retention of 72 hours keeps the files with rows of the last 24 of these.
    bench.archive_options().max_age = Some(Duration::from_secs(72 * 3600));
    let engine = bench.open();
    clean(&engine);
    assert_eq!(bench.files(), all[3..]);
    assert!(!bench.path("archive/alex/date=2026-01-29").exists(), "empty folders go too");
    drop(engine);
    bench.archive_options().max_age = None;
    let len = |file: &String| std::fs::metadata(bench.path("archive").join(file)).unwrap().len();
    let newest = len(&all[4]);
    bench.archive_options().bytes_max = newest;
    let engine = bench.open();
    clean(&engine);
    assert_eq!(bench.files(), all[4..]);
    assert_eq!(clean(&engine).rows, 0, "what was removed does not come back");
}
