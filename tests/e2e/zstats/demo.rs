//! `treering demo --zstats`: a real page, shipped to a real store.

use std::process::{Command, Output};

use super::config;
use crate::harness::{Config, Store, binary, form};

/// Runs it to its end, where no config is: a store with a URL needs none.
fn demo(store: &Store, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["demo", "--zstats", "--interval", "1s", "--url", &store.url("")]);
    command.current_dir(std::env::temp_dir()).args(arguments).output().unwrap()
}

#[test]
fn a_page_is_shipped_in_full_and_then_what_changed() {
    let store = Store::start(config());
    let output = demo(&store, &["--count", "5", "--job", "own"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" UTC  ")).collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines.iter().all(|line| line.ends_with(", code 0")), "{text}");
    // Counters that appear with the first requests make further scrapes full; then it settles.
    assert!(lines[0].contains("  full ") && lines[4].contains("  incremental "), "{text}");
    let target = store.url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let query = format!("count({{job=\"own\", instance=\"{target}\"}})");
    let answer = store.get(&format!("/api/v1/query?{}", form(&[("query", &query)]))).expect_status(200).json();
    let count: f64 = answer["data"]["result"][0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!(count > 50.0, "{answer}");
    // Each scrape lies in the spool.
    let files = store.files("spool");
    let ending = |end: &str| files.iter().filter(|path| path.to_string_lossy().ends_with(end)).count();
    assert_eq!((ending(".json"), ending(".data.gz"), files.len()), (5, 5, 10), "{files:?}");
}

#[test]
fn what_is_wrong_is_told() {
    let store = Store::start(config());
    let failed = |store: &Store, arguments: &[&str], texts: &[&str]| {
        let output = demo(store, arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(texts.iter().all(|expected| text.contains(expected)), "{text}");
    };
    failed(&store, &["--once", "--zstats-token", "strange"], &["answers", "token"]);
    failed(&store, &["--once", "--scrape", "nonsense"], &["--scrape", "nonsense"]);
    failed(&store, &["--once", "--scrape", &store.url("/-/healthy")], &["without a series"]);
    let store = Store::start(Config::new("native"));
    failed(&store, &["--once"], &["404", "zstats.tokens"]);
}
