//! Histograms as a whole: single cases with answers worked out by hand.

use super::samples::described;
use super::*;

fn sum(own: &str, other: &str) -> (FloatHistogram, Combined) {
    let mut sum = described(own);
    let combined = sum.add(&described(other)).unwrap();
    sum.compact(0);
    (sum, combined)
}

#[test]
fn the_wider_zero_bucket_wins_and_takes_in_what_it_cuts() {
    let (wider, _) = sum(
        "{{count:10 sum:9 z_bucket:1 z_bucket_w:0.25 buckets:[2 3] n_buckets:[4]}}",
        "{{count:3 sum:1 z_bucket:2 z_bucket_w:0.75 buckets:[0 1]}}",
    );
    // 0.75 lies in the populated (0.5,1] and [-1,-0.5): the zero bucket grows to 1.
    let expected = described("{{count:13 sum:10 z_bucket:9 z_bucket_w:1 offset:1 buckets:[4]}}");
    assert_eq!(wider, expected);
    let (turned, _) = sum(
        "{{count:3 sum:1 z_bucket:2 z_bucket_w:0.75 buckets:[0 1]}}",
        "{{count:10 sum:9 z_bucket:1 z_bucket_w:0.25 buckets:[2 3] n_buckets:[4]}}",
    );
    assert_eq!(turned, expected);
}

#[test]
fn a_negative_bucket_moves_the_zero_bucket_into_a_positive_one() {
    let (moved, _) = sum(
        "{{schema:0 count:6 sum:0 z_bucket_w:0.1 buckets:[0 0 2] n_buckets:[0 4]}}",
        "{{schema:0 count:1 sum:0 z_bucket:1 z_bucket_w:1.5}}",
    );
    // The negative [-2,-1) is cut by 1.5, so the zero bucket ends at 2; the positive (2,4] stays.
    assert_eq!(moved, described("{{count:7 z_bucket:5 z_bucket_w:2 offset:2 buckets:[2]}}"));
}

#[test]
fn different_bounds_leave_the_common_ones() {
    let (reconciled, combined) = sum(
        "{{schema:-53 count:10 sum:5 custom_values:[1 2 5 10] buckets:[1 2 3 4]}}",
        "{{schema:-53 count:6 sum:2 custom_values:[2 3 10] buckets:[1 2 1 2]}}",
    );
    assert!(combined.bounds_reconciled);
    assert_eq!(reconciled, described("{{schema:-53 count:16 sum:7 custom_values:[2 10] buckets:[4 10 2]}}"));
    let mut mixed = described("{{schema:-53 count:1 custom_values:[1] buckets:[1]}}");
    assert_eq!(mixed.add(&described("{{count:1 buckets:[1]}}")), Err(HistogramError::MixedSchemas));
    assert_eq!(mixed, described("{{schema:-53 count:1 custom_values:[1] buckets:[1]}}"));
}

#[test]
fn hints_combine_to_what_is_still_true() {
    use CounterReset::{Gauge, NotReset, Reset, Unknown};
    let cases = [
        (Unknown, Unknown, Unknown, false),
        (Reset, Reset, Reset, false),
        (Reset, Unknown, Unknown, false),
        (Unknown, NotReset, Unknown, false),
        (Gauge, Reset, Gauge, false),
        (NotReset, Gauge, Gauge, false),
        (Unknown, Gauge, Gauge, false),
        (Reset, NotReset, Unknown, true),
        (NotReset, Reset, Unknown, true),
    ];
    for (own, other, expected, collide) in cases {
        let mut histogram = FloatHistogram { counter_reset_hint: own, ..FloatHistogram::default() };
        let other = FloatHistogram { counter_reset_hint: other, ..FloatHistogram::default() };
        assert_eq!(histogram.sub(&other).unwrap().hints_collide, collide);
        assert_eq!(histogram.counter_reset_hint, expected);
    }
    let mut turned = described("{{count:1 buckets:[1]}}");
    turned.mul(-1.0);
    assert_eq!(turned.counter_reset_hint, Gauge);
    assert_eq!(turned.validate(), Err(HistogramError::NegativeCount { count: -1.0 }));
    turned.div(0.0);
    assert!(turned.positive.is_empty() && turned.count.is_infinite());
}

#[test]
fn a_reset_is_what_cannot_be_growth() {
    let before = described("{{schema:1 count:9 sum:1 z_bucket:2 z_bucket_w:0.001 offset:1 buckets:[3 0 4]}}");
    let reset = |text: &str| described(text).detect_reset(&before);
    assert!(!reset("{{schema:1 count:9 sum:0 z_bucket:2 z_bucket_w:0.001 offset:1 buckets:[3 0 4]}}"));
    assert!(!reset("{{schema:1 count:9 z_bucket:2 z_bucket_w:0.001 offset:1 buckets:[3 1 4]}}"));
    assert!(!reset("{{schema:0 count:9 z_bucket:2 z_bucket_w:0.001 offset:1 buckets:[3 4]}}"), "coarser");
    assert!(!reset("{{schema:1 count:9 z_bucket:2 z_bucket_w:0.5 offset:1 buckets:[3 0 4]}}"), "a larger zero bucket");
    assert!(reset("{{schema:1 count:8 z_bucket:2 z_bucket_w:0.001 offset:1 buckets:[3 0 4]}}"), "fewer in all");
    assert!(reset("{{schema:1 count:9 z_bucket:1 z_bucket_w:0.001 offset:1 buckets:[4 0 4]}}"), "fewer near zero");
    assert!(reset("{{schema:1 count:9 z_bucket:2 z_bucket_w:0.001 offset:1 buckets:[2 1 4]}}"), "fewer in a bucket");
    assert!(reset("{{schema:1 count:9 z_bucket:3 z_bucket_w:0.001 offset:3 buckets:[6]}}"), "a bucket is gone");
    assert!(reset("{{schema:2 count:9 z_bucket:2 z_bucket_w:0.001 offset:1 buckets:[9 9 9 9 9 9]}}"), "finer");
    assert!(
        reset("{{schema:1 count:9 z_bucket:2 z_bucket_w:0.0001 offset:1 buckets:[3 0 4]}}"),
        "a smaller zero bucket"
    );
    assert!(reset("{{schema:1 count:9 z_bucket:9 z_bucket_w:1.2 offset:1 buckets:[9 9 9]}}"), "it cuts (1,1.4]");
    let custom = described("{{schema:-53 count:6 custom_values:[1 2 5] buckets:[1 2 3]}}");
    let reset = |text: &str| described(text).detect_reset(&custom);
    assert!(!reset("{{schema:-53 count:6 custom_values:[2 5 7] buckets:[3 3]}}"));
    assert!(reset("{{schema:-53 count:7 custom_values:[2 5 7] buckets:[2 5]}}"));
    assert!(described("{{count:99}}").detect_reset(&custom) && reset("{{count:99}}"));
}

#[test]
fn trims_interpolate_in_the_bucket_that_they_cut() {
    let mut custom = described("{{schema:-53 count:10 sum:30 custom_values:[2 4 8] buckets:[2 4 4]}}");
    custom.trim(3.0, Trim::KeepBelow);
    // 2 around 1 in (-Inf,2] taken from 0, and half of 4 around 2.5.
    assert_eq!(custom, described("{{schema:-53 count:4 sum:7 custom_values:[2 4 8] buckets:[2 2]}}"));
    let mut exponential = described("{{count:10 sum:30 z_bucket:2 z_bucket_w:0.5 buckets:[0 0 8]}}");
    exponential.trim(0.25, Trim::KeepAbove);
    let kept = "{{count:9 z_bucket:1 z_bucket_w:0.5 offset:2 buckets:[8]}}";
    let expected = FloatHistogram { sum: 8.0 * 8f64.sqrt() + 0.375, ..described(kept) };
    assert_eq!(exponential, expected);
    let mut endless = described("{{schema:-53 count:5 sum:50 custom_values:[2] buckets:[2 3]}}");
    endless.trim(10.0, Trim::KeepBelow);
    assert_eq!(endless.describe(), "{{schema:-53 count:2 sum:2 custom_values:[2] buckets:[2]}}");
    let mut nothing = described("{{count:2 sum:1 buckets:[2]}}");
    nothing.trim(f64::NAN, Trim::KeepAbove);
    assert_eq!(nothing, FloatHistogram::default());
}

#[test]
fn texts_are_those_of_prometheus() {
    let histogram = described(
        "{{schema:1 count:13.5 sum:1e6 z_bucket:2 z_bucket_w:0.001 offset:-1 buckets:[1 0 4] n_buckets:[6.5]}}",
    );
    let text = "{count:13.5, sum:1e+06, [-1,-0.7071067811865475):6.5, [-0.001,0.001]:2, \
                (0.5,0.7071067811865475]:1, (1,1.414213562373095]:4}";
    assert_eq!(histogram.to_string(), text);
    let mut json = Vec::new();
    histogram.write_json(&mut json);
    let expected = concat!(
        r#"{"count":"13.5","sum":"1000000","buckets":[[1,"-1","-0.7071067811865475","6.5"],"#,
        r#"[3,"-0.001","0.001","2"],[0,"0.5","0.7071067811865475","1"],[0,"1","1.414213562373095","4"]]}"#
    );
    assert_eq!(String::from_utf8(json).unwrap(), expected);
    let mut empty = Vec::new();
    FloatHistogram { sum: f64::NAN, ..FloatHistogram::default() }.write_json(&mut empty);
    assert_eq!(empty, br#"{"count":"0","sum":"NaN"}"#);
    let custom = described("{{schema:-53 count:2 sum:3 custom_values:[1 2] buckets:[1 0 1]}}");
    assert_eq!(custom.to_string(), "{count:2, sum:3, [-Inf,1]:1, (2,+Inf]:1}");
    let described_again = "{{schema:-53 count:2 sum:3 custom_values:[1 2] buckets:[1 0 1]}}";
    assert_eq!(custom.describe(), described_again);
    assert_eq!(FloatHistogram::default().describe(), "{{}}");
    assert_eq!((custom.size_bytes(), custom.sample_weight()), (168 + 8 * 6, 14));
}

#[test]
fn descriptions_say_what_is_wrong_with_them() {
    let (gauge, length) = Described::parse("{{ SUM:-0x10 counter_reset_hint:gauge buckets:[1  Inf ] }}x3").unwrap();
    assert_eq!((length, gauge.hint_given), (58, true));
    assert_eq!((gauge.histogram.sum, gauge.histogram.positive.counts[1]), (-16.0, f64::INFINITY));
    assert!(!Described::parse("{{}}").unwrap().0.hint_given);
    let wrong = |text: &str| Described::parse(text).unwrap_err().to_string();
    assert_eq!(wrong("{{sum:1"), "a histogram is described between {{ and }}");
    assert_eq!(wrong("{{sum:1 sum:2}}"), "duplicate key \"sum\" in histogram");
    assert_eq!(wrong("{{summe:1}}"), "bad histogram descriptor found: \"summe\"");
    assert_eq!(wrong("{{schema:1.5}}"), "error parsing schema: \"1.5\", expected an integer");
    assert_eq!(wrong("{{sum:--1}}"), "error parsing sum: \"--1\", expected a number");
    assert!(wrong("{{buckets:[1 x]}}").starts_with("error parsing buckets: \"[1 x]\""));
    assert!(wrong("{{buckets:[1 2}}").starts_with("error parsing buckets"));
    assert!(wrong("{{counter_reset_hint:maybe}}").ends_with("expected unknown, reset, not_reset or gauge"));
    let long = format!("{{{{buckets:[{}]}}}}", "1 ".repeat(BUCKETS_MAX + 1));
    assert!(wrong(&long).starts_with("error parsing buckets"));
}

#[test]
fn invalid_histograms_are_refused_with_the_reason() {
    let wrong = |text: &str| described(text).validate().unwrap_err().to_string();
    assert!(wrong("{{schema:9}}").ends_with("or -53 for custom buckets, got schema 9"));
    assert_eq!(wrong("{{count:-1}}"), "observation count is -1: histogram's observation count is negative");
    let negative = "histogram has a bucket whose observation count is negative";
    let bucket = format!("negative side: bucket number 2 has observation count of -1: {negative}");
    assert_eq!(wrong("{{n_buckets:[0 -1]}}"), bucket);
    assert_eq!(wrong("{{z_bucket:-2}}"), format!("zero bucket has observation count of -2: {negative}"));
    assert!(wrong("{{z_bucket_w:NaN}}").starts_with("zero bucket has a threshold of NaN"));
    assert!(wrong("{{custom_values:[1]}}").ends_with("exponential schema must not have custom bounds"));
    let custom = |rest: &str| wrong(&format!("{{{{schema:-53 {rest}}}}}"));
    assert!(custom("custom_values:[1 1]").starts_with("custom buckets: previous bound is 1.000000 and current is 1.0"));
    assert!(custom("custom_values:[1 Inf]").ends_with("histogram custom bounds must be finite"));
    assert!(custom("custom_values:[NaN]").ends_with("must not be NaN"));
    assert!(custom("custom_values:[1] buckets:[1 1 1]").ends_with("histogram custom bounds are too few"));
    assert!(custom("custom_values:[1] z_bucket:1").ends_with("must have zero count of 0"));
    assert!(custom("custom_values:[1] z_bucket_w:1").ends_with("must have zero threshold of 0"));
    assert!(custom("custom_values:[1] n_buckets:[1]").ends_with("must not have negative spans"));
    assert!(custom("custom_values:[1 2] offset:-1 buckets:[1]").contains("span number 1 with offset -1"));
    let mut spans = described("{{buckets:[1 2]}}");
    spans.positive.spans.push(Span { offset: -1, length: 1 });
    assert!(spans.validate().unwrap_err().to_string().contains("span number 2 with offset -1"));
    spans.positive.spans[1].offset = 1;
    assert!(spans.validate().unwrap_err().to_string().contains("spans need 3 buckets, have 2 buckets"));
    let many = FloatHistogram { positive: Buckets::contiguous(0, vec![0.0; BUCKETS_MAX]), ..FloatHistogram::default() };
    assert!(matches!(many.validate(), Err(HistogramError::TooManyBuckets { .. })));
    assert_eq!(many.reduced_to(1), Err(HistogramError::ReduceUpwards { from: 0, to: 1 }));
}

#[test]
fn classic_histograms_become_custom_buckets() {
    let mut classic = ClassicHistogram::new();
    for (bound, count) in [(5.0, 7.0), (1.0, 2.0), (f64::INFINITY, 9.0), (2.0, 2.0), (1.0, 99.0)] {
        classic.set_bucket(bound, count);
    }
    classic.set_sum(20.0);
    let converted = classic.clone().convert().unwrap();
    assert_eq!(converted, described("{{schema:-53 count:9 sum:20 custom_values:[1 2 5] buckets:[2 0 5 2]}}"));
    classic.set_count(10.0);
    let mismatch = classic.convert().unwrap_err();
    assert_eq!(mismatch.to_string(), "count mismatch: count=10 != le=+Inf count=9");
    let mut endless = ClassicHistogram::new();
    endless.set_bucket(1.0, 2.5);
    endless.set_count(4.0);
    assert_eq!(endless.convert().unwrap().describe(), "{{schema:-53 count:4 custom_values:[1] buckets:[2.5 1.5]}}");
    let wrong = |pairs: &[(f64, f64)]| {
        let mut classic = ClassicHistogram::new();
        pairs.iter().for_each(|&(bound, count)| classic.set_bucket(bound, count));
        classic.set_count(5.0);
        classic.convert().unwrap_err().to_string()
    };
    assert_eq!(wrong(&[(1.0, 3.0), (2.0, 2.0)]), "count is not cumulative: 2 < 3");
    assert_eq!(wrong(&[(2.0, 2.0), (1.0, 3.0)]), "count is not cumulative: 3 > 2");
    assert_eq!(wrong(&[(f64::NAN, 3.0), (1.0, -1.0)]), "bucket boundary must not be NaN");
    assert_eq!(wrong(&[(1.0, -1.0)]), "bucket count must be non-negative: le=1, count=-1");
    let mut nothing = ClassicHistogram::new();
    assert_eq!(nothing.clone().convert().unwrap().count, 0.0);
    nothing.set_count(-1.0);
    assert_eq!(nothing.convert().unwrap_err().to_string(), "count must be non-negative: count=-1");
}

#[test]
fn means_do_not_overflow() {
    let large = described("{{count:1e308 sum:1e308 buckets:[1e308]}}");
    let mut mean = HistogramMean::new(large.clone());
    for _ in 0..4 {
        let _ = mean.add(&large).unwrap();
    }
    let mean = mean.into_value();
    assert!((mean.count / 1e308 - 1.0).abs() < 1e-12 && (mean.positive.counts[0] / 1e308 - 1.0).abs() < 1e-12);
    let mut sum = HistogramSum::new(large.clone());
    let _ = sum.add(&large).unwrap();
    assert!(sum.total().has_overflow());
}
