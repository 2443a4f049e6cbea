//! What can be wrong with a histogram, in the words that Prometheus uses for it.

use std::fmt;

use super::schema::{SCHEMA_CUSTOM, SCHEMA_MAX, SCHEMA_MIN};
use super::validate::{BUCKETS_MAX, CUSTOM_BOUNDS_MAX};

/// A histogram that is not one, or two that cannot be combined.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants and their fields are")]
pub enum HistogramError {
    #[error("cannot apply this operation on histograms with a mix of exponential and custom bucket schemas")]
    MixedSchemas,
    #[error("observation count is {count}: histogram's observation count is negative")]
    NegativeCount { count: f64 },
    #[error("{place}: bucket number {number} has observation count of {count}: {NEGATIVE_BUCKET}")]
    NegativeBucket { place: Place, number: usize, count: f64 },
    #[error(
        "{buckets} observations found in buckets, but the Count field is {count}: histogram's observation count should \
         be at least the number of observations found in the buckets"
    )]
    CountTooSmall { buckets: u64, count: u64 },
    #[error(
        "{buckets} observations found in buckets, but the Count field is {count}: histogram's observation count should \
         equal the number of observations found in the buckets (in absence of NaN)"
    )]
    CountMismatch { buckets: u64, count: u64 },
    #[error("zero bucket has observation count of {count}: {NEGATIVE_BUCKET}")]
    NegativeZeroBucket { count: f64 },
    #[error("zero bucket has a threshold of {threshold}, which must be a number and not negative")]
    ZeroThreshold { threshold: f64 },
    #[error("{place}: span number {number} with offset {offset}: histogram has a span whose offset is negative")]
    NegativeOffset { place: Place, number: usize, offset: i32 },
    #[error(
        "{place}: spans need {wanted} buckets, have {found} buckets: \
         histogram spans specify different number of buckets than provided"
    )]
    SpansMismatch { place: Place, wanted: u64, found: usize },
    #[error(
        "custom buckets: only {bounds} custom bounds defined which is insufficient to cover total span length of \
         {length}: histogram custom bounds are too few"
    )]
    TooFewBounds { bounds: usize, length: u64 },
    #[error(
        "custom buckets: previous bound is {previous:.6} and current is {current:.6}: \
         histogram custom bounds must be in strictly increasing order"
    )]
    UnsortedBounds { previous: f64, current: f64 },
    #[error("custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite")]
    InfiniteBound,
    #[error("custom buckets: histogram custom bounds must not be NaN")]
    NanBound,
    #[error("custom buckets: must have zero count of 0")]
    CustomZeroCount,
    #[error("custom buckets: must have zero threshold of 0")]
    CustomZeroThreshold,
    #[error("custom buckets: must not have negative spans")]
    CustomNegativeSpans,
    #[error("custom buckets: must not have negative buckets")]
    CustomNegativeBuckets,
    #[error("histogram with exponential schema must not have custom bounds")]
    ExponentialCustomBounds,
    #[error(
        "histogram has an invalid schema, which must be between {SCHEMA_MIN} and {SCHEMA_MAX} for exponential buckets, \
         or {SCHEMA_CUSTOM} for custom buckets, got schema {schema}"
    )]
    InvalidSchema { schema: i32 },
    #[error("cannot reduce resolution when there are custom buckets")]
    ReduceCustom,
    #[error("cannot reduce resolution to custom buckets schema")]
    ReduceToCustom,
    #[error("cannot reduce resolution from schema {from} to {to}")]
    ReduceUpwards { from: i32, to: i32 },
    #[error("histogram has {found} buckets and spans, more than {BUCKETS_MAX}")]
    TooManyBuckets { found: usize },
    #[error("histogram has {found} custom bounds, more than {CUSTOM_BOUNDS_MAX}")]
    TooManyBounds { found: usize },
}

/// The part of a histogram that an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The buckets of positive observations.
    Positive,
    /// The buckets of negative observations.
    Negative,
    /// The buckets of a custom schema.
    Custom,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Positive => "positive side",
            Place::Negative => "negative side",
            Place::Custom => "custom buckets",
        })
    }
}

const NEGATIVE_BUCKET: &str = "histogram has a bucket whose observation count is negative";
