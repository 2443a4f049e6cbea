//! PromQL against scripts: what is loaded, what is asked, what has to come.
//!
//! Our own scripts lie in `tests/promql/scripts`. With `PROMQLTEST_DIR` set, all scripts of that folder run as well,
//! which is meant for Prometheus's own; `tests/promql/known.txt` says how many queries they hold, and which of them
//! fail for a known reason. A relative path counts from the project's root.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use run::{Report, run};

mod answer;
mod engine;
mod known;
mod memory;
mod run;
mod script;
mod sequence;

fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// The reports of all scripts of a folder, by file name.
fn run_folder(folder: &Path) -> Vec<(String, Report)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {}", folder.display());
    let run_one = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let report = run(&fs::read_to_string(&path).unwrap());
        (name.clone(), report.unwrap_or_else(|reason| panic!("{name}: {reason}")))
    };
    paths.into_iter().map(run_one).collect()
}

fn print(reports: &[(String, Report)]) {
    for (name, report) in reports {
        for (line, reason) in &report.failures {
            println!("{name}:{line}: {reason}");
        }
    }
    for (name, report) in reports {
        println!("{name}: {}/{}", report.total - report.failures.len(), report.total);
    }
    let total: usize = reports.iter().map(|(_, report)| report.total).sum();
    let failed: usize = reports.iter().map(|(_, report)| report.failures.len()).sum();
    println!("total: {}/{total}", total - failed);
}

#[test]
fn our_scripts_pass() {
    let reports = run_folder(&root().join("tests/promql/scripts"));
    print(&reports);
    let failed: usize = reports.iter().map(|(_, report)| report.failures.len()).sum();
    assert_eq!(failed, 0, "queries failed, see above");
}

#[test]
fn prometheus_scripts_pass() {
    let Some(folder) = std::env::var_os("PROMQLTEST_DIR") else {
        println!("SKIPPED: PROMQLTEST_DIR is not set");
        return;
    };
    let reports = run_folder(&root().join(folder));
    print(&reports);
    let known = known::parse(include_str!("known.txt"));
    let complaints = known::compare(&known, &reports);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
