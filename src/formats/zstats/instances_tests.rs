//! The state beyond what is recorded: what vanishes, what stops, and that nothing grows without bound.

use super::*;

/// A blob of series with these names, each with its value, at that time.
fn full<'a>(instance: &'a str, generation: i64, time_ms: i64, series: &[(&'a str, f64)]) -> Blob<'a> {
    let mut blob = Blob { instance, generation, time_ms, is_text: true, ..Blob::default() };
    blob.series_count = series.len() as i64;
    for (index, (name, value)) in series.iter().enumerate() {
        blob.labels.push(("__name__", name));
        blob.samples.push(BlobSample { index: index as i32, labels: index..index + 1, time_ms, ..sample(*value) });
    }
    blob
}

/// Differences of the series at these positions from a scrape of `series_count`.
fn differences<'a>(instance: &'a str, generation: i64, series_count: i64, samples: &[(i32, f64)]) -> Blob<'a> {
    let samples = samples.iter().map(|(index, value)| BlobSample { index: *index, ..sample(*value) }).collect();
    let time_ms = generation * 1000;
    Blob {
        instance,
        generation,
        series_count,
        time_ms,
        samples,
        is_incremental: true,
        is_text: true,
        ..Blob::default()
    }
}

fn sample<'a>(value: f64) -> BlobSample<'a> {
    BlobSample { value, kind: "gauge", help: "Help.", ..BlobSample::default() }
}

fn vanished(instances: &mut Instances, blob: &Blob<'_>) -> Vec<String> {
    instances.apply("a", blob, 0).unwrap().vanished.iter().map(|labels| labels.metric_name().to_owned()).collect()
}

#[test]
fn series_that_the_next_scrape_lacks_have_vanished() {
    let mut instances = Instances::new(StateLimits::default());
    let first = [("x", 1.0), ("y", 1.0), ("twin", 1.0), ("twin", 2.0)];
    assert_eq!(vanished(&mut instances, &full("i", 1, 1000, &first)), [""; 0]);
    assert_eq!(vanished(&mut instances, &full("i", 2, 2000, &[("y", 1.0), ("z", 1.0)])), ["x", "twin"]);
    assert_eq!(vanished(&mut instances, &full("i", 3, 3000, &[("y", 1.0), ("z", 1.0), ("x", 1.0)])), [""; 0]);
    // Another target's scrape is its own, and so is another account's.
    assert_eq!(vanished(&mut instances, &full("j", 3, 4000, &[])), [""; 0]);
    assert!(instances.apply("b", &full("i", 9, 4000, &[]), 0).unwrap().vanished.is_empty());
    // An older scrape says nothing about what came later.
    assert_eq!(vanished(&mut instances, &full("i", 2, 2000, &[("y", 1.0)])), [""; 0]);
    // A series with a time of its own goes on being true.
    let mut stamped = full("i", 5, 5000, &[("y", 1.0), ("late", 1.0)]);
    stamped.samples[1].time_ms = 77;
    vanished(&mut instances, &stamped);
    assert_eq!(vanished(&mut instances, &full("i", 6, 6000, &[])), ["y"]);
}

#[test]
fn values_that_differences_do_not_tell_ask_for_all() {
    let mut instances = Instances::new(StateLimits::default());
    instances.apply("a", &full("i", 1, 1000, &[("x", f64::NAN), ("y", f64::INFINITY), ("z", 1e308)]), 0).unwrap();
    let before = format!("{:?}", instances.scrape("a", "i"));
    for (index, difference) in [(0, f64::NAN), (0, 1.0), (1, f64::NEG_INFINITY), (2, f64::NEG_INFINITY), (2, 1e308)] {
        let refusal = instances.apply("a", &differences("i", 2, 3, &[(index, difference)]), 0).unwrap_err();
        assert_eq!(refusal, Refusal::Value { index: index as usize });
        assert_eq!(refusal.code(), Code::SendFull);
    }
    // What is wrong behind good differences spoils them too.
    let refusal = instances.apply("a", &differences("i", 2, 3, &[(0, 0.0), (2, 1.0), (3, 1.0)]), 0).unwrap_err();
    assert_eq!(refusal, Refusal::Index { position: 2, index: 3 });
    assert_eq!(format!("{:?}", instances.scrape("a", "i")), before, "nothing has changed");
    instances.apply("a", &differences("i", 2, 3, &[(2, f64::NAN)]), 0).unwrap();
    let series = &instances.scrape("a", "i").unwrap().series;
    assert!(
        series
            .iter()
            .all(|series| series.time_ms == if series.value == 1e308 { 1000 } else { 2000 } || series.value.is_nan())
    );
}

/// A NaN with the bits of a staleness marker would end its series in the tree.
#[test]
fn no_value_passes_for_a_staleness_marker() {
    let mut instances = Instances::new(StateLimits::default());
    let stale = f64::from_bits(0x7FF0_0000_0000_0002);
    instances.apply("a", &full("i", 1, 1000, &[("x", stale), ("y", 1.0)]), 0).unwrap();
    let blob = differences("i", 2, 2, &[(1, stale)]);
    let applied = instances.apply("a", &blob, 0).unwrap();
    let bits: Vec<u64> = applied.scrape.series.iter().map(|series| series.value.to_bits()).collect();
    assert_eq!(bits, [0x7FF8_0000_0000_0001; 2]);
}

#[test]
fn numbers_wrap_instead_of_overflowing() {
    let mut instances = Instances::new(StateLimits::default());
    instances.apply("a", &full("i", i64::MAX, i64::MAX, &[("x", 1.0)]), 0).unwrap();
    let mut blob = differences("i", 0, 1, &[(0, 1.0)]);
    (blob.generation, blob.time_ms, blob.samples[0].time_ms) = (i64::MIN, i64::MIN, 1);
    let applied = instances.apply("a", &blob, 0).unwrap();
    assert_eq!((applied.scrape.series[0].time_ms, applied.scrape.series[0].value), (i64::MIN, 2.0));
}

#[test]
fn an_incomplete_full_blob_makes_an_instance_known() {
    let mut instances = Instances::new(StateLimits::default());
    let mut blob = full("i", 7, 1000, &[("x", 1.0)]);
    blob.series_count = 2;
    let incomplete = Refusal::Incomplete { sent: 2, found: 1 };
    assert_eq!(instances.apply("a", &blob, 0).unwrap_err(), incomplete);
    assert!(instances.apply("a", &differences("i", 8, 0, &[]), 0).is_ok());
    instances.apply("a", &full("i", 9, 1000, &[("x", 1.0)]), 0).unwrap();
    assert_eq!(instances.apply("a", &blob, 0).unwrap_err(), incomplete);
    assert_eq!(instances.scrape("a", "i").map(|scrape| (scrape.generation, scrape.series.len())), Some((9, 1)));
}

#[test]
fn targets_that_stop_are_told_once_and_then_forgotten() {
    let mut instances = Instances::new(StateLimits { silent_ms: 5_000, idle_ms: 60_000, ..StateLimits::default() });
    instances.apply("a", &full("i", 1, 1000, &[("x", 1.0)]), 100_000).unwrap();
    instances.apply("a", &differences("i", 4, 1, &[]), 0).unwrap_err();
    let mut blob = differences("i", 2, 1, &[]);
    blob.time_ms = 4000;
    instances.apply("a", &blob, 103_000).unwrap();
    let ended = |instances: &mut Instances, now_ms| {
        let mut seen = Vec::new();
        let forgotten = instances.expire(now_ms, |ended| {
            let names = ended.scrape.ending_labels().map(|labels| labels.to_string()).collect::<Vec<_>>();
            seen.push((ended.account.to_owned(), ended.instance.to_owned(), ended.time_ms, names));
        });
        (seen, forgotten)
    };
    // Three intervals of three seconds are more than five seconds.
    assert_eq!(ended(&mut instances, 111_999), (vec![], 0));
    let told = ("a".to_owned(), "i".to_owned(), 7000, vec!["{__name__=\"x\"}".to_owned()]);
    assert_eq!(ended(&mut instances, 112_000), (vec![told.clone()], 0));
    assert_eq!(ended(&mut instances, 113_000), (vec![], 0));
    // It comes back, and stops again.
    blob.generation = 3;
    instances.apply("a", &blob, 120_000).unwrap();
    assert_eq!(ended(&mut instances, 180_000), (vec![told], 1));
    assert_eq!((instances.is_empty(), instances.bytes()), (true, 0));
    assert_eq!(instances.apply("a", &blob, 0).unwrap_err(), Refusal::UnknownInstance);
}

#[test]
fn what_is_kept_is_bounded() {
    let limits = StateLimits { instances_max: 2, series_max: 3, labels_max: 1, ..StateLimits::default() };
    let mut instances = Instances::new(limits.clone());
    instances.apply("a", &full("i", 1, 1, &[("x", 1.0)]), 0).unwrap();
    instances.apply("a", &full("j", 1, 1, &[]), 0).unwrap();
    let refusal = instances.apply("a", &full("k", 1, 1, &[]), 0).unwrap_err();
    assert_eq!((refusal.reason(), refusal.code()), ("too_many_instances", Code::Failed));
    // Another account's are its own, and those that are there may change.
    instances.apply("b", &full("k", 1, 1, &[]), 0).unwrap();
    let many = [("x", 1.0); 4];
    instances.apply("a", &full("j", 1, 1, &many[..3]), 0).unwrap();
    let refusal = instances.apply("a", &full("j", 1, 1, &many), 0).unwrap_err();
    assert_eq!((refusal.reason(), refusal.code()), ("too_many_series", Code::Failed));
    let mut two = full("i", 1, 1, &[("x", 1.0)]);
    two.labels.push(("y", "z"));
    two.samples[0].labels.end = 2;
    assert_eq!(instances.apply("a", &two, 0).unwrap_err().reason(), "labels");

    let mut instances = Instances::new(StateLimits { bytes_max: 2000, ..limits });
    let long = "x".repeat(1000);
    instances.apply("a", &full("i", 1, 1, &[(&long, 1.0)]), 0).unwrap();
    let before = instances.bytes();
    assert!((1000..=2000).contains(&before));
    let refusal = instances.apply("a", &full("j", 1, 1, &[(&long, 1.0)]), 0).unwrap_err();
    assert_eq!((refusal.reason(), refusal.code()), ("too_many_bytes", Code::Failed));
    // A scrape takes the place of the one before it.
    instances.apply("a", &full("i", 2, 1, &[(&long, 1.0)]), 0).unwrap();
    assert_eq!(instances.bytes(), before);
}

#[test]
fn names_labels_and_texts_that_are_none_are_refused() {
    let mut instances = Instances::new(StateLimits::default());
    for name in ["", "..", "../../etc/x.y", "/a.b", "a//b"] {
        let refusal = instances.apply("a", &full(name, 1, 1, &[]), 0).unwrap_err();
        assert_eq!((refusal.reason(), refusal.code()), ("instance", Code::Failed), "{name:?}");
        assert!(SpoolEntry::of("a", name, &Scrape::default(), 1).is_err());
        assert!(SpoolEntry::of(name, "a", &Scrape::default(), 1).is_err());
    }
    assert!(SpoolEntry::of("a/b", "i", &Scrape::default(), 1).is_err());
    let mut blob = full("i", 1, 1, &[("x", 1.0), ("y", 1.0)]);
    blob.is_text = false;
    assert_eq!(instances.apply("a", &blob, 0).unwrap_err(), Refusal::NotText);
    blob.is_text = true;
    blob.samples[0].labels = 0..2;
    assert_eq!(instances.apply("a", &blob, 0).unwrap_err(), Refusal::Labels { index: 0, limit: 128 }, "a name twice");
    blob.labels = vec![("", "x"), ("y", "")];
    assert_eq!(instances.apply("a", &blob, 0).unwrap_err(), Refusal::Labels { index: 0, limit: 128 }, "no name");
    blob.labels = vec![("b", "2"), ("a", "1")];
    let applied = instances.apply("a", &blob, 0).unwrap();
    assert_eq!(applied.scrape.series[0].labels.to_string(), "{a=\"1\", b=\"2\"}");
    assert_eq!(applied.scrape.series[1].labels.to_string(), "{a=\"1\"}");
}

#[test]
fn spool_texts_are_quoted_and_modes_become_names() {
    let mut instances = Instances::new(StateLimits::default());
    let mut blob = full("h:1:2.<j>", 1, 1000, &[("node_cpu_seconds_total", -0.0), ("x", f64::NEG_INFINITY)]);
    blob.samples[0].kind = "counter";
    blob.labels = vec![("__name__", "node_cpu_seconds_total"), ("cpu", "0"), ("mode", "a mode of 16 byt")];
    blob.labels.extend([("__name__", "x"), ("v", "\u{7}\u{8}\u{c}\u{b}\r\t\u{1}\u{7f}\u{ad}e\u{301}\"\\\n")]);
    blob.samples[0].labels = 0..3;
    blob.samples[1].labels = 3..5;
    blob.target_labels = vec!["a&b"];
    let applied = instances.apply("a", &blob, 0).unwrap();
    let entry = SpoolEntry::of("acc", applied.instance, applied.scrape, 5).unwrap();
    assert_eq!(entry.directory, "acc/h_1:2.<j>/5");
    let manifest = concat!(
        r#"{"account":"acc","type":"prometheus","iid":"h:1:2.\u003cj\u003e","is_compressed":true,"#,
        r#""kvs":[{"key":"cpu","value":"0"}],"dts":1000,"olabels":["a\u0026b"]}"#
    );
    assert_eq!(entry.manifest, manifest);
    let text = String::from_utf8(gunzip(&entry.data, &RequestLimits::default()).unwrap()).unwrap();
    let expected = concat!(
        "# HELP node_cpu_seconds_total_a mode of 16 byt Help.\n# TYPE node_cpu_seconds_total_a mode of 16 byt counter\n",
        "node_cpu_seconds_total_a mode of 16 byt{} -0.000000\n# HELP x Help.\n# TYPE x gauge\n",
        "x{v=\"\\a\\b\\f\\v\\r\\t\\x01\\x7f\\u00ade\u{301}\\\"\\\\\\n\"} -Inf\n"
    );
    assert_eq!(text, expected);
}

/// What is kept of a target, and how much in all.
fn state(instances: &Instances) -> (Option<Scrape>, Option<Scrape>, usize, usize) {
    let scrape = |instance| instances.scrape("a", instance).cloned();
    (scrape("i"), scrape("j"), instances.bytes(), instances.len())
}

#[test]
fn a_request_can_be_taken_back() {
    let series = [("x", 1.0), ("y", 2.0)];
    let more = [("x", 1.0), ("y", 2.0), ("a longer name than before", 3.0)];
    let known = || {
        let mut instances = Instances::new(StateLimits::default());
        instances.apply("a", &full("i", 1, 1000, &series), 7).unwrap();
        instances
    };
    let add = |generation, value| differences("i", generation, 2, &[(0, value)]);
    let requests = [
        vec![add(2, 1.0)],
        vec![add(2, 1.0), add(3, 5.0)],
        vec![full("i", 9, 9000, &more)],
        vec![full("i", 9, 9000, &more), differences("i", 10, 3, &[(2, 1.0)])],
        vec![add(2, 1.0), full("i", 9, 9000, &[]), full("i", 12, 12_000, &more)],
        vec![full("j", 1, 1000, &more), differences("j", 2, 3, &[(2, 1.0)]), add(2, 0.5)],
        vec![add(5, 1.0), full("j", 1, 1000, &series), full("j", 2, 2000, &more)],
        // An incomplete blob makes its target known.
        vec![Blob { series_count: 5, ..full("j", 1, 1000, &series) }],
        vec![],
    ];
    for blobs in requests {
        let mut instances = known();
        let before = state(&instances);
        let request = Request { blobs, ..Request::default() };
        let mut undo = Undo::default();
        let codes = instances.apply_all("a", &request, 8, &mut undo, |_, _| Code::Taken, |_, _| {});
        let after = state(&instances);
        instances.undo("a", undo);
        assert_eq!(state(&instances), before, "{request:?}");
        // And the same again is taken as it was the first time.
        let again = instances.apply_all("a", &request, 8, &mut Undo::default(), |_, _| Code::Taken, |_, _| {});
        assert_eq!((again, state(&instances)), (codes, after), "{request:?}");
    }
    // Taking back what came first leaves nothing.
    let mut instances = Instances::new(StateLimits::default());
    let request = Request { blobs: vec![full("i", 1, 1000, &series)], ..Request::default() };
    let mut undo = Undo::default();
    instances.apply_all("a", &request, 8, &mut undo, |_, _| Code::Taken, |_, _| {});
    instances.undo("a", undo);
    assert_eq!((instances.len(), instances.bytes()), (0, 0));
}

/// A body of a few kilobytes may hold thousands of blobs, each of which stands for as many samples as its target has
/// series: what they cost is bounded.
#[test]
fn empty_differences_do_not_multiply_without_bound() {
    let mut instances = Instances::new(StateLimits { rebuilt_max: 5, ..StateLimits::default() });
    let series = [("x", 1.0), ("y", 2.0)];
    let mut blobs = vec![full("i", 1, 1000, &series)];
    blobs.extend((2..7).map(|generation| differences("i", generation, 2, &[])));
    let request = Request { blobs, ..Request::default() };
    let mut refusals = Vec::new();
    let refused = |_: usize, refusal: &Refusal| refusals.push(refusal.reason());
    let codes = instances.apply_all("a", &request, 0, &mut Undo::default(), |_, _| Code::Taken, refused);
    use Code::{SendFull, Taken};
    assert_eq!(codes, [Taken, Taken, Taken, SendFull, SendFull, SendFull]);
    assert_eq!(refusals, ["too_many_rebuilt", "after_refused", "after_refused"]);
}
