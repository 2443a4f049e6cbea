//! What may be in a body, and what becomes of it.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::json;

use crate::harness::{Config, Line, Store, T0, dense, now_secs, setting};

/// A bad line ended the whole body: the lines behind it were lost, and nobody said how many.
#[test]
fn a_bad_line_costs_no_other() {
    let store = Store::start(Config::new("native"));
    let mut lines: Vec<String> =
        (0..100).map(|k| Line::new("mem_used", "a1", k as f64, T0 + 60 * k).to_string()).collect();
    lines[41] = "mem_used,cluster=alex,hostname=a1,type=node value=nonsense 1".to_owned();
    let answer = store.post("/api/write", lines.join("\n")).expect_status(400);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert_eq!(answer.json()["status"], "Bad Request");
    assert!(error.contains("line 42"), "{error}");
    assert!(error.contains("99"), "it says how many lines were stored: {error}");
    let expected: Vec<f64> = (0..100).filter(|k| *k != 41).map(f64::from).collect();
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 6000), expected);
}

#[test]
fn the_first_ten_bad_lines_are_named() {
    let store = Store::start(Config::new("native"));
    let mut body = String::new();
    for k in 0..30 {
        let good = Line::new("mem_used", "a1", 1.0, T0 + 60 * k);
        body.push_str(&format!("{good}\nmem_used,cluster=alex,hostname=a1,type=node no 1\n"));
    }
    let answer = store.post("/api/write", body).expect_status(400);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    for number in (2..=20).step_by(2) {
        assert!(error.contains(&format!("line {number}:")), "line {number} in {error}");
    }
    assert!(!error.contains("line 22:"), "{error}");
    assert!(error.contains("30"), "{error}");
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 1800).len(), 30);
}

/// Names that would leave the checkpoint directory, and metrics that nobody configured, come from foreign agents; the
/// sender can do nothing about them.
#[test]
fn refused_names_and_unknown_metrics_are_counted_and_no_error() {
    let store = Store::start(Config::new("wal"));
    store.write([
        "mem_used,cluster=..,hostname=x,type=node value=1 1770244800",
        "mem_used,cluster=alex,hostname=..,type=node value=1 1770244800",
        "mem_used,cluster=alex,hostname=a/../../b,type=node value=1 1770244800",
        "mem_used,cluster=alex,hostname=a\\\\b,type=node value=1 1770244800",
        "mem_used,cluster=alex,hostname=a\0b,type=node value=1 1770244800",
        "unheard_of,cluster=alex,hostname=a1,type=node value=1 1770244800",
        "mem_used,cluster=alex,hostname=a1,type=node value=7 1770244800",
    ]);
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 60), [7.0]);
    let metrics = store.metrics();
    assert_eq!(metrics.sum("treering_dropped_total", ""), 6.0);
    assert_eq!(metrics.sum("treering_samples_total", ""), 1.0);
    let outside: Vec<_> = store.files("").into_iter().filter(|path| path.ends_with("b")).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn times_come_in_four_units_or_not_at_all() {
    let store = Store::start(Config::new("native"));
    for (k, unit) in [1, 1_000, 1_000_000, 1_000_000_000i64].into_iter().enumerate() {
        let k = i64::try_from(k).unwrap();
        // A fraction of a second is cut off.
        let time = (T0 + 60 * k) * unit + unit * 9 / 10;
        store.write([format!("mem_used,cluster=alex,hostname=a1,type=node value={k} {time}")]);
    }
    let series = store.series("a1", "mem_used", T0, T0 + 240).unwrap();
    assert_eq!((series.from, series.data), (T0, dense((0..4).map(f64::from))));

    let before = now_secs();
    store.write(["mem_used,cluster=alex,hostname=a2,type=node value=5"]);
    let series = store.series("a2", "mem_used", before - 60, before + 120).unwrap();
    assert_eq!(series.values(), [5.0]);
    assert!((before..=now_secs()).contains(&series.from), "{series:?}, written at {before}");
}

#[test]
fn values_and_tags_come_in_every_form() {
    let store = Store::start(Config::new("native"));
    store.write([
        "mem_used,cluster=alex,hostname=a1,type=node value=1.5 1770244800",
        "mem_used,hostname=a1,type=node,cluster=alex value=2i 1770244860",
        "mem_used,type=node,cluster=alex,host=a1 value=3u 1770244920",
        "mem_used,cluster=alex,rack=r1,hostname=a1,unit=GB,type=node value=4e0 1770244980",
        "mem_used,cluster=alex,hostname=a1 value=-5.25 1770245040",
    ]);
    store.post("/api/write/?cluster=alex", "mem_used,hostname=a1,type=node value=6 1770245100").expect_status(200);
    let series = store.series("a1", "mem_used", T0, T0 + 360).unwrap();
    assert_eq!(series.data, dense([1.5, 2.0, 3.0, 4.0, -5.25, 6.0]));
}

#[test]
fn windows_line_ends_comments_and_empty_lines_are_fine() {
    let store = Store::start(Config::new("native"));
    let body = "# a comment\r\nmem_used,cluster=alex,hostname=a1,type=node value=1 1770244800\r\n\r\n\n\
                mem_used,cluster=alex,hostname=a1,type=node value=2 1770244860";
    store.post("/api/write", body).expect_status(200);
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 120), [1.0, 2.0]);
}

fn body_of(host: &str, ticks: i64) -> String {
    (0..ticks).map(|k| format!("{}\n", Line::new("mem_used", host, k as f64, T0 + 60 * k))).collect()
}

#[test]
fn bodies_may_be_compressed() {
    let store = Store::start(Config::new("native"));
    for encoding in ["gzip", "deflate", "zstd"] {
        let body = body_of(encoding, 2000);
        let body = match encoding {
            "gzip" => gzip(body.as_bytes()),
            "deflate" => deflate(body.as_bytes()),
            _ => zstd::encode_all(body.as_bytes(), 3).unwrap(),
        };
        store
            .send(store.request("POST", "/api/write").header("content-encoding", encoding).body(body))
            .expect_status(200);
        let series = store.series(encoding, "mem_used", T0, T0 + 120_000).unwrap();
        assert_eq!(series.data, dense((0..2000).map(f64::from)), "{encoding}");
    }
    let unknown = store.request("POST", "/api/write").header("content-encoding", "br").body(body_of("br", 1));
    assert!((400..500).contains(&store.send(unknown).status));
    assert_eq!(store.series("br", "mem_used", T0, T0 + 60), None);
    // What breaks off is an error, and what came before it is told.
    let mut cut = gzip(body_of("cut", 2000).as_bytes());
    cut.truncate(cut.len() / 2);
    let answer = store.send(store.request("POST", "/api/write").header("content-encoding", "gzip").body(cut));
    assert_eq!(answer.status, 400, "{}", answer.text());
    store.get("/-/ready").expect_status(200);
}

/// A body without end must not fill the memory; a small one that inflates to gigabytes neither.
#[test]
fn a_body_over_the_limit_is_cut_and_told() {
    let store = Store::start(Config::new("native").set(setting::BODY_LIMIT, 50_000));
    store.post("/api/write", body_of("fits", 500)).expect_status(200);
    for (host, encoding) in [("plain", None), ("packed", Some("gzip"))] {
        let body = body_of(host, 2000);
        let before = store.metrics().sum("treering_samples_total", "");
        let mut request = store.request("POST", "/api/write");
        request = match encoding {
            Some(encoding) => request.header("content-encoding", encoding).body(gzip(body.as_bytes())),
            // Chunked, so that the length does not give it away.
            None => request.body(reqwest::blocking::Body::new(std::io::Cursor::new(body.into_bytes()))),
        };
        let answer = store.send(request).expect_status(413);
        let stored = store.metrics().sum("treering_samples_total", "") - before;
        assert!(stored > 100.0 && stored < 1000.0, "{stored}");
        assert_eq!(store.values(host, "mem_used", T0, T0 + 300_000).len(), stored as usize);
        assert!(answer.text().contains(&format!("{stored}")), "{stored} stored, but: {}", answer.text());
    }
}

/// cc-metric-store lets all network devices of a node overwrite one buffer.
#[test]
fn devices_are_kept_apart() {
    let store = Store::start(Config::new("native").metric("net_bytes_in", 60, Some("sum")).metric("temp", 60, None));
    for k in 0..3 {
        for (device, value) in [("eth0", 10), ("ib0", 100)] {
            for metric in ["net_bytes_in", "temp"] {
                store.write([format!(
                    "{metric},cluster=alex,hostname=a1,type=node,stype=network,stype-id={device} value={} {}",
                    value + k,
                    T0 + 60 * k
                )]);
            }
        }
    }
    let (from, to) = (T0, T0 + 180);
    let device = |metric: &str, device: &str| {
        let query = json!({"metric": metric, "host": "a1", "subtype": "network", "subtype-ids": [device]});
        store.rows(from, to, query)[0].values()
    };
    assert_eq!(device("net_bytes_in", "eth0"), [10.0, 11.0, 12.0]);
    assert_eq!(device("net_bytes_in", "ib0"), [100.0, 101.0, 102.0]);
    assert_eq!(store.values("a1", "net_bytes_in", from, to), [110.0, 112.0, 114.0]);
    // Without an aggregation the node answers the device that it saw first, never an error.
    assert_eq!(store.values("a1", "temp", from, to), [10.0, 11.0, 12.0]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
