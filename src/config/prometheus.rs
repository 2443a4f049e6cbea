//! The section `prometheus` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::PrometheusFeatureWord;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct PrometheusSection {
    /// A second address and port to listen on, which serve Prometheus's API alone; empty: none.
    #[schemars(extend("default" = ""))]
    pub addr: Option<String>,
    /// The origins whose scripts may read answers, as a pattern for the whole of them; empty: none.
    #[schemars(extend("default" = ".*"))]
    pub cors_origin: Option<String>,
    /// How long a sample stays current, as a Go duration; series with a longer period look back for two of theirs.
    #[schemars(extend("default" = "5m"))]
    pub lookback_delta: Option<String>,
    /// How long a query may take, as a Go duration.
    #[schemars(extend("default" = "2m"))]
    pub query_timeout: Option<String>,
    /// Samples that a query may hold at once.
    #[schemars(range(min = 1, max = 1_000_000_000_000u64), extend("default" = 50_000_000))]
    pub query_max_samples: Option<u64>,
    /// Queries that are computed at a time.
    #[schemars(range(min = 1, max = 1000), extend("default" = 20))]
    pub query_concurrency: Option<usize>,
    /// What is off unless it is listed here.
    #[serde(default)]
    #[schemars(with = "Vec<PrometheusFeatureWord>", extend("default" = []))]
    pub features: Vec<PrometheusFeature>,
}

/// A part of PromQL that is off by default, under Prometheus's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum PrometheusFeature {
    /// Experimental functions and aggregations.
    #[serde(rename = "promql-experimental-functions")]
    ExperimentalFunctions,
    /// Arithmetic in durations.
    #[serde(rename = "promql-duration-expr")]
    DurationExpressions,
    /// The modifiers anchored and smoothed.
    #[serde(rename = "promql-extended-range-selectors")]
    ExtendedRangeSelectors,
    /// The modifiers fill, fill_left and fill_right.
    #[serde(rename = "promql-binop-fill-modifiers")]
    FillModifiers,
    /// Metric names go at the end of a query.
    #[serde(rename = "promql-delayed-name-removal")]
    DelayedNameRemoval,
}
