//! Prometheus's API at an address of its own, and what browsers and probes ask of it.

use crate::harness::{Answer, Authority, Config, Line, Store, T0, free_port, setting, try_send};

fn send(store: &Store, method: &str, url: &str, origin: Option<&str>) -> Answer {
    let mut request = store.client.request(method.parse().unwrap(), url);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    try_send(request).unwrap()
}

#[test]
fn a_second_address_serves_prometheus_alone() {
    let port = free_port();
    let store = Store::start(Config::new("native").set(setting::PROMETHEUS_ADDR, format!("127.0.0.1:{port}")));
    store.write([Line::new("mem_used", "a1", 7.0, T0)]);
    let second = |path: &str| send(&store, "GET", &format!("http://127.0.0.1:{port}{path}"), None);
    let asked = format!("/api/v1/query?query=mem_used&time={T0}");
    let answer = second(&asked).expect_status(200).json();
    assert_eq!(answer["data"]["result"][0]["value"][1], "7");
    assert_eq!(store.get(&asked).expect_status(200).json(), answer, "the first address serves it, too");
    for path in ["/-/healthy", "/-/ready", "/metrics", "/api/v1/status/buildinfo", "/federate?match[]=mem_used"] {
        assert_eq!(second(path).status, 200, "{path}");
    }
    for path in ["/api/query", "/api/write", "/api/free", "/api/debug", "/api/healthcheck", "/swagger/", "/api/v1/no"] {
        assert_eq!(second(path).status, 404, "{path}");
        assert_eq!(send(&store, "POST", &format!("http://127.0.0.1:{port}{path}"), None).status, 404, "{path}");
    }
}

#[test]
fn certificates_are_those_of_the_first_address() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let port = free_port();
    let mut store = Store::prepare(Config::new("native"));
    let (certificate, key) = servers.issue("store").write(store.dir.path(), "store");
    let config = Config::new("native")
        .set(setting::PROMETHEUS_ADDR, format!("127.0.0.1:{port}"))
        .set_path(setting::HTTPS_CERT, &certificate)
        .set_path(setting::HTTPS_KEY, &key)
        .set_path(setting::CLIENT_CA, &clients.write(store.dir.path()))
        .set(setting::CLIENT_CERTS, "required");
    store.set_config(config);
    let known = clients.issue("known");
    let mut store = store.with_https(servers.client(Some(&known)));
    store.resume();
    let url = format!("https://localhost:{port}/-/healthy");
    assert_eq!(send(&store, "GET", &url, None).status, 200);
    assert!(servers.client(None).get(&url).send().is_err());
    assert!(servers.client(Some(&Authority::new("others").issue("x"))).get(&url).send().is_err());
}

#[test]
fn browsers_ask_before_scripts_may_read() {
    let asked = format!("/api/v1/query?query=1&time={T0}");
    let allowed = |store: &Store, origin: &str| {
        let answer = send(store, "GET", &store.url(&asked), Some(origin));
        answer.expect_status(200).header("access-control-allow-origin").to_owned()
    };
    let store = Store::start(Config::new("native"));
    for (method, path) in [
        ("OPTIONS", "/api/v1/query"),
        ("OPTIONS", "/api/v1/write"),
        ("OPTIONS", "/api/v1/label/job/values"),
        ("OPTIONS", "/api/v1/what/nobody/knows"),
    ] {
        let answer = send(&store, method, &store.url(path), Some("http://grafana")).expect_status(204);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), "GET, POST, OPTIONS");
        assert_eq!(answer.header("vary"), "Origin");
    }
    assert_eq!(allowed(&store, "http://anywhere"), "*");
    let silent = send(&store, "GET", &store.url(&asked), None);
    assert_eq!(silent.header("access-control-allow-origin"), "");
    assert!(silent.headers.get_all("vary").iter().any(|value| value == "Origin"), "{silent:?}");
    let pattern = Config::new("native").set(setting::CORS_ORIGIN, "https?://(grafana|tools)\\.example\\.org");
    let store = Store::start(pattern);
    assert_eq!(allowed(&store, "https://grafana.example.org"), "https://grafana.example.org");
    assert_eq!(allowed(&store, "https://grafana.example.org.evil"), "", "the pattern is for the whole of it");
    assert_eq!(allowed(&store, "https://evil"), "");
    drop(store);
    let store = Store::start(Config::new("native").set(setting::CORS_ORIGIN, ""));
    assert_eq!(allowed(&store, "https://grafana"), "");
}

#[test]
fn heads_are_answered_without_a_body() {
    let store = Store::start(Config::new("native"));
    for path in ["/-/healthy", "/-/ready", "/metrics", "/api/v1/query?query=1", "/api/v1/labels", "/federate"] {
        let head = send(&store, "HEAD", &store.url(path), None).expect_status(200);
        assert_eq!(head.text(), "", "{path}");
        let get = send(&store, "GET", &store.url(path), None).expect_status(200);
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(send(&store, "OPTIONS", &store.url(path), Some("http://x")).status, 405, "{path}");
    }
}
