//! Where series go: hosts, relabelling, mappings to the tree, reloads; and the other ways in and out.

use std::fs;

use serde_json::json;

use treering::formats::remote::snappy;

use crate::harness::{Config, Store, T0, at_ms, eventually, sent};

fn config() -> Config {
    let mapping = json!({
        "match": "DCGM_FI_DEV_GPU_UTIL",
        "metric": "acc_utilization",
        "type": "accelerator",
        "type-id": "$gpu",
        "scale": 0.01,
    });
    let kept = json!({"match": "{__name__=~\"node_(?P<what>load)1\"}", "metric": "cpu_$what", "keep": true});
    let rules = json!([
        {"source_labels": ["__name__"], "regex": "go_.*", "action": "drop"},
        {"regex": "pod|uid", "action": "labeldrop"},
        {"source_labels": ["rack"], "target_label": "place", "replacement": "rack-$1"},
    ]);
    let section = json!({"mappings": [mapping, kept], "relabel-configs": rules});
    Config::new("native").metric("acc_utilization", 60, Some("avg")).set("/remote-write", section)
}

#[test]
fn a_mapped_accelerator_is_drawn_by_the_rest_api() {
    let store = Store::start(config());
    let gpu = |gpu: &str, ms, value| {
        let labels = [("__name__", "DCGM_FI_DEV_GPU_UTIL"), ("cluster", "alex"), ("gpu", gpu), ("instance", "a1:9400")];
        sent(&labels, ms, value)
    };
    for minute in 0..5 {
        let ms = 60_000 * minute + 417;
        let answer = store.remote_2(&[gpu("2", ms, 50.0), gpu("3", ms, 10.0 * minute as f64)]).expect_status(204);
        assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), "2");
    }
    let query = json!({"metric": "acc_utilization", "host": "a1", "type": "accelerator", "type-ids": ["3"],
                       "aggreg": false});
    let rows = store.rows(T0, T0 + 300, query);
    assert_eq!(rows[0].values(), [0.0, 0.1, 0.2, 0.3, 0.4]);
    let found = store.promql("acc_utilization{type_id=\"3\"}", 240_500);
    assert_eq!(found[0]["value"][1], "0.4", "{found}");
    assert_eq!(store.promql("DCGM_FI_DEV_GPU_UTIL", 240_500), json!([]), "it is a series of the tree now");
}

#[test]
fn a_mapping_may_keep_the_series_too() {
    let store = Store::start(config());
    let load = [("__name__", "node_load1"), ("cluster", "alex"), ("instance", "a1:9100"), ("job", "node")];
    let answer = store.remote_2(&[sent(&load, 0, 3.5)]).expect_status(204);
    assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), "1", "one, though it is stored twice");
    assert_eq!(store.promql("node_load1{job=\"node\"}", 0)[0]["value"][1], "3.5");
    assert_eq!(store.promql("cpu_load{hostname=\"a1\",type=\"node\"}", 0)[0]["value"][1], "3.5");
}

#[test]
fn rules_drop_and_change_series() {
    let store = Store::start(config());
    let dropped = [("__name__", "go_threads"), ("instance", "a1:1")];
    let changed = [("__name__", "x"), ("instance", "a1:1"), ("pod", "p"), ("rack", "7")];
    let answer = store.remote_2(&[sent(&dropped, 0, 1.0), sent(&changed, 0, 2.0)]).expect_status(204);
    assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), "2", "dropped on purpose is not lost");
    let found = store.promql("{__name__=~\".+\"}", 0);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    let expected = json!({"__name__": "x", "instance": "a1:1", "place": "rack-7", "rack": "7"});
    assert_eq!(found[0]["metric"], expected);
    assert_eq!(store.metrics().sum("treering_dropped_total", "reason=\"relabelled\""), 1.0);
}

#[test]
fn the_trees_own_words_and_hosts_are_understood() {
    let store = Store::start(Config::new("native"));
    let thread =
        [("__name__", "flops_any"), ("cluster", "alex"), ("hostname", "a1"), ("type", "hwthread"), ("type_id", "0")];
    let address = [("__name__", "up"), ("cluster", "alex"), ("instance", "[2001:db8::7]:9100")];
    let url = [("__name__", "probe_success"), ("instance", "https://example.org/")];
    store.remote_1(&[sent(&thread, 500, 7.0), sent(&address, 0, 1.0), sent(&url, 0, 1.0)]).expect_status(204);
    assert_eq!(store.values("a1", "flops_any", T0, T0 + 60), [7.0]);
    let hosts = |cluster: &str| store.get(&format!("/api/debug/?selector={cluster}")).expect_status(200).text();
    assert!(hosts("alex").contains("2001:db8::7"), "{}", hosts("alex"));
    assert!(hosts("default").contains("none"), "{}", hosts("default"));
}

#[test]
fn a_reload_changes_the_rules() {
    let store = Store::start(config());
    let series = |ms| [sent(&[("__name__", "go_threads"), ("instance", "a1:1")], ms, 1.0)];
    store.remote_2(&series(0)).expect_status(204);
    assert_eq!(store.promql("go_threads", 0), json!([]));
    let mut reloaded = store.config().json().clone();
    reloaded["main"]["addr"] = json!(format!("127.0.0.1:{}", store.port));
    reloaded["remote-write"] = json!({"default-cluster": "other"});
    fs::write(store.path("config.json"), reloaded.to_string()).unwrap();
    store.signal("HUP");
    eventually("the rules are gone", || {
        store.remote_2(&series(1000)).expect_status(204);
        (store.promql("count(go_threads)", 1000) != json!([])).then_some(())
    });
    assert!(!store.log().contains("/remote-write changed"), "no restart is needed: {}", store.log());
}

#[test]
fn exposition_text_is_imported() {
    let store = Store::start(Config::new("native"));
    let text = "# HELP load1 Load.\n# TYPE load1 gauge\nload1{cpu=\"0\"} 0.5 1770244800123\nno line\nload2 7\n";
    let path =
        format!("/api/v1/import/prometheus?extra_label=instance=a1:9100&extra_label=job=push&timestamp={}", at_ms(9));
    let answer = store.post(&path, text).expect_status(400);
    assert!(answer.text().contains("line 4"), "{}", answer.text());
    assert_eq!(
        store.samples("load1{cpu=\"0\",instance=\"a1:9100\",job=\"push\"}[1m]", 1000),
        [(123, "0.5".to_owned())]
    );
    assert_eq!(store.samples("load2[1m]", 1000), [(9, "7".to_owned())]);
    let metadata = store.get("/api/v1/metadata?metric=load1").expect_status(200).json();
    assert_eq!(metadata["data"]["load1"][0]["type"], "gauge");
    let text = format!("a_total{{x=\"1\"}} 3 {T0}.25 # {{trace_id=\"t\"}} 0.5 {T0}\n# EOF\n");
    let request = store.request("POST", "/api/v1/import/prometheus").body(text);
    let request = request.header("Content-Type", "application/openmetrics-text; version=1.0.0");
    store.send(request).expect_status(204);
    assert_eq!(store.samples("a_total[1m]", 1000), [(250, "3".to_owned())]);
}

#[test]
fn open_telemetry_is_taken() {
    let store = Store::start(Config::new("native"));
    let nanos = |secs: i64| ((T0 + secs) * 1_000_000_000).to_string();
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let gauge = json!({"name": "queue.length", "gauge": {"dataPoints": [
        {"timeUnixNano": nanos(1), "asDouble": 4.5, "attributes": [attribute("queue", "work")]}]}});
    let delta = json!({"name": "requests", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [
        {"timeUnixNano": nanos(1), "asInt": "3"}]}});
    let body = json!({"resourceMetrics": [{
        "resource": {"attributes": [attribute("service.name", "slurm"), attribute("service.instance.id", "a1")]},
        "scopeMetrics": [{"metrics": [gauge, delta]}]}]});
    let send = |body: &serde_json::Value| {
        let request = store.request("POST", "/api/v1/otlp/v1/metrics").header("Content-Type", "application/json");
        store.send(request.body(body.to_string()))
    };
    let answer = send(&body).expect_status(200).json();
    assert_eq!(answer["partialSuccess"]["rejectedDataPoints"], "1", "deltas are not: {answer}");
    let found = store.promql("queue_length", 2000);
    assert_eq!(found[0]["value"][1], "4.5", "{found}");
    assert_eq!(found[0]["metric"]["instance"], "a1");
    assert_eq!(found[0]["metric"]["job"], "slurm");
    send(&json!({"resourceMetrics": 7})).expect_status(400);
    store.post("/api/v1/otlp/v1/metrics", "x").expect_status(415);
}

/// A request for all series named `x`, by the numbers of its fields; `form` 1 asks for a stream of chunks.
fn read_request(form: u8) -> Vec<u8> {
    fn varint(mut number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while number >= 0x80 {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
        out
    }
    let text = |field: u8, text: &[u8]| [&[field << 3 | 2, text.len() as u8], text].concat();
    let matcher = [text(2, b"__name__"), text(3, b"x")].concat();
    let times =
        [vec![0x08], varint(at_ms(0).cast_unsigned()), vec![0x10], varint(at_ms(5000).cast_unsigned())].concat();
    let query = text(1, &[times, text(3, &matcher)].concat());
    snappy(&[query, vec![0x10, form]].concat())
}

#[test]
fn remote_read_answers_to_the_bit() {
    let store = Store::start(Config::new("native"));
    // A NaN with a payload of its own.
    let odd = f64::from_bits(0x7FF8_0000_DEAD_BEEF);
    for (ms, value) in [(-1, 1.0), (7, odd), (5000, 3.0), (5001, 4.0)] {
        store.remote_2(&[sent(&[("__name__", "x"), ("instance", "a1:1")], ms, value)]).expect_status(204);
    }
    let read = |form| {
        let request = store.request("POST", "/api/v1/read").header("Content-Encoding", "snappy");
        store.send(request.body(read_request(form))).expect_status(200)
    };
    let sampled = read(0);
    assert_eq!(sampled.header("content-encoding"), "snappy");
    assert_eq!(sampled.header("content-type"), "application/x-protobuf");
    let mut message = Vec::new();
    let snappy = treering::formats::remote::Compression::Snappy;
    treering::formats::remote::decompress(snappy, &sampled.body, 1 << 20, &mut message).unwrap();
    let holds = |message: &[u8], bytes: &[u8]| message.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(&message, &odd.to_le_bytes()), "{message:?}");
    assert!(holds(&message, &3f64.to_le_bytes()) && !holds(&message, &4f64.to_le_bytes()), "the end is included");
    assert!(!holds(&message, &1f64.to_le_bytes()), "and nothing before the start");
    let streamed = read(1);
    let content_type = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
    assert_eq!(streamed.header("content-type"), content_type);
    assert!(holds(&streamed.body, b"a1:1"), "{:?}", streamed.body);
    assert_eq!(store.post("/api/v1/read", "garbage").status, 400);
}

#[test]
fn ways_that_are_closed_are_not_found() {
    let store = Store::start(Config::new("native").set("/remote-write", json!({"protocols": ["remote-read"]})));
    for path in ["/api/v1/write", "/api/v1/import/prometheus", "/api/v1/otlp/v1/metrics"] {
        assert_eq!(store.post(path, "").status, 404, "{path}");
    }
    assert_eq!(store.post("/api/v1/read", snappy(&[])).status, 200);
}
