//! The config file: errors that help, and changes while running.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use treering::server::proto::QueryRequest;

use crate::harness::{
    Authority, Config, Grpc, How, Line, Signer, Store, T0, binary, eventually, free_port, now_secs, setting,
};

/// One error at a time means one restart at a time.
#[test]
fn a_bad_config_names_every_error() {
    let config = Config::new("nativ")
        .set("/main/adr", "x")
        .set("/metrics/cpu_load/frequency", 0)
        .set("/metrics/ipc/aggregation", "median")
        .set("/metric-store/retention-in-memory", "2 days")
        .set("/metric-store/memory-cap", "much")
        .set("/main/jwt-public-key", "too short");
    let mut store = Store::prepare(config);
    let output = store.run_to_end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    for pointer in [
        "/metric-store/checkpoints/file-format",
        "/main/adr",
        "/metrics/cpu_load/frequency",
        "/metrics/ipc/aggregation",
        "/metric-store/retention-in-memory",
        "/metric-store/memory-cap",
        "/main/jwt-public-key",
    ] {
        assert!(text.contains(pointer), "{pointer} is not named in\n{text}");
    }
    assert!(text.contains("native"), "what was expected is not named in\n{text}");
}

#[test]
fn a_missing_or_broken_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (content, word) in [(None, "config.json"), (Some("{\"main\": "), "line 1")] {
        if let Some(content) = content {
            fs::write(folder.path().join("config.json"), content).unwrap();
        }
        let output = Command::new(binary()).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

/// The configs that come with Treering are the first that anybody tries.
#[test]
fn the_examples_work() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/configs"));
    let mut tried = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let example: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            if example.get("metric-store").is_some() {
                let store = Store::start(Config::recorded(example));
                store.get("/-/healthy").expect_status(200);
                tried += 1;
            }
        }
    }
    assert!(tried > 0, "no example in {folder:?}");
}

/// The example in YAML starts, takes samples, and is read again at SIGHUP; a mistake is told with its line.
#[test]
fn a_config_may_be_yaml() {
    let mut store = Store::prepare(Config::new("native"));
    let example = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/configs/config.yaml")).unwrap();
    let text = example.replace("127.0.0.1:8082", &format!("127.0.0.1:{}", store.port));
    fs::write(store.path("config.yaml"), &text).unwrap();
    store.add_arguments(&["-config", "config.yaml"]);
    store.resume();
    let now = now_secs() / 10 * 10;
    store.write([Line::new("mem_used", "a1", 7.0, now)]);
    assert_eq!(store.values("a1", "mem_used", now, now + 10), [7.0]);
    fs::write(store.path("config.yaml"), format!("{text}  new_metric: *sum\n")).unwrap();
    store.signal("HUP");
    eventually("the metric is known", || {
        store.write([Line::new("new_metric", "a1", 3.0, now)]);
        (store.values("a1", "new_metric", now, now + 10) == [3.0]).then_some(())
    });
    fs::write(store.path("config.yaml"), format!("{text}  new_metric: {{ frequency: 0 }}\n")).unwrap();
    store.signal("HUP");
    let place = format!("config.yaml:{}#/metrics/new_metric/frequency: found 0", text.lines().count() + 1);
    eventually("the log tells", || store.log().contains(&place).then_some(()));
    store.check_alive();
}

/// The sections of other stores, as they are: what can take effect does, and the log names the rest.
#[test]
fn a_config_in_the_words_of_other_stores_starts_as_it_is() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let known = clients.issue("known");
    let mut store = Store::prepare(Config::new("native"));
    servers.issue("store").write(store.dir.path(), "store");
    clients.write(store.dir.path());
    let grpc_port = free_port();
    let text = format!(
        "server:
  grpc_addr: \"127.0.0.1:{}\"
  http_addr: \"127.0.0.1:{}\"
  max_concurrent_streams: 1000
  query_timeout_seconds: 30
  max_samples_per_query: 50000000
storage:
  data_dir: data
  retention_days: 30
  wal_segment_size_mb: 128
  block_duration_hours: 2
  max_head_samples: 1000000
  compaction_interval_seconds: 300
tls:
  cert_file: store.pem
  key_file: store-key.pem
  ca_file: authority.pem
  require_client_cert: true
",
        grpc_port, store.port
    );
    fs::write(store.path("config.yaml"), &text).unwrap();
    store.add_arguments(&["-config", "config.yaml"]);
    let mut store = store.with_https(servers.client(Some(&known)));
    store.resume();
    let log = store.log();
    assert!(!log.contains("/server/"), "all of it takes effect: {log}");
    let grpc = Grpc::secured(grpc_port, &servers, Some(&known));
    assert!(grpc.query(QueryRequest { query: "1".into(), ..QueryRequest::default() }).is_ok());
    for key in ["wal_segment_size_mb", "block_duration_hours", "max_head_samples", "compaction_interval_seconds"] {
        assert_eq!(log.matches(&format!("/storage/{key}: has no effect: ")).count(), 1, "{key} in {log}");
    }
    assert!(log.contains("/metrics: no metric is configured"), "{log}");
    assert!(store.path("data/checkpoints/.treering").is_dir());
    assert!(servers.client(None).get(store.url("/-/healthy")).send().is_err());
    // No metric is stored, and nothing goes wrong.
    let answer = store.send(store.request("POST", "/api/write").body(Line::new("any", "a1", 1.0, T0).to_string()));
    assert_eq!(answer.expect_status(200).header("treering-skipped"), "1");
    assert_eq!(store.metrics().sum("treering_dropped_total", "reason=\"unknown_metric\""), 1.0);
    // A metric comes by SIGHUP, as everywhere.
    fs::write(store.path("config.yaml"), format!("{text}metrics: {{any: {{frequency: 60}}}}\n")).unwrap();
    store.signal("HUP");
    eventually("the metric is known", || {
        store.write([Line::new("any", "a1", 2.0, T0)]);
        (store.metrics().sum("treering_samples_total", "") > 0.0).then_some(())
    });
    store.restart(How::Term);
    assert_eq!(store.log().matches("/metrics: no metric").count(), 1);
}

/// A new metric must not cost a restart of the store that holds everybody's data.
#[test]
fn sighup_adds_metrics() {
    let mut store = Store::start(Config::new("native"));
    let line = |k: i64| Line::new("new_metric", "a1", k as f64, T0 + 60 * k);
    store.write([line(0)]);
    store.write([Line::new("mem_used", "a1", 1.0, T0)]);
    let config = store.config().clone().metric("new_metric", 60, Some("sum"));
    let on_disk = config.clone().set("/main/addr", format!("127.0.0.1:{}", store.port));
    fs::write(store.path("config.json"), on_disk.json().to_string()).unwrap();
    store.signal("HUP");
    eventually("the metric is known", || {
        store.write([line(1)]);
        (store.values("a1", "new_metric", T0, T0 + 120) == [1.0]).then_some(())
    });
    assert_eq!(store.values("a1", "mem_used", T0, T0 + 60), [1.0]);
    // A broken file changes nothing.
    fs::write(store.path("config.json"), "{").unwrap();
    store.signal("HUP");
    eventually("the log tells", || store.log().contains("config.json").then_some(()));
    store.write([line(2)]);
    assert_eq!(store.values("a1", "new_metric", T0, T0 + 180), [1.0, 2.0]);
    store.check_alive();
}

/// Secrets come from the environment: the file may lie in a public repository.
#[test]
fn the_environment_overrides_secrets() {
    let signer = Signer::new(9);
    let mut store = Store::prepare(Config::new("native").set(setting::PUBLIC_KEY, ""));
    store.set_variable("TREERING_JWT_PUBLIC_KEY", &signer.public_key());
    store.resume();
    store.get("/api/debug").expect_status(401);
    let token = format!("Bearer {}", signer.token(&json!({})));
    store.send(store.request("GET", "/api/debug").header("authorization", token)).expect_status(200);
}
