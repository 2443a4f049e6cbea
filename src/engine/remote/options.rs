//! What the receiver needs to know; the config makes it, and a reload replaces it.

use super::mapping::Mapping;
use super::place::Placing;
use crate::formats::otlp::OtlpOptions;
use crate::model::relabel::Rule;

/// How series with labels of their own are taken in.
#[derive(Debug, Clone, Default)]
pub struct RemoteOptions {
    /// The ways in and out that are open.
    pub protocols: Protocols,
    /// Where in the tree a series belongs.
    pub placing: Placing,
    /// What changes and chooses series before anything else looks at them.
    pub relabel: Vec<Rule>,
    /// Which series become grid series; the first that fits counts.
    pub mappings: Vec<Mapping>,
    /// Whether NaN and infinities are refused. Staleness markers never are.
    pub reject_non_finite: bool,
    /// How OpenTelemetry's metrics become series.
    pub otlp: OtlpOptions,
    /// Bounds against floods.
    pub limits: RemoteLimits,
}

/// The ways in and out that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols {
    /// Remote write, 1.0 and 2.0.
    pub remote_write: bool,
    /// Remote read.
    pub remote_read: bool,
    /// Exposition text.
    pub import: bool,
    /// OpenTelemetry's metrics.
    pub otlp: bool,
}

impl Default for Protocols {
    /// All of them.
    fn default() -> Self {
        Protocols { remote_write: true, remote_read: true, import: true, otlp: true }
    }
}

/// How much one body may hold; a larger one is refused as a whole. What series may be called, and how many there may
/// be, is bounded by the store's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteLimits {
    /// Samples, histograms and exemplars of one body together.
    pub samples_max: usize,
    /// Bytes of one body after decompression.
    pub body_bytes_max: usize,
}

impl Default for RemoteLimits {
    fn default() -> Self {
        RemoteLimits { samples_max: 2_000_000, body_bytes_max: 64 << 20 }
    }
}
