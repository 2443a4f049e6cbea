//! The config file's form: what serde reads and what the JSON schema is derived from.
//!
//! Everything is optional here, for a value that broke the schema is taken out before the rest is read. The first
//! line of a field's comment is its description in the schema; `default` in the schema is what its absence means.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::engine::{CheckpointFormat, Partition, ValueType, WalSync};

use super::plain::{PLAIN_SECTIONS, ServerSection, StorageSection, TlsSection};
use super::prometheus::PrometheusSection;
use super::remote_write::RemoteWriteSection;
use super::rules::RulesSection;
use super::settings::{ClientCerts, Compression};
use super::zstats::ZstatsSection;

/// The configuration of Treering. Sections may lie in files of their own: the key NAME-file names the file of the
/// section NAME. Unknown sections are ignored.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(title = "Treering", extend("if" = without_plain_sections(), "then" = {
    "required": ["main", "metrics", "metric-store"]
}))]
pub(super) struct ConfigFile {
    /// The server.
    #[serde(default)]
    pub main: MainSection,
    /// The metrics by name; samples of others are dropped and counted.
    #[serde(default)]
    pub metrics: BTreeMap<String, MetricEntry>,
    /// The store and its files.
    #[serde(default)]
    pub metric_store: MetricStoreSection,
    /// The connection to NATS; without an address there is none.
    #[serde(default)]
    pub nats: NatsSection,
    /// How PromQL is answered.
    #[serde(default)]
    pub prometheus: PrometheusSection,
    /// Which series with labels of their own come in, and where they go.
    #[serde(default)]
    pub remote_write: RemoteWriteSection,
    /// Which rules are evaluated, and who is told of alerts.
    #[serde(default)]
    pub rules: RulesSection,
    /// Addresses, in the words of other stores: with this section, storage or tls, no other section is needed.
    #[serde(default)]
    pub server: ServerSection,
    /// The store's files, in the words of other stores.
    #[serde(default)]
    pub storage: StorageSection,
    /// Certificates, in the words of other stores.
    #[serde(default)]
    pub tls: TlsSection,
    /// Who may ship scrapes as differences; without a token nobody may.
    #[serde(default)]
    pub zstats: ZstatsSection,
}

/// The schema of a file that has none of the sections of [`super::plain`].
fn without_plain_sections() -> serde_json::Value {
    let sections = PLAIN_SECTIONS.map(|section| serde_json::json!({ "required": [section] }));
    serde_json::json!({ "not": { "anyOf": sections } })
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct MainSection {
    /// Address and port to listen on.
    #[schemars(extend("default" = "0.0.0.0:8082"))]
    pub addr: Option<String>,
    /// Address and port of gRPC; empty: none.
    #[schemars(extend("default" = ""))]
    pub grpc_addr: Option<String>,
    /// File with the certificate chain (PEM); with https-key-file it switches HTTPS on.
    #[schemars(extend("default" = ""))]
    pub https_cert_file: Option<String>,
    /// File with the certificate's private key (PEM).
    #[schemars(extend("default" = ""))]
    pub https_key_file: Option<String>,
    /// File with the authorities (PEM) that client certificates are checked against.
    #[schemars(extend("default" = ""))]
    pub client_ca_file: Option<String>,
    /// Whether clients may or must show a certificate; optional when client-ca-file is set, else off.
    #[serde(default)]
    #[schemars(with = "ClientCertsWord", extend("default" = "off"))]
    pub client_certs: Option<ClientCerts>,
    /// File with lists (PEM) of client certificates that were revoked.
    #[schemars(extend("default" = ""))]
    pub client_crl_file: Option<String>,
    /// Ed25519 public key that checks the tokens, 32 bytes in base64; empty: no token needed.
    #[schemars(extend("default" = ""))]
    pub jwt_public_key: Option<String>,
    /// Who may do what.
    #[serde(default)]
    pub auth: AuthSection,
    /// User to become after binding the port.
    #[schemars(extend("default" = ""))]
    pub user: Option<String>,
    /// Group to become after binding the port.
    #[schemars(extend("default" = ""))]
    pub group: Option<String>,
    /// URL of the cc-backend that knows which nodes are in use.
    #[schemars(extend("default" = ""))]
    pub backend_url: Option<String>,
    /// Token for cc-backend.
    #[schemars(extend("default" = ""))]
    pub backend_token: Option<String>,
    /// Largest body of a request, after decompression: bytes, or a text with a unit.
    #[serde(default)]
    #[schemars(with = "Quantity", extend("default" = "1GiB"))]
    pub body_limit: Option<Quantity>,
    /// Whether answers are compressed.
    #[serde(default)]
    #[schemars(with = "CompressionWord", extend("default" = "auto"))]
    pub compression: Option<Compression>,
    /// Bounds against floods and slow or dead peers.
    #[serde(default)]
    pub limits: ServerLimitsSection,
    /// Accepted for the sake of old files, without effect.
    #[serde(default)]
    pub debug: DebugSection,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct ServerLimitsSection {
    /// Connections at a time; more are refused. Never more than the system's limit of open files leaves room for.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 16_384))]
    pub connections: Option<usize>,
    /// Pieces of writes that are stored at a time, a thread each; 0: two for each processor, 4 to 64.
    #[schemars(range(min = 0, max = 256), extend("default" = 0))]
    pub writes: Option<usize>,
    /// Queries that are computed at a time, a thread or more each; 0: four for each processor, 16 to 128.
    #[schemars(range(min = 0, max = 256), extend("default" = 0))]
    pub queries: Option<usize>,
    /// Calls at a time on one connection of gRPC; clients open another connection for more, or wait; 0: 100.
    #[schemars(range(min = 0, max = 4_294_967_295u64), extend("default" = 100))]
    pub grpc_streams: Option<u64>,
    /// How long the head of a request, and the first byte of a connection, may take, as a Go duration.
    #[schemars(extend("default" = "15s"))]
    pub header_timeout: Option<String>,
    /// How long a connection without a request stays open, as a Go duration.
    #[schemars(extend("default" = "150s"))]
    pub idle_timeout: Option<String>,
    /// How long a client may take for each 16 KiB of its body or of its answer, as a Go duration.
    #[schemars(extend("default" = "30s"))]
    pub stall_timeout: Option<String>,
    /// How long a request waits for its turn before it is refused with 429, as a Go duration.
    #[schemars(extend("default" = "10s"))]
    pub turn_timeout: Option<String>,
    /// How long the end may take, from the signal to the exit, as a Go duration.
    #[schemars(extend("default" = "10s"))]
    pub shutdown_timeout: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct AuthSection {
    /// Roles that a token or certificate needs, by what it may do; without a list any valid one may.
    #[serde(default)]
    pub roles: RolesSection,
    /// The roles of client certificates, by a name in them: the common name, a DNS name, or a URI.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub certificates: BTreeMap<String, Vec<String>>,
    /// Whether /metrics, /-/healthy, /-/ready and /swagger/ need a token too.
    #[schemars(extend("default" = false))]
    pub protect_metrics: Option<bool>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RolesSection {
    /// Roles that may query and see the health of hosts.
    #[schemars(extend("default" = null))]
    pub read: Option<Vec<String>>,
    /// Roles that may write.
    #[schemars(extend("default" = null))]
    pub write: Option<Vec<String>>,
    /// Roles that may free memory.
    #[schemars(extend("default" = null))]
    pub free: Option<Vec<String>>,
    /// Roles that may see the tree.
    #[schemars(extend("default" = null))]
    pub debug: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct DebugSection {
    /// Without effect.
    #[schemars(extend("default" = ""))]
    pub dump_to_file: Option<String>,
    /// Without effect: the agent belongs to the Go runtime.
    #[schemars(extend("default" = false))]
    pub gops: Option<bool>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline, extend("required" = ["frequency"]))]
pub(super) struct MetricEntry {
    /// Seconds between two values.
    #[schemars(range(min = 1, max = 4_294_967_295u64))]
    pub frequency: Option<u32>,
    /// How a level answers for the levels below it: sum, avg, or null for not at all.
    #[serde(default)]
    #[schemars(with = "AggregationWord", extend("default" = null))]
    pub aggregation: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct MetricStoreSection {
    /// Logs and checkpoints.
    #[serde(default)]
    pub checkpoints: CheckpointsSection,
    /// Time between two checkpoints, as a Go duration.
    #[schemars(extend("default" = "12h"))]
    pub checkpoint_interval: Option<String>,
    /// How long data stays in memory, as a Go duration.
    #[schemars(extend("default" = "48h"))]
    pub retention_in_memory: Option<String>,
    /// Memory that data may take: GB (10^9 bytes), or a text with a unit; 0: no limit.
    #[serde(default)]
    #[schemars(with = "Quantity", extend("default" = 0))]
    pub memory_cap: Option<Quantity>,
    /// Threads for checkpoints and recovery; 0: half of the processors and one more, at most 10.
    #[schemars(range(min = -1_000_000_000, max = 1024), extend("default" = 0))]
    pub num_workers: Option<i64>,
    /// What becomes of data that leaves memory.
    #[serde(default)]
    pub cleanup: CleanupSection,
    /// Subjects to receive samples from.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub nats_subscriptions: Vec<SubscriptionEntry>,
    /// Samples further in the future than this are dropped, as a Go duration.
    #[schemars(extend("default" = "1h"))]
    pub future_tolerance: Option<String>,
    /// When logs are flushed to the disk.
    #[serde(default)]
    #[schemars(with = "WalSyncWord", extend("default" = "interval"))]
    pub wal_sync: Option<WalSyncSetting>,
    /// Bounds against floods of names.
    #[serde(default)]
    pub limits: LimitsSection,
    /// Accepted for the sake of old files, without effect.
    #[serde(default)]
    pub debug: DebugSection,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct CheckpointsSection {
    /// The form of logs and checkpoints.
    #[serde(default)]
    #[schemars(with = "FileFormatWord", extend("default" = "native"))]
    pub file_format: Option<FileFormatSetting>,
    /// The folder of logs and checkpoints.
    #[schemars(extend("default" = "./var/checkpoints"))]
    pub directory: Option<String>,
    /// Bytes of log that start a checkpoint early; 0: none do.
    #[schemars(range(min = 0, max = 9_223_372_036_854_775_807u64), extend("default" = 0))]
    pub max_wal_size: Option<u64>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct CleanupSection {
    /// Delete the data, or move it to the archive.
    #[serde(default)]
    #[schemars(with = "CleanupWord", extend("default" = "delete"))]
    pub mode: Option<CleanupSetting>,
    /// The folder of the archive, needed by the mode archive.
    #[schemars(extend("default" = ""))]
    pub directory: Option<String>,
    /// The Zstandard level of the archive's files.
    #[schemars(range(min = 1, max = 22), extend("default" = 3))]
    pub compression_level: Option<i32>,
    /// What a file of the archive holds: a whole cleanup, or one day of it.
    #[serde(default)]
    #[schemars(with = "PartitionWord", extend("default" = "cleanup"))]
    pub partition_by: Option<PartitionSetting>,
    /// The type of the values in the archive's files.
    #[serde(default)]
    #[schemars(with = "ValueTypeWord", extend("default" = "float32"))]
    pub value_type: Option<ValueTypeSetting>,
    /// Whether the bytes of values that hardly repeat are stored apart, which makes files smaller; false for a Spark
    /// whose vectorised reader does not know that.
    #[schemars(extend("default" = true))]
    pub split_bytes: Option<bool>,
    /// Files of the archive whose newest row is older are removed, as a Go duration; empty: none are.
    #[schemars(extend("default" = ""))]
    pub max_age: Option<String>,
    /// The oldest files are removed while the archive is larger: bytes, or a text with a unit; 0: none are.
    #[serde(default)]
    #[schemars(with = "Quantity", extend("default" = 0))]
    pub max_size: Option<Quantity>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline, extend("required" = ["subscribe-to"]))]
pub(super) struct SubscriptionEntry {
    /// The subject; the wildcards * and > are allowed.
    pub subscribe_to: Option<String>,
    /// The cluster of lines without a cluster tag.
    #[schemars(extend("default" = ""))]
    pub cluster_tag: Option<String>,
    /// Receive from a stream of JetStream, with acknowledgements, instead of what is published at the moment.
    #[schemars(with = "JetStreamSection")]
    pub jetstream: Option<JetStreamSection>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline, extend("required" = ["stream", "durable"]))]
pub(super) struct JetStreamSection {
    /// The stream that captures the subject.
    pub stream: Option<String>,
    /// The durable pull consumer; it is made when there is none.
    pub durable: Option<String>,
    /// After this time, what is not acknowledged comes again; for a consumer that is made.
    #[schemars(extend("default" = "10s"))]
    pub ack_wait: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct LimitsSection {
    /// Hosts in all clusters together.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 100_000))]
    pub hosts: Option<usize>,
    /// Components of one host.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 10_000))]
    pub components_per_host: Option<usize>,
    /// Series of one host.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 100_000))]
    pub series_per_host: Option<usize>,
    /// Bytes of a cluster's, host's, component's or metric's name.
    #[schemars(range(min = 1, max = 255), extend("default" = 255))]
    pub name_bytes: Option<usize>,
    /// Stamped series of one host.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 200_000))]
    pub stamped_per_host: Option<usize>,
    /// Stamped series of all hosts together.
    #[schemars(range(min = 1, max = 1_000_000_000), extend("default" = 5_000_000))]
    pub stamped: Option<usize>,
    /// Labels of one stamped series, the metric's name among them.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 64))]
    pub labels_per_series: Option<usize>,
    /// Bytes of a label's name.
    #[schemars(range(min = 1, max = 65_535), extend("default" = 512))]
    pub label_name_bytes: Option<usize>,
    /// Bytes of a label's value.
    #[schemars(range(min = 1, max = 65_535), extend("default" = 4_096))]
    pub label_value_bytes: Option<usize>,
    /// Exemplars kept of one stamped series: the newest.
    #[schemars(range(min = 0, max = 1_000), extend("default" = 10))]
    pub exemplars_per_series: Option<usize>,
    /// Metrics whose metadata (type, help, unit) are kept.
    #[schemars(range(min = 0, max = 10_000_000), extend("default" = 20_000))]
    pub metadata: Option<usize>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct NatsSection {
    /// Servers: a URL, several of them with commas between, or a list.
    #[serde(default)]
    #[schemars(with = "AddressList", extend("default" = ""))]
    pub address: Option<AddressList>,
    /// User name; it counts only together with a password.
    #[schemars(extend("default" = ""))]
    pub username: Option<String>,
    /// Password.
    #[schemars(extend("default" = ""))]
    pub password: Option<String>,
    /// File with the credentials (JWT and seed).
    #[schemars(extend("default" = ""))]
    pub creds_file_path: Option<String>,
    /// File with the seed of an NKey.
    #[schemars(extend("default" = ""))]
    pub nkey_seed_file: Option<String>,
    /// TLS towards the servers.
    #[serde(default)]
    pub tls: NatsTlsSection,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct NatsTlsSection {
    /// File with the authorities (PEM) that the server's certificate is checked against.
    #[schemars(extend("default" = ""))]
    pub ca_file: Option<String>,
    /// File with our certificate chain (PEM).
    #[schemars(extend("default" = ""))]
    pub cert_file: Option<String>,
    /// File with our private key (PEM).
    #[schemars(extend("default" = ""))]
    pub key_file: Option<String>,
}

/// A number in the setting's own unit, or a text with a unit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Quantity {
    Number(f64),
    Text(String),
}

/// One text or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum AddressList {
    One(String),
    Many(Vec<String>),
}

/// How the file spells [`CheckpointFormat`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FileFormatSetting {
    Native,
    Wal,
    Json,
}

impl From<FileFormatSetting> for CheckpointFormat {
    fn from(setting: FileFormatSetting) -> Self {
        match setting {
            FileFormatSetting::Native => CheckpointFormat::Native,
            FileFormatSetting::Wal => CheckpointFormat::Wal,
            FileFormatSetting::Json => CheckpointFormat::Json,
        }
    }
}

/// How the file spells [`WalSync`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WalSyncSetting {
    Interval,
    Always,
    Never,
}

impl From<WalSyncSetting> for WalSync {
    fn from(setting: WalSyncSetting) -> Self {
        match setting {
            WalSyncSetting::Interval => WalSync::Interval,
            WalSyncSetting::Always => WalSync::Always,
            WalSyncSetting::Never => WalSync::Never,
        }
    }
}

/// How the file spells [`Partition`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PartitionSetting {
    Cleanup,
    Day,
}

impl From<PartitionSetting> for Partition {
    fn from(setting: PartitionSetting) -> Self {
        match setting {
            PartitionSetting::Cleanup => Partition::Cleanup,
            PartitionSetting::Day => Partition::Day,
        }
    }
}

/// How the file spells [`ValueType`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ValueTypeSetting {
    Float32,
    Float64,
}

impl From<ValueTypeSetting> for ValueType {
    fn from(setting: ValueTypeSetting) -> Self {
        match setting {
            ValueTypeSetting::Float32 => ValueType::Float32,
            ValueTypeSetting::Float64 => ValueType::Float64,
        }
    }
}

/// The mode of cleanups, still without its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CleanupSetting {
    Delete,
    Archive,
}

/// Declares a type that stands for a fixed set of words, or for a small schema, in the schema alone. Derived schemas
/// of `Option`s are alternatives, and a value that breaks an alternative gets no error that names what was expected.
macro_rules! schema_only {
    ($($name:ident = $schema:tt;)*) => {$(
        schema_of!($name, $schema);
        pub(super) struct $name;
    )*};
}

macro_rules! schema_of {
    ($name:ident, $schema:tt) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema_only! {
    FileFormatWord = { "enum": ["native", "wal", "json"] };
    WalSyncWord = { "enum": ["interval", "always", "never"] };
    CleanupWord = { "enum": ["delete", "archive"] };
    PartitionWord = { "enum": ["cleanup", "day"] };
    ValueTypeWord = { "enum": ["float32", "float64"] };
    PrometheusFeatureWord = { "enum": [
        "promql-experimental-functions",
        "promql-duration-expr",
        "promql-extended-range-selectors",
        "promql-binop-fill-modifiers",
        "promql-delayed-name-removal"
    ] };
    ProtocolWord = { "enum": ["remote-write", "remote-read", "import", "otlp"] };
    CompressionWord = { "enum": ["auto", "on", "off"] };
    ClientCertsWord = { "enum": ["off", "optional", "required"] };
    AggregationWord = { "enum": ["sum", "avg", "", null] };
}
schema_of!(Quantity, { "type": ["number", "string"], "minimum": 0 });
schema_of!(AddressList, { "type": ["string", "array"], "items": { "type": "string" } });
