//! What an evaluation may be told.

/// How expressions are evaluated; the defaults are Prometheus's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long a sample stays current, in milliseconds.
    pub lookback_ms: i64,
    /// Samples held at once, at most.
    pub samples_max: u64,
    /// The step of subqueries that name none, in milliseconds.
    pub subquery_step_ms: i64,
    /// Whether metric names go at the end of a query instead of in each function.
    pub delayed_name_removal: bool,
    /// Whether types and units are labels that notes may rely on.
    pub type_and_unit_labels: bool,
    /// Whether functions of counters look at the samples' start times.
    pub start_timestamps: bool,
    /// Threads for one query.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            lookback_ms: 300_000,
            samples_max: 50_000_000,
            subquery_step_ms: 60_000,
            delayed_name_removal: false,
            type_and_unit_labels: false,
            start_timestamps: false,
            threads: 1,
        }
    }
}
