//! Questions as cc-backend and people ask them.

use serde_json::{Value, json};

use crate::harness::{Config, Line, Series, Store, T0};

/// 20 hosts with a node metric and four hwthreads, ten minutes.
fn cluster() -> Store {
    let store = Store::start(Config::new("native"));
    let mut lines = Vec::new();
    for host in 0..20 {
        for k in 0..10 {
            let (name, secs) = (format!("a{host:02}"), T0 + 60 * k);
            lines.push(Line::new("mem_used", name.clone(), (100 * host + k) as f64, secs));
            for thread in 0..4 {
                lines.push(Line::new("flops_any", name.clone(), f64::from(thread), secs).of("hwthread", thread));
            }
        }
    }
    store.write(lines);
    store
}

/// curl and many libraries drop the body of a GET.
#[test]
fn post_answers_as_get_does() {
    let store = cluster();
    let question = json!({"cluster": "alex", "from": T0, "to": T0 + 600, "queries": [
        {"metric": "mem_used", "host": "a07", "aggreg": false},
        {"metric": "flops_any", "host": "a07", "aggreg": false, "type": "hwthread", "type-ids": ["0", "3"]},
    ]});
    let expected = store.ask(&question);
    assert_eq!(expected["results"][0][0]["data"][9], 709.0);
    for (method, path) in [("POST", "/api/query"), ("POST", "/api/query/"), ("GET", "/api/query/?version=v2")] {
        let answer = store.send(store.request(method, path).body(question.to_string())).expect_status(200);
        assert_eq!(answer.json(), expected, "{method} {path}");
    }
}

/// A job on a whole cluster asks for everything at once; the body alone has megabytes.
#[test]
fn thirty_thousand_queries_are_answered_in_order() {
    let store = cluster();
    let queries: Vec<Value> = (0..30_000)
        .map(|i| match i % 3 {
            0 => json!({"aggreg": false, "host": format!("a{:02}", i % 20), "metric": "mem_used", "resolution": 0}),
            1 => json!({"aggreg": false, "host": format!("a{:02}", i % 20), "metric": "flops_any", "resolution": 60,
                        "type": "hwthread", "type-ids": ["3", "0", "2"], "subtype": null, "subtype-ids": null}),
            _ => json!({"aggreg": false, "host": format!("ghost{i}"), "metric": "mem_used", "resolution": 0}),
        })
        .collect();
    let question = json!({"cluster": "alex", "for-all-nodes": null, "from": T0 - 13, "to": T0 + 613,
                          "queries": queries, "with-data": true, "with-stats": true});
    assert!(question.to_string().len() > 2_500_000);
    let answer = store.ask(&question);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 30_000);
    for (i, rows) in results.iter().enumerate() {
        let rows: Vec<Series> = rows.as_array().unwrap().iter().map(Series::parse).collect();
        match i % 3 {
            0 => {
                let base = 100 * (i % 20);
                assert_eq!(rows[0].values(), (base..base + 10).map(|v| v as f64).collect::<Vec<_>>(), "query {i}");
            }
            1 => {
                let firsts: Vec<f64> = rows.iter().map(|row| row.values()[0]).collect();
                assert_eq!(firsts, [3.0, 0.0, 2.0], "query {i}");
            }
            _ => assert!(rows.is_empty(), "query {i}"),
        }
    }
}

#[test]
fn queries_may_be_null() {
    let store = cluster();
    let question = json!({"cluster": "alex", "for-all-nodes": null, "from": T0, "to": T0 + 600, "queries": null,
                          "with-data": true, "with-stats": true});
    assert_eq!(store.ask(&question), json!({"results": []}));
    let all = json!({"cluster": "alex", "for-all-nodes": ["mem_used"], "from": T0, "to": T0 + 600, "queries": null,
                     "with-data": true});
    let answer = store.ask(&all);
    let (queries, results) = (answer["queries"].as_array().unwrap(), answer["results"].as_array().unwrap());
    assert_eq!((queries.len(), results.len()), (20, 20));
    for (query, rows) in queries.iter().zip(results) {
        let host: f64 = query["host"].as_str().unwrap()[1..].parse().unwrap();
        assert_eq!(rows[0]["data"][0], 100.0 * host);
    }
}

#[test]
fn statistics_and_data_can_be_left_out() {
    let store = cluster();
    let ask = |with_stats: bool, with_data: bool| {
        let question = json!({"cluster": "alex", "from": T0, "to": T0 + 600, "with-stats": with_stats,
                              "with-data": with_data, "queries": [{"metric": "mem_used", "host": "a01"}]});
        store.ask(&question)["results"][0][0].clone()
    };
    let series = Series::parse(&ask(true, true));
    assert_eq!((series.min, series.max, series.avg), (Some(100.0), Some(109.0), Some(104.5)));
    assert_eq!(ask(true, false).get("data"), None);
    assert_eq!(Series::parse(&ask(false, true)).avg, Some(0.0));
    assert_eq!(ask(false, true)["data"].as_array().unwrap().len(), 10);
}

/// A metric without aggregation has no sum over its parts: the error is that query's alone.
#[test]
fn an_impossible_aggregation_spoils_no_other_query() {
    let store = cluster();
    store.write((0..2).map(|thread| Line::new("cpu_load", "a01", 1.0, T0).of("hwthread", thread)));
    let question = json!({"cluster": "alex", "from": T0, "to": T0 + 600, "queries": [
        {"metric": "cpu_load", "host": "a01", "aggreg": true}, {"metric": "mem_used", "host": "a01", "aggreg": true}]});
    let answer = store.ask(&question);
    let error = answer["results"][0][0]["error"].as_str().unwrap_or_default();
    assert!(error.contains("invalid aggregation"), "{answer}");
    assert_eq!(answer["results"][1][0]["data"][0], 100.0);
}

/// An answer may be larger than memory: it goes out piece by piece.
#[test]
fn answers_are_chunked() {
    let store = cluster();
    let queries = vec![json!({"metric": "mem_used", "host": "a07"}); 20_000];
    let question = json!({"cluster": "alex", "from": T0, "to": T0 + 600, "queries": queries});
    let answer = store.get_with_body("/api/query", question.to_string()).expect_status(200);
    assert!(answer.body.len() > 2_000_000);
    assert_eq!((answer.header("transfer-encoding"), answer.header("content-length")), ("chunked", ""));
    assert!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
}

/// Through loopback bytes are free and time is not: gzip, which every Go client offers, would only cost. A client that
/// asks for Zstandard means it.
#[test]
fn compression_pays_or_stays_away() {
    let store = cluster();
    let question = json!({"cluster": "alex", "from": T0, "to": T0 + 600, "for-all-nodes": ["mem_used"]}).to_string();
    let ask = |store: &Store, accept: &str| {
        let request = store.request("GET", "/api/query").body(question.clone()).header("accept-encoding", accept);
        store.send(request).expect_status(200)
    };
    let plain = ask(&store, "gzip");
    assert_eq!(plain.header("content-encoding"), "");
    let packed = ask(&store, "gzip, zstd");
    assert_eq!(packed.header("content-encoding"), "zstd");
    assert_eq!(zstd::decode_all(&packed.body[..]).unwrap(), plain.body);
    assert!(packed.body.len() < plain.body.len());
}

#[test]
fn compression_can_be_switched() {
    use std::io::Read;

    use crate::harness::setting;

    for (mode, encoding) in [("on", "gzip"), ("off", "")] {
        let store = Store::start(Config::new("native").set(setting::COMPRESSION, mode));
        store.write((0..5000).map(|k| Line::new("mem_used", "a1", 1.0, T0 + 60 * k)));
        let body = json!({"cluster": "alex", "from": T0, "to": T0 + 300_000, "for-all-nodes": ["mem_used"]});
        let request = store.request("GET", "/api/query").body(body.to_string()).header("accept-encoding", "gzip");
        let answer = store.send(request).expect_status(200);
        assert_eq!(answer.header("content-encoding"), encoding, "{mode}");
        let mut text = String::new();
        match encoding {
            "" => text = answer.text(),
            _ => drop(flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap()),
        }
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["results"][0][0]["data"].as_array().unwrap().len(), 5000);
    }
}

/// cc-metric-store prints a comma too many there.
#[test]
fn debug_is_valid_json() {
    let store = cluster();
    let whole = store.get("/api/debug").expect_status(200).json();
    assert!(whole.is_object(), "{whole}");
    assert!(whole.to_string().contains("a07") && whole.to_string().contains("hwthread3"));
    let host = store.get("/api/debug/?selector=alex:a07").expect_status(200).json().to_string();
    assert!(host.contains("hwthread3") && !host.contains("a08"), "{host}");
}

#[test]
fn nonsense_gets_an_error_and_no_crash() {
    let store = cluster();
    for body in ["", "{", "[]", "{\"from\":\"x\"}", &"[".repeat(100_000)] {
        let answer = store.post("/api/query", body.to_owned());
        assert_eq!(answer.status, 400, "{:.60}: {}", body, answer.text());
    }
    // The widest range there is must not be built in memory.
    let widest = json!({"cluster": "alex", "from": 0, "to": i64::MAX, "with-padding": true,
                        "queries": [{"metric": "mem_used", "host": "a01"}]});
    let answer = store.post("/api/query", widest.to_string());
    assert!(answer.status == 200 || answer.status == 400, "{}", answer.status);
    store.get("/-/healthy").expect_status(200);
}
