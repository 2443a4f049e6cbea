//! Remote write bodies: the shapes of the specifications, both ways, and hostile ones.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::formats::protobuf::{put_bytes, put_double, put_integer, put_message, put_packed, to_zigzag};
use crate::model::histogram::{Buckets, CounterReset, FloatHistogram, SCHEMA_CUSTOM, Span};
use crate::model::{Exemplar, Labels, Metadata, MetricKind, STALE};
use crate::testing::{SentSeries, write_1, write_2};

/// Keeps everything.
#[derive(Default)]
struct Kept {
    expected: Vec<u8>,
    keys: Vec<Vec<u8>>,
    expected_found: usize,
    series: Vec<SentSeries>,
    refused: Vec<String>,
    metadata: Vec<(String, Metadata)>,
    broken: Vec<String>,
}

impl WriteVisitor for Kept {
    fn expected(&self) -> &[u8] {
        &self.expected
    }

    fn series(&mut self, series: &mut Series<'_, '_>) {
        self.keys.push(series.key().to_vec());
        self.expected_found += usize::from(series.is_expected());
        let labels = match series.labels() {
            Ok(labels) => labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            Err(error) => return self.refused.push(error.to_string()),
        };
        let mut exemplars = Vec::new();
        for exemplar in series.exemplars() {
            match exemplar {
                Ok(exemplar) => exemplars.push(exemplar),
                Err(error) => self.broken.push(error.to_string()),
            }
        }
        let samples = series.samples().to_vec();
        let metadata = series.metadata().map(MetadataRef::to_metadata);
        let mut histograms = Vec::new();
        for sample in series.take_histograms() {
            match sample.histogram {
                Ok(histogram) => histograms.push((sample.time_ms, sample.start_ms, histogram)),
                Err(error) => self.broken.push(error.to_string()),
            }
        }
        self.series.push(SentSeries { labels, samples, histograms, exemplars, metadata });
    }

    fn refused(&mut self, error: SeriesError, _: Counts) {
        self.refused.push(error.to_string());
    }

    fn metadata(&mut self, metric: &str, metadata: MetadataRef<'_>) {
        self.metadata.push((metric.to_owned(), metadata.to_metadata()));
    }
}

fn kept_1(body: &[u8]) -> Kept {
    let mut kept = Kept::default();
    decode_write_1(body, &WriteLimits::default(), &mut kept).unwrap();
    kept
}

fn kept_2(body: &[u8]) -> Kept {
    let mut kept = Kept::default();
    decode_write_2(body, &WriteLimits::default(), &mut kept).unwrap();
    kept
}

fn pairs(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A series with everything in it.
fn full() -> SentSeries {
    let histogram = FloatHistogram {
        counter_reset_hint: CounterReset::NotReset,
        schema: 1,
        zero_threshold: 0.001,
        zero_count: 2.5,
        count: 12.5,
        sum: -18.4,
        positive: Buckets::new(
            vec![Span { offset: -2, length: 2 }, Span { offset: 1, length: 1 }],
            vec![1.0, 2.0, 3.0],
        ),
        negative: Buckets::contiguous(3, vec![4.0]),
        custom_bounds: None,
    };
    let custom = FloatHistogram {
        schema: SCHEMA_CUSTOM,
        count: 6.0,
        sum: 10.0,
        positive: Buckets::contiguous(0, vec![1.0, 2.0, 3.0]),
        custom_bounds: Some(Arc::from([0.5, 2.0])),
        ..FloatHistogram::default()
    };
    SentSeries {
        labels: pairs(&[("__name__", "http.requests"), ("a", "ä"), ("job", "x")]),
        samples: vec![
            FloatSample { time_ms: 1_700_000_000_000, start_ms: 1_690_000_000_000, value: 1.5 },
            FloatSample { time_ms: -1, start_ms: 0, value: -0.0 },
        ],
        histograms: vec![(5, 3, Arc::new(histogram)), (6, 0, Arc::new(custom))],
        exemplars: vec![Exemplar { labels: Labels::from_pairs([("trace_id", "abc")]), value: 7.0, time_ms: 9 }],
        metadata: Some(Metadata { kind: MetricKind::Counter, help: "Help.".into(), unit: "s".into() }),
    }
}

#[test]
fn everything_comes_back_from_2_0() {
    let kept = kept_2(&write_2(&[full()]));
    assert_eq!((kept.refused.len(), kept.broken.len()), (0, 0), "{:?} {:?}", kept.refused, kept.broken);
    assert_eq!(kept.series, [full()]);
    assert_eq!(kept.series[0].samples[1].value.to_bits(), (-0.0f64).to_bits());
}

#[test]
fn everything_but_starts_comes_back_from_1_0() {
    let metadata = full().metadata.unwrap();
    let kept = kept_1(&write_1(&[full()], &[("http.requests", metadata.clone())]));
    let mut expected = full();
    expected.samples.iter_mut().for_each(|sample| sample.start_ms = 0);
    expected.histograms.iter_mut().for_each(|(_, start_ms, _)| *start_ms = 0);
    expected.metadata = None;
    assert_eq!(kept.series, [expected]);
    assert_eq!(kept.metadata, [("http.requests".to_owned(), metadata)]);
}

/// The bytes of a body, spelled out from the message definitions.
#[test]
fn a_1_0_body_is_read_as_the_definition_says() {
    let mut body = b"\x0A\x27\x0A\x0E\x0A\x08__name__\x12\x02up\x0A\x03\x0A\x01b\x12\x10\x09".to_vec();
    body.extend_from_slice(&STALE.to_le_bytes());
    body.extend_from_slice(b"\x10\xE8\x07\x1F\x24\x1A\x09\x08\x02\x12\x02up\x2A\x01s\x92\x06\x01x");
    // The length of the series and its sample, made right; a group of an unknown field inside of it.
    let series_end = body.iter().position(|&byte| byte == 0x1F).unwrap();
    body.drain(series_end..series_end + 2);
    body[1] = (series_end - 2) as u8;
    let sample = body.iter().position(|&byte| byte == 0x10 && body[1] > 0).unwrap();
    assert_eq!(body[sample - 1], 0x12);
    body[sample] = 12;
    body[1] = (series_end - 2) as u8;
    let kept = kept_1(&body);
    assert_eq!(kept.series[0].labels, pairs(&[("__name__", "up")]), "an empty value is no label");
    assert_eq!(kept.series[0].samples[0].time_ms, 1000);
    assert_eq!(kept.series[0].samples[0].value.to_bits(), STALE.to_bits());
    assert_eq!(kept.metadata[0].1, Metadata { kind: MetricKind::Gauge, help: "".into(), unit: "s".into() });
}

#[test]
fn values_keep_every_bit() {
    for bits in [STALE.to_bits(), 0x7FF8_0000_0000_0001, 0xFFF0_0000_0000_0000, 0x8000_0000_0000_0000, 1, u64::MAX] {
        let series = SentSeries::of_sample([("__name__", "m")], i64::MIN, f64::from_bits(bits));
        for kept in [kept_1(&write_1(std::slice::from_ref(&series), &[])), kept_2(&write_2(&[series]))] {
            assert_eq!(kept.series[0].samples[0].value.to_bits(), bits);
            assert_eq!(kept.series[0].samples[0].time_ms, i64::MIN);
        }
    }
}

#[test]
fn keys_tell_series_apart_and_can_be_expected() {
    let one = SentSeries::of_sample([("__name__", "m"), ("a", "1")], 1, 1.0);
    let longer = SentSeries::of_sample([("__name__", "m"), ("a", "1"), ("b", "1")], 1, 2.0);
    let shifted = SentSeries::of_sample([("__name__", "m"), ("a", "1b"), ("", "1")], 1, 2.0);
    let all = [one.clone(), longer.clone(), shifted, one.clone()];
    for (kept, again) in [
        (kept_1(&write_1(&all, &[])), kept_1(&write_1(&[longer.clone(), one.clone()], &[]))),
        (kept_2(&write_2(&all)), kept_2(&write_2(&[longer.clone(), one.clone()]))),
    ] {
        let keys = &kept.keys;
        assert_eq!(keys[0], keys[3]);
        assert_eq!((&again.keys[0], &again.keys[1]), (&keys[1], &keys[0]), "the same in every body");
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    }
    let mut kept = Kept { expected: kept_1(&write_1(&all, &[])).keys[0].clone(), ..Kept::default() };
    decode_write_1(&write_1(&all, &[]), &WriteLimits::default(), &mut kept).unwrap();
    assert_eq!(kept.expected_found, 2, "the longer one begins with the key, and is not it");
    assert_eq!(kept.series[0], one);
    assert_eq!(kept.series[1], longer);
}

/// A sender may put anything between two labels: the key is the labels alone, and expecting them does not hide one.
#[test]
fn labels_that_something_stands_between_are_all_found() {
    let label = |name: &str, value: &str| {
        let mut out = Vec::new();
        put_message(&mut out, 1, |out| {
            put_bytes(out, 1, name.as_bytes());
            put_bytes(out, 2, value.as_bytes());
        });
        out
    };
    let mut sample = Vec::new();
    put_message(&mut sample, 2, |out| put_double(out, 1, 5.0));
    let (first, second) = (label("__name__", "m"), label("a", "1"));
    let mut body = Vec::new();
    put_bytes(&mut body, 1, &[&first[..], &sample[..], &second[..], &sample[..]].concat());
    put_bytes(&mut body, 1, &[&first[..], &second[..], &sample[..]].concat());
    put_bytes(&mut body, 1, &[&sample[..], &first[..]].concat());
    let plain = kept_1(&body);
    assert_eq!(plain.series[0].labels, pairs(&[("__name__", "m"), ("a", "1")]));
    assert_eq!(plain.series[0].samples.len(), 2);
    assert_eq!(plain.keys[0], plain.keys[1]);
    let mut expecting = Kept { expected: first.clone(), ..Kept::default() };
    decode_write_1(&body, &WriteLimits::default(), &mut expecting).unwrap();
    assert_eq!(expecting.expected_found, 0, "the first one has a label more, the last one a sample before it");
    assert_eq!((expecting.series, expecting.keys), (plain.series, plain.keys));
}

#[test]
fn labels_are_sorted_and_checked_as_prometheus_does() {
    let sample = |labels: &[(&str, &str)]| SentSeries::of_sample(labels.iter().copied(), 1, 1.0);
    let all = [
        sample(&[("b", "2"), ("__name__", "m"), ("empty", ""), ("a", "1")]),
        sample(&[("a", "1")]),
        sample(&[("__name__", ""), ("a", "1")]),
        sample(&[("__name__", "m"), ("", "1")]),
        sample(&[("__name__", "m"), ("a", "1"), ("a", "2")]),
        sample(&[("__name__", "m"), ("a", ""), ("a", "2")]),
        sample(&[("__name__", "m"), ("my label", "\"x\"\n")]),
        sample(&[]),
    ];
    let refused = [
        r#"invalid metric name or labels, got {a="1"}"#,
        r#"invalid metric name or labels, got {__name__="", a="1"}"#,
        r#"invalid metric name or labels, got {""="1", __name__="m"}"#,
        r#"invalid labels for series, labels {__name__="m", a="1", a="2"}, duplicated label a"#,
        r#"invalid labels for series, labels {__name__="m", a="", a="2"}, duplicated label a"#,
        "invalid metric name or labels, got {}",
    ];
    for kept in [kept_1(&write_1(&all, &[])), kept_2(&write_2(&all))] {
        assert_eq!(kept.refused, refused);
        assert_eq!(kept.series[0].labels, pairs(&[("__name__", "m"), ("a", "1"), ("b", "2")]));
        assert_eq!(kept.series[1].labels, pairs(&[("__name__", "m"), ("my label", "\"x\"\n")]));
        assert_eq!(kept.series.len(), 2);
    }
}

#[test]
fn labels_that_are_not_utf_8_are_refused_and_printed() {
    let mut body = Vec::new();
    put_message(&mut body, 1, |out| {
        put_message(out, 1, |out| {
            put_bytes(out, 1, b"__name__");
            put_bytes(out, 2, b"m\xFF\x01");
        });
    });
    assert_eq!(kept_1(&body).refused, [r#"invalid metric name or labels, got {__name__="m\xff\x01"}"#]);
}

#[test]
fn limits_refuse_the_series_and_name_it() {
    let limits = WriteLimits { labels_max: 3, name_bytes_max: 8, value_bytes_max: 10, ..WriteLimits::default() };
    let many = (0..200).map(|i| (format!("label{i}"), "x".to_owned()));
    let all = [
        SentSeries::of_sample([("__name__", "m"), ("a", "12345678901")], 1, 1.0),
        SentSeries::of_sample([("__name__", "m"), ("too_longs", "1")], 1, 1.0),
        SentSeries::of_sample([("__name__", "m"), ("a", "1"), ("b", "2"), ("c", "3")], 1, 1.0),
        SentSeries::of_sample(many, 1, 1.0),
        SentSeries::of_sample([("__name__", "fine"), ("a", "1"), ("b", "2")], 1, 1.0),
    ];
    let mut one = Kept::default();
    decode_write_1(&write_1(&all, &[]), &limits, &mut one).unwrap();
    let mut two = Kept::default();
    decode_write_2(&write_2(&all), &limits, &mut two).unwrap();
    for kept in [one, two] {
        assert_eq!(
            kept.refused[0],
            r#"series {__name__="m", a="12345678901"} has a label value of 11 bytes, more than 10"#
        );
        assert_eq!(kept.refused[1], r#"series {__name__="m", too_longs="1"} has a label name of 9 bytes, more than 8"#);
        assert_eq!(kept.refused[2], r#"series {__name__="m", a="1", b="2"} has 4 labels, more than 3"#);
        assert_eq!(kept.refused[3], r#"series {label0="x", label1="x", label2="x"} has 200 labels, more than 3"#);
        assert_eq!((kept.refused.len(), kept.series.len()), (4, 1));
    }
}

#[test]
fn references_that_lead_nowhere_refuse_their_series_alone() {
    let mut body = Vec::new();
    for text in ["", "__name__", "m"] {
        put_bytes(&mut body, 4, text.as_bytes());
    }
    let mut series = |refs: &[u64], help: u64, unit: u64, samples: usize| {
        put_message(&mut body, 5, |out| {
            put_packed(out, 1, refs.iter().copied());
            for at in 0..samples {
                put_message(out, 2, |out| put_integer(out, 2, at as u64 + 1));
            }
            put_message(out, 5, |out| {
                put_integer(out, 3, help);
                put_integer(out, 4, unit);
            });
        });
    };
    series(&[1, 2, 1], 0, 0, 1);
    series(&[1, 2, 7, 0], 0, 0, 1);
    series(&[1, 2], 9, 0, 1);
    series(&[1, 2], 0, 3, 1);
    series(&[1, 2], 0, 0, 0);
    series(&[2, 2], 0, 0, 0);
    series(&[1, 2], 0, 0, 1);
    let kept = kept_2(&body);
    assert_eq!(
        kept.refused,
        [
            "parsing labels for series [1 2 1]: invalid labelRefs length 3",
            "parsing labels for series [1 2 7 0]: labelRefs 7 (name) = 0 (value) outside of symbols table (size 3)",
            "parsing metadata for series [1 2]: metadata help_ref 9 outside of symbols table (size 3)",
            "parsing metadata for series [1 2]: metadata unit_ref 3 outside of symbols table (size 3)",
            r#"TimeSeries must contain at least one sample or histogram for series {__name__="m"}"#,
            r#"invalid metric name or labels, got {m="m"}"#,
        ]
    );
    assert_eq!(kept.series.len(), 1);
    // Without symbols nothing refers to anything, the metadata that are not there neither.
    let mut bare = Vec::new();
    put_message(&mut bare, 5, |out| put_message(out, 2, |out| put_integer(out, 2, 1)));
    assert_eq!(
        kept_2(&bare).refused,
        ["parsing metadata for series []: metadata unit_ref 0 outside of symbols table (size 0)"]
    );
}

/// Symbols may stand behind the series, references may come one by one, and an old sender's start counts for all.
#[test]
fn order_and_packing_of_2_0_fields_do_not_matter() {
    let mut body = Vec::new();
    put_message(&mut body, 5, |out| {
        put_message(out, 2, |out| put_integer(out, 2, 10));
        put_integer(out, 6, 4);
        put_message(out, 2, |out| {
            put_integer(out, 3, 6);
            put_integer(out, 2, 8);
            put_integer(out, 2, 11);
        });
        put_integer(out, 1, 1);
        put_packed(out, 1, [2, 3]);
        put_integer(out, 1, 1);
    });
    for text in ["", "__name__", "m", "a"] {
        put_bytes(&mut body, 4, text.as_bytes());
    }
    let kept = kept_2(&body);
    assert_eq!(kept.series[0].labels, pairs(&[("__name__", "m"), ("a", "__name__")]));
    let samples: Vec<_> = kept.series[0].samples.iter().map(|s| (s.time_ms, s.start_ms)).collect();
    assert_eq!(samples, [(10, 4), (11, 6)]);
}

fn whole_histogram(schema: i64, count: u64, sum: f64, deltas: &[i64], zero: u64) -> Vec<u8> {
    let mut body = Vec::new();
    put_message(&mut body, 1, |out| {
        put_message(out, 1, |out| {
            put_bytes(out, 1, b"__name__");
            put_bytes(out, 2, b"m");
        });
        put_message(out, 4, |out| {
            put_integer(out, 1, count);
            put_double(out, 3, sum);
            put_integer(out, 4, to_zigzag(schema));
            put_integer(out, 6, zero);
            put_message(out, 11, |out| {
                put_integer(out, 1, to_zigzag(-1));
                put_integer(out, 2, deltas.len() as u64);
            });
            put_packed(out, 12, deltas.iter().map(|&delta| to_zigzag(delta)));
            put_integer(out, 15, 7);
        });
    });
    body
}

#[test]
fn whole_histograms_become_float_ones_if_they_add_up() {
    let kept = kept_1(&whole_histogram(0, 10, 3.5, &[2, 1, -2], 4));
    let (time_ms, start_ms, histogram) = &kept.series[0].histograms[0];
    assert_eq!((*time_ms, *start_ms, histogram.count, histogram.zero_count), (7, 0, 10.0, 4.0));
    assert_eq!(histogram.positive.indexed().collect::<Vec<_>>(), [(-1, 2.0), (0, 3.0), (1, 1.0)]);
    let broken = |body: Vec<u8>| kept_1(&body).broken.concat();
    assert!(broken(whole_histogram(0, 11, 3.5, &[2, 1, -2], 4)).starts_with(
        "10 observations found in buckets, but the Count field is 11: histogram's observation count should equal"
    ));
    assert!(broken(whole_histogram(0, 9, f64::NAN, &[2, 1, -2], 4)).contains("should be at least"));
    assert_eq!(broken(whole_histogram(0, 11, f64::NAN, &[2, 1, -2], 4)), "", "some observed NaN");
    assert!(broken(whole_histogram(0, 0, 1.0, &[2, -3], 0)).contains("observation count of -1"));
    assert!(broken(whole_histogram(-5, 2, 1.0, &[2], 0)).contains("got schema -5"));
    assert!(broken(whole_histogram(53, 2, 1.0, &[2], 0)).contains("got schema 53"));
    let stale = kept_1(&whole_histogram(0, 0, STALE, &[], 0));
    assert_eq!(stale.series[0].histograms[0].2.sum.to_bits(), STALE.to_bits());
}

#[test]
fn schemas_too_fine_are_made_coarser() {
    let kept = kept_1(&whole_histogram(10, 4, 3.5, &[1, 0, 0, 0], 0));
    let histogram = &kept.series[0].histograms[0].2;
    assert_eq!(histogram.schema, 8);
    assert_eq!(histogram.positive.indexed().collect::<Vec<_>>(), [(0, 2.0), (1, 2.0)]);
}

#[test]
fn exemplars_are_refused_alone() {
    let mut series = full();
    let long = "ö".repeat(60);
    series.exemplars = vec![
        Exemplar { labels: Labels::from_pairs([("trace_id", format!("{long}{long}"))]), value: 1.0, time_ms: 1 },
        Exemplar { labels: Labels::from_pairs([("trace_id", format!("{long}{long}x"))]), value: 2.0, time_ms: 2 },
    ];
    for kept in [kept_1(&write_1(&[series.clone()], &[])), kept_2(&write_2(&[series.clone()]))] {
        assert_eq!(kept.series[0].exemplars, series.exemplars[..1]);
        assert_eq!(kept.broken, ["label length for exemplar exceeds 128 characters"]);
    }
}

#[test]
fn bodies_that_hold_too_much_are_refused() {
    let all = vec![full(); 10];
    let limits = WriteLimits { samples_max: 60, ..WriteLimits::default() };
    let error = decode_write_1(&write_1(&all, &[]), &limits, &mut Kept::default()).unwrap_err();
    assert_eq!(error.to_string(), "body has more than 60 samples");
    let error = decode_write_2(&write_2(&all), &limits, &mut Kept::default()).unwrap_err();
    assert_eq!(error.to_string(), "body has more than 60 samples");
    let limits = WriteLimits { symbols_max: 3, ..WriteLimits::default() };
    let error = decode_write_2(&write_2(&all), &limits, &mut Kept::default()).unwrap_err();
    assert_eq!(error.to_string(), "body has more than 3 symbols");
    let limits = WriteLimits { exemplars_max: 0, ..WriteLimits::default() };
    let mut kept = Kept::default();
    decode_write_2(&write_2(&all), &limits, &mut kept).unwrap();
    assert!(kept.refused[0].ends_with("has 1 exemplars, more than 0"), "{}", kept.refused[0]);
}

/// A flood of empty fields is a few bytes each on the wire, and must not become many in memory.
#[test]
fn floods_cost_no_more_than_their_bytes() {
    let limits = WriteLimits::default();
    for field in [0x0A, 0x12, 0x1A, 0x22, 0x08] {
        for outer in [1, 5] {
            let inner: Vec<u8> = [field, 0].repeat(500_000);
            let mut body = Vec::new();
            put_bytes(&mut body, 4, b"");
            put_bytes(&mut body, outer, &inner);
            // Whatever they say of it: it ends.
            let _ = decode_write_1(&body, &limits, &mut Kept::default());
            let _ = decode_write_2(&body, &limits, &mut Kept::default());
        }
    }
    let deep = [0x0B].repeat(1_000_000);
    assert!(decode_write_1(&deep, &limits, &mut Kept::default()).is_err());
}

#[test]
fn malformed_bodies_name_the_place() {
    let mut body = write_1(&[full()], &[]);
    let end = body.len();
    body.extend_from_slice(&[0x0A, 0x7F, 0x0A]);
    let error = decode_write_1(&body, &WriteLimits::default(), &mut Kept::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("malformed protobuf at byte {}: expected a length that the message has room for", end + 2)
    );
    // A label whose value is a number.
    let error = decode_write_1(&[0x0A, 4, 0x0A, 2, 0x10, 1], &WriteLimits::default(), &mut Kept::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "malformed protobuf at byte 6: expected a length and bytes in the field before"
    );
}

#[test]
fn a_body_cut_anywhere_is_refused_or_shorter() {
    let metadata = full().metadata.unwrap();
    let one = write_1(&[full(), full()], &[("m", metadata)]);
    let two = write_2(&[full(), full()]);
    let (mut whole_1, mut whole_2) = (0, 0);
    for end in 0..one.len() {
        let mut kept = Kept::default();
        whole_1 += usize::from(decode_write_1(&one[..end], &WriteLimits::default(), &mut kept).is_ok());
        assert!(kept.series.iter().all(|series| series.labels == full().labels));
        super::fuzz_write(&one[..end]);
    }
    for end in 0..two.len() {
        whole_2 += usize::from(decode_write_2(&two[..end], &WriteLimits::default(), &mut Kept::default()).is_ok());
        super::fuzz_write(&two[..end]);
    }
    assert_eq!(whole_1, 3, "nothing, one series, two series");
    assert!(whole_2 > 1 && whole_2 < 20, "{whole_2}: each symbol ends one");
}

fn any_series() -> impl Strategy<Value = SentSeries> {
    let label = ("[a-z]{1,3}|[ä.é]{1,2}", ".{1,200}");
    let sample = (any::<i64>(), any::<i64>(), any::<u64>()).prop_map(|(time_ms, start_ms, bits)| FloatSample {
        time_ms,
        start_ms,
        value: f64::from_bits(bits),
    });
    let exemplar = (any::<i64>(), -9.0..9.0, "[a-z]{1,20}").prop_map(|(time_ms, value, id)| Exemplar {
        labels: Labels::from_pairs([("trace_id", id)]),
        value,
        time_ms,
    });
    let metadata = (0usize..8, ".{0,50}", "[a-z]{1,5}").prop_map(|(kind, help, unit)| Metadata {
        kind: MetricKind::ALL[kind],
        help: help.into(),
        unit: unit.into(),
    });
    (
        prop::collection::btree_map(label.0, label.1, 0..6),
        prop::collection::vec(sample, 1..6),
        prop::collection::vec(exemplar, 0..3),
        prop::option::of(metadata),
    )
        .prop_map(|(labels, samples, exemplars, metadata)| {
            let mut labels: Vec<_> = labels.into_iter().collect();
            labels.push(("__name__".to_owned(), "m".to_owned()));
            labels.sort();
            SentSeries { labels, samples, exemplars, metadata, ..SentSeries::default() }
        })
}

fn bits(series: &[SentSeries]) -> Vec<Vec<u64>> {
    series.iter().map(|series| series.samples.iter().map(|sample| sample.value.to_bits()).collect()).collect()
}

/// The same without values, which may be NaN and then equal nothing.
fn without_values(series: &[SentSeries], starts: bool, metadata: bool) -> Vec<SentSeries> {
    let mut series = series.to_vec();
    for series in &mut series {
        for sample in &mut series.samples {
            sample.value = 0.0;
            sample.start_ms *= i64::from(starts);
        }
        series.metadata = series.metadata.take().filter(|_| metadata);
    }
    series
}

proptest! {
    #[test]
    fn what_is_sent_is_what_arrives(series in prop::collection::vec(any_series(), 0..5)) {
        let (one, two) = (kept_1(&write_1(&series, &[])), kept_2(&write_2(&series)));
        prop_assert_eq!(without_values(&one.series, false, false), without_values(&series, false, false));
        prop_assert_eq!(without_values(&two.series, true, true), without_values(&series, true, true));
        prop_assert_eq!(bits(&one.series), bits(&series));
        prop_assert_eq!(bits(&two.series), bits(&series));
    }

    #[test]
    fn changed_bytes_do_no_harm(
        series in prop::collection::vec(any_series(), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for mut body in [write_1(&series, &[]), write_2(&series)] {
            for (at, byte) in &changes {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            super::fuzz_write(&body);
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        super::fuzz_write(&bytes);
        super::fuzz_read(&bytes);
    }
}
