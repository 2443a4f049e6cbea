//! Whole answers over a store of plain rows.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::super::batch::{Lead, TEXT_BYTES};
use super::super::entry::{self, Entry, Hole, Scratch};
use super::*;
use crate::model::{EMPTY, Element, Selector};
use crate::store::{Answer, ReadError};

/// Rows by `host/component` and metric, all slots on the grid of their start.
#[derive(Default)]
struct Fake {
    rows: BTreeMap<(String, String), (i64, i64, Vec<f64>)>,
    reads: AtomicUsize,
}

const START: i64 = 1_770_244_800;

impl Fake {
    fn with(mut self, path: &str, metric: &str, start_secs: i64, frequency_secs: i64, data: &[f64]) -> Self {
        self.rows.insert((path.to_owned(), metric.to_owned()), (start_secs, frequency_secs, data.to_vec()));
        self
    }
}

impl Source for Fake {
    fn read(
        &self,
        selector: &Selector,
        metric: &str,
        from_secs: i64,
        to_secs: i64,
        mut spare: Vec<f64>,
    ) -> Result<Answer, ReadError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let frequency_secs =
            i64::from(self.frequency_secs(metric).ok_or_else(|| ReadError::UnknownMetric(metric.to_owned()))?);
        let mut path = selector.host.clone();
        for element in &selector.below {
            match element {
                Element::Name(name) => path.extend(["/", name]),
                Element::Group(_) | Element::Any => return Err(ReadError::InvalidAggregation),
            }
        }
        if selector.cluster != "alex" {
            return Err(ReadError::NotFound);
        }
        let (start_secs, _, data) = self.rows.get(&(path, metric.to_owned())).ok_or(ReadError::NotFound)?;
        let times = (*start_secs..).step_by(frequency_secs as usize);
        let found: Vec<_> = times.zip(data).filter(|(time, _)| (from_secs..to_secs).contains(time)).collect();
        let Some(&(first_secs, _)) = found.first() else {
            return Ok(Answer { data: Vec::new(), from_secs, to_secs: from_secs, frequency_secs });
        };
        spare.clear();
        spare.extend(found.iter().map(|(_, value)| **value));
        let data = spare;
        let to_secs = first_secs + data.len() as i64 * frequency_secs;
        Ok(Answer { data, from_secs: first_secs, to_secs, frequency_secs })
    }

    fn host_names(&self, cluster: &str) -> Vec<Arc<str>> {
        if cluster != "alex" {
            return Vec::new();
        }
        let mut names: Vec<Arc<str>> =
            self.rows.keys().filter_map(|(path, _)| path.split('/').next().map(Arc::from)).collect();
        names.dedup();
        names
    }

    fn frequency_secs(&self, metric: &str) -> Option<u32> {
        match metric {
            "load" | "empty" => Some(60),
            "fast" => Some(1),
            _ => None,
        }
    }
}

fn load() -> Fake {
    Fake::default().with("a1", "load", START, 60, &[1.0, 2.5, EMPTY, 4.0])
}

/// The text of an answer, without the line's end; the same from one thread and from three, quickly, in small batches.
fn ask(source: &Fake, body: &str) -> String {
    let request = Request::parse(body.as_bytes()).unwrap();
    let text = plain(source, &request);
    let usual = Cut::usual(3);
    for (threads, serial_entries_max, batch_len_max) in
        [(1, 256, 64), (3, 256, 64), (1, 0, 1), (3, 0, 1), (3, 0, 2), (2, 0, 3), (2, 0, 64)]
    {
        let cut = Cut { serial_entries_max, spread: Spread { threads, batch_len_max, ..usual.spread }, ..usual };
        let mut out = Vec::new();
        answer_with(source, &request, cut, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), text, "{cut:?}");
    }
    if let Some(quick) = answer_quickly(source, &request, &|| true) {
        assert_eq!(String::from_utf8(quick).unwrap(), text);
    }
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    text.strip_suffix('\n').unwrap().to_owned()
}

/// The answer put together one entry after the other, as the head of `answer.rs` says.
fn plain(source: &Fake, request: &Request<'_>) -> String {
    let job = Job::new(source, request);
    let mut out = Vec::new();
    let head = job.write_head(&mut out).unwrap();
    out.extend_from_slice(&head);
    let mut rows: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut missing = 0;
    for task in job.tasks() {
        if let Lead::Row { empty_rows, .. } = task.lead {
            rows.extend((0..=empty_rows).map(|_| Vec::new()));
            missing = 0;
        }
        let row = rows.last_mut().unwrap();
        let mut json = Vec::new();
        match entry::print(source, request, &task, &mut Scratch::default(), &mut json) {
            Entry::Missing => missing += 1,
            Entry::Present { hole, resolution_secs } => {
                for _ in 0..std::mem::take(&mut missing) {
                    let mut placeholder = Vec::new();
                    entry::write_placeholder(&mut placeholder, request, resolution_secs);
                    row.push(placeholder);
                }
                if let Some(Hole { at, nulls }) = hole {
                    json.splice(at..at, b"null,".repeat(nulls as usize));
                }
                row.push(json);
            }
        }
    }
    rows.extend((0..job.empty_rows()).map(|_| Vec::new()));
    let rows: Vec<String> = rows
        .into_iter()
        .map(|row| {
            format!("[{}]", row.into_iter().map(|text| String::from_utf8(text).unwrap()).collect::<Vec<_>>().join(","))
        })
        .collect();
    format!("{}{}]}}\n", String::from_utf8(out).unwrap(), rows.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Entries that are missing, rows without entries, long padding and errors, wherever a batch ends.
    #[test]
    fn rows_are_the_same_however_the_work_is_cut(
        queries in prop::collection::vec((0..6u8, prop::collection::vec(0..5u8, 0..7)), 0..12),
        from in prop::sample::select(vec![START, START - 600, START - 60 * 5000]),
        nodes in 0..3usize,
        with_stats: bool,
    ) {
        let source = load()
            .with("a1/core0", "load", START, 60, &[1.0])
            .with("a1/core3", "load", START + 60, 60, &[3.0, EMPTY, -0.0])
            .with("b2", "fast", START, 1, &[2.0; 1200]);
        let query = |(kind, ids): &(u8, Vec<u8>)| {
            let ids: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
            match kind {
                0 => r#"{"metric":"load","host":"a1"}"#.to_owned(),
                1 => r#"{"metric":"load","host":"nosuch"}"#.to_owned(),
                2 => r#"{"metric":"nosuch","host":"a1"}"#.to_owned(),
                3 => r#"{"metric":"fast","host":"b2","resolution":100,"scale-by":3}"#.to_owned(),
                _ => format!(r#"{{"metric":"load","host":"a1","type":"core","type-ids":[{}]}}"#, ids.join(",")),
            }
        };
        let queries: Vec<String> = queries.iter().map(query).collect();
        let nodes = ["\"load\"", "\"fast\""][..nodes].join(",");
        ask(&source, &format!(
            r#"{{"cluster":"alex","from":{from},"to":{},"with-stats":{with_stats},"for-all-nodes":[{nodes}],"queries":[{}]}}"#,
            START + 3600,
            queries.join(","),
        ));
    }
}

#[test]
fn what_takes_long_or_is_much_is_not_answered_quickly() {
    let source = load();
    let small = format!(r#"{{"cluster":"alex","from":{START},"to":{},"for-all-nodes":["load"]}}"#, START + 3600);
    let request = Request::parse(small.as_bytes()).unwrap();
    assert!(answer_quickly(&source, &request, &|| true).is_some());
    assert!(answer_quickly(&source, &request, &|| false).is_none());
    let long = small.replace(&START.to_string(), "0");
    assert!(answer_quickly(&source, &Request::parse(long.as_bytes()).unwrap(), &|| true).is_none());
    let many = format!(r#"{{"cluster":"alex","to":60,"queries":[{}]}}"#, ["{}"; QUICK_ENTRIES_MAX + 1].join(","));
    assert!(answer_quickly(&source, &Request::parse(many.as_bytes()).unwrap(), &|| true).is_none());
    assert!(answer_quickly(&source, &Request::parse(b"null").unwrap(), &|| false).is_some(), "nothing to do");
}

/// The answer to one query of `load` on host `a1`, with more fields for request and query.
fn ask_one(source: &Fake, request: &str, query: &str) -> String {
    let body = format!(
        r#"{{"cluster":"alex","from":{START},"to":{},{request}"queries":[{{{query}"metric":"load","host":"a1"}}]}}"#,
        START + 3600
    );
    let text = ask(source, &body);
    text.strip_prefix("{\"results\":[[").unwrap().strip_suffix("]]}").unwrap().to_owned()
}

const PLAIN: &str = r#"{"data":[1.000,2.500,null,4.000],"from":1770244800,"to":1770245040,"resolution":60,"avg":2.50,"min":1.00,"max":4.00}"#;

#[test]
fn an_entry_has_data_range_and_statistics() {
    assert_eq!(ask_one(&load(), "", ""), PLAIN);
}

#[test]
fn no_queries_no_results() {
    assert_eq!(ask(&load(), r#"{"cluster":"alex","from":1,"to":2,"queries":null}"#), r#"{"results":[]}"#);
    assert_eq!(ask(&load(), "null"), r#"{"results":[]}"#);
    assert_eq!(ask(&load(), r#"{"for-all-nodes":[]}"#), r#"{"results":[]}"#);
}

#[test]
fn statistics_and_data_can_be_left_out() {
    assert_eq!(
        ask_one(&load(), r#""with-stats":false,"with-data":false,"#, ""),
        r#"{"from":1770244800,"to":1770245040,"resolution":60,"avg":0.00,"min":0.00,"max":0.00}"#
    );
    assert_eq!(
        ask_one(&load(), r#""with-data":false,"#, ""),
        r#"{"from":1770244800,"to":1770245040,"resolution":60,"avg":2.50,"min":1.00,"max":4.00}"#
    );
}

#[test]
fn only_nulls_are_data_and_have_no_statistics() {
    let source = Fake::default().with("a1", "load", START, 60, &[EMPTY, f64::NAN]);
    assert_eq!(
        ask_one(&source, "", ""),
        r#"{"data":[null,null],"from":1770244800,"to":1770244920,"resolution":60,"avg":null,"min":null,"max":null}"#
    );
}

#[test]
fn no_slot_in_the_range_has_neither_data_nor_padding() {
    let body = r#"{"cluster":"alex","from":1770241200,"to":1770241800,"queries":[{"metric":"load","host":"a1"}]}"#;
    assert_eq!(
        ask(&load(), body),
        r#"{"results":[[{"from":1770241200,"to":1770241200,"resolution":60,"avg":null,"min":null,"max":null}]]}"#
    );
}

#[test]
fn scaling_takes_statistics_along() {
    let doubled = r#"{"data":[2.000,5.000,null,8.000],"from":1770244800,"to":1770245040,"resolution":60,"avg":5.00,"min":2.00,"max":8.00}"#;
    assert_eq!(ask_one(&load(), "", r#""scale-by":2,"#), doubled);
    for none in ["0", "1", "null", "0.0", "-0.0"] {
        assert_eq!(ask_one(&load(), "", &format!("\"scale-by\":{none},")), PLAIN);
    }
    assert!(
        ask_one(&load(), "\"with-stats\":false,", r#""scale-by":-2,"#)
            .ends_with(r#""avg":0.00,"min":0.00,"max":0.00}"#)
    );
}

#[test]
fn padding_stands_before_the_data_and_from_stays() {
    let body = |more: &str| {
        format!(
            r#"{{"cluster":"alex","from":{},"to":{},{more}"queries":[{{"metric":"load","host":"a1"}}]}}"#,
            START - 90,
            START + 3600
        )
    };
    let padded = PLAIN.replace("[1.000", "[null,null,1.000");
    assert_eq!(ask(&load(), &body("")), format!("{{\"results\":[[{padded}]]}}"));
    assert_eq!(ask(&load(), &body("\"with-padding\":false,")), format!("{{\"results\":[[{PLAIN}]]}}"));
}

/// Counts instead of keeping, and fails on demand.
#[derive(Default)]
struct Counter {
    bytes: usize,
    largest: usize,
    fails_after: Option<usize>,
}

impl Write for Counter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.bytes += buffer.len();
        self.largest = self.largest.max(buffer.len());
        match self.fails_after {
            Some(limit) if self.bytes > limit => Err(io::ErrorKind::BrokenPipe.into()),
            _ => Ok(buffer.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Counter {}

#[test]
fn long_padding_is_streamed() {
    let source = load();
    let body = format!(r#"{{"cluster":"alex","to":{},"queries":[{{"metric":"load","host":"a1"}}]}}"#, START + 3600);
    let request = Request::parse(body.as_bytes()).unwrap();
    let mut out = Counter::default();
    answer(&source, &request, &mut out).unwrap();
    let nulls = (START / 60) as usize;
    assert_eq!(out.bytes, nulls * "null,".len() + format!("{{\"results\":[[{PLAIN}]]}}\n").len());
    assert!(out.largest <= TEXT_BYTES + 1024, "{}", out.largest);
}

#[test]
fn absurd_padding_is_left_out() {
    let source = Fake::default().with("a1", "fast", START, 1, &[7.0]);
    let body = format!(r#"{{"cluster":"alex","to":{},"queries":[{{"metric":"fast","host":"a1"}}]}}"#, START + 60);
    assert!(ask(&source, &body).starts_with(r#"{"results":[[{"data":[7.000],"from":1770244800"#));
}

#[test]
fn a_bad_range_is_an_error_of_each_query() {
    let error = r#"{"error":"[METRICSTORE]> invalid time range","from":0,"to":0,"resolution":0,"avg":0.00,"min":0.00,"max":0.00}"#;
    let body =
        r#"{"cluster":"alex","from":2,"to":1,"queries":[{"metric":"load","host":"a1"},{"metric":"x","host":"y"}]}"#;
    let source = load();
    assert_eq!(ask(&source, body), format!("{{\"results\":[[{error}],[{error}]]}}"));
    assert_eq!(source.reads.load(Ordering::Relaxed), 0);
    let extreme = body.replace("\"from\":2,\"to\":1", "\"from\":-9223372036854775808,\"to\":9223372036854775807");
    ask(&source, &extreme);
}

#[test]
fn errors_stand_in_their_place() {
    let body = format!(
        r#"{{"cluster":"alex","from":{START},"to":{},"queries":[{{"metric":"a\"b","host":"a1"}},{{"metric":"load","host":"a1"}}]}}"#,
        START + 3600
    );
    assert_eq!(
        ask(&load(), &body),
        format!(
            r#"{{"results":[[{{"error":"[METRICSTORE]> unknown metric: a\"b","from":0,"to":0,"resolution":0,"avg":0.00,"min":0.00,"max":0.00}}],[{PLAIN}]]}}"#
        )
    );
    let refused = ask_one(&load(), "", r#""resolution":90,"#);
    assert!(
        refused.starts_with(r#"{"error":"new sampling frequency (90) must be a multiple of old frequency (60)","#),
        "{refused}"
    );
    let refused = ask_one(&load(), "", r#""aggreg":true,"type":"core","type-ids":["0","1"],"#);
    assert!(refused.starts_with(r#"{"error":"[METRICSTORE]> invalid aggregation","#), "{refused}");
}

#[test]
fn what_is_not_there_is_an_empty_row() {
    let body = format!(
        r#"{{"cluster":"alex","from":{START},"to":{},"queries":[{{"metric":"load","host":"nosuch"}},{{"metric":"empty","host":"a1"}},
            {{"metric":"load","host":"a1","type":"core"}},{{"metric":"load","host":"a1","type":"core","type-ids":["7","8"]}},
            {{"metric":"load","host":"a1"}}]}}"#,
        START + 3600
    );
    assert_eq!(ask(&load(), &body), format!("{{\"results\":[[],[],[],[],[{PLAIN}]]}}"));
}

/// The reference leaves missing ids out and so moves the entries behind them; a client that counts, as cc-backend
/// does, then shows core 2 as core 1.
#[test]
fn an_entry_keeps_the_place_of_its_id() {
    let source =
        Fake::default().with("a1/core0", "load", START, 60, &[1.0]).with("a1/core2", "load", START, 60, &[3.0]);
    let ids = |ids: &str| ask_one(&source, "", &format!("\"type\":\"core\",\"type-ids\":[{ids}],"));
    let entry = |value: &str| {
        format!(
            r#"{{"data":[{value}0],"from":1770244800,"to":1770244860,"resolution":60,"avg":{value},"min":{value},"max":{value}}}"#
        )
    };
    let (zero, two) = (entry("1.00"), entry("3.00"));
    let none = r#"{"from":1770244800,"to":1770244800,"resolution":60,"avg":null,"min":null,"max":null}"#;
    assert_eq!(ids(r#""0","2""#), format!("{zero},{two}"));
    assert_eq!(ids(r#""0","1","2""#), format!("{zero},{none},{two}"));
    assert_eq!(ids(r#""x","y","2""#), format!("{none},{none},{two}"));
    assert_eq!(ids(r#""0","x","y""#), zero, "nothing behind them has to keep a place");
    let without = ask_one(&source, "\"with-stats\":false,", r#""type":"core","type-ids":["x","2"],"#);
    assert!(without.starts_with(r#"{"from":1770244800,"to":1770244800,"resolution":60,"avg":0.00,"#), "{without}");
}

#[test]
fn all_nodes_come_behind_the_queries_and_are_named() {
    let source = load().with("b2", "load", START, 60, &[9.0]);
    let body = format!(
        r#"{{"cluster":"alex","from":{START},"to":{},"with-data":false,"for-all-nodes":["load","empty"],"queries":[{{"metric":"load","host":"b2"}}]}}"#,
        START + 3600
    );
    let named = ["a1", "b2"].map(|host| {
        ["load", "empty"]
            .map(|metric| format!(r#"{{"metric":"{metric}","host":"{host}","resolution":0,"aggreg":false}}"#))
            .join(",")
    });
    let entry = |to: i64, avg: &str, min: &str, max: &str| {
        format!(r#"{{"from":{START},"to":{to},"resolution":60,"avg":{avg},"min":{min},"max":{max}}}"#)
    };
    let (a1, b2) = (entry(START + 240, "2.50", "1.00", "4.00"), entry(START + 60, "9.00", "9.00", "9.00"));
    assert_eq!(
        ask(&source, &body),
        format!("{{\"queries\":[{}],\"results\":[[{b2}],[{a1}],[],[{b2}],[]]}}", named.join(","))
    );
    let nowhere = ask(&source, r#"{"cluster":"nosuch","for-all-nodes":["load"],"to":60}"#);
    assert_eq!(nowhere, r#"{"results":[]}"#);
}

#[test]
fn statistics_are_those_of_the_full_data() {
    let mut data = vec![1.0; 2000];
    data[1234] = 101.0;
    let source = Fake::default().with("a1", "fast", START, 1, &data);
    let body = |more: &str| {
        format!(
            r#"{{"cluster":"alex","from":{START},"to":{},{more}"queries":[{{"metric":"fast","host":"a1","resolution":500}}]}}"#,
            START + 2000
        )
    };
    let statistics = r#""resolution":500,"avg":1.05,"min":1.00,"max":101.00}"#;
    let thinned = ask(&source, &body(""));
    assert!(thinned.contains(statistics), "{thinned}");
    let plain = ask(&source, &body("\"with-data\":false,"));
    assert!(plain.contains(statistics) && !plain.contains("\"data\""), "{plain}");
    let averaged = ask(&source, &body("\"resample\":\"average\","));
    assert!(averaged.contains(r#""data":[1.000,1.000,1.200,1.000]"#) && averaged.contains(statistics), "{averaged}");
}

#[test]
fn padding_is_counted_in_the_answered_resolution() {
    let source = Fake::default().with("a1", "fast", START, 1, &[2.0; 1200]);
    let body = format!(
        r#"{{"cluster":"alex","from":{},"to":{},"queries":[{{"metric":"fast","host":"a1","resolution":600}}]}}"#,
        START - 1200,
        START + 1200
    );
    assert!(ask(&source, &body).contains(r#""data":[null,null,2.000,2.000],"#));
}

#[test]
fn many_queries_keep_their_order() {
    let mut source = Fake::default();
    for host in 0..300 {
        source = source.with(&format!("h{host}"), "load", START, 60, &vec![f64::from(host); 1 + host as usize % 7]);
    }
    let queries: Vec<_> =
        (0..1000).map(|index| format!(r#"{{"metric":"load","host":"h{}"}}"#, index * 7 % 400)).collect();
    let body = format!(
        r#"{{"cluster":"alex","from":0,"with-padding":false,"to":{},"queries":[{}]}}"#,
        START + 3600,
        queries.join(",")
    );
    let text = ask(&source, &body);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = found["results"].as_array().unwrap();
    assert_eq!(rows.len(), 1000);
    for (index, row) in rows.iter().enumerate() {
        let host = index * 7 % 400;
        assert_eq!(row.as_array().unwrap().len(), usize::from(host < 300));
        if host < 300 {
            assert_eq!(row[0]["max"].as_f64(), Some(host as f64));
        }
    }
}

#[test]
fn a_broken_pipe_ends_the_work() {
    let source = load();
    let queries = vec![r#"{"metric":"load","host":"a1"}"#; 100_000].join(",");
    let body = format!(r#"{{"cluster":"alex","from":{START},"to":{},"queries":[{queries}]}}"#, START + 3600);
    let request = Request::parse(body.as_bytes()).unwrap();
    let mut out = Counter { fails_after: Some(100_000), ..Counter::default() };
    let error = answer_with(&source, &request, Cut::usual(3), &mut out).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert!(source.reads.load(Ordering::Relaxed) < 10_000, "{:?}", source.reads);
}

#[test]
fn too_many_nodes_are_refused_before_a_byte_is_written() {
    let mut source = Fake::default();
    for host in 0..1001 {
        source = source.with(&format!("h{host}"), "load", START, 60, &[1.0]);
    }
    let metrics = vec!["\"load\""; 1000].join(",");
    let body = format!(r#"{{"cluster":"alex","to":60,"for-all-nodes":[{metrics}]}}"#);
    let request = Request::parse(body.as_bytes()).unwrap();
    let mut out = Vec::new();
    let error = answer(&source, &request, &mut out).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "the request asks for 1001000 series, at most 1000000 are answered at once");
    assert!(out.is_empty());
}
