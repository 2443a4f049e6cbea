//! What zstats shows of itself: scrapes that were shipped as differences.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Kind, Reason};

/// Scrapes that came over zstats, and the targets that they are of.
#[derive(Debug, Default)]
pub struct ZstatsTelemetry {
    /// Scrapes taken: `full`, or as differences (`incremental`).
    pub scrapes: Family<Kind, Counter>,
    /// Scrapes that were not taken, by reason.
    pub scrapes_refused: Family<Reason, Counter>,
    /// Requests that could not be read, by reason: their senders drop them.
    pub requests_refused: Family<Reason, Counter>,
    /// Targets that stopped.
    pub targets_ended: Counter,
    /// Targets whose last scrape is kept.
    pub targets: Gauge,
    /// Bytes of these scrapes, by estimate.
    pub state_bytes: Gauge,
}

impl ZstatsTelemetry {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("zstats_scrapes", "Scrapes taken over zstats", self.scrapes.clone());
        let refused = self.scrapes_refused.clone();
        registry.register("zstats_scrapes_refused", "Scrapes of zstats that were not taken", refused);
        let refused = self.requests_refused.clone();
        registry.register("zstats_requests_refused", "Requests of zstats that could not be read", refused);
        registry.register("zstats_targets_ended", "Targets of zstats that stopped", self.targets_ended.clone());
        registry.register("zstats_targets", "Targets of zstats whose last scrape is kept", self.targets.clone());
        let bytes = self.state_bytes.clone();
        registry.register_with_unit("zstats_state", "Last scrapes of the targets of zstats", Unit::Bytes, bytes);
    }
}
