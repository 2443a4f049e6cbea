//! Configs in the words of other stores: the sections `server`, `storage` and `tls`.

use super::*;

/// The whole of a config in the words of other stores.
fn plain() -> Value {
    json!({
        "server": { "grpc_addr": "0.0.0.0:9090", "http_addr": "127.0.0.1:9091", "max_concurrent_streams": 1000,
                    "query_timeout_seconds": 30, "max_samples_per_query": 40_000_000 },
        "storage": { "data_dir": "/var/lib/treering/", "retention_days": 15, "wal_segment_size_mb": 128,
                     "block_duration_hours": 2, "max_head_samples": 10_000_000, "compaction_interval_seconds": 300 },
        "tls": { "cert_file": "c.pem", "key_file": "k.pem", "ca_file": "ca.pem", "require_client_cert": true }
    })
}

#[test]
fn a_config_in_the_words_of_other_stores_loads_unchanged() {
    let whole = loaded(&plain());
    assert_eq!(whole.main.addr, "127.0.0.1:9091");
    assert_eq!(whole.main.grpc_addr.as_deref(), Some("0.0.0.0:9090"));
    assert_eq!(whole.main.limits.grpc_streams_max, 1000);
    assert_eq!(whole.main.https, Some(TlsFiles { cert_file: "c.pem".into(), key_file: "k.pem".into() }));
    assert_eq!(whole.main.client_ca_file, Some("ca.pem".into()));
    assert_eq!(whole.main.client_certs, ClientCerts::Required);
    let options = whole.engine_options();
    assert_eq!(options.checkpoints, Path::new("/var/lib/treering/checkpoints"));
    assert_eq!(options.retention, Duration::from_secs(15 * 86_400));
    assert_eq!(whole.prometheus.query_timeout, Duration::from_secs(30));
    assert_eq!(whole.prometheus.query_samples_max, 40_000_000);
    assert_eq!(whole.metrics(), []);
    // One line for each key without effect, and one for the metrics that are not there.
    let begins = [
        "/storage/wal_segment_size_mb: has no effect: ",
        "/storage/block_duration_hours: has no effect: ",
        "/storage/max_head_samples: has no effect: ",
        "/storage/compaction_interval_seconds: has no effect: ",
    ];
    for begin in begins {
        let lines = whole.warnings.iter().filter(|line| line.starts_with(begin)).count();
        assert_eq!(lines, 1, "{begin}: {:?}", whole.warnings);
    }
    assert!(whole.warnings.iter().any(|line| line.starts_with("/metrics: no metric is configured: ")));
    assert_eq!(whole.warnings.len(), begins.len() + 1, "{:?}", whole.warnings);

    // Any of the three is enough, and the others may stand beside them.
    for section in ["server", "storage", "tls"] {
        assert!(loaded(&json!({ section: {} })).metrics().is_empty());
    }
    let mut both = config(json!({}));
    merge(&mut both, json!({ "server": { "http_addr": "127.0.0.1:5" }, "tls": { "require_client_cert": false } }));
    let both = loaded(&both);
    assert_eq!((both.main.addr.as_str(), both.main.client_certs), ("127.0.0.1:5", ClientCerts::Off));
    assert_eq!((both.metrics().len(), both.warnings.len()), (1, 0), "{:?}", both.warnings);
    let optional =
        json!({ "tls": { "cert_file": "c", "key_file": "k", "ca_file": "a", "require_client_cert": false } });
    assert_eq!(loaded(&optional).main.client_certs, ClientCerts::Optional);
}

#[test]
fn mistakes_in_the_words_of_other_stores_are_told_in_them() {
    for (changes, expected) in [
        (
            json!({ "main": { "addr": ":1" } }),
            "/server/http_addr: found both it and /main/addr, which mean the same, expected one of them",
        ),
        (
            json!({ "metric-store": { "retention-in-memory": "48h" } }),
            "/storage/retention_days: found both it and /metric-store/retention-in-memory, which mean the same, \
             expected one of them",
        ),
        (
            json!({ "server": { "http_addr": "9091" } }),
            r#"/server/http_addr: found "9091", expected a host and a port like "0.0.0.0:8082", "[::1]:8082" or ":8082""#,
        ),
        (
            json!({ "server": { "grpc_addr": "9090" } }),
            r#"/server/grpc_addr: found "9090", expected a host and a port like "0.0.0.0:8082", "[::1]:8082" or ":8082""#,
        ),
        (json!({ "server": { "http-addr": ":1" } }), r#"/server/http-addr: unknown key, did you mean "http_addr"?"#),
        (
            json!({ "server": { "max_concurrent_streams": -1 } }),
            "/server/max_concurrent_streams: found -1, expected at least 0",
        ),
        (json!({ "storage": { "data_dirs": "x" } }), r#"/storage/data_dirs: unknown key, did you mean "data_dir"?"#),
        (json!({ "storage": { "retention_days": 0 } }), "/storage/retention_days: found 0, expected at least 1"),
        (
            json!({ "storage": { "retention_days": "15d" } }),
            r#"/storage/retention_days: found "15d", expected an integer"#,
        ),
        (json!({ "storage": { "retention_days": 1.5 } }), "/storage/retention_days: found 1.5, expected an integer"),
        (json!({ "tls": { "key_file": null } }), "/tls/key_file: missing, expected a file, as /tls/cert_file has one"),
        (
            json!({ "tls": { "ca_file": "" } }),
            "/tls/ca_file: missing, expected a file with authorities, as /tls/require_client_cert asks for certificates",
        ),
        (
            json!({ "tls": { "require_client_cert": "yes" } }),
            r#"/tls/require_client_cert: found "yes", expected a boolean"#,
        ),
    ] {
        let mut document = plain();
        merge(&mut document, changes);
        assert_eq!(problems(&document), [format!("config.json#{expected}")]);
    }
    let slip = json!({ "severs": {}, "metrics": {}, "main": {}, "metric-store": {} });
    assert_eq!(problems(&slip), [r#"config.json#/severs: unknown section, did you mean "server"?"#]);
}
