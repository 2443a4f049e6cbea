//! Why a body, or a metric in it, is refused.

use super::super::protobuf::Malformed;
use crate::model::histogram::HistogramError;

/// Why a whole body is refused.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtlpBodyError {
    /// It is no message of the protocol.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is no JSON, or not the right one.
    #[error("malformed JSON: {reason}")]
    Json {
        /// What is wrong, and where.
        reason: String,
    },
    /// It has too many parts.
    #[error("body has more than {limit} parts")]
    TooMany {
        /// How many it may have.
        limit: usize,
    },
}

/// Why a metric, or the rest of its points, is refused; the others are not touched by it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OtlpError {
    /// Deltas where counts since the start are expected.
    #[error("invalid temporality and type combination for metric {metric}")]
    Temporality {
        /// The metric's name, quoted.
        metric: String,
    },
    /// Nothing in it that is known.
    #[error("could not get aggregation temporality for {metric} as it has unsupported metric type Empty")]
    Kind {
        /// The metric's name.
        metric: String,
    },
    /// Nothing is left of its name.
    #[error("normalization for metric {metric} resulted in empty name")]
    EmptyName {
        /// The metric's name, quoted.
        metric: String,
    },
    /// Only underscores are left of its name.
    #[error("normalization for metric {metric} resulted in invalid name {name}")]
    InvalidName {
        /// The metric's name, quoted.
        metric: String,
        /// What became of it, quoted.
        name: String,
    },
    /// An attribute without a name.
    #[error("label name is empty")]
    EmptyLabel,
    /// Only underscores are left of an attribute's name.
    #[error("normalization for label name {label} resulted in invalid name {name}")]
    InvalidLabel {
        /// The attribute's name, quoted.
        label: String,
        /// What became of it, quoted.
        name: String,
    },
    /// An exemplar that is no number.
    #[error("unsupported exemplar value type: Empty")]
    Exemplar,
    /// Buckets too coarse for any schema.
    #[error("cannot convert exponential to native histogram. Scale must be >= -4, was {scale}")]
    Scale {
        /// The scale.
        scale: i32,
    },
    /// A histogram that is none.
    #[error("{error} for series {series}")]
    Histogram {
        /// What is wrong.
        error: HistogramError,
        /// Its labels.
        series: String,
    },
}
