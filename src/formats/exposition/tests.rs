//! Expositions: the shapes of both specifications, read and written.

use proptest::prelude::*;

use super::*;
use crate::model::MetricKind;
use crate::model::histogram::{Buckets, FloatHistogram, SCHEMA_CUSTOM};

#[derive(Default, Debug)]
struct Kept {
    samples: Vec<String>,
    metadata: Vec<String>,
    refused: Vec<String>,
}

impl ExpositionVisitor for Kept {
    fn sample(&mut self, sample: ExpositionSample<'_>) {
        let mut text = format!("{} {:?}", sample.to_labels(), sample.value);
        if let Some(time_ms) = sample.time_ms {
            text += &format!(" @{time_ms}");
        }
        if sample.start_ms != 0 {
            text += &format!(" since {}", sample.start_ms);
        }
        if let Some(exemplar) = &sample.exemplar {
            text += &format!(" # {} {} @{}", exemplar.labels, exemplar.value, exemplar.time_ms);
        }
        self.samples.push(text);
    }

    fn metadata(&mut self, metric: &str, part: MetadataPart<'_>) {
        self.metadata.push(format!("{metric} {part:?}"));
    }

    fn refused(&mut self, line: usize, error: ExpositionError) {
        self.refused.push(format!("{line}: {error}"));
    }
}

fn text(body: &str) -> Kept {
    let mut kept = Kept::default();
    parse_exposition(body.as_bytes(), &ExpositionOptions { syntax: Syntax::Text, created_is_start: false }, &mut kept);
    kept
}

fn open_metrics(body: &str, created_is_start: bool) -> Kept {
    let mut kept = Kept::default();
    let options = ExpositionOptions { syntax: Syntax::OpenMetrics, created_is_start };
    parse_exposition(body.as_bytes(), &options, &mut kept);
    kept
}

#[test]
fn the_text_format_is_read_as_documented() {
    let body = r#"
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9
# Minimalistic line:
metric_without_timestamp_and_labels 12.47
#
#HELP odd no space is fine \\ \n here \"
something_weird{problem="division by zero"} +Inf -3982045
# TYPE http_request_duration_seconds histogram
  http_request_duration_seconds_bucket{le="0.05", } 24054
http_request_duration_seconds_bucket { le = "1" , } 133988
http_request_duration_seconds_bucket{le="+Inf"} 144320
~# TYPE~rpc summary
rpc{quantile="0"} 3102
rpc{quantile="1e-3",other="1"}~NaN
{"http.requests", "my label"="x", ok=""} 5
{a="1","b.c"} 6
"#;
    let kept = text(&body.replace("+Inf -3982045", "+Inf 3982045").replace('~', "\t"));
    assert_eq!(kept.refused, [""; 0]);
    assert_eq!(
        kept.samples,
        [
            r#"{__name__="http_requests_total", code="200", method="post"} 1027.0 @1395066363000"#,
            r#"{__name__="http_requests_total", code="400", method="post"} 3.0 @1395066363000"#,
            r#"{__name__="msdos_file_access_time_seconds", error="Cannot find file:\n\"FILE.TXT\"", path="C:\\DIR\\FILE.TXT"} 1458255915.0"#,
            r#"{__name__="metric_without_timestamp_and_labels"} 12.47"#,
            r#"{__name__="something_weird", problem="division by zero"} inf @3982045"#,
            r#"{__name__="http_request_duration_seconds_bucket", le="0.05"} 24054.0"#,
            r#"{__name__="http_request_duration_seconds_bucket", le="1.0"} 133988.0"#,
            r#"{__name__="http_request_duration_seconds_bucket", le="+Inf"} 144320.0"#,
            r#"{__name__="rpc", quantile="0.0"} 3102.0"#,
            r#"{__name__="rpc", other="1", quantile="0.001"} NaN"#,
            r#"{__name__="http.requests", "my label"="x"} 5.0"#,
            r#"{__name__="b.c", a="1"} 6.0"#,
        ]
    );
    assert_eq!(
        kept.metadata,
        [
            r#"http_requests_total Help("The total number of HTTP requests.")"#,
            "http_requests_total Kind(Counter)",
            r#"odd Help("no space is fine \\ \n here \\\"")"#,
            "http_request_duration_seconds Kind(Histogram)",
            "rpc Kind(Summary)",
        ]
    );
    let before_1970 = text("m 1 -5\r\nm 2\r\n");
    assert_eq!(before_1970.samples, [r#"{__name__="m"} 1.0 @-5"#, r#"{__name__="m"} 2.0"#]);
}

#[test]
fn bad_lines_are_refused_alone() {
    let body = "a 1\nb{x=\"1\" 2\nc{x=1} 2\nd\ne 1 2 3\nf 1.5 1.5\n{x=\"1\"} 3\ng{x=\"1\",x=\"2\"} 4\n\
                h{\"i\"} 5\n# TYPE j what\nk 0x1p3\n5l 1\nm{x=\"\\\"} 1\nn 1e999\n{\"o\",\"p\"} 1\nz 1";
    let kept = text(body);
    assert_eq!(kept.samples, [r#"{__name__="a"} 1.0"#, r#"{__name__="z"} 1.0"#]);
    assert_eq!(
        kept.refused,
        [
            r#"2: expected a label's name, found "2""#,
            r#"3: expected a text in quotes, found "1} 2""#,
            r#"4: expected a value, found """#,
            r#"5: expected the end of the line, found "3""#,
            r#"6: expected a time in whole milliseconds, found "1.5""#,
            "7: metric name not set",
            r#"8: label name "x" is not unique"#,
            "9: metric name already set",
            r#"10: invalid metric type "what""#,
            r#"11: expected a value, found "0x1p3""#,
            r#"12: expected a metric's name, found "5l 1""#,
            r#"13: expected a text in quotes, found "\"\\\"} 1""#,
            r#"14: expected a value, found "1e999""#,
            "15: metric name already set",
        ]
    );
    let long = format!("a{{x=\"{}\"}} 1\nb 1", "x".repeat(1024 * 1024));
    let kept = text(&long);
    assert_eq!(kept.refused, ["1: line of 1048585 bytes, more than 1048576"]);
    assert_eq!(kept.samples.len(), 1);
    let mut kept = Kept::default();
    let options = ExpositionOptions { syntax: Syntax::Text, created_is_start: false };
    parse_exposition(b"a{x=\"\xFF\"} 1\nb 1\n", &options, &mut kept);
    assert_eq!((kept.refused.concat(), kept.samples.len()), ("1: line is not UTF-8".to_owned(), 1));
}

const OPEN_METRICS: &str = r##"# TYPE acme_http_router_request_seconds summary
# UNIT acme_http_router_request_seconds seconds
# HELP acme_http_router_request_seconds Latency though all of ACME's \"HTTP\" request router.
acme_http_router_request_seconds_sum{path="/api/v1",method="GET"} 9036.32
acme_http_router_request_seconds_count{path="/api/v1",method="GET"} 807283.0
acme_http_router_request_seconds_created{path="/api/v1",method="GET"} 1605281325.0
# TYPE go_goroutines gauge
go_goroutines 69 1520879607.789
go_created 5
# TYPE foo histogram
foo_bucket{le="0.01"} 0
foo_bucket{le="1"} 8 # {} 0.054
foo_bucket{le="+Inf"} 17 # {trace_id="KOO5S4vxi0o"} 0.67 1520879607.5
foo_count 17 123.5 # {trace_id="b",span="c"} 9.8
foo_created  1
foo_created 1520430000.123
# TYPE up info
{"up.info",a="b"} 1
# EOF
"##;

#[test]
fn open_metrics_is_read_as_documented() {
    let kept = open_metrics(OPEN_METRICS, false);
    assert_eq!(kept.refused, [r#"15: expected a value, found "  1""#]);
    assert_eq!(
        kept.samples,
        [
            r#"{__name__="acme_http_router_request_seconds_sum", method="GET", path="/api/v1"} 9036.32"#,
            r#"{__name__="acme_http_router_request_seconds_count", method="GET", path="/api/v1"} 807283.0"#,
            r#"{__name__="acme_http_router_request_seconds_created", method="GET", path="/api/v1"} 1605281325.0"#,
            r#"{__name__="go_goroutines"} 69.0 @1520879607789"#,
            r#"{__name__="go_created"} 5.0"#,
            r#"{__name__="foo_bucket", le="0.01"} 0.0"#,
            r#"{__name__="foo_bucket", le="1.0"} 8.0 # {} 0.054 @0"#,
            r#"{__name__="foo_bucket", le="+Inf"} 17.0 # {trace_id="KOO5S4vxi0o"} 0.67 @1520879607500"#,
            r#"{__name__="foo_count"} 17.0 @123500 # {span="c", trace_id="b"} 9.8 @123500"#,
            r#"{__name__="foo_created"} 1520430000.123"#,
            r#"{__name__="up.info", a="b"} 1.0"#,
        ]
    );
    assert_eq!(kept.metadata[1], r#"acme_http_router_request_seconds Unit("seconds")"#);
    assert!(kept.metadata[2].contains(r#"ACME's \"HTTP\" request"#));
}

#[test]
fn created_lines_can_be_starts() {
    let kept = open_metrics(OPEN_METRICS, true);
    assert_eq!(kept.samples.len(), 9);
    assert!(kept.samples[0].ends_with("9036.32 since 1605281325000"));
    assert!(kept.samples[3].starts_with(r#"{__name__="go_created"}"#), "a gauge's name may end so");
    assert_eq!(kept.samples[4], r#"{__name__="foo_bucket", le="0.01"} 0.0 since 1520430000123"#);
    assert!(kept.samples[7].contains("since 1520430000123"), "{}", kept.samples[7]);
}

#[test]
fn open_metrics_is_strict() {
    let refused = |body: &str| open_metrics(body, false).refused;
    assert_eq!(refused("a 1\n"), ["2: data does not end with # EOF"]);
    assert_eq!(refused(""), ["1: data does not end with # EOF"]);
    assert_eq!(refused("# EOF\n\n"), ["2: unexpected data after # EOF"]);
    assert_eq!(refused("# EOF"), [""; 0]);
    for line in [
        " a 1",
        "",
        "a  1",
        "a\t1",
        "a 1 ",
        "a{x=\"1\" ,y=\"2\"} 1",
        "# comment x",
        "#EOF",
        "# TYPE a untyped",
        "# UNIT a_seconds bytes",
        "a 1 NaN",
        "a 1 # {x=\"1\"}",
        "a 1 # {\"x\"} 1",
        "a{x=\"1\"y=\"2\"} 1",
        "a{x=\"1\"}1",
    ] {
        let kept = open_metrics(&format!("{line}\n# EOF\n"), false);
        assert_eq!((kept.refused.len(), kept.samples.len()), (1, 0), "{line:?} {kept:?}");
    }
    let long = format!("a 1 # {{trace_id=\"{}\"}} 1\n# EOF\n", "x".repeat(121));
    assert_eq!(open_metrics(&long, false).samples, [r#"{__name__="a"} 1.0"#], "kept without its exemplar");
    assert_eq!(Syntax::of_content_type("application/openmetrics-text; version=1.0.0"), Syntax::OpenMetrics);
    assert_eq!(Syntax::of_content_type("text/plain"), Syntax::Text);
}

#[test]
fn names_are_escaped_as_readers_ask() {
    let cases = [
        ("no_change", ["no_change", "no__change", "no_change"]),
        ("with.dots", ["with_dots", "with_dot_dots", "U__with_2e_dots"]),
        ("label with 😱", ["label_with__", "label__with____", "U__label_20_with_20__1f631_"]),
        ("1digit", ["_digit", "__digit", "U___31_digit"]),
        ("a:b_c.d", ["a:b_c_d", "a:b__c_dot_d", "U__a:b__c_2e_d"]),
    ];
    for (name, expected) in cases {
        let schemes = [Escaping::Underscores, Escaping::Dots, Escaping::Values];
        assert_eq!(schemes.map(|scheme| scheme.escape(name).into_owned()), expected);
        assert_eq!(Escaping::AllowUtf8.escape(name), name);
    }
    assert_eq!(Escaping::of_parameter("allow-utf-8"), Some(Escaping::AllowUtf8));
    assert_eq!(Escaping::of_parameter("x"), None);
    assert_eq!(
        TextPrinter::content_type(Escaping::default()),
        "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    );
}

#[test]
fn families_are_printed_as_prometheus_prints_them() {
    let mut out = String::new();
    let mut printer = TextPrinter::new(&mut out, Escaping::AllowUtf8);
    printer.family("m", Some("A \\ and a\nline, \"quoted\"."), MetricKind::Unknown);
    printer.sample("m", [], 1.0, None);
    printer.sample("m", [("__name__", "m"), ("a", "x\"\\\n"), ("b c", "ä")], 1e6, Some(-5));
    printer.sample("m", [("instance", "")], -0.0, Some(5));
    printer.family("a.b", None, MetricKind::GaugeHistogram);
    printer.sample("a.b", [], f64::NAN, None);
    printer.sample("a.b", [("x", "1")], f64::NEG_INFINITY, None);
    let histogram = FloatHistogram {
        schema: SCHEMA_CUSTOM,
        count: 6.5,
        sum: 10.0,
        positive: Buckets::contiguous(1, vec![2.0, 3.0]),
        custom_bounds: Some([0.5, 1.0, 2.5].into()),
        ..FloatHistogram::default()
    };
    printer.classic_histogram("h", [("x", "1")], &histogram, Some(7));
    printer.classic_histogram("native", [("x", "1")], &FloatHistogram::default(), Some(7));
    let expected = r##"# HELP m A \\ and a\nline, "quoted".
# TYPE m untyped
m 1
m{a="x\"\\\n","b c"="ä"} 1e+06 -5
m{instance=""} 0 5
# TYPE "a.b" histogram
{"a.b"} NaN
{"a.b",x="1"} -Inf
h_bucket{x="1",le="0.5"} 0 7
h_bucket{x="1",le="1"} 2 7
h_bucket{x="1",le="2.5"} 5 7
h_bucket{x="1",le="+Inf"} 6.5 7
h_sum{x="1"} 10 7
h_count{x="1"} 6.5 7
"##;
    assert_eq!(out, expected);
    let mut out = String::new();
    let mut printer = TextPrinter::new(&mut out, Escaping::Underscores);
    printer.family("a.b", None, MetricKind::Counter);
    printer.sample("a.b", [("c.d", "x.y")], 2.5, None);
    assert_eq!(out, "# TYPE a_b counter\na_b{c_d=\"x.y\"} 2.5\n");
}

#[test]
fn bodies_cut_anywhere_do_no_harm() {
    for end in 0..OPEN_METRICS.len() {
        fuzz_exposition(&OPEN_METRICS.as_bytes()[..end]);
    }
    fuzz_exposition(&b"{".repeat(10_000));
    fuzz_exposition(&b"a{\"\\".repeat(10_000));
}

proptest! {
    #[test]
    fn what_is_printed_is_what_is_read(
        metric in "[a-z_:]{1,9}|.{1,9}",
        labels in prop::collection::btree_map("[a-z]{1,3}|.{1,3}", ".{1,20}", 0..4),
        bits: u64,
        time_ms in prop::option::of(any::<i64>()),
    ) {
        prop_assume!(!labels.contains_key("__name__"));
        let value = f64::from_bits(bits);
        let mut out = String::new();
        let pairs = labels.iter().map(|(name, value)| (&**name, &**value));
        TextPrinter::new(&mut out, Escaping::AllowUtf8).sample(&metric, pairs.clone(), value, time_ms);
        let kept = text(&out);
        let all = pairs.chain([("__name__", &*metric)]);
        let mut expected = format!("{} {:?}", crate::model::Labels::from_pairs(all), value + 0.0);
        if let Some(time_ms) = time_ms {
            expected += &format!(" @{time_ms}");
        }
        prop_assert_eq!(kept.samples, [expected], "{} {:?}", out, kept.refused);
    }

    #[test]
    fn any_text_does_no_harm(lines in prop::collection::vec("[a-z]{1,2}(\\{[a-z\"=,\\\\ #}]{0,12}\\}?)? [0-9.e]{0,4}( # \\{)?|.{0,20}", 0..6)) {
        fuzz_exposition(lines.join("\n").as_bytes());
    }
}
