//! Stamped series as plain types: samples with exact milliseconds, exemplars, metadata, and their images.
//!
//! A stamped series lives under a host of the tree and is told from the host's others by its labels alone. Values are
//! kept bit by bit, NaN payloads included: a staleness marker is one of them.

use std::sync::Arc;

use super::Labels;
use super::histogram::FloatHistogram;

/// The NaN that says that a series has ended, by its bits: Prometheus's staleness marker.
pub const STALE: f64 = f64::from_bits(0x7FF0_0000_0000_0002);

/// Whether a value is the staleness marker.
#[inline]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// A stamped series inside its host: handed out in order of creation, never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StampedId(pub u32);

/// What a stamped sample holds.
#[derive(Debug, Clone, PartialEq)]
pub enum StampedValue {
    /// A number, exactly as sent; [`STALE`] ends the series.
    Float(f64),
    /// A native histogram; one whose sum is [`STALE`] ends the series.
    Histogram(Arc<FloatHistogram>),
}

/// A value of a stamped series, on its way into a host.
#[derive(Debug, Clone, PartialEq)]
pub struct StampedSample {
    /// The series inside its host.
    pub series: StampedId,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// When the counting began, in milliseconds since 1970; 0 where nobody said.
    pub start_ms: i64,
    /// The value.
    pub value: StampedValue,
}

/// An example behind a sample: most often the trace of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// What the example is, `trace_id` for one.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
    /// Milliseconds since 1970.
    pub time_ms: i64,
}

/// What a metric measures, whatever its series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Its type.
    pub kind: MetricKind,
    /// What it means, in words.
    pub help: Box<str>,
    /// The unit of its values; empty without one.
    pub unit: Box<str>,
}

/// The type of a metric, as Prometheus and OpenMetrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricKind {
    /// Nobody said.
    #[default]
    Unknown,
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Classic or native.
    Histogram,
    /// A histogram whose counts go down too.
    GaugeHistogram,
    /// Quantiles that the sender computed.
    Summary,
    /// Labels with the value 1.
    Info,
    /// A set of states, one of them 1.
    StateSet,
}

impl MetricKind {
    /// All of them, in the order of their numbers in remote write.
    pub const ALL: [MetricKind; 8] = [
        MetricKind::Unknown,
        MetricKind::Counter,
        MetricKind::Gauge,
        MetricKind::Histogram,
        MetricKind::GaugeHistogram,
        MetricKind::Summary,
        MetricKind::Info,
        MetricKind::StateSet,
    ];

    /// The name, as the HTTP API prints it.
    pub fn name(self) -> &'static str {
        match self {
            MetricKind::Unknown => "unknown",
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::GaugeHistogram => "gaugehistogram",
            MetricKind::Summary => "summary",
            MetricKind::Info => "info",
            MetricKind::StateSet => "stateset",
        }
    }
}

/// A stamped series as data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StampedImage {
    /// All of its labels, the metric's name among them.
    pub labels: Labels,
    /// Sealed chunks in order of time, verbatim.
    pub chunks: Vec<ChunkImage>,
    /// What is not sealed, ascending by time, no time twice; samples in order and late ones alike. `series` means
    /// nothing here.
    pub open: Vec<StampedSample>,
    /// The newest exemplars, oldest first.
    pub exemplars: Vec<Exemplar>,
}

/// A sealed chunk of a stamped series.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkImage {
    /// The position of its times in [`HostImage::times`](super::HostImage::times): series that are sent together share
    /// them.
    pub times: u32,
    /// The position of its start times there too, if it has any.
    pub starts: Option<u32>,
    /// Sealed values.
    pub values: Arc<[u8]>,
}
