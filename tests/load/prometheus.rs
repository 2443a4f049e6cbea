//! Hostile queries and bodies at the paths of Prometheus: refused fast, with a reason, and honest clients go on.

use std::io::Read as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use treering::formats::remote::snappy;
use treering::testing::{SentSeries, write_1};

use crate::harness::{Answer, Config, FORM, Line, Store, T0, form, sent};
use crate::probe::Probe;

/// How long a refusal may take on a machine that runs other tests beside.
const FAST: Duration = Duration::from_secs(5);

const V1: &str = "application/x-protobuf";

#[track_caller]
fn fast(what: &str, ask: impl FnOnce() -> Answer) -> Answer {
    let begun = Instant::now();
    let answer = ask();
    println!("{what}: {} after {:?}: {:.200}", answer.status, begun.elapsed(), answer.text());
    assert!(begun.elapsed() < FAST, "{what} took {:?}", begun.elapsed());
    assert!(!answer.body.is_empty() && answer.body.len() < 10_000, "{what}: {} bytes", answer.body.len());
    answer
}

#[test]
fn queries_that_ask_for_too_much_are_refused() {
    let mut store = Store::start(Config::new("native"));
    store.write((0..5000).map(|n| Line::new("flops_any", "a1", n as f64, T0 + 60 * n).of("core", n % 8)));
    let probe = Probe::start(&store);
    let open = "(".repeat(40_000);
    let parentheses = format!("{open}1{}", ")".repeat(40_000));
    let megabytes = format!("flops_any{{type_id=~\"{}\"}}", "a|".repeat(5 << 20));
    let repeated = format!("flops_any{{type_id=~\"{}\"}}", "(x{1000}){1000}");
    let patterns = format!("flops_any{{{}}}", vec!["type_id=~\".*.*.*a\""; 5000].join(","));
    let joined = vec!["flops_any"; 20_000].join(" or ");
    let subqueries =
        format!("sum_over_time({}flops_any{})", "max_over_time(".repeat(20), "[1d:1ms])".repeat(20) + "[1d:1ms]");
    let (start, end) = (T0.to_string(), (T0 + 1_000_000).to_string());
    let instant = |query: &str| {
        store
            .request("POST", "/api/v1/query")
            .header("content-type", FORM)
            .body(form(&[("query", query), ("time", &end)]))
    };
    for (what, query, statuses) in [
        ("open parentheses", &open, &[400][..]),
        ("parentheses", &parentheses, &[400]),
        ("minus signs", &format!("{}1", "-".repeat(40_000)), &[400]),
        ("a pattern of ten megabytes", &megabytes, &[400, 413]),
        ("a pattern that repeats a million times", &repeated, &[400]),
        ("five thousand patterns", &patterns, &[400]),
        ("twenty thousand selectors", &joined, &[400]),
        ("subqueries in subqueries", &subqueries, &[400, 422]),
    ] {
        let answer = fast(what, || store.send(instant(query)));
        assert!(statuses.contains(&answer.status), "{what}: {}", answer.status);
        let told = answer.json();
        assert_eq!(told["status"], "error", "{what}: {told}");
        assert!(told["error"].as_str().is_some_and(|text| text.len() > 10), "{what}: {told}");
    }
    for (what, start, end, step) in [
        ("a thousand million steps", start.as_str(), end.as_str(), "0.001"),
        ("steps for ever", "-9000000000000", "9000000000000", "1"),
        ("steps of nothing", &start, &end, "1e-300"),
    ] {
        let asked = form(&[("query", "flops_any"), ("start", start), ("end", end), ("step", step)]);
        let request = || store.request("POST", "/api/v1/query_range").header("content-type", FORM).body(asked);
        let answer = fast(what, || store.send(request())).expect_status(400).json();
        assert_eq!(answer["errorType"], "bad_data", "{what}: {answer}");
    }
    store.check_alive();
    probe.finish(&store);
}

#[test]
fn bodies_that_become_too_much_are_refused() {
    let mut store = Store::start(Config::new("native").set("/metric-store/limits/stamped-per-host", 20_000));
    let probe = Probe::start(&store);
    let good = [("__name__", "good"), ("instance", "a1:1")];
    // A quarter of a gigabyte of zeros in twelve megabytes is one copy of a byte after the other.
    let mut bomb = vec![0x80, 0x80, 0x80, 0x80, 0x01];
    bomb.extend([0x00, 0x00]);
    bomb.extend([0xFE, 0x01, 0x00].repeat((1 << 28) / 64));
    let lie = [&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F][..], &[0; 100]].concat();
    // Frames of Zstandard that do not say what they become.
    let zeros = zstd::stream::encode_all(std::io::repeat(0).take(1 << 27), 3).unwrap();
    let labels: Vec<(String, String)> = (0..50_000).map(|n| (format!("label_{n}"), "x".to_owned())).collect();
    let flood = SentSeries { labels, ..sent(&good, 0, 1.0) };
    for (what, encoding, body, status) in [
        ("a bomb of snappy", "snappy", bomb, 413),
        ("a length that lies", "snappy", lie, 413),
        ("a bomb of Zstandard", "zstd", zeros, 413),
        ("a flood of labels", "snappy", snappy(&write_1(&[flood], &[])), 400),
    ] {
        fast(what, || store.remote(V1, encoding, body)).expect_status(status);
    }
    // A label for each of many series: as many as there is room for by the limits, and no more.
    let many: Vec<SentSeries> = (0..30_000)
        .map(|number| {
            let number = number.to_string();
            sent(&[("__name__", "flood"), ("instance", "a1:1"), ("n", &number)], 0, 1.0)
        })
        .collect();
    let answer = store.remote(V1, "snappy", snappy(&write_1(&many, &[]))).expect_status(400);
    assert!(answer.text().contains("the limit of 20000 stamped series per host is reached"), "{}", answer.text());
    let other = [("__name__", "good"), ("instance", "a2:1")];
    store.remote(V1, "snappy", snappy(&write_1(&[sent(&other, 0, 1.0)], &[]))).expect_status(204);
    let counted: Value = store.get("/api/v1/status/tsdb?limit=1").expect_status(200).json();
    assert_eq!(counted["data"]["seriesCountByMetricName"][0]["name"], "flood");
    store.check_alive();
    probe.finish(&store);
}
