//! The messages of a request, as far as they matter here: `opentelemetry/proto/metrics/v1/metrics.proto`.

use std::borrow::Cow;

use serde::Deserialize;

use super::json;

/// `ExportMetricsServiceRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub resource_metrics: Vec<ResourceMetrics<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ResourceMetrics<'a> {
    #[serde(borrow)]
    pub resource: Resource<'a>,
    pub scope_metrics: Vec<ScopeMetrics<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Resource<'a> {
    #[serde(borrow)]
    pub attributes: Vec<Attribute<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ScopeMetrics<'a> {
    #[serde(borrow)]
    pub scope: Scope<'a>,
    pub metrics: Vec<Metric<'a>>,
    #[serde(borrow)]
    pub schema_url: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Scope<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    pub attributes: Vec<Attribute<'a>>,
}

/// One of the last five is there, if the metric is one at all.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metric<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub description: Cow<'a, str>,
    #[serde(borrow)]
    pub unit: Cow<'a, str>,
    pub gauge: Option<Numbers<'a>>,
    pub sum: Option<Numbers<'a>>,
    pub histogram: Option<Histograms<'a>>,
    pub exponential_histogram: Option<Exponentials<'a>>,
    pub summary: Option<Summaries<'a>>,
}

/// A gauge, or a sum.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Numbers<'a> {
    #[serde(borrow)]
    pub data_points: Vec<NumberPoint<'a>>,
    #[serde(deserialize_with = "json::temporality")]
    pub aggregation_temporality: u64,
    pub is_monotonic: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Histograms<'a> {
    #[serde(borrow)]
    pub data_points: Vec<HistogramPoint<'a>>,
    #[serde(deserialize_with = "json::temporality")]
    pub aggregation_temporality: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Exponentials<'a> {
    #[serde(borrow)]
    pub data_points: Vec<ExponentialPoint<'a>>,
    #[serde(deserialize_with = "json::temporality")]
    pub aggregation_temporality: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Summaries<'a> {
    #[serde(borrow)]
    pub data_points: Vec<SummaryPoint<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NumberPoint<'a> {
    #[serde(borrow)]
    pub attributes: Vec<Attribute<'a>>,
    #[serde(deserialize_with = "json::unsigned")]
    pub start_time_unix_nano: u64,
    #[serde(deserialize_with = "json::unsigned")]
    pub time_unix_nano: u64,
    #[serde(deserialize_with = "json::double_option")]
    pub as_double: Option<f64>,
    #[serde(deserialize_with = "json::signed_option")]
    pub as_int: Option<i64>,
    pub exemplars: Vec<PointExemplar<'a>>,
    pub flags: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct HistogramPoint<'a> {
    #[serde(borrow)]
    pub attributes: Vec<Attribute<'a>>,
    #[serde(deserialize_with = "json::unsigned")]
    pub start_time_unix_nano: u64,
    #[serde(deserialize_with = "json::unsigned")]
    pub time_unix_nano: u64,
    #[serde(deserialize_with = "json::unsigned")]
    pub count: u64,
    #[serde(deserialize_with = "json::double_option")]
    pub sum: Option<f64>,
    #[serde(deserialize_with = "json::unsigned_list")]
    pub bucket_counts: Vec<u64>,
    #[serde(deserialize_with = "json::double_list")]
    pub explicit_bounds: Vec<f64>,
    pub exemplars: Vec<PointExemplar<'a>>,
    pub flags: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ExponentialPoint<'a> {
    #[serde(borrow)]
    pub attributes: Vec<Attribute<'a>>,
    #[serde(deserialize_with = "json::unsigned")]
    pub start_time_unix_nano: u64,
    #[serde(deserialize_with = "json::unsigned")]
    pub time_unix_nano: u64,
    #[serde(deserialize_with = "json::unsigned")]
    pub count: u64,
    #[serde(deserialize_with = "json::double_option")]
    pub sum: Option<f64>,
    pub scale: i32,
    #[serde(deserialize_with = "json::unsigned")]
    pub zero_count: u64,
    pub positive: Counts,
    pub negative: Counts,
    pub flags: u64,
    pub exemplars: Vec<PointExemplar<'a>>,
}

/// Counts of neighbouring buckets.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Counts {
    pub offset: i32,
    #[serde(deserialize_with = "json::unsigned_list")]
    pub bucket_counts: Vec<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SummaryPoint<'a> {
    #[serde(borrow)]
    pub attributes: Vec<Attribute<'a>>,
    #[serde(deserialize_with = "json::unsigned")]
    pub start_time_unix_nano: u64,
    #[serde(deserialize_with = "json::unsigned")]
    pub time_unix_nano: u64,
    #[serde(deserialize_with = "json::unsigned")]
    pub count: u64,
    #[serde(deserialize_with = "json::double")]
    pub sum: f64,
    pub quantile_values: Vec<Quantile>,
    pub flags: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Quantile {
    #[serde(deserialize_with = "json::double")]
    pub quantile: f64,
    #[serde(deserialize_with = "json::double")]
    pub value: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PointExemplar<'a> {
    #[serde(borrow)]
    pub filtered_attributes: Vec<Attribute<'a>>,
    #[serde(deserialize_with = "json::unsigned")]
    pub time_unix_nano: u64,
    #[serde(deserialize_with = "json::double_option")]
    pub as_double: Option<f64>,
    #[serde(deserialize_with = "json::signed_option")]
    pub as_int: Option<i64>,
    #[serde(deserialize_with = "json::hexadecimal")]
    pub span_id: Vec<u8>,
    #[serde(deserialize_with = "json::hexadecimal")]
    pub trace_id: Vec<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Attribute<'a> {
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    #[serde(borrow)]
    pub value: AnyValue<'a>,
}

/// The value of an attribute.
#[derive(Debug, Default)]
pub(super) enum AnyValue<'a> {
    #[default]
    Empty,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(Vec<AnyValue<'a>>),
    Map(Vec<Attribute<'a>>),
    Bytes(Cow<'a, [u8]>),
}

/// The flag of a point that says only that its series has ended.
pub(super) fn is_stale(flags: u64) -> bool {
    flags & 1 == 1
}

/// Deltas, as a temporality.
pub(super) const DELTA: u64 = 1;
/// Counts since the start.
pub(super) const CUMULATIVE: u64 = 2;
