//! The memory of the archive's writer and reader: bounded by row groups, whatever the number of hosts.
//!
//! A binary of its own with one test, for it looks at the peak of the whole process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::fs;
use std::io::BufWriter;

use treering::disk::{Disk, SystemDisk};
use treering::formats::parquet::{ArchiveReader, ArchiveWriter, Filter, Rows, WriterOptions};

/// The most memory that the process has had, in MiB.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

const SERIES: usize = 860;
const SLOTS: usize = 720;

#[test]
fn more_hosts_take_no_more_memory() {
    let timestamps: Vec<i64> = (0..SLOTS as i64).map(|slot| 1_700_000_010 + 60 * slot).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.parquet");
    let options = WriterOptions { workers: 2, ..WriterOptions::default() };
    let file = BufWriter::new(fs::File::create(&path).unwrap());
    let mut writer = ArchiveWriter::begin(file, "alex", &options).unwrap();
    let before = peak_mib();
    let mut after_four = 0;
    // Numbers that hardly repeat: the largest files there are.
    let mut state = 1_u64;
    for host in 0..12 {
        if host == 4 {
            after_four = peak_mib();
        }
        for series in 0..SERIES {
            let values: Vec<f64> = (0..SLOTS)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 11) as f64
                })
                .collect();
            let rows = Rows {
                hostname: &format!("a{host:04}"),
                metric: &format!("metric{:02}", series / 128),
                scope: "hwthread",
                scope_id: &format!("{:03}", series % 128),
                parent: "",
                frequency_secs: 60,
                timestamps: &timestamps,
                values: &values,
            };
            writer.rows(&rows).unwrap();
        }
    }
    let (_, written) = writer.finish().unwrap();
    assert_eq!((written.rows, written.row_groups), ((12 * SERIES * SLOTS) as u64, 12));
    let after_all = peak_mib();
    // One row group fills and two are encoded: 16 MiB of rows each, and as much again while it is encoded.
    assert!(after_all - before < 96, "{} MiB for the writer", after_all - before);
    assert!(after_all - after_four < 24, "{} MiB more for 8 more hosts", after_all - after_four);

    let reader = ArchiveReader::open(SystemDisk.open_random(&path).unwrap()).unwrap();
    let rows: usize = reader.read(&Filter::default()).map(|batch| batch.unwrap().timestamps.len()).sum();
    assert_eq!(rows as u64, written.rows);
    assert!(peak_mib() - after_all < 24, "{} MiB more for the reader", peak_mib() - after_all);
}
