//! Prometheus's HTTP API over what was written in line protocol.

use serde_json::{Value, json};

use crate::harness::{Answer, Config, How, Line, Signer, Store, T0, form, setting};

fn get(store: &Store, path: &str, parameters: &[(&str, &str)]) -> Answer {
    store.get(&format!("/api/v1/{path}?{}", form(parameters)))
}

/// The data of a successful answer that has neither warnings nor infos.
#[track_caller]
fn data(answer: Answer) -> Value {
    let mut answer = answer.expect_status(200).json();
    assert_eq!(answer["status"], "success", "{answer}");
    assert!(answer["warnings"].is_null() && answer["infos"].is_null(), "{answer}");
    answer["data"].take()
}

/// Type and text of an error.
#[track_caller]
fn error(answer: Answer, status: u16) -> (String, String) {
    let answer = answer.expect_status(status).json();
    assert_eq!(answer["status"], "error", "{answer}");
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    (text("errorType"), text("error"))
}

/// Twenty rows of two hosts, seven seconds after the full minute, but for the third row of `a2`; two threads of `a1`.
fn filled(config: Config) -> Store {
    let store = Store::start(config);
    let mut lines = Vec::new();
    for row in 0..20 {
        let secs = T0 + 60 * row + 7;
        lines.push(Line::new("mem_used", "a1", row as f64, secs));
        if row != 2 {
            lines.push(Line::new("mem_used", "a2", 100.0 + row as f64, secs));
        }
        for thread in 0..2 {
            lines.push(Line::new("flops_any", "a1", row as f64 + 0.5 * thread as f64, secs).of("hwthread", thread));
        }
    }
    store.write(lines);
    store
}

fn seconds(secs: i64) -> String {
    (T0 + secs).to_string()
}

#[test]
fn queries_are_answered_over_the_grid() {
    let mut store = filled(Config::new("native"));
    let check = |store: &Store| {
        let asked = [("query", "mem_used{hostname=\"a1\"}"), ("time", &seconds(66))];
        let metric = json!({"__name__": "mem_used", "cluster": "alex", "hostname": "a1", "type": "node"});
        let expected = json!({"resultType": "vector", "result": [{"metric": metric, "value": [T0 + 66, "0"]}]});
        assert_eq!(data(get(store, "query", &asked)), expected, "the row of minute one comes at 67 s");
        let asked = [("query", "mem_used{hostname=\"a1\"}"), ("time", &format!("{}.5", T0 + 67))];
        let value = data(get(store, "query", &asked))["result"][0]["value"].take();
        assert_eq!(value, json!([T0 as f64 + 67.5, "1"]));
        let asked = [("query", "timestamp(mem_used{hostname=\"a2\"})"), ("time", &seconds(180))];
        let value = data(get(store, "query", &asked))["result"][0]["value"][1].take();
        assert_eq!(value, (T0 + 67).to_string(), "a hole is a gap: the sample before it is current");
        let range = [("start", seconds(60)), ("end", seconds(180)), ("step", "60".to_owned())];
        let mut asked: Vec<(&str, &str)> = range.iter().map(|(name, value)| (*name, value.as_str())).collect();
        asked.push(("query", "sum by (hostname) (flops_any{type=\"hwthread\"})"));
        let values = json!([[T0 + 60, "0.5"], [T0 + 120, "2.5"], [T0 + 180, "4.5"]]);
        let expected = json!({"resultType": "matrix", "result": [{"metric": {"hostname": "a1"}, "values": values}]});
        assert_eq!(data(get(store, "query_range", &asked)), expected);
        let request = store.request("POST", "/api/v1/query_range?step=1s&query=nonsense(");
        let request = request.header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(data(store.send(request.body(form(&asked)))), expected, "the body goes before the URL");
        let asked = [("query", "mem_used{hostname=\"a1\"}[2m]"), ("time", &seconds(130))];
        let values = data(get(store, "query", &asked))["result"][0]["values"].take();
        assert_eq!(values, json!([[T0 + 67, "1"], [T0 + 127, "2"]]));
    };
    check(&store);
    for how in [How::Kill, How::Term] {
        store.restart(how);
        check(&store);
    }
    let scalar = data(get(&store, "query", &[("query", "1 + 1"), ("time", "7")]));
    assert_eq!(scalar, json!({"resultType": "scalar", "result": [7, "2"]}));
    // Times of minutes and steps in milliseconds, as the magnitude says.
    let (start, end) = (format!("{}000", T0 + 60), format!("{}000", T0 + 120));
    let asked = [("query", "mem_used{hostname=\"a1\"}"), ("start", &start), ("end", &end), ("step", "60000")];
    assert_eq!(data(get(&store, "query_range", &asked))["result"][0]["values"].as_array().unwrap().len(), 2);
    let asked = [("query", "mem_used"), ("time", &seconds(600)), ("limit", "1"), ("stats", "all")];
    let answer = get(&store, "query", &asked).expect_status(200).json();
    assert_eq!(answer["warnings"], json!(["results truncated due to limit"]));
    assert_eq!(answer["data"]["result"].as_array().unwrap().len(), 1);
    assert!(answer["data"]["stats"]["samples"]["totalQueryableSamples"].as_u64().unwrap() >= 2, "{answer}");
    let asked = [("query", "rate(mem_used{hostname=\"a1\"}[5m])"), ("time", &seconds(600))];
    let answer = get(&store, "query", &asked).expect_status(200).json();
    assert!(answer["infos"][0].as_str().unwrap().contains("metric might not be a counter"), "{answer}");
}

#[test]
fn series_and_labels_are_listed() {
    let store = filled(Config::new("native"));
    let series =
        data(get(&store, "series", &[("match[]", "{type=\"hwthread\"}"), ("match[]", "mem_used{hostname=\"a2\"}")]));
    let thread = |id: &str| json!({"__name__": "flops_any", "cluster": "alex", "hostname": "a1", "type": "hwthread", "type_id": id});
    let a2 = json!({"__name__": "mem_used", "cluster": "alex", "hostname": "a2", "type": "node"});
    assert_eq!(series, json!([thread("0"), thread("1"), a2]));
    let names = ["__name__", "cluster", "hostname", "type", "type_id"];
    assert_eq!(data(get(&store, "labels", &[])), json!(names));
    assert_eq!(data(get(&store, "labels", &[("match[]", "mem_used")])), json!(names[..4]));
    assert_eq!(data(get(&store, "label/hostname/values", &[])), json!(["a1", "a2"]));
    assert_eq!(data(get(&store, "label/__name__/values", &[("match[]", "{hostname=\"a2\"}")])), json!(["mem_used"]));
    assert_eq!(data(get(&store, "label/job/values", &[])), json!([]));
    let long_ago = [("end", "1000000"), ("match[]", "mem_used")];
    assert_eq!(data(get(&store, "series", &long_ago)), json!([]));
    let limited = get(&store, "label/type_id/values", &[("limit", "1")]).expect_status(200).json();
    assert_eq!((&limited["data"], &limited["warnings"]), (&json!(["0"]), &json!(["results truncated due to limit"])));
    let metadata = data(get(&store, "metadata", &[("metric", "mem_used")]));
    assert_eq!(metadata["mem_used"][0]["type"], "gauge");
    assert_eq!(data(get(&store, "metadata", &[("limit", "2")])).as_object().unwrap().len(), 2);
    let tsdb = data(get(&store, "status/tsdb", &[("limit", "1")]));
    assert_eq!(tsdb["headStats"]["numSeries"], 4);
    assert_eq!(tsdb["seriesCountByMetricName"], json!([{"name": "flops_any", "value": 2}]));
    for (path, expected) in [
        ("rules", json!({"groups": []})),
        ("alerts", json!({"alerts": []})),
        ("query_exemplars?query=mem_used", json!([])),
        ("format_query?query=sum(mem_used)by(type)", json!("sum by (type) (mem_used)")),
    ] {
        assert_eq!(data(store.get(&format!("/api/v1/{path}"))), expected);
    }
    assert_eq!(data(get(&store, "targets", &[]))["activeTargets"], json!([]));
    assert_eq!(data(get(&store, "parse_query", &[("query", "1")]))["type"], "numberLiteral");
    assert_eq!(data(get(&store, "status/buildinfo", &[]))["application"], "Treering");
    assert_eq!(data(get(&store, "status/flags", &[]))["query.lookback-delta"], "5m0s");
    assert!(data(get(&store, "status/config", &[]))["yaml"].as_str().unwrap().contains("query-timeout: 2m0s"));
    assert!(data(get(&store, "status/runtimeinfo", &[]))["GOMAXPROCS"].as_u64().unwrap() > 0);
}

#[test]
fn errors_have_the_types_and_statuses_of_prometheus() {
    let config = Config::new("native").set("/prometheus/query-max-samples", 10);
    let config = config.set("/prometheus/features", json!(["promql-experimental-functions"]));
    let store = filled(config);
    let bad = |path: &str, parameters: &[(&str, &str)]| {
        let (kind, text) = error(get(&store, path, parameters), 400);
        assert_eq!(kind, "bad_data", "{text}");
        text
    };
    let text = bad("query", &[("query", "sum(")]);
    assert!(text.starts_with("invalid parameter \"query\": 1:5: parse error: "), "{text}");
    assert_eq!(
        bad("query", &[("query", "1"), ("time", "x")]),
        "invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid timestamp"
    );
    assert_eq!(
        bad("query", &[("query", "1"), ("limit", "-1")]),
        "invalid parameter \"limit\": limit must be non-negative"
    );
    let range = |start: &str, end: &str, step: &str| {
        bad("query_range", &[("query", "1"), ("start", start), ("end", end), ("step", step)])
    };
    assert_eq!(range("2", "1", "1"), "invalid parameter \"end\": end timestamp must not be before start time");
    assert!(range("1", "2", "0").starts_with("invalid parameter \"step\": zero or negative query resolution"));
    assert!(range("1", "100000", "1").starts_with("exceeded maximum resolution of 11,000 points per timeseries"));
    assert!(range("", "2", "1").starts_with("invalid parameter \"start\": cannot parse \"\""));
    assert_eq!(bad("series", &[]), "no match[] parameter provided");
    assert!(bad("series", &[("match[]", "{job=~\".*\"}")]).ends_with("must contain at least one non-empty matcher"));
    assert!(bad("labels", &[("match[]", "sum(x)")]).contains("parse error"));
    // Each selector was once allowed as many patterns as a whole query: a thousand of them, 64,000 automata.
    let patterns = [("match[]", "m{type=~\"h.*d\",type_id=~\"1.+\"}"); 33];
    assert!(bad("labels", &patterns).contains("too many regular expressions"));
    let asked = [("query", "count_over_time(mem_used[1h])"), ("time", &seconds(1200))];
    let (kind, text) = error(get(&store, "query", &asked), 422);
    assert_eq!(kind, "execution");
    assert_eq!(text, "query processing would load too many samples into memory in query execution");
    let (kind, text) = error(get(&store, "query", &[("query", "mem_used"), ("timeout", "0")]), 503);
    assert_eq!((kind.as_str(), text.as_str()), ("timeout", "query timed out in expression evaluation"));
    let nested = store.request("POST", "/api/v1/query").header("content-type", "application/x-www-form-urlencoded");
    let (_, text) = error(store.send(nested.body(format!("query={}", "(".repeat(40_000)))), 400);
    assert!(text.ends_with("expression is nested too deeply, at most 256 levels are allowed"), "{text}");
    // As deep as is allowed: the threads' stack once was too small for it, and the process died.
    let deep = format!("{}vector(1){}", "sum(".repeat(250), ")".repeat(250));
    assert_eq!(data(get(&store, "query", &[("query", &deep)]))["result"][0]["value"][1], "1");
    assert_eq!(
        data(get(&store, "query", &[("query", "sort_by_label(mem_used, \"type\")"), ("time", "0")]))["result"],
        json!([])
    );
    store.send(store.request("PUT", "/api/v1/query")).expect_status(405);
    store.get("/api/v1/nothing").expect_status(404);
}

#[test]
fn tokens_guard_it_and_browsers_may_ask() {
    let signer = Signer::new(1);
    let config = Config::new("native").set(setting::PUBLIC_KEY, signer.public_key());
    let store = Store::start(config.set("/main/auth/roles/read", json!(["reader"])));
    let ask = |token: Option<&str>| {
        let request = store.request("GET", "/api/v1/query?query=1").header("origin", "http://grafana");
        let request = match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        store.send(request)
    };
    assert_eq!(error(ask(None), 401).0, "unauthorized");
    assert_eq!(error(ask(Some(&signer.token(&json!({"roles": ["writer"]})))), 403).0, "forbidden");
    let answer = ask(Some(&signer.token(&json!({"roles": ["reader"]})))).expect_status(200);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let question = store.request("OPTIONS", "/api/v1/query_range").header("origin", "http://grafana");
    let answer = store.send(question).expect_status(204);
    assert_eq!(answer.header("access-control-allow-methods"), "GET, POST, OPTIONS");
    assert_eq!(answer.header("access-control-allow-headers"), "Accept, Authorization, Content-Type, Origin");
}
