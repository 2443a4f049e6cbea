//! The config of a store under test.

use std::path::Path;

use serde_json::{Value, json};

/// The forms of checkpoints; tests of the disk run in each.
pub const FORMATS: [&str; 3] = ["native", "wal", "json"];

/// Where Treering's additions to the config of cc-metric-store lie, as JSON pointers.
pub mod setting {
    pub const FUTURE_TOLERANCE: &str = "/metric-store/future-tolerance";
    pub const MEMORY_CAP: &str = "/metric-store/memory-cap";
    pub const RETENTION: &str = "/metric-store/retention-in-memory";
    pub const FORMAT: &str = "/metric-store/checkpoints/file-format";
    pub const CHECKPOINTS: &str = "/metric-store/checkpoints/directory";
    pub const CHECKPOINT_INTERVAL: &str = "/metric-store/checkpoint-interval";
    pub const PUBLIC_KEY: &str = "/main/jwt-public-key";
    pub const ROLES: &str = "/main/auth/roles";
    pub const PROTECT_METRICS: &str = "/main/auth/protect-metrics";
    pub const BODY_LIMIT: &str = "/main/body-limit";
    pub const COMPRESSION: &str = "/main/compression";
    pub const HTTPS_CERT: &str = "/main/https-cert-file";
    pub const HTTPS_KEY: &str = "/main/https-key-file";
    pub const CLIENT_CA: &str = "/main/client-ca-file";
    pub const CLIENT_CERTS: &str = "/main/client-certs";
    pub const CLIENT_CRL: &str = "/main/client-crl-file";
    pub const CERTIFICATES: &str = "/main/auth/certificates";
    pub const GRPC_ADDR: &str = "/main/grpc-addr";
    pub const GRPC_STREAMS: &str = "/main/limits/grpc-streams";
    pub const PROMETHEUS_ADDR: &str = "/prometheus/addr";
    pub const CORS_ORIGIN: &str = "/prometheus/cors-origin";
    pub const EXTERNAL_LABELS: &str = "/rules/external-labels";
    pub const USER: &str = "/main/user";
    pub const BACKEND_URL: &str = "/main/backend-url";
    pub const BACKEND_TOKEN: &str = "/main/backend-token";
    pub const NATS_ADDRESS: &str = "/nats/address";
    pub const NATS_USER: &str = "/nats/username";
    pub const NATS_PASSWORD: &str = "/nats/password";
    pub const NATS_CREDS: &str = "/nats/creds-file-path";
    pub const NATS_NKEY: &str = "/nats/nkey-seed-file";
    pub const NATS_TLS_CA: &str = "/nats/tls/ca-file";
    pub const NATS_TLS_CERT: &str = "/nats/tls/cert-file";
    pub const NATS_TLS_KEY: &str = "/nats/tls/key-file";
}

/// A config under construction. What [`Config::new`] answers is accepted by cc-metric-store too.
#[derive(Debug, Clone)]
pub struct Config(Value);

impl Config {
    /// Metrics at several frequencies, retention for ever, deletion, checkpoints only at shutdown.
    pub fn new(format: &str) -> Config {
        Config(json!({
            "main": {"addr": "", "jwt-public-key": ""},
            "metrics": {
                "cpu_load": {"frequency": 60, "aggregation": null},
                "mem_used": {"frequency": 60, "aggregation": "sum"},
                "flops_any": {"frequency": 60, "aggregation": "sum"},
                "ipc": {"frequency": 60, "aggregation": "avg"},
                "fast": {"frequency": 1, "aggregation": "avg"},
            },
            "metric-store": {
                "checkpoints": {"file-format": format, "directory": "./var/checkpoints"},
                "memory-cap": 4,
                "retention-in-memory": "438000h",
                "checkpoint-interval": "12h",
                "cleanup": {"mode": "delete"},
            },
        }))
    }

    /// A recorded config as it is.
    pub fn recorded(config: Value) -> Config {
        Config(config)
    }

    /// Sets the value at a JSON pointer and makes the sections on the way.
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Config {
        let mut at = &mut self.0;
        for key in pointer.split('/').skip(1) {
            at = match at {
                Value::Array(list) => &mut list[key.parse::<usize>().unwrap()],
                section => &mut section[key],
            };
        }
        *at = value.into();
        self
    }

    /// Sets a path to a file.
    pub fn set_path(self, pointer: &str, path: &Path) -> Config {
        self.set(pointer, path.to_str().unwrap())
    }

    /// Adds or replaces a metric.
    pub fn metric(self, name: &str, frequency_secs: u32, aggregation: Option<&str>) -> Config {
        self.set(&format!("/metrics/{name}"), json!({"frequency": frequency_secs, "aggregation": aggregation}))
    }

    /// Subscribes to a subject whose lines belong to `cluster` if they name none.
    pub fn subscribe(mut self, subject: &str, cluster: &str) -> Config {
        let list = &mut self.0["metric-store"]["nats-subscriptions"];
        if list.is_null() {
            *list = json!([]);
        }
        list.as_array_mut().unwrap().push(json!({"subscribe-to": subject, "cluster-tag": cluster}));
        self
    }

    /// Receives from a stream of JetStream; what is not acknowledged within a second comes again.
    pub fn subscribe_stream(self, subject: &str, cluster: &str, stream: &str, durable: &str) -> Config {
        let mut config = self.subscribe(subject, cluster);
        if let Some(last) = config.0["metric-store"]["nats-subscriptions"].as_array_mut().and_then(|all| all.last_mut())
        {
            last["jetstream"] = json!({"stream": stream, "durable": durable, "ack-wait": "1s"});
        }
        config
    }

    /// Points it to a NATS server.
    pub fn nats(self, address: &str) -> Config {
        self.set(setting::NATS_ADDRESS, address)
    }

    pub fn json(&self) -> &Value {
        &self.0
    }
}
