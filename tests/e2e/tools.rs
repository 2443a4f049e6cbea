//! `inspect` and `convert` on a whole checkpoint directory, as an administrator calls them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::binary;

fn run(arguments: &[&str], folder: &Path) -> Output {
    Command::new(binary()).args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The way from cc-metric-store and back, offline, with its real files.
#[test]
fn a_directory_of_the_reference_goes_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ccms/reference");
    let host = folder.path().join("old/alex/a3201");
    fs::create_dir_all(&host).unwrap();
    fs::copy(data.join("a3201-1795259637.bin"), host.join("1795259637.bin")).unwrap();
    fs::copy(data.join("a3201-current.wal"), host.join("current.wal")).unwrap();
    let mut contents = Vec::new();
    for (to, from, source, target) in
        [("native", "wal", "old", "native"), ("json", "native", "native", "json"), ("wal", "json", "json", "new")]
    {
        let output = run(&["convert", "--from", from, "--to", to, source, target], folder.path());
        let summary = text(&output.stdout);
        assert!(output.status.success() && summary.contains("\nverified: "), "{to}: {output:?}");
        assert!(output.stderr.is_empty(), "no terminal, no progress: {output:?}");
        contents.extend(summary.lines().filter(|line| line.starts_with("content: ")).map(str::to_owned));
        let output = run(&["inspect", "--limit", "3", target], folder.path());
        let report = text(&output.stdout);
        assert!(output.status.success() && report.contains("alex"), "{to}: {output:?}");
    }
    assert!(contents.len() == 3 && contents.iter().all(|content| *content == contents[0]), "{contents:?}");
    assert!(folder.path().join("new/alex/a3201").is_dir());
    assert_eq!(fs::read_dir(&host).unwrap().count(), 2, "the source is as it was");
}

#[test]
fn failures_have_an_exit_code_and_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("full/x")).unwrap();
    for (arguments, reason) in [
        (&["convert", "--to", "wal", "full", "new"][..], "holds no logs"),
        (&["convert", "--to", "wal", "none", "new"], "none: "),
        (&["convert", "--to", "wal", "full", "full"], "not empty"),
        (&["convert", "--to", "sql", "full", "new"], "native"),
        (&["convert", "--to", "wal", "--config", "none.json", "full", "new"], "none.json"),
    ] {
        let output = run(arguments, folder.path());
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
        assert!(text(&output.stderr).contains(reason), "{arguments:?}: {output:?}");
        assert!(!folder.path().join("new").exists(), "{arguments:?}");
    }
    // A torn tail.
    let log = folder.path().join("current.wal");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ccms/golden.wal");
    let mut bytes = fs::read(data).unwrap();
    bytes.pop();
    fs::write(&log, bytes).unwrap();
    let output = run(&["inspect", "--json", "current.wal"], folder.path());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let damage: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let damage = damage.iter().find(|object| object["kind"] == "damage").unwrap();
    assert!(damage["offset"].as_u64().is_some() && damage["reason"].is_string(), "{damage}");
}
