//! Metrics of zstats' spool and of what tells readers about it.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Kind, Reason};

/// What a spool counts.
#[derive(Debug, Default)]
pub struct SpoolTelemetry {
    /// Entries written.
    pub written: Counter,
    /// What went wrong, by reason: `disk_full`, `disk` and `name` for entries that could not be written, `clean` for
    /// what a cleaning pass could not list or remove.
    pub failures: Family<Reason, Counter>,
    /// Entries removed, by reason: `age`, `bytes`, `entries`, or `incomplete` for the rests of a crash.
    pub removed: Family<Reason, Counter>,
    /// Entries that lie there, as of the last cleaning pass and what was written since.
    pub entries: Gauge,
    /// Their bytes.
    pub bytes: Gauge,
    /// Entries that were announced or given up, by what came of it: `ok`, `refused`, `gone` (a reader took them away
    /// before), `queue_full`, `unsent` (the server ended).
    pub announced: Family<Kind, Counter>,
    /// Calls that failed; most are repeated.
    pub call_failures: Counter,
    /// Entries that wait to be announced, those under way among them.
    pub waiting: Gauge,
}

impl SpoolTelemetry {
    /// Shows all of it.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("zstats_spool_written", "Spool entries written", self.written.clone());
        registry.register("zstats_spool_failures", "What went wrong in the spool", self.failures.clone());
        registry.register("zstats_spool_removed", "Spool entries removed", self.removed.clone());
        registry.register("zstats_spool_entries", "Entries in the spool", self.entries.clone());
        registry.register_with_unit("zstats_spool", "Entries in the spool", Unit::Bytes, self.bytes.clone());
        let announced = "Spool entries that were announced or given up, by what came of it";
        registry.register("zstats_announcements", announced, self.announced.clone());
        registry.register("zstats_announcement_failures", "Calls that failed", self.call_failures.clone());
        registry.register("zstats_announcements_waiting", "Entries that wait to be announced", self.waiting.clone());
    }
}
