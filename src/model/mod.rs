//! The words of the store as plain types: metrics, components, selectors, samples, images of hosts.
//!
//! No behaviour beyond their own invariants, no I/O, no locks; every other layer speaks in these.

mod component;
pub mod histogram;
mod image;
mod labels;
mod matcher;
mod metric;
mod pattern;
pub mod relabel;
mod selector;
mod stamped;
mod xxhash;

pub use component::{COMPONENT_DEPTH_MAX, Component, KnownKinds, Scope};
pub use image::{ComponentImage, HostImage, LaneImage, NO_PARENT, SeriesImage, TicksImage};
pub use labels::{
    BUCKET_LABEL, Label, Labels, LabelsBuilder, METRIC_NAME, METRIC_TYPE, METRIC_UNIT, is_metadata, is_plain_name,
    write_quoted,
};
pub use matcher::{MatchOp, Matcher};
pub use metric::{Aggregation, Metric, MetricId, MetricTable, UnknownAggregation};
pub use pattern::{PATTERN_BYTES_MAX, Pattern, PatternError, compile_anchored};
pub use selector::{Element, Selector};
pub use stamped::{
    ChunkImage, Exemplar, Metadata, MetricKind, STALE, StampedId, StampedImage, StampedSample, StampedValue, is_stale,
};

/// One value of one series, on its way into a host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The series inside its host.
    pub series: SeriesId,
    /// Seconds since 1970.
    pub secs: i64,
    /// The value, exactly as sent.
    pub value: f64,
}

/// A series inside its host: handed out in order of creation, never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

/// A component inside its host; 0 is the host itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentId(pub u32);

impl ComponentId {
    /// The host itself.
    pub const HOST: ComponentId = ComponentId(0);
}

/// What a slot without a value holds in memory: one NaN of its own, told apart from every NaN that somebody sends by
/// its bits alone.
pub const EMPTY: f64 = f64::from_bits(0x7FF8_7265_6E6F_6E65);

/// Whether a slot holds no value.
#[inline]
pub fn is_empty(value: f64) -> bool {
    value.to_bits() == EMPTY.to_bits()
}
