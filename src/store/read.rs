//! Reading: a metric of a level over a range of time.

/// What a read answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// One value a slot; NaN (any) where there is none. Empty when no slot lies in the range.
    pub data: Vec<f64>,
    /// What slot 0 stands for, seconds since 1970.
    pub from_secs: i64,
    /// `from` + slots · frequency.
    pub to_secs: i64,
    /// Seconds between two slots.
    pub frequency_secs: i64,
}

/// Why a read has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing below the selector holds the metric. Queries leave such a result out.
    #[error("[METRICSTORE]> metric or host not found")]
    NotFound,
    /// The config doesn't name the metric.
    #[error("[METRICSTORE]> unknown metric: {0}")]
    UnknownMetric(String),
    /// `from` lies behind `to`.
    #[error("[METRICSTORE]> invalid time range")]
    InvalidRange,
    /// Several children hold the metric, and it has no aggregation.
    #[error("[METRICSTORE]> invalid aggregation")]
    InvalidAggregation,
}
