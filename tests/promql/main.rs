//! PromQL against scripts: what is loaded, what is asked, what has to come.
//!
//! Our own scripts lie in `tests/promql/scripts`; those in `plain` run with nothing experimental. With `PROMQLTEST_DIR`
//! set, all scripts of that folder run as well, which is meant for Prometheus's own; `tests/promql/known.txt` says how
//! many queries they hold, and which of them fail for a known reason. A relative path counts from the project's root.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use engine::experimental;
use run::{Report, run};
use treering::promql::Options;

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
fn run_folder(folder: &Path, options: &Options) -> Vec<(String, Report)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {}", folder.display());
    let run_one = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let report = run(&fs::read_to_string(&path).unwrap(), options);
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
    all_pass("tests/promql/scripts", &experimental());
}

/// With nothing experimental, as the store evaluates by default.
#[test]
fn our_plain_scripts_pass() {
    all_pass("tests/promql/scripts/plain", &Options::default());
}

fn all_pass(folder: &str, options: &Options) {
    let reports = run_folder(&root().join(folder), options);
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
    let reports = run_folder(&root().join(folder), &experimental());
    print(&reports);
    let known = known::parse(include_str!("known.txt"));
    let complaints = known::compare(&known, &reports);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
