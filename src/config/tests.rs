//! Tests of the config as a whole: files in, settings or problems out.

mod plain;
mod remote_write;
mod yaml;
mod zstats;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::environment::OVERRIDES;
use super::schema::SCHEMA;
use super::*;
use crate::engine::{ArchiveOptions, CheckpointFormat, CleanupMode, Partition, ValueType, WalSync};
use crate::model::Aggregation;

/// A folder with a config file.
struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    fn new(config: impl std::fmt::Display) -> Self {
        let sandbox = Sandbox { folder: tempfile::tempdir().unwrap() };
        sandbox.write("config.json", config);
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl std::fmt::Display) {
        fs::write(self.path(name), content.to_string()).unwrap();
    }

    fn load(&self, environment: &Environment) -> Result<Config, Errors> {
        load(&self.path("config.json"), environment)
    }

    /// The problems, with the folder's path cut out.
    fn problems(&self, environment: &Environment) -> Vec<String> {
        let prefix = format!("{}/", self.folder.path().display());
        let errors = self.load(environment).expect_err("the config is bad");
        errors.to_string().lines().map(|line| line.replace(&prefix, "")).collect()
    }
}

fn loaded(config: &Value) -> Config {
    Sandbox::new(config).load(&Environment::empty()).unwrap()
}

fn problems(config: &Value) -> Vec<String> {
    Sandbox::new(config).problems(&Environment::empty())
}

/// The least that a config needs, with changes merged into it.
fn config(changes: Value) -> Value {
    let mut config = json!({ "main": {}, "metrics": { "m": { "frequency": 60 } }, "metric-store": {} });
    merge(&mut config, changes);
    config
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

const KEY: &str = "kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0=";

#[test]
fn a_config_of_cc_metric_store_loads_unchanged() {
    let config = loaded(&json!({
        "main": { "addr": "0.0.0.0:8082", "https-cert-file": "", "https-key-file": "", "jwt-public-key": KEY,
                  "user": "", "group": "", "backend-url": "", "debug": { "dump-to-file": "", "gops": false } },
        "nats": { "address": "nats://0.0.0.0:4222", "username": "root", "password": "root" },
        "metric-store": {
            "checkpoints": { "file-format": "wal", "directory": "./var/checkpoints", "max-wal-size": 1000 },
            "checkpoint-interval": "6h", "memory-cap": 100, "retention-in-memory": "48h", "num-workers": 3,
            "cleanup": { "mode": "archive", "directory": "./var/archive" }, "debug": null,
            "nats-subscriptions": [ { "subscribe-to": "hpc-nats", "cluster-tag": "fritz" } ]
        },
        "metrics": {
            "clock": { "frequency": 60, "aggregation": "avg" },
            "flops": { "frequency": 30, "aggregation": "sum" },
            "cpu_load": { "frequency": 60, "aggregation": null }
        }
    }));
    assert_eq!(config.warnings, Vec::<String>::new());
    let options = config.engine_options();
    assert_eq!(options.format, CheckpointFormat::Wal);
    assert_eq!(options.checkpoints, Path::new("./var/checkpoints"));
    assert_eq!(options.checkpoint_interval, Duration::from_secs(6 * 3600));
    assert_eq!(options.wal_bytes_max, 1000);
    assert_eq!(options.retention, Duration::from_secs(48 * 3600));
    assert_eq!(options.memory_bytes_max, 100_000_000_000);
    assert_eq!(options.workers, 3);
    assert_eq!(options.cleanup, CleanupMode::Archive(ArchiveOptions::new("./var/archive")));
    assert_eq!(options.future_tolerance, Duration::from_secs(3600));
    let table = config.metric_table();
    let flops = table.get(table.find("flops").unwrap());
    assert_eq!((flops.frequency_secs, flops.aggregation), (30, Aggregation::Sum));
    assert_eq!(table.get(table.find("cpu_load").unwrap()).aggregation, Aggregation::None);
    let nats = config.nats.unwrap();
    assert_eq!(nats.addresses, ["nats://0.0.0.0:4222"]);
    assert_eq!(nats.user, Some(("root".to_owned(), Secret::new("root"))));
    assert_eq!(
        nats.subscriptions,
        [Subscription { subject: "hpc-nats".into(), cluster: "fritz".into(), jetstream: None }]
    );
    assert_eq!(config.main.jwt_public_key.map(|key| key[0]), Some(0x93));
}

#[test]
fn an_almost_empty_config_has_defaults() {
    let config = loaded(&config(json!({})));
    assert_eq!(config.main.addr, "0.0.0.0:8082");
    assert_eq!(config.main.body_bytes_max, 1 << 30);
    assert_eq!(config.nats, None);
    let options = config.engine_options();
    assert_eq!((options.format, options.wal_sync), (CheckpointFormat::Native, WalSync::Interval));
    assert_eq!((options.memory_bytes_max, options.wal_bytes_max), (0, 0));
    assert!(options.workers >= 1);
    assert!(config.warnings.iter().any(|warning| warning.contains("/main/jwt-public-key")), "open to the world");
}

#[test]
fn every_key_of_our_own_is_understood() {
    let config = loaded(&config(json!({
        "main": {
            "addr": "127.0.0.1:0", "https-cert-file": "c.pem", "https-key-file": "k.pem", "client-ca-file": "ca.pem",
            "client-crl-file": "crl.pem", "jwt-public-key": KEY, "body-limit": 5000, "compression": "off", "backend-url": "https://b:1/",
            "backend-token": "t", "auth": { "roles": { "read": ["user"], "free": [] }, "protect-metrics": true,
                      "certificates": { "spiffe://a/b": ["user"] } },
            "limits": { "connections": 5, "writes": 0, "queries": 6, "header-timeout": "1s", "stall-timeout": "500ms",
                        "shutdown-timeout": "1m" }
        },
        "metric-store": {
            "future-tolerance": "5m", "wal-sync": "always", "memory-cap": "512MB",
            "nats-subscriptions": [
                { "subscribe-to": "m.>", "jetstream": { "stream": "S", "durable": "d", "ack-wait": "1m" } },
                { "subscribe-to": "m.>", "jetstream": { "stream": "S", "durable": "e" } }
            ],
            "limits": { "hosts": 1, "components-per-host": 2, "series-per-host": 3, "name-bytes": 4,
                        "stamped-per-host": 5, "stamped": 6, "labels-per-series": 7, "label-name-bytes": 8,
                        "label-value-bytes": 9, "exemplars-per-series": 0, "metadata": 11 },
            "cleanup": { "mode": "archive", "directory": "/a", "compression-level": 19, "partition-by": "day",
                         "value-type": "float64", "split-bytes": false, "max-age": "8760h", "max-size": "1.5TB" }
        },
        "nats": { "address": ["nats://a:4222, b", "tls://c:1"], "nkey-seed-file": "seed",
                  "tls": { "ca-file": "ca", "cert-file": "c", "key-file": "k" } }
    })));
    assert_eq!(config.main.client_certs, ClientCerts::Optional);
    assert_eq!(config.main.body_bytes_max, 5000);
    assert_eq!(config.main.compression, Compression::Off);
    assert_eq!(config.main.backend, Some(Backend { url: "https://b:1".into(), token: Some(Secret::new("t")) }));
    assert_eq!(config.main.auth.roles(Role::Read), Some(&["user".to_owned()][..]));
    assert_eq!(config.main.auth.roles(Role::Write), None);
    assert_eq!(config.main.auth.roles(Role::Free), Some(&[][..]));
    assert!(config.main.auth.protect_metrics);
    assert_eq!(config.main.auth.certificates, [("spiffe://a/b".to_owned(), vec!["user".to_owned()])].into());
    assert_eq!(config.main.client_crl_file, Some("crl.pem".into()));
    let limits = &config.main.limits;
    assert_eq!((limits.connections_max, limits.writes_max, limits.queries_max), (5, None, Some(6)));
    assert_eq!((limits.header_timeout, limits.stall_timeout), (Duration::from_secs(1), Duration::from_millis(500)));
    assert_eq!((limits.idle_timeout, limits.shutdown_timeout), (Duration::from_secs(150), Duration::from_secs(60)));
    let options = config.engine_options();
    assert_eq!(options.future_tolerance, Duration::from_secs(300));
    assert_eq!(options.wal_sync, WalSync::Always);
    assert_eq!(options.memory_bytes_max, 512_000_000);
    assert_eq!((options.limits.hosts_max, options.limits.name_bytes_max), (1, 4));
    assert_eq!((options.limits.stamped_per_host_max, options.limits.stamped_max), (5, 6));
    assert_eq!((options.limits.labels_per_series_max, options.limits.label_name_bytes_max), (7, 8));
    assert_eq!((options.limits.label_value_bytes_max, options.limits.exemplars_per_series_max), (9, 0));
    assert_eq!(options.limits.metadata_max, 11);
    let archive = ArchiveOptions {
        compression_level: 19,
        value: ValueType::Float64,
        split_bytes: false,
        partition: Partition::Day,
        max_age: Some(Duration::from_secs(8760 * 3600)),
        bytes_max: 1_500_000_000_000,
        ..ArchiveOptions::new("/a")
    };
    assert_eq!(options.cleanup, CleanupMode::Archive(archive));
    let nats = config.nats.clone().unwrap();
    assert_eq!(nats.addresses, ["nats://a:4222", "b", "tls://c:1"]);
    assert_eq!(nats.tls.client, Some(TlsFiles { cert_file: "c".into(), key_file: "k".into() }));
    let durable = |durable: &str, secs| {
        let ack_wait = Duration::from_secs(secs);
        Some(JetStream { stream: "S".into(), durable: durable.into(), ack_wait })
    };
    let durables: Vec<_> = nats.subscriptions.into_iter().map(|subscription| subscription.jetstream).collect();
    assert_eq!(durables, [durable("d", 60), durable("e", 10)]);
}

#[test]
fn every_problem_is_named_with_its_place() {
    let problems = problems(&json!({
        "main": { "adr": ":1", "https-cert-file": "c.pem", "jwt-public-key": "c2hvcnQ=", "compression": "gzip",
                  "backend-url": "localhost", "auth": { "protect-metrics": "yes" } },
        "nats": { "address": 4222, "password": 12345, "colour": true },
        "metric-store": {
            "retention-in-memory": "2d", "memory-cap": -1, "checkpoint-interval": "0s", "wal-sync": "fast",
            "cleanup": { "mode": "archive" }, "nats-subscriptions": [ { "subscribe-to": "a..b" }, { "cluster-tag": "x" } ]
        },
        "metrics": { "a": { "frequency": 0, "aggregation": "mean" }, "b": { "aggregation": "sum" }, "c": null,
                     "d/e": { "frequency": "60" } }
    }));
    let mut expected = vec![
        r#"config.json#/main/adr: unknown key, did you mean "addr"?"#,
        r#"config.json#/main/https-key-file: missing, expected a file, as /main/https-cert-file has one"#,
        r#"config.json#/main/jwt-public-key: found 5 bytes in base64, expected 32 bytes in base64"#,
        r#"config.json#/main/compression: found "gzip", expected "auto", "on" or "off""#,
        r#"config.json#/main/backend-url: found "localhost", expected a URL like "https://localhost:8080""#,
        r#"config.json#/main/auth/protect-metrics: found "yes", expected a boolean"#,
        r#"config.json#/nats/address: found 4222, expected a string or an array"#,
        r#"config.json#/nats/password: found a value, expected a string"#,
        r#"config.json#/nats/colour: unknown key, expected one of address, creds-file-path, nkey-seed-file, password, tls, username"#,
        r#"config.json#/metric-store/retention-in-memory: found "2d", expected a duration like "48h", "1h30m" or "300ms""#,
        r#"config.json#/metric-store/memory-cap: found -1, expected at least 0"#,
        r#"config.json#/metric-store/checkpoint-interval: found "0s", expected at least 1s"#,
        r#"config.json#/metric-store/wal-sync: found "fast", expected "interval", "always" or "never""#,
        r#"config.json#/metric-store/cleanup/directory: missing, expected a folder, as /metric-store/cleanup/mode is "archive""#,
        r#"config.json#/metric-store/nats-subscriptions/0/subscribe-to: found "a..b", expected a subject like "metrics.fritz", "metrics.*" or "metrics.>""#,
        r#"config.json#/metric-store/nats-subscriptions/1/subscribe-to: missing, expected a string"#,
        r#"config.json#/metrics/a/frequency: found 0, expected at least 1"#,
        r#"config.json#/metrics/a/aggregation: found "mean", expected "sum", "avg" or null"#,
        r#"config.json#/metrics/b/frequency: missing, expected an integer"#,
        r#"config.json#/metrics/c: found null, expected an object"#,
        r#"config.json#/metrics/d~1e/frequency: found "60", expected an integer"#,
    ];
    let mut problems: Vec<&str> = problems.iter().map(String::as_str).collect();
    problems.sort_unstable();
    expected.sort_unstable();
    assert_eq!(problems, expected);
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    let cases = [
        (json!({ "main": { "auth": { "roles": { "write": ["w"] } } } }), "/main/auth/roles/write"),
        (json!({ "main": { "auth": { "protect-metrics": true } } }), "/main/auth/protect-metrics"),
        (
            json!({ "main": { "client-certs": "required", "https-cert-file": "c", "https-key-file": "k" } }),
            "/main/client-ca-file",
        ),
        (json!({ "main": { "client-ca-file": "ca.pem" } }), "/main/https-cert-file"),
        (json!({ "main": { "client-crl-file": "revoked.pem" } }), "/main/client-crl-file"),
        (json!({ "main": { "auth": { "certificates": { "a": [] } } } }), "/main/auth/certificates"),
        (
            json!({ "main": { "https-cert-file": "c", "https-key-file": "k", "client-ca-file": "a",
                              "auth": { "certificates": { "": [] } } } }),
            "/main/auth/certificates/",
        ),
        (json!({ "main": { "addr": "8082" } }), "/main/addr"),
        (json!({ "main": { "body-limit": 0 } }), "/main/body-limit"),
        (json!({ "main": { "body-limit": "much" } }), "/main/body-limit"),
        (json!({ "metric-store": { "memory-cap": "16 gigs" } }), "/metric-store/memory-cap"),
        (
            json!({ "metric-store": { "cleanup": { "mode": "archive", "directory": "var/checkpoints/old" } } }),
            "/metric-store/cleanup/directory",
        ),
        (json!({ "nats": { "creds-file-path": "a", "nkey-seed-file": "b" } }), "/nats/nkey-seed-file"),
        (json!({ "nats": { "tls": { "key-file": "k" } } }), "/nats/tls/cert-file"),
        (json!({ "nats": { "address": ["a", "http://b"] } }), "/nats/address/1"),
        (json!({ "metrics": { "": { "frequency": 1 } } }), "/metrics/"),
        (
            json!({ "metric-store": { "nats-subscriptions": [{ "subscribe-to": "a", "cluster-tag": "../x" }] } }),
            "/metric-store/nats-subscriptions/0/cluster-tag",
        ),
        (
            json!({ "metric-store": { "nats-subscriptions": [
                { "subscribe-to": "a", "jetstream": { "stream": "a.b", "durable": "d" } }
            ] } }),
            "/metric-store/nats-subscriptions/0/jetstream/stream",
        ),
        (
            json!({ "metric-store": { "nats-subscriptions": [
                { "subscribe-to": "a", "jetstream": { "stream": "S" } }
            ] } }),
            "/metric-store/nats-subscriptions/0/jetstream/durable",
        ),
        (
            json!({ "metric-store": { "nats-subscriptions": [
                { "subscribe-to": "a", "jetstream": { "stream": "S", "durable": "d", "ack-wait": "999ms" } }
            ] } }),
            "/metric-store/nats-subscriptions/0/jetstream/ack-wait",
        ),
        (
            json!({ "metric-store": { "nats-subscriptions": [
                { "subscribe-to": "a", "jetstream": { "stream": "S", "durable": "d" } },
                { "subscribe-to": "b", "jetstream": { "stream": "S", "durable": "e" } },
                { "subscribe-to": "c", "jetstream": { "stream": "S", "durable": "d" } }
            ] } }),
            "/metric-store/nats-subscriptions/2/jetstream/durable",
        ),
    ];
    for (changes, pointer) in cases {
        let problems = problems(&config(changes));
        assert!(problems.len() == 1 && problems[0].starts_with(&format!("config.json#{pointer}: ")), "{problems:?}");
    }
}

#[test]
fn syntax_errors_have_line_and_column() {
    let problems = Sandbox::new("{\n  \"main\": {,}\n}").problems(&Environment::empty());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("config.json: no valid JSON: "), "{problems:?}");
    assert!(problems[0].ends_with("at line 2 column 12"), "{problems:?}");
}

#[test]
fn a_missing_file_is_one_problem() {
    let folder = tempfile::tempdir().unwrap();
    let errors = load(&folder.path().join("none.json"), &Environment::empty()).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    assert!(errors.to_string().contains("none.json: cannot be read: "), "{errors}");
}

#[test]
fn missing_sections_are_named_and_strange_ones_ignored() {
    assert_eq!(
        problems(&json!({ "$schema": "x" })),
        [
            "config.json#/main: missing, expected an object",
            "config.json#/metrics: missing, expected an object",
            "config.json#/metric-store: missing, expected an object"
        ]
    );
    let config = loaded(&config(json!({ "cron": {}, "main": { "addr": "127.0.0.1:1" } })));
    assert!(config.warnings.len() == 1 && config.warnings[0].ends_with("#/cron: unknown section, ignored"));
    let mut slip = super::tests::config(json!({ "metric_store": {} }));
    slip.as_object_mut().unwrap().remove("metric-store");
    assert_eq!(problems(&slip), [r#"config.json#/metric_store: unknown section, did you mean "metric-store"?"#]);
}

#[test]
fn sections_may_lie_in_files_of_their_own() {
    let sandbox = Sandbox::new("");
    let metrics = sandbox.path("metrics.json");
    let main = json!({ "main": {}, "metric-store": {}, "metrics-file": metrics });
    sandbox.write("config.json", &main);
    sandbox.write("metrics.json", json!({ "a": { "frequency": 5, "aggregation": "sum" } }));
    let config = sandbox.load(&Environment::empty()).unwrap();
    assert_eq!(config.metrics().len(), 1);

    sandbox.write("metrics.json", json!({ "a": { "frequency": 0 } }));
    let problems = sandbox.problems(&Environment::empty());
    assert_eq!(problems, ["metrics.json#/a/frequency: found 0, expected at least 1"]);

    fs::remove_file(&metrics).unwrap();
    let problems = sandbox.problems(&Environment::empty());
    assert!(problems.len() == 1 && problems[0].starts_with("metrics.json: cannot be read: "), "{problems:?}");

    let mut both = main;
    merge(&mut both, json!({ "metrics": {} }));
    sandbox.write("config.json", both);
    let problems = sandbox.problems(&Environment::empty());
    assert!(problems.len() == 1 && problems[0].starts_with("config.json#/metrics-file: found both"), "{problems:?}");
}

#[test]
fn variables_override_secrets() {
    let sandbox = Sandbox::new(config(json!({ "nats": { "address": "a", "username": "u", "password": "p" } })));
    sandbox.write("password", "from file\n");
    let password_file = sandbox.path("password").display().to_string();
    let environment: Environment = [
        ("TREERING_JWT_PUBLIC_KEY", KEY),
        ("TREERING_NATS_USERNAME", "other"),
        ("TREERING_NATS_PASSWORD_FILE", password_file.as_str()),
        ("TREERING_NATS_CREDS_FILE_PATH", ""),
    ]
    .into_iter()
    .collect();
    let config = sandbox.load(&environment).unwrap();
    assert!(config.main.jwt_public_key.is_some());
    let nats = config.nats.clone().unwrap();
    assert_eq!(nats.user, Some(("other".to_owned(), Secret::new("from file"))));
    assert_eq!(nats.creds_file, None, "an empty variable is none");
    assert!(!format!("{config:?}").contains("from file"), "secrets do not show in logs");
}

#[test]
fn problems_with_variables_name_the_variable() {
    let sandbox = Sandbox::new(config(json!({})));
    let environment: Environment = [
        ("TREERING_JWT_PUBLIC_KEY", "abc"),
        ("TREERING_BACKEND_TOKEN", "a"),
        ("TREERING_BACKEND_TOKEN_FILE", "b"),
        ("TREERING_NATS_PASSWORD_FILE", "/nonexistent/file"),
    ]
    .into_iter()
    .collect();
    let problems = sandbox.problems(&environment);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("$TREERING_BACKEND_TOKEN_FILE: found both"), "{problems:?}");
    assert!(problems[1].starts_with("$TREERING_NATS_PASSWORD_FILE: found \"/nonexistent/file\""), "{problems:?}");
    assert_eq!(problems[2], "$TREERING_JWT_PUBLIC_KEY: found \"abc\", expected 32 bytes in base64");
}

#[test]
fn a_reload_names_what_needs_a_restart() {
    let old = loaded(&config(json!({ "main": { "addr": "127.0.0.1:1" } })));
    let same_but_metrics = loaded(&config(json!({
        "main": { "addr": "127.0.0.1:1" }, "metrics": { "m": { "frequency": 1 }, "n": { "frequency": 1 } }
    })));
    assert_eq!(restart_needed(&old, &same_but_metrics), Vec::<String>::new());
    let other = loaded(&config(json!({
        "main": { "addr": "127.0.0.1:2" }, "metric-store": { "memory-cap": 5 }, "nats": { "address": "a" }
    })));
    assert_eq!(restart_needed(&old, &other), ["/main/addr", "/metric-store/memory-cap", "/nats"]);
}

#[test]
fn the_examples_load() {
    let mut seen = 0;
    for entry in fs::read_dir(repository("configs")).unwrap() {
        let path = entry.unwrap().path();
        let is_schema = path.ends_with("treering.schema.json");
        if !is_schema && path.extension().is_some_and(|extension| extension == "json" || extension == "yaml") {
            let config = load(&path, &Environment::empty()).unwrap_or_else(|errors| panic!("{errors}"));
            assert!(!config.metrics().is_empty(), "{path:?}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn the_first_example_is_safe_and_quiet() {
    let config = load(&repository("configs/config.json"), &Environment::empty()).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    assert!(config.main.addr.starts_with("127.0.0.1:"), "without tokens only for this machine");
    assert_eq!(config.nats, None);
}

#[test]
fn the_full_example_has_every_key_with_its_default() {
    let text = fs::read_to_string(repository("configs/config-full.json")).unwrap();
    let full: Value = serde_json::from_str(&text).unwrap();
    for (pointer, schema) in keys() {
        let file = pointer.matches('/').count() == 1 && pointer.ends_with("-file");
        // The same in other words would be a contradiction.
        let plain =
            crate::config::plain::PLAIN_SECTIONS.iter().any(|section| pointer[1..].split('/').next() == Some(section));
        if file || plain || pointer.starts_with("/metrics") || pointer.contains('*') {
            continue;
        }
        let value = full.pointer(&pointer).unwrap_or_else(|| panic!("{pointer} is missing in config-full.json"));
        if let Some(default) = schema.get("default") {
            assert_eq!(value, default, "{pointer}");
        }
    }
    let mut bare = config(json!({}));
    bare["metrics"] = full["metrics"].clone();
    let (mut full, mut bare) = (loaded(&full), loaded(&bare));
    // The documents behind them differ; nothing else may.
    bare.effective.0 = Value::Null;
    full.effective.0 = Value::Null;
    assert_eq!(format!("{full:?}"), format!("{bare:?}"));
}

#[test]
fn the_documentation_names_every_key_and_variable() {
    let text = fs::read_to_string(repository("docs/configuration.md")).unwrap();
    let mut section = "";
    let mut documented = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            section = name.trim_matches('`');
        }
        if let Some(key) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`')).map(|(key, _)| key) {
            let key = key.replace("[]", "/*").replace('.', "/");
            documented.insert(match section {
                "metrics" => format!("/metrics/*/{key}"),
                "main" | "metric-store" | "nats" | "prometheus" | "remote-write" | "rules" | "server" | "storage"
                | "tls" | "zstats" => {
                    format!("/{section}/{key}")
                }
                _ => format!("/{key}"),
            });
        }
    }
    let known: BTreeSet<String> = keys()
        .into_iter()
        .map(|(pointer, _)| pointer)
        .filter(|pointer| !pointer.ends_with("/*"))
        .filter(|pointer| pointer.matches('/').count() > 1 || !pointer.ends_with("-file"))
        .chain(OVERRIDES.iter().map(|(name, _)| format!("/{name}")))
        .collect();
    assert_eq!(documented, known);
}

/// Every key of the schema as a JSON pointer, `*` standing for any name and any place in a list.
fn keys() -> Vec<(String, &'static Value)> {
    fn walk(schema: &'static Value, pointer: &str, keys: &mut Vec<(String, &'static Value)>) {
        for (key, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let pointer = format!("{pointer}/{key}");
            keys.push((pointer.clone(), schema));
            walk(schema, &pointer, keys);
        }
        for inner in ["additionalProperties", "items"] {
            if let Some(schema) = schema.get(inner).filter(|schema| schema.is_object()) {
                walk(schema, &format!("{pointer}/*"), keys);
            }
        }
    }
    let mut keys = Vec::new();
    walk(&SCHEMA, "", &mut keys);
    keys
}

/// Any JSON, with keys of ours here and there, so that it gets beyond the first check.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9:/.,]{0,6}".prop_map(Value::from),
    ];
    let names: BTreeSet<String> =
        keys().into_iter().filter_map(|(pointer, _)| Some(pointer.rsplit_once('/')?.1.to_owned())).collect();
    let names: Vec<String> = names.into_iter().chain(["x/y".to_owned(), "~".to_owned()]).collect();
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(names.clone()), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// The stages agree: what passes the schema is read by serde, and whatever breaks it can be taken out, so no
    /// JSON ends in the message of a stage that should never fail.
    #[test]
    fn any_json_is_a_config_or_a_list_of_problems_in_places(main in any_json(), store in any_json(), nats in any_json(),
                                                            metrics in any_json(), plain in any_json()) {
        let mut document = json!({ "main": main, "metric-store": store, "nats": nats, "metrics": metrics });
        if let Value::Object(_) = plain {
            merge(&mut document, json!({ "server": plain, "storage": plain, "tls": plain }));
        }
        if let Err(errors) = Sandbox::new(&document).load(&Environment::empty()) {
            for problem in errors.0 {
                prop_assert!(matches!(&problem.location, Location::File { pointer, .. } if !pointer.is_empty()),
                             "{}", problem);
            }
        }
    }
}

#[test]
fn prometheus_has_an_address_and_origins_of_its_own() {
    let mut whole = config(json!({}));
    let loaded_with = |changes: Value| {
        let mut whole = config(json!({}));
        merge(&mut whole, changes);
        loaded(&whole)
    };
    let default = loaded(&whole).prometheus;
    assert!(default.addr.is_none());
    assert!(default.cors_origin.unwrap().is_all());
    let own = json!({ "addr": ":9090", "cors-origin": "https?://a" });
    let own = loaded_with(json!({ "prometheus": own })).prometheus;
    assert_eq!(own.addr.as_deref(), Some(":9090"));
    let pattern = own.cors_origin.unwrap();
    assert!(pattern.matches("http://a") && !pattern.matches("http://a.b"));
    let none = loaded_with(json!({ "prometheus": { "cors-origin": "" } })).prometheus;
    assert!(none.cors_origin.is_none());
    merge(
        &mut whole,
        json!({
            "main": { "grpc-addr": "nowhere" },
            "prometheus": { "addr": "9090", "cors-origin": "(" }
        }),
    );
    let errors = problems(&whole).join("\n");
    for pointer in ["/main/grpc-addr", "/prometheus/addr", "/prometheus/cors-origin"] {
        assert!(errors.contains(&format!("{pointer}: ")), "{pointer} in {errors}");
    }
}
