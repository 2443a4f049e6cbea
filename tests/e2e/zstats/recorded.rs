//! All recorded exchanges over HTTP, each sequence on a fresh store: answers, series asked back by PromQL, spool files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::{Map, Value};
use treering::formats::zstats::{RequestLimits, decode_response, gunzip};

use super::{config, current_at, samples_at};
use crate::harness::{Answer, Store};

/// Where ours answers otherwise, on purpose: the exchange, the codes (none where the request is refused whole), and
/// why. Also told in `docs/zstats.md`.
const DIFFERENCES: [(&str, &[i8], &str); 9] = [
    ("basic-04-incr", &[1], "a NaN and an infinity became numbers: the differences do not say which"),
    ("odd-02-crc-wrong", &[], "the checksum is wrong: what was sent is not what came"),
    ("odd-03-trailer-cut", &[], "there is no checksum"),
    ("odd-04-rest-ignored", &[1], "the two before it were refused, so these are differences from something else"),
    ("odd-06-token-any", &[], "nobody knows the token"),
    ("odd-14-idx-descending", &[1], "indexes out of order: the original ignores samples from there on"),
    ("odd-15-idx-outside", &[1], "an index that no series has; and the one before it was refused"),
    ("odd-16-idx-twice", &[1], "an index twice; and the ones before it were refused"),
    ("odd-17-incr-with-labels", &[1], "the ones before it were refused"),
];

struct Exchange {
    name: String,
    body: Vec<u8>,
    json: Value,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zstats")
}

/// The exchanges of a sequence, in order.
fn sequence(sequence: &str) -> Vec<Exchange> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder()).unwrap().map(name).collect();
    names.retain(|name| name.ends_with(".bin") && name.split('-').next() == Some(sequence));
    names.sort();
    assert!(!names.is_empty());
    let exchange = |name: String| {
        let name = name.trim_end_matches(".bin").to_owned();
        let body = fs::read(folder().join(format!("{name}.bin"))).unwrap();
        let json = serde_json::from_slice(&fs::read(folder().join(format!("{name}.json"))).unwrap()).unwrap();
        Exchange { name, body, json }
    };
    names.into_iter().map(exchange).collect()
}

fn send(store: &Store, exchange: &Exchange) -> Answer {
    let mut request = store.request("POST", "/api/v1/zstats");
    match exchange.json["headers"].as_object() {
        Some(headers) => {
            for (name, value) in headers {
                request = request.header(name, value.as_str().unwrap());
            }
        }
        None => {
            request = request.header("Zebrium-Token", "12345").header("Content-Type", "application/octet-stream");
        }
    }
    store.send(request.body(exchange.body.clone()))
}

/// Plays a sequence; answers how many exchanges it has and in how many ours differs.
fn play(name: &str) -> (usize, usize) {
    let store = Store::start(config());
    let (mut differences, mut entries) = (0, 0);
    let exchanges = sequence(name);
    for exchange in &exchanges {
        let answer = send(&store, exchange).expect_status(200);
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.header("content-encoding"), "");
        let response = decode_response(&answer.body).unwrap();
        let (name, expected) = (&exchange.name, &exchange.json["response"]);
        let scrapes = exchange.json["scrapes"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some((_, codes, why)) = DIFFERENCES.iter().find(|difference| difference.0 == name) {
            differences += 1;
            assert_eq!(response.codes, *codes, "{name}: {why}");
            assert_eq!(response.error.is_empty(), !codes.is_empty(), "{name}: {why}");
            assert_ne!(expected["ierr_codes"], serde_json::json!(codes), "{name} is no difference");
            assert_eq!(spooled(&store).len(), entries, "{name}");
            continue;
        }
        assert_eq!(expected["version"], response.version, "{name}: {}", response.error);
        assert_eq!(expected["err"] == "", response.error.is_empty(), "{name}: {}", response.error);
        assert_eq!(expected["ierr_codes"], serde_json::json!(response.codes), "{name}");
        assert_eq!(response.min_poll_secs, 0);
        if let Some(body) = expected["body_base64"].as_str().filter(|_| response.error.is_empty()) {
            assert_eq!(base64::engine::general_purpose::STANDARD.decode(body).unwrap(), answer.body, "{name}");
        }
        check_samples(&store, name, scrapes);
        let spooled = spooled(&store);
        assert_eq!(spooled.len() - entries, scrapes.len(), "{name}");
        check_spool(name, scrapes, &spooled[entries..]);
        entries = spooled.len();
    }
    (exchanges.len(), differences)
}

fn labels_of(scrape: &Value, series: &Value) -> Option<Value> {
    let mut labels: Map<String, Value> = Map::new();
    for of in [&scrape["common_labels"], &series["labels"]] {
        labels.extend(of.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    // A label without a value is no label, and a series without a name was dropped by its sender's rules.
    labels.retain(|_, value| value != "");
    labels.contains_key("__name__").then_some(Value::Object(labels))
}

/// Every rebuilt series has its value at its time. Of those with the same labels and time the last counts.
fn check_samples(store: &Store, name: &str, scrapes: &[Value]) {
    let mut expected: BTreeMap<i64, BTreeMap<String, f64>> = BTreeMap::new();
    for scrape in scrapes {
        for series in scrape["series"].as_array().unwrap() {
            let time_ms = series.get("ts").unwrap_or(&scrape["dts"]).as_i64().unwrap();
            let value = series["value"].as_str().unwrap().parse().unwrap();
            if let Some(labels) = labels_of(scrape, series) {
                expected.entry(time_ms).or_default().insert(labels.to_string(), value);
            }
        }
    }
    for (time_ms, expected) in expected {
        let found: BTreeMap<String, f64> =
            samples_at(store, time_ms).into_iter().map(|(labels, value)| (labels.to_string(), value)).collect();
        for (labels, value) in expected {
            let found = found.get(&labels).unwrap_or_else(|| panic!("{name}: no sample of {labels} at {time_ms}"));
            let is_same = value.to_bits() == found.to_bits() || (value.is_nan() && found.is_nan());
            assert!(is_same, "{name}: {labels} at {time_ms}: {found} instead of {value}");
        }
    }
}

/// The folders of all entries in the spool, in the order in which they were made.
fn spooled(store: &Store) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = store
        .files("spool")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.parent().unwrap().to_owned())
        .collect();
    folders.sort_by_key(|folder| folder.file_name().unwrap().to_str().unwrap().parse::<i64>().unwrap());
    folders
}

fn check_spool(name: &str, scrapes: &[Value], entries: &[PathBuf]) {
    for (scrape, folder) in scrapes.iter().zip(entries) {
        let time = folder.file_name().unwrap().to_str().unwrap();
        let manifest = fs::read(folder.join(format!("{time}.json"))).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["dts"], scrape["dts"], "{name}");
        let Some(spool) = scrape.get("spool") else { continue };
        // All but the time, which is that of the receiver's clock.
        let (place, _) = spool["directory"].as_str().unwrap().rsplit_once('/').unwrap();
        assert!(folder.parent().unwrap().ends_with(place), "{name}: {folder:?} instead of {place}");
        let data = fs::read(folder.join(format!("{time}.data.gz"))).unwrap();
        let data = gunzip(&data, &RequestLimits::default()).unwrap();
        assert_eq!(spool["data"], String::from_utf8(data).unwrap(), "{name}");
        let pairs = manifest["kvs"].as_array().map(Vec::as_slice).unwrap_or_default();
        let pairs: Map<String, Value> =
            pairs.iter().map(|pair| (pair["key"].as_str().unwrap().to_owned(), pair["value"].clone())).collect();
        assert_eq!(spool["kvs"], Value::Object(pairs), "{name}");
        let Some(recorded) = spool.get("json") else { continue };
        for key in ["account", "type", "iid", "is_compressed", "olabels"] {
            assert_eq!(recorded[key], manifest[key], "{name}: {key}");
        }
    }
}

macro_rules! sequences {
    ($($name:ident: $exchanges:literal, $differences:literal;)*) => {$(
        #[test]
        fn $name() {
            assert_eq!(play(stringify!($name)), ($exchanges, $differences));
        }
    )*
        /// No sequence is left out.
        #[test]
        fn all_sequences_are_played() {
            let played = 0 $(+ $exchanges)*;
            let bodies = fs::read_dir(folder()).unwrap();
            let is_body = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "bin");
            assert_eq!(bodies.filter(|entry| is_body(&entry.as_ref().unwrap().path())).count(), played);
            assert_eq!(0 $(+ $differences)*, DIFFERENCES.len());
        }
    };
}

sequences! {
    basic: 10, 1;
    gap: 5, 0;
    cold: 3, 0;
    order: 9, 0;
    batch: 3, 0;
    stamps: 4, 0;
    labels: 2, 0;
    single: 2, 0;
    twins: 2, 0;
    torn: 6, 0;
    outage: 5, 0;
    bad: 23, 0;
    odd: 19, 8;
}

/// Series that a target's next scrape lacks are stale from then on, in place of five minutes later.
#[test]
fn series_that_vanished_are_stale() {
    for name in ["basic", "torn", "batch"] {
        let store = Store::start(config());
        let mut checked = 0;
        for exchange in sequence(name) {
            send(&store, &exchange).expect_status(200);
            if DIFFERENCES.iter().any(|difference| difference.0 == exchange.name) {
                continue;
            }
            // The last scrape of each target that was taken.
            let mut last: BTreeMap<String, &Value> = BTreeMap::new();
            for scrape in exchange.json["scrapes"].as_array().into_iter().flatten() {
                if let Some(instance) = scrape["common_labels"]["instance"].as_str() {
                    last.insert(instance.to_owned(), scrape);
                }
            }
            for (instance, scrape) in last {
                let series = scrape["series"].as_array().unwrap();
                let mut expected: Vec<Value> = series.iter().filter_map(|series| labels_of(scrape, series)).collect();
                expected.sort_by_key(ToString::to_string);
                expected.dedup();
                let found = current_at(&store, &instance, scrape["dts"].as_i64().unwrap());
                assert_eq!(found, expected, "{}: {instance}", exchange.name);
                checked += 1;
            }
        }
        assert!(checked > 0, "{name}");
    }
}
