//! The workload and the table: what the goals are for is what is sent, and what is printed can be read again.

use std::collections::{BTreeMap, BTreeSet};

use crate::formats::line::{lines, parse_key, split};

use super::figures::{Figure, Outcome};
use super::report::Report;
use super::scale::{FullHost, ScaleOutcome, ScaleRow};
use super::subject::Subject;
use super::workload::{CLUSTER, LINES_OF_TICK, append_tick, host_name, metrics_of_config};

fn tick(host: u32, tick: u32) -> Vec<u8> {
    let mut out = Vec::new();
    append_tick(&mut out, host, tick, 1_790_000_000 + 60 * i64::from(tick));
    out
}

#[test]
fn a_tick_has_every_series_of_a_host_once() {
    let mut by_kind: BTreeMap<String, u32> = BTreeMap::new();
    let mut keys = BTreeSet::new();
    let mut metrics = BTreeSet::new();
    let body = tick(17, 3);
    for line in lines(&body) {
        let split = split(line).unwrap().unwrap();
        assert!(split.value.is_finite() && split.value >= 0.0, "{}", String::from_utf8_lossy(line));
        assert!(keys.insert(split.key.to_vec()), "twice: {}", String::from_utf8_lossy(line));
        let key = parse_key(split.key).unwrap();
        assert_eq!((key.cluster.as_deref(), &*key.host), (Some(CLUSTER), &*host_name(17)));
        *by_kind.entry(key.kind.to_string()).or_default() += 1;
        metrics.insert(key.metric.to_string());
    }
    assert_eq!(keys.len() as u64, LINES_OF_TICK);
    let counts = [("accelerator", 56), ("hwthread", 768), ("node", 26), ("socket", 10)];
    assert_eq!(by_kind, counts.map(|(kind, count)| (kind.to_owned(), count)).into());
    let configured: BTreeSet<String> = metrics_of_config().keys().cloned().collect();
    assert_eq!(metrics, configured);
}

#[test]
fn ticks_repeat_themselves_only_when_asked_again() {
    assert_eq!(tick(1, 1), tick(1, 1));
    assert_ne!(tick(1, 1), tick(1, 2));
    assert_ne!(tick(1, 1), tick(2, 1));
}

fn subject(name: &str, is_own: bool) -> Subject {
    Subject { name: name.into(), program: "/bin/true".into(), version: String::new(), format: "native", is_own }
}

fn cells(markdown: &str, work: &str) -> Vec<String> {
    let line = markdown.lines().find(|line| line.starts_with(&format!("| {work} |"))).unwrap();
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn the_table_compares_medians_with_goals_and_with_each_other() {
    let mut report = Report::new(vec![subject("a", true), subject("b", false)], 3, false, 0);
    for (cpu, rate) in [(0.5, 1e6), (0.1, 3e6), (0.3, 2e6)] {
        let figures = vec![(Figure::IngestProcessor, cpu), (Figure::IngestRate, rate), (Figure::JobPage, 121.0)];
        report.add(0, Outcome { figures, notes: vec![] });
        let figures = vec![(Figure::IngestProcessor, 10.0 * cpu), (Figure::IngestRate, rate / 4.0)];
        report.add(1, Outcome { figures, notes: vec!["b lost\none".to_owned()] });
    }
    let text = report.markdown();
    let ingest = cells(&text, "HTTP ingest, log on");
    assert_eq!(ingest[1..], ["CPU-s / 1 M lines", "≤ 0.35", "0.300", "yes", "3.000", "10.0"]);
    assert_eq!(cells(&text, "the same")[1..], ["lines / s", "–", "2,000,000", "–", "500,000", "4.0"]);
    let page = cells(&text, "job page: 16 hosts × (9 node + 2 × 128 hwthread metrics), 31 h");
    assert_eq!(page[1..], ["ms", "≤ 120", "121.0", "**no**", "–", "–"]);
    assert!(text.contains("\n- NOTE b lost one\n"), "{text}");
    assert!(!text.contains("FAILED") && !text.contains("snapshots"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    let row = &json["figures"][0];
    assert_eq!((row["figure"].as_str(), row["is_met"].as_bool()), (Some("ingest-processor"), Some(true)));
    assert_eq!(row["values"][0], serde_json::json!([0.5, 0.1, 0.3]));
}

#[test]
fn a_quick_run_compares_nothing() {
    let mut report = Report::new(vec![subject("a", true)], 1, true, 0);
    report.add(0, Outcome { figures: vec![(Figure::IngestProcessor, 0.1)], notes: vec![] });
    let text = report.markdown();
    assert_eq!(cells(&text, "HTTP ingest, log on")[2..], ["–", "0.100", "–"]);
    assert!(text.contains("quick run"), "{text}");
}

#[test]
fn the_largest_cluster_follows_from_a_host() {
    let mut report = Report::new(vec![subject("a", true)], 1, false, 0);
    let row = ScaleRow { store: "a".into(), hosts: 10_000, line_micros: 0.25, ..ScaleRow::default() };
    let full = FullHost { store: "a".into(), ticks: 2880, host_bytes: 10e6 };
    report.add_scale(ScaleOutcome { rows: vec![row], full: Some(full), skipped: vec!["b".into()] });
    let text = report.markdown();
    assert!(text.contains("| a | 10,000 × 860 | 0 | 0.00 | 0.25 |"), "{text}");
    assert!(text.contains("takes 10.00 MB, so 24 GB hold 2,400 hosts of 860 series for 48 hours"), "{text}");
    assert!(text.contains("- SKIPPED b"), "{text}");
}
