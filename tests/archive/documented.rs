//! The commands of `docs/archive.md`, taken out of it and run on an archive that the program has written.
//!
//! A block is tested when `<!-- test: KIND NAME -->` stands in the line before it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::checkpoints::{Cluster, Series, archive};
use crate::harness::binary;
use crate::python::{Python, python, spark};

const TEXT: &str = include_str!("../../docs/archive.md");
/// 2025-11-03 22:00 UTC: two hours, a day, two hours.
const START_SECS: i64 = 1_762_207_200;
const TICKS: usize = 28 * 60;
const HOSTS: usize = 4;

/// The documented block of this kind and name.
#[track_caller]
fn block(kind: &str, name: &str) -> &'static str {
    let mark = format!("<!-- test: {kind} {name} -->\n```");
    let (_, rest) = TEXT.split_once(&mark).unwrap_or_else(|| panic!("docs/archive.md has no {mark:?}"));
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("\n```").unwrap().0
}

/// Four hosts with four threads, two sockets and four GPUs each.
fn cluster() -> Cluster {
    let mut series = Vec::new();
    let mut add = |metric: &str, component: String| series.push(Series { metric: metric.to_owned(), component });
    (0..4).for_each(|thread| add("flops_any", format!("hwthread{thread}")));
    for socket in 0..2 {
        add("cpu_power", format!("socket{socket}"));
        add("mem_power", format!("socket{socket}"));
    }
    for gpu in 0..4 {
        add("acc_power", format!("accelerator{gpu}"));
        add("acc_temp", format!("accelerator{gpu}"));
    }
    let hosts = (1..=HOSTS).map(|host| format!("a010{host}")).collect();
    Cluster { name: "alex", hosts, series, start_secs: START_SECS, ticks: TICKS }
}

/// Each of the 16 GPUs has a temperature of its own.
fn celsius(host: usize, gpu: usize) -> f32 {
    40.0 + 2.0 * ((host * 4 + gpu) * 7 % 16) as f32
}

fn value(cluster: &Cluster, host: usize, series: usize, tick: usize) -> f32 {
    let Series { metric, component } = &cluster.series[series];
    let id = usize::from(component.as_bytes()[component.len() - 1] - b'0');
    match metric.as_str() {
        "flops_any" => (8 * (host + 1) + id + tick % 4) as f32,
        "cpu_power" => (100 + 10 * host + id) as f32,
        "mem_power" => 20.0,
        "acc_power" => (200 + id) as f32,
        "acc_temp" => celsius(host, id) + (tick % 8) as f32 / 8.0,
        other => panic!("{other}"),
    }
}

/// A folder with the archive in it.
fn archived() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster();
    cluster.write(&folder.path().join("var/checkpoints"), |host, series, tick| value(&cluster, host, series, tick));
    archive(folder.path(), &cluster.config("wal"));
    folder
}

/// A node's threads add up to 32·host + 6, and 1.5 more on the mean of four ticks.
fn mean_flops() -> Value {
    json!([["a0102", 32.0 * 2.0 + 6.0 + 4.0 * 1.5], ["a0103", 32.0 * 3.0 + 6.0 + 4.0 * 1.5]])
}

/// Constant power: 4 hosts with 201 + 20·host W of processors, 40 W of memory, 806 W of GPUs.
fn kwh() -> Vec<(&'static str, f64)> {
    let watts: f64 = (0..HOSTS).map(|host| 201.0 + 20.0 * host as f64 + 40.0 + 806.0).sum();
    vec![("2025-11-03", watts * 2.0 / 1e3), ("2025-11-04", watts * 24.0 / 1e3), ("2025-11-05", watts * 2.0 / 1e3)]
}

/// Host, GPU, highest temperature; the ten highest first.
fn hottest() -> Value {
    let mut all: Vec<(String, String, f32)> = Vec::new();
    for host in 0..HOSTS {
        all.extend((0..4).map(|gpu| (format!("a010{}", host + 1), gpu.to_string(), celsius(host, gpu) + 0.875)));
    }
    all.sort_by(|a, b| b.2.total_cmp(&a.2));
    all.truncate(10);
    json!(all)
}

#[track_caller]
fn assert_energy(found: &Value) {
    let found: Vec<(&str, f64)> =
        found.as_array().unwrap().iter().map(|row| (row[0].as_str().unwrap(), row[1].as_f64().unwrap())).collect();
    assert_eq!(found.len(), kwh().len(), "{found:?}");
    for (found, expected) in found.iter().zip(kwh()) {
        assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-9, "{found:?}, expected {expected:?}");
    }
}

/// Runs a block; `show` is an expression of what it leaves.
#[track_caller]
fn shown(python: &Python, folder: &Path, script: &str, show: &str) -> Value {
    let script = format!("{script}\nimport json\nprint()\nprint(json.dumps({show}))\n");
    let text = python.run(&script, folder, &[]);
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[track_caller]
fn duckdb(python: &Python, folder: &Path, name: &str) -> Value {
    let script = format!("import duckdb\nrows = duckdb.sql(r\"\"\"{}\"\"\").fetchall()", block("duckdb", name));
    shown(python, folder, &script, "[[x if isinstance(x, (int, float, str)) else str(x) for x in row] for row in rows]")
}

#[test]
fn duckdb_answers_as_documented() {
    let Some(python) = python("archive::documented::duckdb_answers_as_documented") else { return };
    let folder = archived();
    assert_eq!(duckdb(&python, folder.path(), "job"), mean_flops());
    assert_energy(&duckdb(&python, folder.path(), "energy"));
    let found = duckdb(&python, folder.path(), "hottest");
    let rows = found.as_array().unwrap();
    assert_eq!(json!(rows.iter().map(|row| json!([row[0], row[1], row[2]])).collect::<Vec<_>>()), hottest());
    // The highest value is that of every eighth tick; the day begins with one that is 0 modulo 8.
    assert!(rows.iter().all(|row| row[3].as_str().unwrap().starts_with("2025-11-04")), "{found}");
    let found = duckdb(&python, folder.path(), "corrections");
    assert_eq!(found.as_array().unwrap().len(), 4 * 60);
    // A file with one row of another value, as a later cleanup would leave it.
    let correction = "import duckdb\nduckdb.sql(\"\"\"COPY (SELECT * REPLACE (99 AS value) \
        FROM read_parquet('archive/alex/**/*.parquet') WHERE metric = 'acc_temp' AND hostname = 'a0101' \
        AND scope_id = '2' AND timestamp = epoch(TIMESTAMP '2025-11-04 00:30:00')) \
        TO 'archive/alex/9999999999.parquet' (FORMAT parquet)\"\"\")";
    shown(&python, folder.path(), correction, "None");
    let corrected = duckdb(&python, folder.path(), "corrections");
    let changed: Vec<(&Value, &Value)> =
        found.as_array().unwrap().iter().zip(corrected.as_array().unwrap()).filter(|(a, b)| a != b).collect();
    assert_eq!(corrected.as_array().unwrap().len(), 4 * 60);
    assert!(changed.len() == 1 && changed[0].1[1] == "2" && changed[0].1[3] == 99.0, "{changed:?}");
}

#[test]
fn pandas_answers_as_documented() {
    let Some(python) = python("archive::documented::pandas_answers_as_documented") else { return };
    let folder = archived();
    let folder = folder.path();
    let job = shown(&python, folder, block("python", "job"), "[[host, float(v)] for host, v in mean_flops.items()]");
    assert_eq!(job, mean_flops());
    assert_energy(&shown(
        &python,
        folder,
        block("python", "energy"),
        "[[str(day), float(v)] for day, v in kwh.items()]",
    ));
    let show = "[[*names, float(v)] for names, v in hottest.items()]";
    assert_eq!(shown(&python, folder, block("python", "hottest"), show), hottest());
}

#[test]
fn spark_answers_as_documented() {
    let Some(python) = spark("archive::documented::spark_answers_as_documented") else { return };
    let folder = archived();
    let show = "[[[r[0], float(r[1])] for r in mean_flops.collect()], [[str(r[0]), float(r[1])] for r in kwh.collect()], \
                [[r[0], r[1], float(r[2])] for r in hottest.collect()]]";
    let found = shown(&python, folder.path(), block("spark", "all"), show);
    assert_eq!(found[0], mean_flops());
    assert_energy(&found[1]);
    assert_eq!(found[2], hottest());
}

#[test]
fn exports_work_as_documented() {
    let folder = archived();
    let folder = folder.path();
    let path = std::env::join_paths(
        [binary().parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )
    .unwrap();
    let script = format!("set -eu\n{}", block("shell", "export"));
    let output = Command::new("sh").args(["-c", &script]).env("PATH", path).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let csv = fs::read_to_string(folder.join("job.csv")).unwrap();
    assert!(csv.starts_with("cluster,hostname,metric,scope,scope_id,timestamp,frequency,value,parent\n"));
    let rows: Vec<Vec<&str>> = csv.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 2 * 4 * 240);
    let sum: f64 = rows.iter().map(|row| row[7].parse::<f64>().unwrap()).sum();
    assert_eq!(sum, 240.0 * (76.0 + 108.0));
    let lines = Command::new("gzip").args(["-dc", "a0101.lp.gz"]).current_dir(folder).output().unwrap();
    let lines = String::from_utf8(lines.stdout).unwrap();
    assert_eq!(lines.lines().count(), 16 * 24 * 60);
    assert!(lines.lines().any(|line| line
        == "acc_power,cluster=alex,hostname=a0101,type=accelerator,type-id=3 value=203 1762214400"));
    let bytes = fs::read(folder.join("day.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}

/// Every command that is shown is tested, but those that need a server of the reader's.
#[test]
fn no_block_is_left_out() {
    let mut untested = Vec::new();
    let mut previous = "";
    let mut inside = false;
    for line in TEXT.lines() {
        if let Some(language) = line.strip_prefix("```") {
            if !inside && !language.is_empty() && !previous.starts_with("<!-- test: ") {
                untested.push(language);
            }
            inside = !inside;
        }
        previous = line;
    }
    assert_eq!(untested, ["sh"], "the imports, which tests/archive/transfer.rs runs on servers of its own");
}
