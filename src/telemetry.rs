//! Treering's own metrics: what `/metrics` shows.
//!
//! One value of [`Telemetry`] is shared by all modules. A counter is a field here, named as it is shown; nobody
//! registers metrics elsewhere.

mod causes;
mod log_limit;
mod spool;
mod zstats;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

pub use self::causes::causes;
pub use self::log_limit::LogLimit;
pub use self::spool::SpoolTelemetry;
pub use self::zstats::ZstatsTelemetry;

/// Metrics that several modules share.
pub type SharedTelemetry = Arc<Telemetry>;

/// A label set with one label, `reason`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// Why, in `snake_case`.
    pub reason: &'static str,
}

/// A label set with one label, `source`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Source {
    /// `http`, `nats`, `grpc`, `remote_write`, `import`, `otlp`, `zstats` or `rules`.
    pub source: &'static str,
}

/// A label set with one label, `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Kind {
    /// What is counted, in `snake_case`.
    pub kind: &'static str,
}

/// The labels of what is received from a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Durable {
    /// The stream.
    pub stream: String,
    /// The durable consumer.
    pub durable: String,
}

/// The labels of a request that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Request {
    /// The route, not the path: its cardinality is bounded.
    pub route: &'static str,
    /// The status.
    pub status: u16,
}

/// The labels of request times.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Route {
    /// The route.
    pub route: &'static str,
}

/// A group of rules: its file and its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RuleGroup {
    /// Both, with a semicolon between.
    pub rule_group: String,
}

/// Where alerts are sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Alertmanager {
    /// Its URL, without user and password.
    pub alertmanager: String,
}

/// A gauge of seconds.
pub type SecondsGauge = Gauge<f64, AtomicU64>;

/// Every own metric.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    /// Samples stored, by where they came from.
    pub samples: Family<Source, Counter>,
    /// Lines and samples that were not stored, by reason.
    pub dropped: Family<Reason, Counter>,
    /// Bytes of memory that hold data, by kind.
    pub memory_bytes: Family<Kind, Gauge>,
    /// Bytes of the process's memory, by kind: what it has of the system, data or not.
    pub process_memory_bytes: Family<Kind, Gauge>,
    /// Things in memory: hosts, series, lanes, blocks.
    pub objects: Family<Kind, Gauge>,
    /// Bytes written to logs.
    pub log_bytes: Counter,
    /// Flushes of logs to the disk, by outcome (`ok`, `failed`).
    pub log_syncs: Family<Kind, Counter>,
    /// Shards that refuse writes because their log cannot be written.
    pub log_shards_failed: Gauge,
    /// Checkpoints by outcome (`ok`, `failed`).
    pub checkpoints: Family<Kind, Counter>,
    /// When the last good checkpoint ended, seconds since 1970.
    pub checkpoint_timestamp_seconds: Gauge,
    /// Seconds that checkpoints took.
    pub checkpoint_seconds: Histogram,
    /// Series of which a checkpoint of the forms `wal` and `json` left the oldest part out: too many slots for a file.
    pub checkpoint_series_cut: Counter,
    /// Blocks dropped from memory, by reason (`retention`, `free`, `memory_cap`).
    pub blocks_dropped: Family<Reason, Counter>,
    /// Records and files that recovery could not use, by reason.
    pub recovery_damage: Family<Reason, Counter>,
    /// Rows written to the archive.
    pub archive_rows: Counter,
    /// Bytes of the archive's files.
    pub archive_bytes: Counter,
    /// Files written to the archive.
    pub archive_files: Counter,
    /// Cleanups that failed; their data is kept.
    pub archive_failures: Counter,
    /// When the last good cleanup to the archive ended, seconds since 1970.
    pub archive_timestamp_seconds: Gauge,
    /// Seconds that cleanups to the archive took.
    pub archive_seconds: Histogram,
    /// Requests answered.
    pub requests: Family<Request, Counter>,
    /// Seconds until requests were answered.
    pub request_seconds: Family<Route, Histogram>,
    /// Requests and connections that were refused or cut off, by reason: which limit, or what is not ready.
    pub refused: Family<Reason, Counter>,
    /// Connections that are open now.
    pub connections: Gauge,
    /// Messages received over NATS.
    pub nats_messages: Counter,
    /// Messages that the NATS client dropped because it was too slow for them.
    pub nats_dropped: Counter,
    /// 1 while connected to a NATS server.
    pub nats_connected: Gauge,
    /// 1 while messages are received from a stream.
    pub jetstream_attached: Family<Durable, Gauge>,
    /// Messages of a stream that were not delivered yet.
    pub jetstream_pending: Family<Durable, Gauge>,
    /// Messages of a stream that were delivered and not acknowledged yet.
    pub jetstream_ack_pending: Family<Durable, Gauge>,
    /// Messages of a stream that were delivered before.
    pub jetstream_redelivered: Family<Durable, Counter>,
    /// Rules evaluated, by group.
    pub rule_evaluations: Family<RuleGroup, Counter>,
    /// Rules whose evaluation failed, by group.
    pub rule_evaluation_failures: Family<RuleGroup, Counter>,
    /// Evaluations of groups that were due, missed ones among them.
    pub rule_group_iterations: Family<RuleGroup, Counter>,
    /// Evaluations of groups that were due while another one took too long.
    pub rule_group_iterations_missed: Family<RuleGroup, Counter>,
    /// Seconds between two evaluations of a group.
    pub rule_group_interval_seconds: Family<RuleGroup, SecondsGauge>,
    /// Seconds that the last evaluation of a group took.
    pub rule_group_last_duration_seconds: Family<RuleGroup, SecondsGauge>,
    /// When the last evaluation of a group began, seconds since 1970.
    pub rule_group_last_evaluation_timestamp_seconds: Family<RuleGroup, SecondsGauge>,
    /// Samples that the last evaluation of a group made.
    pub rule_group_last_evaluation_samples: Family<RuleGroup, Gauge>,
    /// Rules of a group.
    pub rule_group_rules: Family<RuleGroup, Gauge>,
    /// Alerts sent, by Alertmanager.
    pub notifications_sent: Family<Alertmanager, Counter>,
    /// Alerts that could not be sent.
    pub notifications_errors: Family<Alertmanager, Counter>,
    /// Alerts dropped, because too many waited or because they could not be sent.
    pub notifications_dropped: Family<Alertmanager, Counter>,
    /// Alerts that wait to be sent.
    pub notifications_queue_length: Family<Alertmanager, Gauge>,
    /// Alerts that may wait for one Alertmanager.
    pub notifications_queue_capacity: Gauge,
    /// Alertmanagers that alerts are sent to.
    pub notifications_alertmanagers_discovered: Gauge,
    /// zstats: scrapes shipped as differences.
    pub zstats: ZstatsTelemetry,
    /// zstats' spool.
    pub spool: SpoolTelemetry,
}

impl Default for Telemetry {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("treering");
        let mut telemetry = Telemetry {
            registry: Registry::default(),
            samples: Family::default(),
            dropped: Family::default(),
            memory_bytes: Family::default(),
            process_memory_bytes: Family::default(),
            objects: Family::default(),
            log_bytes: Counter::default(),
            log_syncs: Family::default(),
            log_shards_failed: Gauge::default(),
            checkpoints: Family::default(),
            checkpoint_timestamp_seconds: Gauge::default(),
            checkpoint_seconds: Histogram::new(exponential_buckets(0.01, 4.0, 10)),
            checkpoint_series_cut: Counter::default(),
            blocks_dropped: Family::default(),
            recovery_damage: Family::default(),
            archive_rows: Counter::default(),
            archive_bytes: Counter::default(),
            archive_files: Counter::default(),
            archive_failures: Counter::default(),
            archive_timestamp_seconds: Gauge::default(),
            archive_seconds: Histogram::new(exponential_buckets(0.01, 4.0, 10)),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0001, 4.0, 10))),
            refused: Family::default(),
            connections: Gauge::default(),
            nats_messages: Counter::default(),
            nats_dropped: Counter::default(),
            nats_connected: Gauge::default(),
            jetstream_attached: Family::default(),
            jetstream_pending: Family::default(),
            jetstream_ack_pending: Family::default(),
            jetstream_redelivered: Family::default(),
            rule_evaluations: Family::default(),
            rule_evaluation_failures: Family::default(),
            rule_group_iterations: Family::default(),
            rule_group_iterations_missed: Family::default(),
            rule_group_interval_seconds: Family::default(),
            rule_group_last_duration_seconds: Family::default(),
            rule_group_last_evaluation_timestamp_seconds: Family::default(),
            rule_group_last_evaluation_samples: Family::default(),
            rule_group_rules: Family::default(),
            notifications_sent: Family::default(),
            notifications_errors: Family::default(),
            notifications_dropped: Family::default(),
            notifications_queue_length: Family::default(),
            notifications_queue_capacity: Gauge::default(),
            notifications_alertmanagers_discovered: Gauge::default(),
            zstats: ZstatsTelemetry::default(),
            spool: SpoolTelemetry::default(),
        };
        let t = &telemetry;
        registry.register("samples", "Samples stored", t.samples.clone());
        registry.register("dropped", "Lines and samples not stored", t.dropped.clone());
        registry.register_with_unit("memory", "Memory that holds data", Unit::Bytes, t.memory_bytes.clone());
        let process_memory = t.process_memory_bytes.clone();
        registry.register_with_unit("process_memory", "Memory of the process", Unit::Bytes, process_memory);
        registry.register("objects", "Things in memory", t.objects.clone());
        registry.register_with_unit("log", "Written to logs", Unit::Bytes, t.log_bytes.clone());
        registry.register("log_syncs", "Flushes of logs to the disk", t.log_syncs.clone());
        registry.register("log_shards_failed", "Shards that refuse writes", t.log_shards_failed.clone());
        registry.register("checkpoints", "Checkpoints", t.checkpoints.clone());
        registry.register(
            "checkpoint_timestamp_seconds",
            "When the last good checkpoint ended",
            t.checkpoint_timestamp_seconds.clone(),
        );
        registry.register("checkpoint_seconds", "Seconds that checkpoints took", t.checkpoint_seconds.clone());
        registry.register(
            "checkpoint_series_cut",
            "Series whose oldest part was too long ago for a file of the reference's form",
            t.checkpoint_series_cut.clone(),
        );
        registry.register("blocks_dropped", "Blocks dropped from memory", t.blocks_dropped.clone());
        registry.register("recovery_damage", "What recovery could not use", t.recovery_damage.clone());
        registry.register("archive_rows", "Rows written to the archive", t.archive_rows.clone());
        registry.register_with_unit("archive", "Written to the archive", Unit::Bytes, t.archive_bytes.clone());
        registry.register("archive_files", "Files written to the archive", t.archive_files.clone());
        registry.register("archive_failures", "Cleanups to the archive that failed", t.archive_failures.clone());
        registry.register(
            "archive_timestamp_seconds",
            "When the last good cleanup to the archive ended",
            t.archive_timestamp_seconds.clone(),
        );
        registry.register("archive_seconds", "Seconds that cleanups to the archive took", t.archive_seconds.clone());
        registry.register("http_requests", "Requests answered", t.requests.clone());
        registry.register("http_request_seconds", "Seconds until requests were answered", t.request_seconds.clone());
        registry.register("refused", "Requests and connections refused or cut off", t.refused.clone());
        registry.register("http_connections", "Connections that are open", t.connections.clone());
        registry.register("nats_messages", "Messages received over NATS", t.nats_messages.clone());
        registry.register("nats_dropped", "Messages dropped by the NATS client", t.nats_dropped.clone());
        registry.register("nats_connected", "1 while connected to a NATS server", t.nats_connected.clone());
        registry.register(
            "jetstream_attached",
            "1 while messages are received from a stream",
            t.jetstream_attached.clone(),
        );
        registry.register("jetstream_pending", "Messages not delivered yet", t.jetstream_pending.clone());
        registry.register("jetstream_ack_pending", "Messages not acknowledged yet", t.jetstream_ack_pending.clone());
        registry.register("jetstream_redelivered", "Messages delivered again", t.jetstream_redelivered.clone());
        registry.register("rule_evaluations", "Rules evaluated, by group", t.rule_evaluations.clone());
        registry.register(
            "rule_evaluation_failures",
            "Rules whose evaluation failed, by group",
            t.rule_evaluation_failures.clone(),
        );
        registry.register(
            "rule_group_iterations",
            "Evaluations of groups that were due, missed ones among them",
            t.rule_group_iterations.clone(),
        );
        registry.register(
            "rule_group_iterations_missed",
            "Evaluations of groups that were due while another one took too long",
            t.rule_group_iterations_missed.clone(),
        );
        registry.register(
            "rule_group_interval_seconds",
            "Seconds between two evaluations of a group",
            t.rule_group_interval_seconds.clone(),
        );
        registry.register(
            "rule_group_last_duration_seconds",
            "Seconds that the last evaluation of a group took",
            t.rule_group_last_duration_seconds.clone(),
        );
        registry.register(
            "rule_group_last_evaluation_timestamp_seconds",
            "When the last evaluation of a group began, seconds since 1970",
            t.rule_group_last_evaluation_timestamp_seconds.clone(),
        );
        registry.register(
            "rule_group_last_evaluation_samples",
            "Samples that the last evaluation of a group made",
            t.rule_group_last_evaluation_samples.clone(),
        );
        registry.register("rule_group_rules", "Rules of a group", t.rule_group_rules.clone());
        registry.register("notifications_sent", "Alerts sent, by Alertmanager", t.notifications_sent.clone());
        registry.register("notifications_errors", "Alerts that could not be sent", t.notifications_errors.clone());
        registry.register(
            "notifications_dropped",
            "Alerts dropped, because too many waited or because they could not be sent",
            t.notifications_dropped.clone(),
        );
        registry.register(
            "notifications_queue_length",
            "Alerts that wait to be sent",
            t.notifications_queue_length.clone(),
        );
        registry.register(
            "notifications_queue_capacity",
            "Alerts that may wait for one Alertmanager",
            t.notifications_queue_capacity.clone(),
        );
        registry.register(
            "notifications_alertmanagers_discovered",
            "Alertmanagers that alerts are sent to",
            t.notifications_alertmanagers_discovered.clone(),
        );
        t.zstats.register(&mut registry);
        t.spool.register(&mut registry);
        telemetry.registry = registry;
        telemetry
    }
}

impl Telemetry {
    /// Counts what was not stored.
    pub fn drop_samples(&self, reason: &'static str, count: u64) {
        if count > 0 {
            self.dropped.get_or_create(&Reason { reason }).inc_by(count);
        }
    }

    /// Counts a request or a connection that was refused or cut off.
    pub fn refuse(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    /// All metrics in OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
