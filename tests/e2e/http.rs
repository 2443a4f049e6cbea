//! Paths, methods and headers.

use serde_json::json;

use crate::harness::{Config, Line, Store, T0, raw_exchange};

#[test]
fn health_and_metrics_answer_without_a_token() {
    use crate::harness::{Signer, setting};

    let config = Config::new("native").set(setting::PUBLIC_KEY, Signer::new(1).public_key());
    let store = Store::start(config);
    store.get("/-/healthy").expect_status(200);
    store.get("/-/ready").expect_status(200);
    let metrics = store.get("/metrics").expect_status(200);
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"), "{:?}", metrics.headers);
    assert!(metrics.text().ends_with("# EOF\n"));
    store.get("/api/debug").expect_status(401);
}

#[test]
fn swagger_is_for_developers() {
    let store = Store::start(Config::new("native"));
    store.get("/swagger/").expect_status(404);
    let store = Store::start_with(Config::new("native"), &["-dev"]);
    let page = store.get("/swagger/").expect_status(200);
    assert!(page.text().to_lowercase().contains("swagger"), "{}", page.text());
}

#[test]
fn unknown_paths_and_methods_are_refused() {
    let store = Store::start(Config::new("native"));
    store.get("/").expect_status(404);
    store.get("/api").expect_status(404);
    store.get("/api/writes").expect_status(404);
    store.get("/api/write").expect_status(405);
    store.send(store.request("PUT", "/api/query")).expect_status(405);
}

/// curl's `-X GET -d` over a connection that stays open, byte for byte.
#[test]
fn a_get_with_a_body_keeps_its_connection() {
    let store = Store::start(Config::new("native"));
    store.write([Line::new("mem_used", "a1", 7.0, T0)]);
    let question =
        json!({"cluster": "alex", "from": T0, "to": T0 + 60, "queries": [{"metric": "mem_used", "host": "a1"}]});
    let question = question.to_string();
    let length = question.len();
    let request = |connection: &str| {
        let head = format!("GET /api/query HTTP/1.1\r\nHost: x\r\nConnection: {connection}");
        format!("{head}\r\nContent-Length: {length}\r\n\r\n{question}")
    };
    let answers = raw_exchange(&store, format!("{}{}", request("keep-alive"), request("close")).as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert_eq!(answers.matches("\"data\":[7.000]").count(), 2, "{answers}");
}

/// HTTP/1.0 knows no chunks: the answer ends with the connection.
#[test]
fn old_clients_are_served() {
    let store = Store::start(Config::new("native"));
    let answer = raw_exchange(&store, b"GET /-/healthy HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("chunked"), "{answer}");
}

#[test]
fn requests_are_counted() {
    let store = Store::start(Config::new("native"));
    store.write([Line::new("mem_used", "a1", 7.0, T0)]);
    store.post("/api/write", "mem_used nonsense").expect_status(400);
    let metrics = store.metrics();
    assert_eq!(metrics.sum("treering_http_requests_total", "status=\"400\""), 1.0);
    assert!(metrics.sum("treering_http_requests_total", "write") >= 2.0);
    assert!(metrics.sum("treering_memory_bytes", "") > 0.0);
}

/// The bodies in `api/`, which the handbook sends.
#[test]
fn the_example_bodies_are_taken() {
    let example = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("api").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let store = Store::start(Config::new("native"));
    store.post("/api/write?cluster=demo", example("write.lp")).expect_status(200);
    let answer = store.get_with_body("/api/query", example("query.json")).expect_status(200);
    let answer: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(answer["results"].as_array().unwrap().len(), 4);
    assert_eq!(answer["results"][1][0]["data"][0], 1532.5, "{answer}");
    let health = store.get_with_body("/api/healthcheck", example("healthcheck.json")).expect_status(200);
    assert!(health.text().contains("n0002"), "{}", health.text());
    store.post("/api/free?to=1770244800", example("free.json")).expect_status(200);
}
