//! The clauses of the remote-write specifications that `remote_write.rs` does not tell as stories, each read back:
//! docs/remote-write.md names the clause that each test is for.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::json;

use treering::formats::remote::{FloatSample, snappy};
use treering::model::histogram::{Buckets, FloatHistogram};
use treering::model::{Exemplar, Labels, Metadata, MetricKind, STALE};
use treering::server::proto::StampedSeries;
use treering::testing::{SentSeries, write_1, write_2};

use crate::harness::{Answer, Config, How, Store, V2, at_ms, raw_exchange, sent};

const V1: &str = "application/x-protobuf";
const UP: [(&str, &str); 2] = [("__name__", "up"), ("instance", "a1:9100")];

fn start() -> Store {
    Store::start(Config::new("native"))
}

/// The counts of a 2.0 answer: samples, histograms, exemplars.
fn written(answer: &Answer) -> [u64; 3] {
    ["samples", "histograms", "exemplars"].map(|what| {
        let text = answer.header(&format!("x-prometheus-remote-write-{what}-written"));
        text.parse().unwrap_or_else(|_| panic!("{what}: {text:?} in {:?}", answer.headers))
    })
}

fn floats(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> SentSeries {
    let sample = |&(ms, value): &(i64, f64)| FloatSample { time_ms: at_ms(ms), start_ms: 0, value };
    SentSeries { samples: samples.iter().map(sample).collect(), ..sent(labels, 0, 0.0) }
}

fn histogram(count: f64) -> FloatHistogram {
    FloatHistogram { count, sum: 3.5, positive: Buckets::contiguous(0, vec![count]), ..FloatHistogram::default() }
}

fn exemplar(id: &str, ms: i64) -> Exemplar {
    Exemplar { labels: Labels::from_pairs([("trace_id", id)]), value: 0.5, time_ms: at_ms(ms) }
}

/// Times behind the beginning and bits of values of the one series that remote read finds.
fn bits(store: &Store, name: &str) -> Vec<(i64, u64)> {
    let mut series = store.remote_read(name);
    assert!(series.len() <= 1, "{series:?}");
    let samples = series.pop().map(|one| one.samples).unwrap_or_default();
    samples.iter().map(|sample| (sample.time_ms - at_ms(0), sample.value.to_bits())).collect()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// A field of bytes.
fn field(number: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A field of a number.
fn number(field: u64, number: i64) -> Vec<u8> {
    [varint(field << 3), varint(number.cast_unsigned())].concat()
}

fn double(field: u64, value: f64) -> Vec<u8> {
    [varint(field << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

/// Fields of each wire type that no version knows yet.
fn unknown() -> Vec<u8> {
    [field(200, b"later"), number(201, 7), double(202, 0.5), [varint(203 << 3 | 5), vec![1, 2, 3, 4]].concat()].concat()
}

/// A sample of either version.
fn sample(ms: i64, value: f64) -> Vec<u8> {
    [double(1, value), number(2, at_ms(ms))].concat()
}

/// A 2.0 body of these symbols and series.
fn request_2(symbols: &[&[u8]], series: &[Vec<u8>]) -> Vec<u8> {
    let symbols = symbols.iter().flat_map(|symbol| field(4, symbol));
    symbols.chain(series.iter().flat_map(|one| field(5, one))).collect()
}

/// A 2.0 series with these references and one sample.
fn series_2(refs: &[u64], ms: i64, value: f64) -> Vec<u8> {
    let refs: Vec<u8> = refs.iter().flat_map(|&reference| varint(reference)).collect();
    [field(1, refs), field(2, sample(ms, value))].concat()
}

#[test]
fn the_body_is_a_block_of_snappy() {
    let store = start();
    for (number, content_type) in [V1, V2].into_iter().enumerate() {
        let series = [floats(&UP, &[(number as i64, 1.0)])];
        let body = if content_type == V1 { write_1(&series, &[]) } else { write_2(&series) };
        let mut framed = snap::write::FrameEncoder::new(Vec::new());
        framed.write_all(&body).unwrap();
        for wrong in [framed.into_inner().unwrap(), body.clone(), Vec::new()] {
            let answer = store.remote(content_type, "snappy", wrong).expect_status(400);
            assert!(answer.text().starts_with("snappy: "), "{}", answer.text());
        }
        assert_eq!(bits(&store, "up").len(), number, "frames are not read, and neither is what is no snappy");
        let answer = store.remote(content_type, "Snappy", snappy(&body)).expect_status(204);
        assert_eq!((answer.body.len(), answer.header("retry-after")), (0, ""));
        assert_eq!(bits(&store, "up").len(), number + 1);
    }
}

#[test]
fn the_content_type_alone_names_the_message() {
    let store = start();
    let [one, two] = [write_1(&[sent(&UP, 1, 1.0)], &[]), write_2(&[sent(&UP, 2, 1.0)])];
    // The other message's fields mean nothing.
    for content_type in [V1, "application/x-protobuf;proto=prometheus.WriteRequest"] {
        store.remote(content_type, "snappy", snappy(&two)).expect_status(204);
    }
    let answer = store.remote(V2, "snappy", snappy(&one)).expect_status(204);
    assert_eq!(written(&answer), [0, 0, 0], "what a sender takes for 415, had it no counts");
    assert_eq!(store.remote_read("up").len(), 0);
    // As RFC 9110 has media types: any case, blanks, quotes, other parameters.
    for (ms, content_type) in [
        "Application/X-Protobuf",
        "application/x-protobuf; charset=utf-8",
        "application/x-protobuf;proto=\"prometheus.WriteRequest\"",
        "application/x-protobuf ; Proto=prometheus.WriteRequest; q=1",
    ]
    .into_iter()
    .enumerate()
    {
        let body = write_1(&[sent(&UP, 10 + ms as i64, 1.0)], &[]);
        store.remote(content_type, "snappy", snappy(&body)).expect_status(204);
    }
    for (ms, content_type) in [
        "application/x-protobuf; proto=io.prometheus.write.v2.Request",
        "APPLICATION/x-protobuf;charset=utf-8;PROTO=\"io.prometheus.write.v2.Request\"",
    ]
    .into_iter()
    .enumerate()
    {
        let body = write_2(&[sent(&UP, 20 + ms as i64, 1.0)]);
        let answer = store.remote(content_type, "snappy", snappy(&body)).expect_status(204);
        assert_eq!(written(&answer), [1, 0, 0]);
    }
    let times: Vec<i64> = bits(&store, "up").into_iter().map(|(ms, _)| ms).collect();
    assert_eq!(times, [10, 11, 12, 13, 20, 21]);
}

/// 415 comes before anybody waits for the body.
#[test]
fn an_unknown_compression_is_refused_before_the_body() {
    let store = start();
    for encoding in ["gzip", "deflate", "br", "snappy, snappy", "x-snappy"] {
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: {V2}\r\nContent-Encoding: {encoding}\r\n\
             Content-Length: 1000000\r\nConnection: close\r\n\r\n"
        );
        let answer = raw_exchange(&store, head.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 415"), "{encoding}: {answer}");
        assert!(answer.contains("only snappy, zstd and identity are acceptable"), "{answer}");
    }
}

#[test]
fn later_minor_versions_are_read() {
    let store = start();
    let send = |content_type: &str, version: &str, body: &[u8]| {
        let request = store.request("POST", "/api/v1/write").header("Content-Type", content_type);
        let request = request.header("X-Prometheus-Remote-Write-Version", version).header("User-Agent", "later/9");
        store.send(request.header("Content-Encoding", "snappy").body(snappy(body))).expect_status(204)
    };
    let label = |name: &str, value: &str| field(1, [field(1, name), unknown(), field(2, value)].concat());
    for (ms, version) in ["0.1.0", "1.0.0", "1.9.3", "", "2.0.0"].into_iter().enumerate() {
        let series = [label("__name__", "one"), unknown(), label("instance", "a1:1"), unknown()].concat();
        let value = field(2, [unknown(), sample(ms as i64, 1.0), unknown()].concat());
        send(V1, version, &[unknown(), field(1, [series, value].concat()), unknown()].concat());
    }
    for (ms, version) in ["2.0.0", "2.0.0-rc.4", "2.9.1", ""].into_iter().enumerate() {
        let value = field(2, [unknown(), sample(ms as i64, 1.0), unknown()].concat());
        let metadata = field(5, [number(1, 2), unknown()].concat());
        let series = [unknown(), field(1, [1, 2, 3, 4]), value, metadata, unknown()].concat();
        let body = request_2(&[b"", b"__name__", b"two", b"instance", b"a1:1"], &[series]);
        assert_eq!(written(&send(V2, version, &[unknown(), body, unknown()].concat())), [1, 0, 0]);
    }
    assert_eq!((bits(&store, "one").len(), bits(&store, "two").len()), (5, 4));
}

#[test]
fn nothing_that_is_left_out_is_a_success() {
    let store = start();
    let future = 40_000_000_000_000;
    let invalid = FloatHistogram { count: -1.0, ..histogram(1.0) };
    let of_histogram = |ms: i64, histogram: FloatHistogram| SentSeries {
        samples: Vec::new(),
        histograms: vec![(at_ms(ms), 0, Arc::new(histogram))],
        ..sent(&[("__name__", "sizes"), ("instance", "a1:1")], 0, 0.0)
    };
    let of_exemplar = |exemplar: Exemplar| SentSeries { exemplars: vec![exemplar], ..sent(&UP, 0, 1.0) };
    let long = Exemplar { labels: Labels::from_pairs([("trace_id", "x".repeat(200))]), ..exemplar("", 1) };
    let bad: [(&str, SentSeries, [u64; 3]); 6] = [
        ("a sample in the future", floats(&UP, &[(0, 1.0), (future, 1.0)]), [1, 0, 0]),
        ("a histogram in the future", of_histogram(future, histogram(1.0)), [0, 0, 0]),
        ("a histogram that contradicts itself", of_histogram(0, invalid), [0, 0, 0]),
        ("an exemplar in the future", of_exemplar(exemplar("later", future)), [1, 0, 0]),
        ("an exemplar with too many characters", of_exemplar(long), [1, 0, 0]),
        ("a series without a name", sent(&[("job", "nameless")], 0, 1.0), [0, 0, 0]),
    ];
    for (what, series, counts) in &bad {
        let answer = store.remote_2(std::slice::from_ref(series)).expect_status(400);
        assert_eq!(written(&answer), *counts, "{what}");
        let text = answer.text();
        assert!(text.contains("1 left out (") && text.contains(": 1), the rest is stored"), "{what}: {text}");
        let answer = store.remote_1(std::slice::from_ref(series)).expect_status(400);
        assert!(answer.header("x-prometheus-remote-write-samples-written").is_empty() && !answer.body.is_empty());
    }
    // All of it at once, with good things beside: each is counted, and all that is good is here.
    let mut good = floats(&[("__name__", "good"), ("instance", "a1:1")], &[(0, 1.0), (1, 2.0)]);
    good.exemplars = vec![exemplar("a", 0), exemplar("b", 1)];
    let body: Vec<SentSeries> =
        bad.iter().map(|(_, series, _)| series.clone()).chain([good, of_histogram(7, histogram(2.0))]).collect();
    let answer = store.remote_2(&body).expect_status(400);
    assert_eq!(written(&answer), [3 + 2, 1, 2]);
    let text = answer.text();
    assert!(text.contains("6 left out (") && text.contains("future: 3"), "{text}");
    assert!(text.contains("invalid_histogram: 1") && text.contains("invalid_exemplar: 1"), "{text}");
    assert!(text.contains("invalid_labels: 1"), "{text}");
    assert_eq!((bits(&store, "good").len(), bits(&store, "up").len()), (2, 1));
    assert_eq!(store.promql("histogram_count(sizes)", 7)[0]["value"][1], "2");
    let start = (at_ms(0) / 1000 - 1).to_string();
    let asked = [("query", "good"), ("start", &*start), ("end", "4000000000")];
    let found = store.ask_prometheus("query_exemplars", &asked);
    assert_eq!(found["data"][0]["exemplars"].as_array().unwrap().len(), 2, "{found}");
}

#[test]
fn labels_are_checked_series_by_series() {
    let store = start();
    let symbols: [&[u8]; 8] = [b"", b"__name__", b"m", b"instance", b"a1:1", b"\xff\xfe", "größe".as_bytes(), b"__own"];
    let good = |ms: i64| series_2(&[1, 2, 3, 4], ms, 1.0);
    let bad: [(&str, &[u64], &str); 7] = [
        ("an odd number of references", &[1, 2, 3], "invalid labelRefs length 3"),
        ("a reference to nothing", &[1, 2, 3, 8], "outside of symbols table (size 8)"),
        ("a huge reference", &[1, 2, 3, u64::from(u32::MAX)], "outside of symbols table (size 8)"),
        ("a name that is no text", &[1, 2, 5, 4], "invalid metric name or labels"),
        ("a value that is no text", &[1, 2, 3, 5], "invalid metric name or labels"),
        ("no labels at all", &[], "invalid metric name or labels"),
        ("an empty name", &[1, 2, 0, 4], "invalid metric name or labels"),
    ];
    for (ms, (what, refs, expected)) in bad.into_iter().enumerate() {
        let ms = 10 * ms as i64;
        let body = request_2(&symbols, &[good(ms), series_2(refs, ms, 1.0), good(ms + 1)]);
        let answer = store.remote(V2, "snappy", snappy(&body)).expect_status(400);
        assert!(answer.text().contains(expected), "{what}: {}", answer.text());
        assert_eq!(written(&answer), [2, 0, 0], "{what}");
    }
    assert_eq!(bits(&store, "m").len(), 2 * bad.len());
    // Metadata refer to symbols, too.
    let metadata = [series_2(&[1, 2, 3, 4], 500, 1.0), field(5, [number(1, 2), number(3, 99)].concat())].concat();
    let body = request_2(&symbols, &[metadata, good(501)]);
    let answer = store.remote(V2, "snappy", snappy(&body)).expect_status(400);
    assert!(answer.text().contains("help_ref 99 outside of symbols table (size 8)"), "{}", answer.text());
    assert_eq!(written(&answer), [1, 0, 0]);
    // Names of any text, reserved ones among them; symbols that are there twice are one; order is mended.
    let odd: [&[u8]; 7] = [b"", b"__name__", "größe".as_bytes(), b"__own", b"x y", b"instance", b"instance"];
    let body = request_2(&odd, &[series_2(&[3, 4, 6, 2, 1, 2], 0, 1.0), series_2(&[1, 2, 5, 2, 3, 4], 1, 2.0)]);
    let answer = store.remote(V2, "snappy", snappy(&body)).expect_status(204);
    assert_eq!(written(&answer), [2, 0, 0]);
    let found = store.ask_prometheus("series", &[("match[]", "{\"größe\"}"), ("start", "1770244000")]);
    assert_eq!(found["data"], json!([{"__name__": "größe", "__own": "x y", "instance": "größe"}]), "{found}");
    assert_eq!(bits(&store, "größe").len(), 2);
}

#[test]
fn times_and_values_come_back_to_the_bit() {
    let mut store = start();
    let values = [
        0.0,
        1.0,
        -1.0,
        0.1,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        f64::from_bits(0xFFF8_0000_0000_0001),
        f64::from_bits(0x7FF0_0000_0000_0001),
        9_007_199_254_740_993.0,
        STALE,
    ];
    let samples: Vec<(i64, f64)> = values.iter().enumerate().map(|(at, &value)| (997 * at as i64, value)).collect();
    for (name, send) in [("one", Store::remote_1 as fn(&Store, &[SentSeries]) -> Answer), ("two", Store::remote_2)] {
        send(&store, &[floats(&[("__name__", name), ("instance", "a1:1")], &samples)]).expect_status(204);
    }
    let expected: Vec<(i64, u64)> = samples.iter().map(|(ms, value)| (*ms, value.to_bits())).collect();
    for how in [None, Some(How::Kill), Some(How::Term)] {
        if let Some(how) = how {
            store.restart(how);
        }
        assert_eq!((bits(&store, "one"), bits(&store, "two")), (expected.clone(), expected.clone()), "{how:?}");
    }
    // Only the marker ends a series.
    let (end, last) = (997 * 13, 997 * 12);
    assert_eq!(store.promql("one", end), json!([]));
    assert_eq!(store.promql("one", last)[0]["value"][1], "9007199254740992");
    assert_eq!(store.promql("two", 997 * 10)[0]["value"][1], "NaN");
    // Milliseconds of 64 bits: what cannot be a time of now is refused, and nothing else suffers.
    let mut extreme = floats(&UP, &[(0, 1.0)]);
    extreme.samples.push(FloatSample { time_ms: i64::MAX, start_ms: i64::MIN, value: 1.0 });
    assert_eq!(written(&store.remote_2(&[extreme]).expect_status(400)), [1, 0, 0]);
    assert_eq!(bits(&store, "up").len(), 1);
}

#[test]
fn a_histogram_that_marks_an_end_ends_its_series() {
    let store = start();
    let of = |ms: i64, histogram: FloatHistogram| SentSeries {
        samples: Vec::new(),
        histograms: vec![(at_ms(ms), 0, Arc::new(histogram))],
        ..sent(&[("__name__", "sizes"), ("instance", "a1:1")], 0, 0.0)
    };
    let end = FloatHistogram { sum: STALE, ..FloatHistogram::default() };
    for (round, send) in [Store::remote_1, Store::remote_2].into_iter().enumerate() {
        let ms = 100_000 * round as i64;
        send(&store, &[of(ms, histogram(3.0))]).expect_status(204);
        assert_eq!(store.promql("histogram_count(sizes)", ms + 50)[0]["value"][1], "3");
        send(&store, &[of(ms + 100, end.clone())]).expect_status(204);
        assert_eq!(store.promql("sizes", ms + 100), json!([]));
        assert_eq!(store.promql("histogram_count(sizes)", ms + 99)[0]["value"][1], "3");
    }
}

/// Whoever hears of 5xx, or of nothing, sends the same again.
#[test]
fn the_same_request_again_changes_nothing() {
    let mut store = start();
    let labels = [("__name__", "mixed"), ("instance", "a1:1")];
    let metadata = Metadata { kind: MetricKind::Histogram, help: "Both.".into(), unit: "seconds".into() };
    // Both kinds in one series: a sender must not, and nothing is lost when one does.
    let mixed = SentSeries {
        histograms: vec![(at_ms(5), 0, Arc::new(histogram(4.0))), (at_ms(9), at_ms(-9), Arc::new(histogram(5.0)))],
        exemplars: vec![exemplar("a", 1), exemplar("b", 5)],
        metadata: Some(metadata),
        ..floats(&labels, &[(1, 1.0), (7, 2.0)])
    };
    let all = |store: &Store| -> (Vec<StampedSeries>, serde_json::Value, serde_json::Value) {
        let asked = [("query", "mixed"), ("start", "1770244000"), ("end", "1770248000")];
        let exemplars = store.ask_prometheus("query_exemplars", &asked)["data"].take();
        (store.remote_read("mixed"), exemplars, store.ask_prometheus("metadata", &[("metric", "mixed")])["data"].take())
    };
    let first = written(&store.remote_2(std::slice::from_ref(&mixed)).expect_status(204));
    assert_eq!(first, [2, 2, 2]);
    let held = all(&store);
    assert_eq!((held.0[0].samples.len(), held.0[0].histograms.len()), (2, 2), "{held:?}");
    assert_eq!(held.1[0]["exemplars"].as_array().unwrap().len(), 2, "{held:?}");
    assert_eq!(held.2["mixed"], json!([{"type": "histogram", "help": "Both.", "unit": "seconds"}]));
    for how in [None, Some(How::Kill), Some(How::Term)] {
        if let Some(how) = how {
            store.restart(how);
        }
        let again = written(&store.remote_2(std::slice::from_ref(&mixed)).expect_status(204));
        assert_eq!((again, all(&store)), (first, held.clone()), "{how:?}");
    }
    // Duplicates within one request as well.
    assert_eq!(written(&store.remote_2(&[mixed.clone(), mixed]).expect_status(204)), [4, 4, 4]);
    assert_eq!(all(&store), held);
}

#[test]
fn metadata_of_every_type_come_back() {
    let store = start();
    let name = |kind: MetricKind| format!("of_{}", kind.name());
    let series: Vec<SentSeries> = MetricKind::ALL
        .into_iter()
        .map(|kind| SentSeries {
            metadata: Some(Metadata { kind, help: "Say \"it\"\nagain.".into(), unit: "bytes/s".into() }),
            ..sent(&[("__name__", &*name(kind)), ("instance", "a1:1")], 0, 1.0)
        })
        .chain([sent(&[("__name__", "of_none"), ("instance", "a1:1")], 0, 1.0)])
        .collect();
    assert_eq!(written(&store.remote_2(&series).expect_status(204)), [9, 0, 0], "no type is a type, too");
    for kind in MetricKind::ALL {
        let found = store.ask_prometheus("metadata", &[("metric", &name(kind))])["data"].take();
        let expected = json!([{"type": kind.name(), "help": "Say \"it\"\nagain.", "unit": "bytes/s"}]);
        assert_eq!(found[name(kind)], expected, "{found}");
    }
    assert_eq!(store.promql("count({__name__=~\"of_.+\"})", 0)[0]["value"][1], "9");
}
