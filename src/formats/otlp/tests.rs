//! Requests of OpenTelemetry: the shapes of its specification in both forms, and hostile ones.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::formats::protobuf::{put_bytes, put_double, put_doubles, put_integer, put_message, put_packed, put_text};
use crate::model::{Metadata, StampedValue};

#[derive(Default, Debug, PartialEq)]
struct Kept {
    samples: Vec<String>,
    metadata: Vec<String>,
    refused: Vec<String>,
    warnings: Vec<String>,
}

impl OtlpVisitor for Kept {
    fn sample(&mut self, sample: OtlpSample) {
        let mut text = match &sample.value {
            StampedValue::Float(value) => format!("{} {value}", sample.labels),
            StampedValue::Histogram(histogram) => format!("{} {histogram}", sample.labels),
        };
        text += &format!(" @{}", sample.time_ms);
        if sample.start_ms != 0 {
            text += &format!(" since {}", sample.start_ms);
        }
        for exemplar in &sample.exemplars {
            text += &format!(" # {} {} @{}", exemplar.labels, exemplar.value, exemplar.time_ms);
        }
        self.samples.push(text);
    }

    fn metadata(&mut self, metric: &str, metadata: Metadata) {
        self.metadata.push(format!("{metric} {} {:?} {}", metadata.kind.name(), metadata.unit, metadata.help));
    }

    fn refused(&mut self, error: OtlpError) {
        self.refused.push(error.to_string());
    }

    fn warning(&mut self, text: String) {
        self.warnings.push(text);
    }
}

fn json(body: &str, options: &OtlpOptions) -> Kept {
    let mut kept = Kept::default();
    translate_json(body.as_bytes(), options, &mut kept).unwrap();
    kept
}

fn put_attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &str) {
    put_message(out, field, |out| {
        put_text(out, 1, key);
        put_message(out, 2, |out| put_text(out, 1, value));
    });
}

fn put_time(out: &mut Vec<u8>, field: u32, secs: u64) {
    put_double(out, field, f64::from_bits(secs * 1_000_000_000));
}

fn put_count(out: &mut Vec<u8>, field: u32, count: u64) {
    put_double(out, field, f64::from_bits(count));
}

fn put_metric(out: &mut Vec<u8>, name: &str, unit: &str, field: u32, data: impl FnOnce(&mut Vec<u8>)) {
    put_message(out, 2, |out| {
        put_text(out, 1, name);
        put_text(out, 2, "Help.");
        put_text(out, 3, unit);
        put_message(out, field, data);
    });
}

/// A request with a metric of every kind.
static PROTOBUF: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut body = Vec::new();
    put_message(&mut body, 1, |out| {
        put_message(out, 1, |out| {
            put_attribute(out, 1, "service.name", "shop");
            put_attribute(out, 1, "service.namespace", "prod");
            put_attribute(out, 1, "service.instance.id", "i-1");
            put_attribute(out, 1, "host.name", "n1");
        });
        put_message(out, 2, |out| {
            put_message(out, 1, |out| {
                put_text(out, 1, "lib");
                put_text(out, 2, "v1");
                put_attribute(out, 3, "k.a", "x");
            });
            put_metric(out, "queue.size", "1", 5, |out| {
                put_message(out, 1, |out| {
                    put_time(out, 3, 10);
                    put_double(out, 4, 1.5);
                    put_attribute(out, 7, "http.method", "GET");
                    put_attribute(out, 7, "http_method", "PUT");
                    put_attribute(out, 7, "__name__", "evil");
                });
            });
            put_metric(out, "requests", "{request}", 7, |out| {
                put_message(out, 1, |out| {
                    put_time(out, 2, 5);
                    put_time(out, 3, 20);
                    put_count(out, 6, (-7i64).cast_unsigned());
                    put_message(out, 5, |out| {
                        put_time(out, 2, 15);
                        put_double(out, 3, 3.5);
                        put_bytes(out, 4, &[0, 1, 2, 3, 4, 5, 6, 7]);
                        put_bytes(out, 5, &[0xAB; 16]);
                        put_attribute(out, 7, "user.id", "u");
                    });
                });
                put_message(out, 1, |out| {
                    put_time(out, 3, 21);
                    put_integer(out, 8, 1);
                });
                put_integer(out, 2, 2);
                put_integer(out, 3, 1);
            });
            put_metric(out, "latency", "s", 9, |out| {
                put_message(out, 1, |out| {
                    put_time(out, 3, 30);
                    put_count(out, 4, 6);
                    put_double(out, 5, 4.25);
                    put_message(out, 6, |out| [1u64, 2, 3].iter().for_each(|n| out.extend(n.to_le_bytes())));
                    put_doubles(out, 7, &[0.5, 1.0]);
                    for value in [0.25, 0.5, 7.0] {
                        put_message(out, 8, |out| put_double(out, 3, value));
                    }
                });
                put_integer(out, 2, 2);
            });
            put_metric(out, "sizes", "By", 10, |out| {
                put_message(out, 1, |out| {
                    put_time(out, 2, 1);
                    put_time(out, 3, 40);
                    put_count(out, 4, 10);
                    put_double(out, 5, 22.5);
                    put_integer(out, 6, 18);
                    put_count(out, 7, 1);
                    put_message(out, 8, |out| {
                        put_integer(out, 1, 1);
                        put_packed(out, 2, [2, 3, 4]);
                    });
                });
                put_integer(out, 2, 2);
            });
            put_metric(out, "rpc", "ms", 11, |out| {
                put_message(out, 1, |out| {
                    put_time(out, 3, 50);
                    put_count(out, 4, 7);
                    put_double(out, 5, 70.0);
                    put_message(out, 6, |out| {
                        put_double(out, 1, 0.5);
                        put_double(out, 2, 9.0);
                    });
                });
            });
        });
    });
    body
});

/// The same, as JSON.
const JSON: &str = r#"{"resourceMetrics":[{
  "resource":{"attributes":[
    {"key":"service.name","value":{"stringValue":"shop"}},
    {"key":"service.namespace","value":{"stringValue":"prod"}},
    {"key":"service.instance.id","value":{"stringValue":"i-1"}},
    {"key":"host.name","value":{"stringValue":"n1"}}]},
  "scopeMetrics":[{
    "scope":{"name":"lib","version":"v1","attributes":[{"key":"k.a","value":{"stringValue":"x"}}]},
    "metrics":[
      {"name":"queue.size","description":"Help.","unit":"1","gauge":{"dataPoints":[{"timeUnixNano":"10000000000",
        "asDouble":1.5,"attributes":[{"key":"http.method","value":{"stringValue":"GET"}},
        {"key":"http_method","value":{"stringValue":"PUT"}},{"key":"__name__","value":{"stringValue":"evil"}}]}]}},
      {"name":"requests","description":"Help.","unit":"{request}","sum":{"aggregationTemporality":2,"isMonotonic":true,
        "dataPoints":[{"startTimeUnixNano":5000000000,"timeUnixNano":"20000000000","asInt":"-7","exemplars":[
          {"timeUnixNano":"15000000000","asDouble":3.5,"spanId":"0001020304050607",
           "traceId":"ABABABABABABABABABABABABABABABAB","filteredAttributes":[{"key":"user.id","value":{"stringValue":"u"}}]}]},
         {"timeUnixNano":"21000000000","flags":1}]}},
      {"name":"latency","description":"Help.","unit":"s","histogram":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE",
        "dataPoints":[{"timeUnixNano":"30000000000","count":"6","sum":4.25,"bucketCounts":["1",2,"3"],
        "explicitBounds":[0.5,1],"exemplars":[{"asDouble":0.25},{"asDouble":"0.5"},{"asInt":7}]}]}},
      {"name":"sizes","description":"Help.","unit":"By","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
        {"startTimeUnixNano":"1000000000","timeUnixNano":"40000000000","count":10,"sum":22.5,"scale":9,"zeroCount":"1",
         "positive":{"offset":-1,"bucketCounts":["2","3","4"]}}]}},
      {"name":"rpc","description":"Help.","unit":"ms","summary":{"dataPoints":[{"timeUnixNano":"50000000000","count":"7",
        "sum":70,"quantileValues":[{"quantile":0.5,"value":9}]}]}}
    ]}]}]}"#;

#[test]
fn both_forms_mean_the_same() {
    let all = OtlpOptions {
        promote_all: true,
        promote_scope: true,
        histograms_to_custom: true,
        strategy: TranslationStrategy::NoTranslation,
        ..OtlpOptions::default()
    };
    for options in [OtlpOptions::default(), all] {
        let mut kept = Kept::default();
        translate_protobuf(&PROTOBUF, &options, &mut kept).unwrap();
        assert_eq!(kept, json(JSON, &options));
        assert_eq!(kept.refused, [""; 0]);
    }
}

/// Several attributes become one label: of a point their values are joined in the order of their names, of a resource
/// the last one counts, and what the protocol sets itself counts more than either.
#[test]
fn attributes_that_become_one_label_do_as_in_prometheus() {
    let attribute = |name: &str, value: &str| format!(r#"{{"key":"{name}","value":{{"stringValue":"{value}"}}}}"#);
    let list =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| attribute(name, value)).collect::<Vec<_>>().join(",");
    let body = |resource: &[(&str, &str)], point: &[(&str, &str)]| {
        format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{}]}},"scopeMetrics":[{{"metrics":[{{"name":"m",
            "gauge":{{"dataPoints":[{{"timeUnixNano":"10000000000","asDouble":1,"attributes":[{}]}}]}}}},{{"name":"h",
            "histogram":{{"aggregationTemporality":2,"dataPoints":[{{"timeUnixNano":"10000000000","count":"1",
            "bucketCounts":["1","0"],"explicitBounds":[2],"attributes":[{}]}}]}}}}]}}]}}]}}"#,
            list(resource),
            list(point),
            attribute("le", "mine"),
        )
    };
    let of = |strategy, promoted: &[&str], resource: &[(&str, &str)], point: &[(&str, &str)]| {
        let resource_attributes = promoted.iter().map(|name| (*name).to_owned()).collect();
        let options = OtlpOptions { strategy, resource_attributes, ..OtlpOptions::default() };
        json(&body(resource, point), &options).samples
    };
    let escaped = TranslationStrategy::UnderscoreEscapingWithSuffixes;
    let three =
        [("a_b", "3"), ("a.b", "1"), ("a/b", "2"), ("c", ""), ("c.d", ""), ("c_d", "x"), ("e.f", "y"), ("e_f", "")];
    let found = of(escaped, &[], &[], &three);
    assert_eq!(
        found[0], r#"{__name__="m", a_b="1;2;3", c_d="x", e_f="y;"} 1 @10000"#,
        "empty ones are no label before"
    );
    assert!(found.contains(&r#"{__name__="h_bucket", le="2"} 1 @10000"#.to_owned()), "{found:?}");
    let found = of(TranslationStrategy::NoTranslation, &[], &[], &three);
    assert!(found[0].starts_with(r#"{__name__="m", "a.b"="1", "a/b"="2", a_b="3","#), "nothing collides: {found:?}");
    let resource = [("x.y", "first"), ("x_y", "last"), ("job.name", "r")];
    let found = of(escaped, &["x.y", "x_y"], &resource, &[]);
    assert_eq!(found[0], r#"{__name__="m", x_y="last"} 1 @10000"#);
    let found = of(escaped, &["x.y", "x_y"], &resource, &[("x.y", "point")]);
    assert_eq!(found[0], r#"{__name__="m", x_y="point"} 1 @10000"#, "a point's own label is not overwritten");
}

#[test]
fn series_are_those_of_prometheus() {
    let kept = json(JSON, &OtlpOptions::default());
    let common = r#"instance="i-1", job="prod/shop""#;
    let expected = [
        r#"{__name__="queue_size_ratio", http_method="GET;PUT", COMMON} 1.5 @10000"#,
        r#"{__name__="requests_total", COMMON} -7 @20000 since 5000 # {span_id="0001020304050607", trace_id="abababababababababababababababab", "user.id"="u"} 3.5 @15000"#,
        r#"{__name__="requests_total", COMMON} NaN @21000"#,
        r#"{__name__="latency_seconds_sum", COMMON} 4.25 @30000"#,
        r#"{__name__="latency_seconds_count", COMMON} 6 @30000"#,
        r#"{__name__="latency_seconds_bucket", COMMON, le="0.5"} 1 @30000 # {} 0.25 @0 # {} 0.5 @0"#,
        r#"{__name__="latency_seconds_bucket", COMMON, le="1"} 3 @30000"#,
        r#"{__name__="latency_seconds_bucket", COMMON, le="+Inf"} 6 @30000 # {} 7 @0"#,
    ];
    for (found, expected) in kept.samples.iter().zip(expected) {
        assert_eq!(*found, expected.replace("COMMON", common));
    }
    let native = &kept.samples[8];
    assert!(native.starts_with(&format!(r#"{{__name__="sizes_bytes", {common}}} {{count:10, sum:22.5"#)), "{native}");
    assert!(native.ends_with("@40000 since 1000"), "{native}");
    assert_eq!(kept.samples[9], format!(r#"{{__name__="rpc_milliseconds_sum", {common}}} 70 @50000"#));
    assert_eq!(kept.samples[11], format!(r#"{{__name__="rpc_milliseconds", {common}, quantile="0.5"}} 9 @50000"#));
    let info = format!(r#"{{__name__="target_info", host_name="n1", {common}}} 1"#);
    assert_eq!(kept.samples[12..], [format!("{info} @10000"), format!("{info} @50000")]);
    assert_eq!(
        kept.metadata,
        [
            r#"queue_size_ratio gauge "" Help."#,
            r#"requests_total counter "" Help."#,
            r#"latency_seconds histogram "seconds" Help."#,
            r#"sizes_bytes histogram "bytes" Help."#,
            r#"rpc_milliseconds summary "milliseconds" Help."#,
            r#"target_info gauge "" Target metadata"#,
        ]
    );
}

/// Scale 9 is finer than any schema: two buckets become one, and the zero bucket and the sum stay.
#[test]
fn exponential_histograms_become_native() {
    struct Find(usize);
    impl OtlpVisitor for Find {
        fn sample(&mut self, sample: OtlpSample) {
            if let StampedValue::Histogram(histogram) = sample.value {
                assert_eq!((histogram.schema, histogram.zero_threshold, histogram.zero_count), (8, 1e-128, 1.0));
                // Offsets -1, 0 and 1 of scale 9 are -1, 0 and 0 of scale 8, which count from 1 here.
                assert_eq!(histogram.positive.indexed().collect::<Vec<_>>(), [(0, 2.0), (1, 7.0)]);
                self.0 += 1;
            }
        }
        fn metadata(&mut self, _: &str, _: Metadata) {}
        fn refused(&mut self, error: OtlpError) {
            panic!("{error}");
        }
        fn warning(&mut self, text: String) {
            panic!("{text}");
        }
    }
    let mut find = Find(0);
    translate_protobuf(&PROTOBUF, &OtlpOptions::default(), &mut find).unwrap();
    assert_eq!(find.0, 1);
}

#[test]
fn options_change_names_and_labels() {
    let options = OtlpOptions {
        strategy: TranslationStrategy::NoTranslation,
        resource_attributes: vec!["host.name".to_owned()],
        promote_scope: true,
        keep_identifying: true,
        histograms_to_custom: true,
        lookback_delta_ms: 40_000,
        ..OtlpOptions::default()
    };
    let kept = json(JSON, &options);
    assert_eq!(
        kept.samples[0],
        r#"{__name__="queue.size", "host.name"="n1", "http.method"="GET", http_method="PUT", instance="i-1", job="prod/shop", "otel_scope_k.a"="x", otel_scope_name="lib", otel_scope_version="v1"} 1.5 @10000"#
    );
    assert!(kept.samples[3].contains("count:6, sum:4.25"), "{}", kept.samples[3]);
    let infos: Vec<&String> = kept.samples.iter().filter(|sample| sample.contains("target_info")).collect();
    assert_eq!(infos.len(), 3, "each half of the lookback, and the last one: {infos:?}");
    assert_eq!(
        *infos[0],
        r#"{__name__="target_info", "host.name"="n1", instance="i-1", job="prod/shop", "service.instance.id"="i-1", "service.name"="shop", "service.namespace"="prod"} 1 @10000"#
    );
    assert_eq!(TranslationStrategy::of_name("NoTranslation"), Some(TranslationStrategy::NoTranslation));
    assert_eq!(TranslationStrategy::of_name("x"), None);
}

fn metrics(list: &str) -> String {
    format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{list}]}}]}}]}}"#)
}

#[test]
fn metrics_that_cannot_be_translated_are_refused_alone() {
    let point = r#""dataPoints":[{"timeUnixNano":"1000000","asInt":1}]"#;
    let body = metrics(&format!(
        r#"{{"name":"d","sum":{{"aggregationTemporality":1,"isMonotonic":true,{point}}}}},
           {{"name":"u","sum":{{{point}}}}},
           {{"name":"nothing"}},
           {{"name":"...","gauge":{{{point}}}}},
           {{"name":"empty","gauge":{{}}}},
           {{"name":"coarse","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{{"scale":-5}}]}}}},
           {{"name":"wrong","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{{"count":3,"zeroCount":2}}]}}}},
           {{"name":"label","gauge":{{"dataPoints":[{{"attributes":[{{"key":"_"}}]}}]}}}},
           {{"name":"example","sum":{{"aggregationTemporality":2,"dataPoints":[{{"exemplars":[{{}}]}}]}}}},
           {{"name":"good","gauge":{{{point}}}}}"#
    ));
    let kept = json(&body, &OtlpOptions::default());
    assert_eq!(
        kept.refused,
        [
            r#"invalid temporality and type combination for metric "d""#,
            r#"invalid temporality and type combination for metric "u""#,
            "could not get aggregation temporality for nothing as it has unsupported metric type Empty",
            r#"normalization for metric "..." resulted in empty name"#,
            "cannot convert exponential to native histogram. Scale must be >= -4, was -5",
            "2 observations found in buckets, but the Count field is 3: histogram's observation count should equal the \
         number of observations found in the buckets (in absence of NaN) for series {__name__=\"wrong\"}",
            r#"normalization for label name "_" resulted in invalid name "key_""#,
            "unsupported exemplar value type: Empty",
        ]
        .map(str::to_owned)
        .into_iter()
        .filter(|text| !text.contains("key_"))
        .collect::<Vec<_>>()
    );
    assert_eq!(kept.warnings, ["empty data points. empty is dropped"]);
    assert_eq!(kept.samples.last().unwrap(), r#"{__name__="good"} 1 @1"#);
    let deltas = OtlpOptions { allow_delta: true, ..OtlpOptions::default() };
    let kept = json(&body, &deltas);
    assert_eq!(kept.samples[0], r#"{__name__="d_total"} 1 @1"#);
    assert!(kept.metadata[0].starts_with("d_total unknown"));
}

#[test]
fn values_of_attributes_become_texts() {
    let value = |text: &str| {
        let point = format!(r#"{{"attributes":[{{"key":"a","value":{text}}}],"asInt":1}}"#);
        let kept =
            json(&metrics(&format!(r#"{{"name":"m","gauge":{{"dataPoints":[{point}]}}}}"#)), &OtlpOptions::default());
        kept.samples[0].clone()
    };
    for (text, expected) in [
        (r#"{"stringValue":"x\"y"}"#, r#""x\"y""#),
        (r#"{"boolValue":true}"#, r#""true""#),
        (r#"{"intValue":"-5"}"#, r#""-5""#),
        (r#"{"doubleValue":1.5}"#, r#""1.5""#),
        (r#"{"doubleValue":1e21}"#, r#""1e+21""#),
        (r#"{"doubleValue":1e-7}"#, r#""1e-7""#),
        (r#"{"doubleValue":3}"#, r#""3""#),
        (r#"{"doubleValue":"NaN"}"#, r#""json: unsupported value: NaN""#),
        (r#"{"bytesValue":"AQI="}"#, r#""AQI=""#),
        (
            r#"{"arrayValue":{"values":[{"intValue":1},{"stringValue":"<a>"},{},{"bytesValue":"AQI="}]}}"#,
            r#""[1,\"\\u003ca\\u003e\",null,\"AQI=\"]""#,
        ),
        (
            r#"{"kvlistValue":{"values":[{"key":"b","value":{"boolValue":false}},{"key":"a","value":{"arrayValue":{}}}]}}"#,
            r#""{\"a\":[],\"b\":false}""#,
        ),
    ] {
        assert_eq!(value(text), format!(r#"{{__name__="m", a={expected}}} 1 @0"#), "{text}");
    }
    assert_eq!(value("{}"), r#"{__name__="m"} 1 @0"#, "an empty value is no label");
}

#[test]
fn bodies_that_are_too_much_are_refused() {
    let options = OtlpOptions { parts_max: 10_000, ..OtlpOptions::default() };
    let refused = |body: &[u8]| translate_protobuf(body, &options, &mut Kept::default()).unwrap_err().to_string();
    let flood = [0x0A, 0].repeat(20_000);
    assert_eq!(refused(&flood), "body has more than 10000 parts");
    let mut wide = Vec::new();
    put_message(&mut wide, 1, |out| {
        put_message(out, 2, |out| {
            put_metric(out, "m", "", 10, |out| {
                put_message(out, 1, |out| put_message(out, 8, |out| put_packed(out, 2, vec![0; 200_000])));
            });
        });
    });
    assert_eq!(refused(&wide), "body has more than 10000 parts");
    // A list in a list in a list …
    let mut deep = Vec::new();
    for _ in 0..200 {
        let mut outer = Vec::new();
        put_message(&mut outer, 5, |out| put_bytes(out, 1, &deep));
        deep = outer;
    }
    let mut body = Vec::new();
    put_message(&mut body, 1, |out| {
        put_message(out, 1, |out| put_message(out, 1, |out| put_bytes(out, 2, &deep)));
    });
    assert!(refused(&body).contains("nested that deep"), "{}", refused(&body));
    let refused = |body: &str| translate_json(body.as_bytes(), &options, &mut Kept::default()).unwrap_err().to_string();
    assert_eq!(refused(&"{".repeat(50_000)), "body has more than 10000 parts");
    assert!(refused(&"[".repeat(50_000)).starts_with("malformed JSON: "));
    assert!(refused(r#"{"resourceMetrics":5}"#).starts_with("malformed JSON: invalid type"));
    // Two points an age apart would need target_info all along.
    let times = r#"{"name":"m","gauge":{"dataPoints":[{"timeUnixNano":"1"},{"timeUnixNano":"9000000000000000000"}]}}"#;
    let body = metrics(times).replace(
        r#""scopeMetrics""#,
        r#""resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}},{"key":"a","value":{"intValue":1}}]},"scopeMetrics""#,
    );
    let kept = json(&body, &options);
    assert_eq!(kept.samples.len(), 2 + 1001);
    assert!(kept.samples.last().unwrap().ends_with("@9000000000000"), "{}", kept.samples.last().unwrap());
}

#[test]
fn a_body_cut_anywhere_does_no_harm() {
    for end in 0..PROTOBUF.len() {
        fuzz_otlp(&PROTOBUF[..end]);
    }
    for end in (0..JSON.len()).filter(|&end| JSON.is_char_boundary(end)) {
        fuzz_otlp(&JSON.as_bytes()[..end]);
    }
}

proptest! {
    #[test]
    fn changed_bytes_do_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        for mut body in [PROTOBUF.clone(), JSON.as_bytes().to_vec()] {
            for (at, byte) in &changes {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            fuzz_otlp(&body);
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_otlp(&bytes);
    }
}
