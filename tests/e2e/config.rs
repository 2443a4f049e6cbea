//! The config file: errors that help, and changes while running.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Config, Line, Signer, Store, T0, binary, eventually, now_secs, setting};

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
