//! The cleanup mode `archive`: what leaves memory lies in files, once, whatever happens to the store.

use std::process::Command;

use treering::disk::{Disk, SystemDisk};
use treering::formats::parquet::{ArchiveReader, Filter};

use crate::harness::{Config, How, Line, Store, T0, binary, eventually, in_each_form, setting};

in_each_form! { a_running_store_archives  a_store_that_is_down_is_archived }

/// All rows of the archive: host, second and value, sorted.
fn rows(store: &Store) -> Vec<(String, i64, i64)> {
    let files = store.files("var/archive");
    let files = files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    let mut rows = Vec::new();
    for file in files {
        let reader = ArchiveReader::open(SystemDisk.open_random(file).unwrap()).unwrap();
        for batch in reader.read(&Filter::default()) {
            let batch = batch.unwrap();
            let row = |(&secs, &value): (&i64, &f64)| (batch.hostname.clone(), secs, value as i64);
            rows.extend(batch.timestamps.iter().zip(&batch.values).map(row));
        }
    }
    rows.sort();
    rows
}

fn expected(count: i64) -> Vec<(String, i64, i64)> {
    ["a1", "a2"].into_iter().flat_map(|host| (0..count).map(move |k| (host.to_owned(), T0 + 60 * k, k))).collect()
}

fn config(format: &str, retention: &str) -> Config {
    Config::new(format)
        .set(setting::RETENTION, retention)
        .set("/metric-store/cleanup/mode", "archive")
        .set("/metric-store/cleanup/directory", "./var/archive")
}

fn write(store: &Store, from: i64, to: i64) {
    for host in ["a1", "a2"] {
        store.write((from..to).map(|k| Line::new("mem_used", host, k as f64, T0 + 60 * k)));
    }
}

/// A retention of a second archives all the time; between two kills nothing is archived twice.
fn a_running_store_archives(format: &str) {
    let mut store = Store::start(config(format, "1s"));
    for round in 1..=3 {
        write(&store, 100 * (round - 1), 100 * round);
        eventually("all rows to be archived", || (rows(&store) == expected(100 * round)).then_some(()));
        assert!(store.metrics().sum("treering_archive_rows_total", "") > 0.0);
        store.restart(if round == 2 { How::Term } else { How::Kill });
    }
    // What was archived is no longer there, and does not go into a file once more.
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 30_000), [0.0; 0]);
    write(&store, 300, 310);
    eventually("the last rows to be archived", || (rows(&store) == expected(310)).then_some(()));
}

fn a_store_that_is_down_is_archived(format: &str) {
    let mut store = Store::start(config(format, "1h"));
    write(&store, 0, 200);
    store.stop(How::Kill);
    for _ in 0..2 {
        let output = Command::new(binary())
            .args(["-config", "config.json", "-cleanup-checkpoints"])
            .current_dir(store.dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("Cleanup done: "), "{output:?}");
        assert_eq!(rows(&store), expected(200));
    }
    store.resume();
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 30_000), [0.0; 0]);
}
