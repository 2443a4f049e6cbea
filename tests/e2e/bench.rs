//! `treering bench`: the real binary against itself, in small.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{binary, eventually};

/// A bench whose stores write below `folder`; it runs where the repository's part of a real job lies.
fn bench(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("bench").args(arguments).arg("--dir").arg(folder).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Nothing is left in a folder, and nobody who works in it.
fn assert_left_clean(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    let workers =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path().join("cwd")).ok());
    let workers: Vec<_> = workers.filter(|cwd| cwd.starts_with(folder)).collect();
    assert!(workers.is_empty(), "processes are left in {workers:?}");
}

/// A program that does something else before it becomes the store.
fn wrapped(folder: &Path, script: &str) -> String {
    let path = folder.join("wrapped-store");
    let line = format!("#!/bin/sh\n{script}\nexec {} \"$@\"\n", binary().display());
    fs::write(&path, line).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn assert_positive(value: &Value, what: &str) {
    assert!(value.as_f64().is_some_and(|value| value.is_finite() && value > 0.0), "{what}: {value}");
}

#[test]
fn every_part_measures_both_stores() {
    let (folder, results) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (own, json) = (binary(), results.path().join("out.json"));
    let parts = ["ingest", "nats", "memory", "queries", "recovery", "job", "scale"];
    let mut arguments = parts.to_vec();
    arguments.extend(["--quick", "--against", own.to_str().unwrap(), "--json-file", json.to_str().unwrap()]);
    let Output { status, stdout, stderr } = bench(folder.path(), &arguments).output().unwrap();
    let (table, progress) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{status}\n{table}\n{progress}");
    assert!(progress.contains("round 1 of 1, treering (against): days"), "{progress}");
    for word in ["SKIPPED", "NOTE", "FAILED"] {
        assert!(!table.contains(word), "{table}");
    }

    let json: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let figures = json["figures"].as_array().unwrap();
    assert!(figures.len() > 20);
    for figure in figures {
        for store in 0..2 {
            match figure["figure"].as_str().unwrap() {
                "ingest-lost" => assert_eq!(figure["medians"][store], 0.0),
                _ => assert_positive(&figure["medians"][store], &figure.to_string()),
            }
        }
    }
    // The table has the same figures in the same order, eight cells each.
    let rows: Vec<Vec<&str>> = table.lines().filter(|line| line.starts_with("| ")).map(cells).collect();
    let (head, rows) = rows.split_first().unwrap();
    assert_eq!(head[..], ["work", "unit", "goal", "treering", "met", "treering (against)", "ratio"]);
    let rows: Vec<_> = rows.iter().filter(|row| row.len() == head.len() && row[0] != "---").collect();
    assert_eq!(rows.len(), figures.len(), "{table}");
    for (row, figure) in rows.iter().zip(figures) {
        assert_eq!(row[0], figure["work"], "{table}");
        assert!(row[3].replace(',', "").parse::<f64>().is_ok_and(|value| value >= 0.0), "{row:?}");
    }
    let sizes = json["scale"].as_array().unwrap();
    assert_eq!(sizes.len(), 6, "three sizes of two stores");
    for size in sizes {
        for (name, value) in size.as_object().unwrap().iter().filter(|(name, _)| *name != "store") {
            assert_positive(value, name);
        }
    }
    assert!(table.contains("so 24 GB hold "), "{table}");
    assert_left_clean(folder.path());
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// A bench that takes losses for speed is worse than none.
#[test]
fn a_store_that_loses_samples_fails() {
    let (folder, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let forgetful = wrapped(programs.path(), "rm -rf var/checkpoints/.treering");
    let output = bench(folder.path(), &["ingest", "--quick", "--binary", &forgetful]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let (table, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(table.contains("FAILED") && table.contains("16 of 16 samples are missing after kill -9"), "{table}");
    assert!(errors.contains("samples are missing"), "{errors}");
    assert_left_clean(folder.path());
}

#[test]
fn a_store_that_does_not_run_fails_with_its_log() {
    let (folder, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let broken = wrapped(programs.path(), "[ \"$1\" = -version ] || { echo no disk today; exit 7; }");
    let output = bench(folder.path(), &["memory", "--quick", "--binary", &broken]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let errors = text(&output.stderr);
    assert!(errors.contains("exit status: 7") && errors.contains("no disk today"), "{errors}");
    assert_left_clean(folder.path());

    for (arguments, reason) in [
        (&["--binary", "/no/such/store"][..], "/no/such/store"),
        (&["--job-file", "Cargo.toml", "job"], "Cargo.toml: line 1"),
        (&["--job-file", "none.lp", "job"], "none.lp"),
        (&["everything"], "everything"),
    ] {
        let output = bench(folder.path(), arguments).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
        assert!(text(&output.stderr).contains(reason), "{arguments:?}: {output:?}");
    }
    assert_left_clean(folder.path());
}

/// Kills what a failed test leaves.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_interrupted_bench_ends_its_store_and_removes_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bench(folder.path(), &["memory"]);
    let mut child = Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    // It has begun to write two days, which takes longer than anybody waits.
    eventually("the store writes", || {
        let below = |path: &Path| fs::read_dir(path).ok()?.next()?.ok().map(|entry| entry.path());
        below(&below(folder.path())?.join("var/checkpoints/.treering"))
    });
    let kill = Command::new("sh").args(["-c", &format!("kill -s INT {}", child.0.id())]).status().unwrap();
    assert!(kill.success());
    let status = eventually("the bench ends", || child.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    assert_left_clean(folder.path());
}
