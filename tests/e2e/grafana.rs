//! What Grafana 11's Prometheus data source sends, and the shape of each answer: exact keys and types.
//!
//! Shapes are those of Prometheus's documentation. A shape of a list names the shapes that occur in it.

use std::fs;
use std::io::Read;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use treering::model::histogram::{Buckets, FloatHistogram};
use treering::model::{Exemplar, Labels, Metadata, MetricKind};
use treering::testing::{SentSeries, write_2};

use crate::harness::{Answer, Config, FORM, Line, Signer, Store, T0, at_ms, encoded, eventually, form, sent, setting};

/// A rule that records and one that fires at once.
const RULES: &str = "groups:
- name: cluster
  interval: 1s
  rules:
  - {record: 'cluster:one', expr: 'vector(1)', labels: {source: rules}}
  - alert: Always
    expr: vector(3) > 2
    labels: {severity: page}
    annotations: {summary: 'It is {{ $value }}'}
";

/// A store behind Grafana's proxy: the data source has a token for reading.
struct Grafana {
    store: Store,
    token: String,
    /// The token of those who send.
    writer: String,
}

/// Two metrics of the grid on two hosts, and a histogram with exemplars and metadata that somebody sends.
fn grafana() -> Grafana {
    let signer = Signer::new(1);
    let config = Config::new("native")
        .set(setting::PUBLIC_KEY, signer.public_key())
        .set(setting::ROLES, json!({"read": ["viewer"], "write": ["collector"]}))
        .set(setting::COMPRESSION, "on")
        .set("/rules/files", json!(["rules.yml"]));
    let mut store = Store::prepare(config);
    fs::write(store.path("rules.yml"), RULES).unwrap();
    store.resume();
    let writer = signer.token(&json!({"roles": ["collector"]}));
    let mut lines = String::new();
    for minute in 0..10 {
        for host in ["a1", "a2"] {
            lines += &format!("{}\n", Line::new("mem_used", host, minute as f64, T0 + 60 * minute));
            lines += &format!("{}\n", Line::new("flops_any", host, 2.0, T0 + 60 * minute).of("hwthread", 0));
        }
    }
    let write = store.request("POST", "/api/write").bearer_auth(&writer).body(lines);
    store.send(write).expect_status(200);
    let metadata = Metadata { kind: MetricKind::Histogram, help: "How long.".into(), unit: "seconds".into() };
    let exemplar = Exemplar {
        labels: Labels::from_pairs([("trace_id", "4bf92f3577b34da6")]),
        value: 0.05,
        time_ms: at_ms(30_000),
    };
    let bucket = |le: &str, value: f64| SentSeries {
        exemplars: if le == "0.1" { vec![exemplar.clone()] } else { Vec::new() },
        metadata: Some(metadata.clone()),
        ..sent(&[("__name__", "run_seconds_bucket"), ("instance", "a1:9100"), ("le", le)], 30_000, value)
    };
    let series =
        [bucket("+Inf", 9.0), bucket("0.1", 4.0), sent(&[("__name__", "http.hits"), ("status.code", "200")], 0, 1.0)];
    remote_write(&store, &writer, &series);
    Grafana { token: signer.token(&json!({"roles": ["viewer"]})), writer, store }
}

fn remote_write(store: &Store, writer: &str, series: &[SentSeries]) {
    let body = treering::formats::remote::snappy(&write_2(series));
    let write = store.request("POST", "/api/v1/write").header("content-type", crate::harness::V2);
    store.send(write.bearer_auth(writer).header("content-encoding", "snappy").body(body)).expect_status(204);
}

impl Grafana {
    /// Sends a request with the headers that Grafana's proxy sends.
    #[track_caller]
    fn send(&self, method: &str, path: &str, body: Option<String>) -> Answer {
        let mut request = self.store.request(method, path).bearer_auth(&self.token);
        for (name, value) in [
            ("User-Agent", "Grafana/11.4.0"),
            ("Accept", "application/json, text/plain, */*"),
            ("Accept-Encoding", "gzip"),
            ("X-Grafana-Org-Id", "1"),
            ("X-Grafana-Device-Id", "0123456789abcdef"),
            ("X-Datasource-Uid", "treering"),
            ("X-Dashboard-Uid", "treering-cluster"),
            ("X-Dashboard-Title", "Treering / Cluster"),
            ("X-Panel-Id", "7"),
            ("X-Panel-Title", "Load"),
            ("X-Plugin-Id", "prometheus"),
            ("X-Query-Group-Id", "4c5e9c0a-4d8e-4d5b-9a3e-3f1d6a1d0a11"),
            ("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("X-Forwarded-For", "192.0.2.7, 192.0.2.7"),
        ] {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", FORM).body(body);
        }
        self.store.send(request)
    }

    #[track_caller]
    fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        plain(self.send("POST", path, Some(form(parameters))).expect_status(200))
    }

    #[track_caller]
    fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        plain(self.send("GET", &format!("{path}?{}", form(parameters)), None).expect_status(200))
    }
}

/// The JSON of an answer, which may be compressed.
#[track_caller]
fn plain(answer: Answer) -> Value {
    assert!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    let mut text = answer.text();
    if answer.header("content-encoding") == "gzip" {
        text.clear();
        flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap();
    }
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The keys and types of a value.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        Value::Array(list) => {
            let mut shapes: Vec<Value> = list.iter().map(shape).collect();
            shapes.dedup();
            Value::Array(shapes)
        }
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), shape(value))).collect::<Map<String, Value>>())
        }
    }
}

/// A success whose data has this shape.
#[track_caller]
fn expect(answer: &Value, data: Value) {
    assert_eq!(answer["status"], "success", "{answer}");
    assert_eq!(shape(answer), json!({"status": "string", "data": data}), "{answer}");
}

const START: &str = "1770244800";
const END: &str = "1770245400";
const _: () = assert!(T0 == 1_770_244_800);

#[test]
fn save_and_test() {
    let grafana = grafana();
    let answer = grafana.post("/api/v1/query", &[("query", "1+1"), ("time", "1770244800.123")]);
    expect(&answer, json!({"resultType": "string", "result": ["number", "string"]}));
    assert_eq!(answer["data"], json!({"resultType": "scalar", "result": [1_770_244_800.123, "2"]}));
    // What the server is decides about what the query editor offers.
    let answer = grafana.get("/api/v1/status/buildinfo", &[]);
    let text = "string";
    expect(
        &answer,
        json!({"application": text, "version": text, "revision": text, "branch": text, "buildUser": text,
               "buildDate": text, "goVersion": text}),
    );
    assert!(answer["data"]["version"].as_str().unwrap().starts_with("3."), "{answer}");
    assert!(answer["data"]["features"].is_null(), "it would be taken for Mimir");
    let answer = plain(grafana.send("POST", "/api/v1/query", Some(form(&[("query", "1+")]))).expect_status(400));
    assert_eq!(shape(&answer), json!({"status": text, "errorType": text, "error": text}));
    assert_eq!((&answer["status"], &answer["errorType"]), (&json!("error"), &json!("bad_data")));
    let without = grafana.store.get("/api/v1/query?query=1%2B1").expect_status(401);
    assert_eq!(shape(&without.json()), json!({"status": text, "errorType": text, "error": text}));
    assert_eq!(grafana.send("HEAD", "/api/v1/status/buildinfo", None).expect_status(200).body.len(), 0);
    grafana.send("OPTIONS", "/api/v1/query_range", None).expect_status(204);
}

#[test]
fn metric_browser_and_explorer() {
    let grafana = grafana();
    let range = [("start", START), ("end", END)];
    let labels = grafana.post("/api/v1/labels", &[&range[..], &[("limit", "40000")]].concat());
    expect(&labels, json!(["string"]));
    let names = ["__name__", "cluster", "hostname", "instance", "le", "status.code", "type", "type_id"];
    assert_eq!(labels["data"], json!(names));
    let of_metric = [&range[..], &[("match[]", "{__name__=\"mem_used\"}")]].concat();
    let labels = grafana.post("/api/v1/labels", &of_metric);
    assert_eq!(labels["data"], json!(["__name__", "cluster", "hostname", "type"]));
    let metrics = grafana.get("/api/v1/label/__name__/values", &[&range[..], &[("limit", "40000")]].concat());
    expect(&metrics, json!(["string"]));
    assert_eq!(metrics["data"], json!(["flops_any", "http.hits", "mem_used", "run_seconds_bucket"]));
    // The explorer looks for names while somebody types.
    let typed = [&range[..], &[("match[]", "{__name__=~\"(?i).*MEM.*\"}")]].concat();
    assert_eq!(grafana.get("/api/v1/label/__name__/values", &typed)["data"], json!(["mem_used"]));
    let with_label = [&range[..], &[("match[]", "{__name__=\"mem_used\",cluster=\"alex\"}")]].concat();
    assert_eq!(grafana.get("/api/v1/label/hostname/values", &with_label)["data"], json!(["a1", "a2"]));
    // Names beyond letters and digits are escaped in paths.
    let escaped = format!("/api/v1/label/{}/values", encoded("U__status_2e_code").replace("%5F", "_"));
    assert_eq!(grafana.get(&escaped, &range)["data"], json!(["200"]));
    let series = grafana.post("/api/v1/series", &of_metric);
    let metric = json!({"__name__": "string", "cluster": "string", "hostname": "string", "type": "string"});
    expect(&series, json!([metric]));
    assert_eq!(series["data"].as_array().unwrap().len(), 2);
    let metadata = grafana.get("/api/v1/metadata", &[("limit", "40000")]);
    let entry = json!([{"type": "string", "help": "string", "unit": "string"}]);
    let kinds = [("mem_used", "gauge"), ("run_seconds", "histogram")];
    for (name, kind) in kinds {
        assert_eq!(metadata["data"][name][0]["type"], kind, "{metadata}");
    }
    for (name, entries) in metadata["data"].as_object().unwrap() {
        assert_eq!(shape(entries), entry, "{name}");
    }
    let one = grafana.get("/api/v1/metadata", &[("metric", "mem_used"), ("limit_per_metric", "1")]);
    expect(&one, json!({"mem_used": entry}));
    assert_eq!(one["data"]["mem_used"][0]["type"], "gauge");
    let few = grafana.get("/api/v1/label/__name__/values", &[("limit", "1")]);
    assert_eq!(shape(&few), json!({"status": "string", "data": ["string"], "warnings": ["string"]}));
}

#[test]
fn explore_and_panels() {
    let grafana = grafana();
    let (start, end) = ("1770244800", "1770245385");
    let range = [("query", "mem_used{cluster=\"alex\"}"), ("start", start), ("end", end), ("step", "15")];
    let metric = json!({"__name__": "string", "cluster": "string", "hostname": "string", "type": "string"});
    let answer = grafana.post("/api/v1/query_range", &range);
    let matrix = json!([{"metric": metric, "values": [["number", "string"]]}]);
    expect(&answer, json!({"resultType": "string", "result": matrix}));
    assert_eq!(answer["data"]["resultType"], "matrix");
    assert_eq!(answer["data"]["result"][0]["values"].as_array().unwrap().len(), 40);
    let compressed = grafana.send("POST", "/api/v1/query_range", Some(form(&range))).expect_status(200);
    assert_eq!(compressed.header("content-encoding"), "gzip", "{:?}", compressed.headers);
    assert_eq!(plain(compressed), answer);
    let answer = grafana.post("/api/v1/query", &[("query", "mem_used"), ("time", "1770245385.5")]);
    expect(&answer, json!({"resultType": "string", "result": [{"metric": metric, "value": ["number", "string"]}]}));
    assert_eq!(answer["data"]["resultType"], "vector");
    // Nothing is an empty list and no error.
    let answer = grafana.post("/api/v1/query", &[("query", "nothing"), ("time", end)]);
    expect(&answer, json!({"resultType": "string", "result": []}));
    let answer = grafana.post("/api/v1/query", &[("query", "\"text\""), ("time", end)]);
    expect(&answer, json!({"resultType": "string", "result": ["number", "string"]}));
    let asked = [("query", "run_seconds_bucket"), ("start", start), ("end", end)];
    let answer = grafana.post("/api/v1/query_exemplars", &asked);
    let labels = json!({"__name__": "string", "instance": "string", "le": "string"});
    let exemplar = json!({"labels": {"trace_id": "string"}, "value": "string", "timestamp": "number"});
    expect(&answer, json!([{"seriesLabels": labels, "exemplars": [exemplar]}]));
    assert_eq!(answer["data"][0]["exemplars"][0]["timestamp"], 1_770_244_830);
    // Infos and warnings become marks on the panel.
    let answer = grafana.post("/api/v1/query", &[("query", "rate(mem_used[5m])"), ("time", end)]);
    assert_eq!(shape(&answer)["infos"], json!(["string"]), "{answer}");
    let answer = plain(
        grafana
            .send("POST", "/api/v1/query_range", Some(form(&[&range[..3], &[("step", "0")]].concat())))
            .expect_status(400),
    );
    assert_eq!(answer["errorType"], "bad_data");
    // Annotations are range queries in steps of a minute; the annotation's text is a label.
    let asked = [("query", "ALERTS{alertstate=\"firing\"}"), ("start", start), ("end", end), ("step", "60")];
    expect(&grafana.post("/api/v1/query_range", &asked), json!({"resultType": "string", "result": []}));
    // The query editor has queries tidied, and shown as a tree.
    let tidied = grafana.post("/api/v1/format_query", &[("query", "sum(mem_used)by(hostname)")]);
    expect(&tidied, json!("string"));
    assert_eq!(grafana.post("/api/v1/parse_query", &[("query", "mem_used")])["data"]["type"], "vectorSelector");
}

/// Heat maps read `histogram` and `histograms` where numbers stand in `value` and `values`.
#[test]
fn native_histograms_are_drawn() {
    let grafana = grafana();
    let histogram = FloatHistogram {
        schema: 0,
        zero_threshold: 0.001,
        zero_count: 2.0,
        count: 12.0,
        sum: 18.5,
        positive: Buckets::contiguous(0, vec![3.0, 0.0, 4.0]),
        negative: Buckets::contiguous(1, vec![3.0]),
        ..FloatHistogram::default()
    };
    let labels = [("__name__", "sizes"), ("instance", "a1:9100")];
    let of = |ms: i64, histogram: FloatHistogram| SentSeries {
        samples: Vec::new(),
        histograms: vec![(at_ms(ms), 0, Arc::new(histogram))],
        ..sent(&labels, 0, 0.0)
    };
    let (full, empty) = (of(0, histogram), of(60_000, FloatHistogram::default()));
    remote_write(&grafana.store, &grafana.writer, &[full, empty, sent(&labels, 120_000, 7.0)]);
    let metric = json!({"__name__": "string", "instance": "string"});
    let buckets = json!([["number", "string"]]);
    let (counts, drawn) =
        (json!({"count": "string", "sum": "string"}), json!({"count": "string", "sum": "string", "buckets": buckets}));
    let answer = grafana.post("/api/v1/query", &[("query", "sizes"), ("time", "1770244830")]);
    expect(&answer, json!({"resultType": "string", "result": [{"metric": metric, "histogram": ["number", drawn]}]}));
    let buckets = json!([[1, "-2", "-1", "3"], [3, "-0.001", "0.001", "2"], [0, "0.5", "1", "3"], [0, "2", "4", "4"]]);
    let expected = json!([1_770_244_830, {"count": "12", "sum": "18.5", "buckets": buckets}]);
    assert_eq!(answer["data"]["result"][0]["histogram"], expected, "empty buckets are left out");
    let answer = grafana.post("/api/v1/query", &[("query", "sizes"), ("time", "1770244860")]);
    expect(&answer, json!({"resultType": "string", "result": [{"metric": metric, "histogram": ["number", counts]}]}));
    assert_eq!(answer["data"]["result"][0]["histogram"][1], json!({"count": "0", "sum": "0"}));
    // A series may hold both kinds.
    let range = [("query", "sizes"), ("start", "1770244800"), ("end", "1770244920"), ("step", "60")];
    let both = json!({"metric": metric, "values": [["number", "string"]], "histograms": [["number", drawn], ["number", counts]]});
    let answer = grafana.post("/api/v1/query_range", &range);
    expect(&answer, json!({"resultType": "string", "result": [both]}));
    let result = &answer["data"]["result"][0];
    let (values, histograms) = (result["values"].as_array().unwrap(), result["histograms"].as_array().unwrap());
    assert_eq!((values.len(), histograms.len()), (1, 2), "{answer}");
    // The range itself, as the explorer's raw table asks for it.
    let answer = grafana.post("/api/v1/query", &[("query", "sizes[5m]"), ("time", "1770244920")]);
    expect(&answer, json!({"resultType": "string", "result": [both]}));
    let quantile = [("query", "histogram_quantile(0.9, sizes)"), ("time", "1770244830")];
    let answer = grafana.post("/api/v1/query", &quantile);
    assert_eq!(shape(&answer["data"]["result"][0]["value"]), json!(["number", "string"]), "{answer}");
}

#[test]
fn variables() {
    let grafana = grafana();
    let range = [("start", START), ("end", END)];
    // label_values(hostname), label_values(metric, hostname), metrics(…), query_result(…), series of a matcher.
    let values = |matcher: Option<&str>| {
        let matcher = matcher.map(|text| ("match[]", text));
        let asked: Vec<(&str, &str)> = range.iter().copied().chain(matcher).collect();
        let answer = grafana.get("/api/v1/label/hostname/values", &asked);
        expect(&answer, json!(["string"]));
        answer["data"].clone()
    };
    assert_eq!(values(None), json!(["a1", "a2"]));
    assert_eq!(values(Some("mem_used{cluster=\"alex\",hostname=~\"a2|b\"}")), json!(["a2"]));
    let names = grafana.get("/api/v1/label/__name__/values", &range);
    assert_eq!(names["data"].as_array().unwrap().len(), 4);
    let asked = [("query", "topk(1, mem_used)"), ("time", END)];
    for answer in [grafana.post("/api/v1/query", &asked), grafana.get("/api/v1/query", &asked)] {
        let result = answer["data"]["result"].as_array().unwrap();
        assert_eq!((result.len(), result[0]["value"][1].as_str()), (1, Some("9")), "{answer}");
    }
    let asked = [&range[..], &[("match[]", "{hostname=\"a1\"}")]].concat();
    for answer in [grafana.get("/api/v1/series", &asked), grafana.post("/api/v1/series", &asked)] {
        assert_eq!(answer["data"].as_array().unwrap().len(), 2, "{answer}");
    }
    // A range before the first sample has no values.
    let before = [("start", "1000000000"), ("end", "1000003600")];
    expect(&grafana.get("/api/v1/label/hostname/values", &before), json!([]));
}

#[test]
fn alerting_pages() {
    let grafana = grafana();
    let rules = eventually("the rules were evaluated", || {
        let answer = grafana.get("/api/v1/rules", &[]);
        let rules = &answer["data"]["groups"][0]["rules"];
        let is_done = rules[0]["health"] == "ok" && rules[1]["state"] == "firing";
        is_done.then_some(answer)
    });
    let alert = json!({
        "labels": {"alertname": "string", "severity": "string"}, "annotations": {"summary": "string"},
        "state": "string", "activeAt": "string", "value": "string",
    });
    let recording = json!({
        "name": "string", "query": "string", "labels": {"source": "string"}, "health": "string",
        "evaluationTime": "number", "lastEvaluation": "string", "type": "string",
    });
    let alerting = json!({
        "state": "string", "name": "string", "query": "string", "duration": "number", "keepFiringFor": "number",
        "labels": {"severity": "string"}, "annotations": {"summary": "string"}, "alerts": [alert],
        "health": "string", "evaluationTime": "number", "lastEvaluation": "string", "type": "string",
    });
    let group = json!({
        "name": "string", "file": "string", "rules": [recording, alerting], "interval": "number", "limit": "number",
        "evaluationTime": "number", "lastEvaluation": "string",
    });
    expect(&rules, json!({"groups": [group]}));
    assert_eq!(rules["data"]["groups"][0]["rules"][1]["type"], "alerting");
    assert_eq!(rules["data"]["groups"][0]["rules"][0]["type"], "recording");
    let alerts = grafana.get("/api/v1/alerts", &[]);
    expect(&alerts, json!({"alerts": [alert]}));
    assert_eq!(alerts["data"]["alerts"][0]["state"], "firing");
    let of_type = grafana.get("/api/v1/rules", &[("type", "alert")]);
    assert_eq!(of_type["data"]["groups"][0]["rules"].as_array().unwrap().len(), 1);
    // Whether rules can be edited is found out where Mimir has its ruler: here they cannot.
    for path in ["/rules", "/config/v1/rules", "/api/v1/status/config/alerts"] {
        assert_eq!(grafana.send("GET", path, None).status, 404, "{path}");
    }
    // A list that is recorded can be drawn.
    let drawn = eventually("the rule's result is there", || {
        let answer = grafana.post("/api/v1/query", &[("query", "{\"cluster:one\"}")]);
        (!answer["data"]["result"][0].is_null()).then_some(answer)
    });
    assert_eq!(drawn["data"]["result"][0]["value"][1], "1");
}
