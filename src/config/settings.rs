//! The typed config: checked, complete, in the words of the modules that take it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::engine;
use crate::formats::zstats::{RequestLimits, StateLimits};
use crate::model::{Metric, MetricTable, Pattern};
use crate::promql::parse::ParseOptions;
use crate::rules;

/// A config without errors.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server's settings.
    pub main: MainSettings,
    /// The NATS client's settings; `None` without an address.
    pub nats: Option<NatsSettings>,
    /// How PromQL is answered.
    pub prometheus: PrometheusSettings,
    /// How series with labels of their own are taken in.
    pub remote_write: engine::RemoteOptions,
    /// Which rules are evaluated, and who is told of alerts.
    pub rules: rules::Options,
    /// Who may ship scrapes as differences; `None`: nobody.
    pub zstats: Option<ZstatsSettings>,
    /// What is odd but no error, one line each, for the log.
    pub warnings: Vec<String>,
    pub(super) engine: engine::Options,
    pub(super) metrics: Vec<Metric>,
    pub(super) effective: Effective,
}

impl Config {
    /// The engine's options.
    pub fn engine_options(&self) -> engine::Options {
        self.engine.clone()
    }

    /// The configured metrics, sorted by name.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// A new table of the configured metrics; a reload uses [`MetricTable::reloaded`] with [`Config::metrics`].
    pub fn metric_table(&self) -> MetricTable {
        MetricTable::new(self.metrics.iter().cloned())
    }
}

/// The section `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainSettings {
    /// Where to listen: `host:port`; an empty host means all addresses.
    pub addr: String,
    /// Where to listen for gRPC; `None` for nowhere.
    pub grpc_addr: Option<String>,
    /// The server's certificate; `None` for plain HTTP.
    pub https: Option<TlsFiles>,
    /// The authorities (PEM) of client certificates; set unless `client_certs` is off.
    pub client_ca_file: Option<PathBuf>,
    /// Whether clients show certificates.
    pub client_certs: ClientCerts,
    /// Lists (PEM) of client certificates that were revoked.
    pub client_crl_file: Option<PathBuf>,
    /// The Ed25519 key that checks tokens; `None`: no token is needed.
    pub jwt_public_key: Option<[u8; 32]>,
    /// What tokens may do.
    pub auth: Auth,
    /// The user to become after binding.
    pub user: Option<String>,
    /// The group to become after binding.
    pub group: Option<String>,
    /// Who knows the nodes in use.
    pub backend: Option<Backend>,
    /// Bytes that a request's body may have after decompression.
    pub body_bytes_max: u64,
    /// Whether answers are compressed.
    pub compression: Compression,
    /// Bounds against floods and slow or dead peers.
    pub limits: ServerLimits,
}

/// Bounds of the server; what is `None` is left to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at a time.
    pub connections_max: usize,
    /// Pieces of writes that are stored at a time.
    pub writes_max: Option<usize>,
    /// Queries that are computed at a time.
    pub queries_max: Option<usize>,
    /// Calls at a time on one connection of gRPC.
    pub grpc_streams_max: u32,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long a connection without a request stays open.
    pub idle_timeout: Duration,
    /// How long a client may take for the next bytes of its body or answer.
    pub stall_timeout: Duration,
    /// How long a request waits for its turn.
    pub turn_timeout: Duration,
    /// How long the end may take, from the signal to the exit.
    pub shutdown_timeout: Duration,
}

/// The section `prometheus`.
#[derive(Debug, Clone)]
pub struct PrometheusSettings {
    /// Where to listen for Prometheus's API alone, beside the server's address; `None` for nowhere.
    pub addr: Option<String>,
    /// The origins whose scripts may read answers, a pattern for the whole of them; `None`: those of no origin.
    pub cors_origin: Option<Pattern>,
    /// How long a sample stays current.
    pub lookback: Duration,
    /// How long a query may take.
    pub query_timeout: Duration,
    /// Samples that a query may hold at once.
    pub query_samples_max: u64,
    /// Queries that are computed at a time.
    pub queries_max: usize,
    /// Experimental functions and aggregations.
    pub experimental_functions: bool,
    /// Arithmetic in durations.
    pub duration_expressions: bool,
    /// The modifiers `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// The modifiers `fill`, `fill_left` and `fill_right`.
    pub fill_modifiers: bool,
    /// Metric names go at the end of a query.
    pub delayed_name_removal: bool,
}

impl PrometheusSettings {
    /// How long a sample stays current, in milliseconds.
    pub fn lookback_ms(&self) -> i64 {
        i64::try_from(self.lookback.as_millis()).unwrap_or(i64::MAX)
    }

    /// What expressions may contain.
    pub fn parse_options(&self) -> ParseOptions {
        ParseOptions {
            experimental_functions: self.experimental_functions,
            duration_expressions: self.duration_expressions,
            extended_range_selectors: self.extended_range_selectors,
            fill_modifiers: self.fill_modifiers,
            ..ParseOptions::plain()
        }
    }
}

/// The files of a certificate, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain.
    pub cert_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCerts {
    /// They are not asked.
    #[default]
    Off,
    /// They are asked; one that is shown must be good.
    Optional,
    /// No connection without.
    Required,
}

/// When answers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// When it pays: not to loopback and not for large answers, unless the client asks for Zstandard.
    #[default]
    Auto,
    /// Whenever the client accepts it.
    On,
    /// Never.
    Off,
}

/// What tokens may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Auth {
    /// Roles of a token that may query; `None`: any valid token may.
    pub read: Option<Vec<String>>,
    /// Roles that may write.
    pub write: Option<Vec<String>>,
    /// Roles that may free.
    pub free: Option<Vec<String>>,
    /// Roles that may see the tree.
    pub debug: Option<Vec<String>>,
    /// Roles of client certificates, by a name in them.
    pub certificates: BTreeMap<String, Vec<String>>,
    /// Whether the metrics, health and Swagger pages need a token too.
    pub protect_metrics: bool,
}

/// What a request does, as far as access is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Queries and health checks.
    Read,
    /// Writes.
    Write,
    /// Frees memory.
    Free,
    /// Shows the tree.
    Debug,
}

impl Auth {
    /// The roles of which a token needs one; `None`: any valid token will do.
    pub fn roles(&self, role: Role) -> Option<&[String]> {
        match role {
            Role::Read => self.read.as_deref(),
            Role::Write => self.write.as_deref(),
            Role::Free => self.free.as_deref(),
            Role::Debug => self.debug.as_deref(),
        }
    }
}

/// A cc-backend that knows the nodes in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its URL, `http` or `https`, without a slash at the end.
    pub url: String,
    /// The token it wants.
    pub token: Option<Secret>,
}

/// The section `nats` and the subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsSettings {
    /// The servers' URLs, at least one.
    pub addresses: Vec<String>,
    /// User name and password.
    pub user: Option<(String, Secret)>,
    /// The file with JWT and seed.
    pub creds_file: Option<PathBuf>,
    /// The file with the seed of an NKey.
    pub nkey_seed_file: Option<PathBuf>,
    /// TLS towards the servers.
    pub tls: NatsTls,
    /// What to receive.
    pub subscriptions: Vec<Subscription>,
}

/// TLS towards NATS servers. It is spoken when the URL or the server asks for it, and always when a file is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NatsTls {
    /// Authorities (PEM) in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificate to show.
    pub client: Option<TlsFiles>,
}

/// A NATS subject to receive samples from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The subject.
    pub subject: String,
    /// The cluster of lines without a cluster tag; empty for none.
    pub cluster: String,
    /// The stream to receive from; `None` for what is published at the moment.
    pub jetstream: Option<JetStream>,
}

/// A durable consumer of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JetStream {
    /// The stream.
    pub stream: String,
    /// The consumer.
    pub durable: String,
    /// After this time, what is not acknowledged comes again.
    pub ack_wait: Duration,
}

/// The section `zstats`, with at least one token.
#[derive(Clone, PartialEq, Eq)]
pub struct ZstatsSettings {
    /// Where to listen for zstats alone, beside the server's address; `None` for nowhere.
    pub addr: Option<String>,
    /// That address's certificate; `None` for plain HTTP.
    pub https: Option<TlsFiles>,
    /// Who sends, by token; `*` stands for any other token.
    pub tokens: BTreeMap<String, ZstatsAccount>,
    /// Requests at a time.
    pub requests_max: usize,
    /// What one request may hold.
    pub request_limits: RequestLimits,
    /// What is kept of senders.
    pub state_limits: StateLimits,
    /// Where scrapes are kept as files; `None` for nowhere.
    pub spool: Option<SpoolSettings>,
    /// Who is told of these files; only with a spool.
    pub notify: Option<NotifySettings>,
}

impl fmt::Debug for ZstatsSettings {
    /// Without the tokens: they are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accounts: Vec<_> = self.tokens.values().collect();
        f.debug_struct("ZstatsSettings").field("addr", &self.addr).field("accounts", &accounts).finish_non_exhaustive()
    }
}

/// Who a token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZstatsAccount {
    /// The account's name, which can be that of a folder. Several tokens may share one.
    pub account: String,
    /// Seconds that a sender leaves between two scrapes of a target at least; 0 for no limit.
    pub min_poll_secs: i8,
}

/// How scrapes are kept as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// The folder of the accounts' folders.
    pub directory: PathBuf,
    /// Older ones are removed; zero: none are.
    pub max_age: Duration,
    /// The oldest are removed beyond these bytes; 0: none are.
    pub bytes_max: u64,
    /// The oldest are removed beyond this number.
    pub entries_max: usize,
    /// Whether they are flushed to the disk before a sender is answered.
    pub is_synced: bool,
}

/// Who is told of kept scrapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifySettings {
    /// `host:port` of the reader.
    pub address: String,
    /// How long one call may take.
    pub timeout: Duration,
    /// Calls at a time.
    pub calls_max: usize,
    /// Scrapes that wait to be told; beyond, the oldest are given up.
    pub queue_max: usize,
}

/// A text that never shows in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The document that a config was made of, variables included; reloads compare it.
#[derive(Clone)]
pub(super) struct Effective(pub Value);

impl fmt::Debug for Effective {
    /// Nothing: it holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
