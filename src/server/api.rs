//! The API's description in OpenAPI: what `swagger.json` holds and what `/swagger/` shows. Describes only, for no
//! endpoint depends on it.

// Nothing makes or reads these: they are there for their descriptions.
#![expect(dead_code, reason = "descriptions only")]

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

/// The description of the API, as JSON with a newline at its end.
pub fn openapi_json() -> String {
    // It is made of strings and lists, which always have a JSON form.
    openapi().to_pretty_json().unwrap_or_default() + "\n"
}

/// The description of the API.
pub(super) fn openapi() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Treering REST API", description = "A metric store for clusters.", license(name = "MIT")),
    paths(write, query_get, query_post, free, debug, healthcheck_get, healthcheck_post, healthy, ready, metrics,
        promql_query, promql_query_range, promql_series, promql_labels, promql_label_values, promql_metadata,
        promql_format_query, promql_parse_query, promql_tsdb, remote_write, remote_read, import_text, otlp, zstats,
        zstats_asked),
    modifiers(&Token),
    tags((name = "api", description = "cc-metric-store's API"), (name = "status", description = "The server itself"),
        (name = "prometheus", description = "Prometheus's API"),
        (name = "zstats", description = "Scrapes shipped as differences"))
)]
struct Api;

struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Why a request isn't served.
#[derive(ToSchema)]
#[schema(as = ErrorResponse)]
struct ErrorBody {
    /// The status in words.
    #[schema(example = "Bad Request")]
    status: String,
    /// What is wrong.
    error: String,
}

/// What every path of the API may answer.
#[derive(IntoResponses)]
enum Unserved {
    /// The token is missing or no good.
    #[response(status = 401)]
    NoToken,
    /// The token has no role that allows it.
    #[response(status = 403)]
    NoRole(ErrorBody),
    /// Too much is under way, or the memory cap is full: the error names the limit.
    #[response(status = 429, headers(("Retry-After" = u32, description = "Seconds after which to come again.")))]
    Overloaded(ErrorBody),
    /// A defect of the server, whose log says more.
    #[response(status = 500)]
    Defect(ErrorBody),
    /// Not ready yet, shutting down, or the disk refuses writes: the error says which.
    #[response(status = 503, headers(("Retry-After" = u32, description = "Seconds after which to come again.")))]
    Unavailable(ErrorBody),
}

/// What paths that take a body may answer, too.
#[derive(IntoResponses)]
enum BadBody {
    /// The body came too slowly.
    #[response(status = 408)]
    TooSlow(ErrorBody),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(ErrorBody),
}

/// What is asked.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
struct QueryRequest {
    #[schema(example = "fritz")]
    cluster: String,
    /// Seconds since 1970.
    from: i64,
    /// Seconds since 1970; not included.
    to: i64,
    /// What is read; the answer has a result for each.
    queries: Option<Vec<Query>>,
    /// Metrics that are read of every node of the cluster.
    for_all_nodes: Option<Vec<String>>,
    /// Whether avg, min and max are computed.
    #[schema(default = true)]
    with_stats: bool,
    /// Whether the values are sent.
    #[schema(default = true)]
    with_data: bool,
    /// Whether nulls stand for the time from `from` to the first value.
    #[schema(default = true)]
    with_padding: bool,
    /// How values are thinned out where a query does not say it: lttb, average, min, max, sum or first.
    #[schema(default = "lttb")]
    resample: Option<String>,
}

/// One metric of one host, or of components of it.
#[derive(ToSchema)]
struct Query {
    #[schema(example = "cpu_load")]
    metric: String,
    host: String,
    /// The kind of components: core, hwthread, socket, accelerator …
    #[schema(rename = "type")]
    kind: Option<String>,
    #[schema(rename = "type-ids")]
    type_ids: Option<Vec<String>>,
    /// The kind of components below those, or of devices of the host when there is no type.
    subtype: Option<String>,
    #[schema(rename = "subtype-ids")]
    subtype_ids: Option<Vec<String>>,
    /// Whether the components are combined into one row.
    aggreg: bool,
    /// Seconds between two values, a multiple of the metric's frequency; 0 for the metric's own.
    resolution: Option<i64>,
    /// How values are thinned out: lttb, average, min, max, sum or first.
    #[schema(default = "lttb")]
    resample: Option<String>,
    /// Values and statistics are multiplied with this.
    #[schema(rename = "scale-by")]
    scale_by: Option<f64>,
}

/// The answer to a query.
#[derive(ToSchema)]
struct QueryResponse {
    /// The queries that `for-all-nodes` became.
    queries: Option<Vec<Query>>,
    /// For each query its rows: one, or one for each of its type-ids.
    results: Vec<Vec<Row>>,
}

/// One row of values.
#[derive(ToSchema)]
struct Row {
    /// Why there is nothing.
    error: Option<String>,
    /// One value for each step of `resolution` seconds; null where there is none.
    data: Option<Vec<Option<f64>>>,
    from: i64,
    to: i64,
    resolution: i64,
    avg: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

/// Which nodes are judged by which metrics.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
struct HealthRequest {
    #[schema(example = "fritz")]
    cluster: String,
    nodes: Vec<String>,
    metric_names: Vec<String>,
}

/// The state of a node.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
struct Health {
    /// full, partial or failed
    state: String,
    /// JSON with the lists `degraded` and `missing`; empty for an unknown node.
    health_metrics: String,
}

/// Store lines of the line protocol. Every good line is stored, whatever the others are. An error says how many
/// lines were stored before it; sending the whole body again does no harm.
#[utoipa::path(post, path = "/api/write/", tag = "api", security(("token" = [])),
    params(("cluster" = Option<String>, Query, description = "The cluster of lines without one.")),
    request_body(content = String, content_type = "text/plain",
        example = "cpu_load,cluster=fritz,hostname=f0201,type=node value=1.5 1770245220"),
    responses(
        (status = 200, description = "Every line is stored, or skipped as the headers count.",
            headers(
                ("Treering-Stored" = u64, description = "Samples that are stored."),
                ("Treering-Skipped" = u64, description = "Samples left out: of metrics that the config does not name, \
                    of refused names, too far in the future, or before a horizon."),
                ("Treering-Bad" = u64, description = "Lines that are no samples, or beyond a limit."))),
        (status = 400, description = "Some lines are bad or beyond a limit (the error names the first ten by number \
                and reason, the others are stored), or the compressed data is damaged.", body = ErrorBody,
            headers(
                ("Treering-Stored" = u64, description = "As with 200; only when the whole body was read."),
                ("Treering-Skipped" = u64, description = "As with 200."),
                ("Treering-Bad" = u64, description = "As with 200."))),
        (status = 415, description = "The content encoding is not supported.", body = ErrorBody),
        Unserved, BadBody))]
fn write() {}

/// Read metrics. The same as POST; cc-backend sends a body with GET.
#[utoipa::path(get, path = "/api/query/", tag = "api", security(("token" = [])), request_body = QueryRequest,
    params(("version" = Option<String>, Query, description = "Taken, but without effect.")),
    responses(
        (status = 200, description = "OK", body = QueryResponse),
        (status = 400, description = "Something in the request is wrong.", body = ErrorBody),
        Unserved, BadBody))]
fn query_get() {}

/// Read metrics.
#[utoipa::path(post, path = "/api/query/", tag = "api", security(("token" = [])), request_body = QueryRequest,
    params(("version" = Option<String>, Query, description = "Taken, but without effect.")),
    responses(
        (status = 200, description = "OK", body = QueryResponse),
        (status = 400, description = "Something in the request is wrong.", body = ErrorBody),
        Unserved, BadBody))]
fn query_post() {}

/// Free what is older than a time below each of the selectors.
#[utoipa::path(post, path = "/api/free/", tag = "api", security(("token" = [])),
    params(("to" = i64, Query, description = "Seconds since 1970.")),
    request_body(content = Vec<Vec<String>>, example = json!([["fritz", "f0201"]])),
    responses(
        (status = 200, description = "buffers freed: N", body = String, content_type = "text/plain"),
        (status = 400, description = "Something in the request is wrong.", body = ErrorBody),
        Unserved, BadBody))]
fn free() {}

/// Show the tree with the runs of every series.
#[utoipa::path(get, path = "/api/debug/", tag = "api", security(("token" = [])),
    params(("selector" = Option<String>, Query, description = "cluster:host:component; the root without it.")),
    responses(
        (status = 200, description = "OK", body = Object),
        (status = 400, description = "Something in the request is wrong.", body = ErrorBody),
        Unserved))]
fn debug() {}

/// Judge nodes by the metrics that they should send. The same as POST.
#[utoipa::path(get, path = "/api/healthcheck/", tag = "api", security(("token" = [])), request_body = HealthRequest,
    responses(
        (status = 200, description = "OK", body = BTreeMap<String, Health>),
        (status = 400, description = "Something in the request is wrong.", body = ErrorBody),
        Unserved, BadBody))]
fn healthcheck_get() {}

/// Judge nodes by the metrics that they should send.
#[utoipa::path(post, path = "/api/healthcheck/", tag = "api", security(("token" = [])), request_body = HealthRequest,
    responses(
        (status = 200, description = "OK", body = BTreeMap<String, Health>),
        (status = 400, description = "Something in the request is wrong.", body = ErrorBody),
        Unserved, BadBody))]
fn healthcheck_post() {}

/// An answer of Prometheus's API.
#[derive(ToSchema)]
struct PrometheusAnswer {
    /// `success`.
    status: String,
    /// The answer.
    data: serde_json::Value,
    /// What may be wrong with it.
    warnings: Option<Vec<String>>,
    /// What may not be meant so.
    infos: Option<Vec<String>>,
}

/// An error of Prometheus's API.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct PrometheusErrorBody {
    /// `error`.
    status: String,
    #[schema(example = "bad_data")]
    error_type: String,
    /// What is wrong.
    error: String,
}

/// Why a query has no answer.
#[derive(IntoResponses)]
enum PrometheusError {
    /// Something in the request is wrong.
    #[response(status = 400)]
    BadData(PrometheusErrorBody),
    /// The query cannot be evaluated, or would take too many samples.
    #[response(status = 422)]
    Execution(PrometheusErrorBody),
}

/// Evaluate a PromQL expression at one time. POST with a form does the same.
#[utoipa::path(get, path = "/api/v1/query", tag = "prometheus", security(("token" = [])),
    params(("query" = String, Query, description = "The expression."),
        ("time" = Option<String>, Query, description = "Seconds since 1970 or RFC 3339; now without it."),
        ("timeout" = Option<String>, Query, description = "How long it may take: seconds or a duration like 30s."),
        ("limit" = Option<u64>, Query, description = "Results at most; 0 for no limit."),
        ("stats" = Option<String>, Query, description = "Whether the answer has statistics: true or all.")),
    responses((status = 200, description = "OK", body = PrometheusAnswer), PrometheusError, Unserved))]
fn promql_query() {}

/// Evaluate a PromQL expression from a start to an end. POST with a form does the same.
#[utoipa::path(get, path = "/api/v1/query_range", tag = "prometheus", security(("token" = [])),
    params(("query" = String, Query, description = "The expression."),
        ("start" = String, Query, description = "Seconds since 1970 or RFC 3339."),
        ("end" = String, Query, description = "Seconds since 1970 or RFC 3339."),
        ("step" = String, Query, description = "Seconds or a duration like 1m."),
        ("timeout" = Option<String>, Query, description = "How long it may take: seconds or a duration like 30s."),
        ("limit" = Option<u64>, Query, description = "Results at most; 0 for no limit."),
        ("stats" = Option<String>, Query, description = "Whether the answer has statistics: true or all.")),
    responses((status = 200, description = "OK", body = PrometheusAnswer), PrometheusError, Unserved))]
fn promql_query_range() {}

/// The labels of series. POST with a form does the same.
#[utoipa::path(get, path = "/api/v1/series", tag = "prometheus", security(("token" = [])),
    params(("match[]" = Vec<String>, Query, description = "Selectors; a series has to fit one of them."),
        ("start" = Option<String>, Query, description = "Seconds since 1970 or RFC 3339."),
        ("end" = Option<String>, Query, description = "Seconds since 1970 or RFC 3339."),
        ("limit" = Option<u64>, Query, description = "Results at most; 0 for no limit.")),
    responses((status = 200, description = "OK", body = PrometheusAnswer), PrometheusError, Unserved))]
fn promql_series() {}

/// The names of labels. POST with a form does the same.
#[utoipa::path(get, path = "/api/v1/labels", tag = "prometheus", security(("token" = [])),
    params(("match[]" = Option<Vec<String>>, Query, description = "Selectors; a series has to fit one of them."),
        ("start" = Option<String>, Query, description = "Seconds since 1970 or RFC 3339."),
        ("end" = Option<String>, Query, description = "Seconds since 1970 or RFC 3339."),
        ("limit" = Option<u64>, Query, description = "Results at most; 0 for no limit.")),
    responses((status = 200, description = "OK", body = PrometheusAnswer), PrometheusError, Unserved))]
fn promql_labels() {}

/// The values of a label.
#[utoipa::path(get, path = "/api/v1/label/{name}/values", tag = "prometheus", security(("token" = [])),
    params(("name" = String, Path, description = "The label."),
        ("match[]" = Option<Vec<String>>, Query, description = "Selectors; a series has to fit one of them."),
        ("start" = Option<String>, Query, description = "Seconds since 1970 or RFC 3339."),
        ("end" = Option<String>, Query, description = "Seconds since 1970 or RFC 3339."),
        ("limit" = Option<u64>, Query, description = "Results at most; 0 for no limit.")),
    responses((status = 200, description = "OK", body = PrometheusAnswer), PrometheusError, Unserved))]
fn promql_label_values() {}

/// What is known of the configured metrics.
#[utoipa::path(get, path = "/api/v1/metadata", tag = "prometheus", security(("token" = [])),
    params(("metric" = Option<String>, Query, description = "This metric only."),
        ("limit" = Option<i64>, Query, description = "Metrics at most.")),
    responses((status = 200, description = "OK", body = PrometheusAnswer), PrometheusError, Unserved))]
fn promql_metadata() {}

/// A PromQL expression, tidied. POST with a form does the same.
#[utoipa::path(get, path = "/api/v1/format_query", tag = "prometheus", security(("token" = [])),
    params(("query" = String, Query, description = "The expression.")),
    responses((status = 200, description = "OK", body = PrometheusAnswer), PrometheusError, Unserved))]
fn promql_format_query() {}

/// A PromQL expression as a tree. POST with a form does the same.
#[utoipa::path(get, path = "/api/v1/parse_query", tag = "prometheus", security(("token" = [])),
    params(("query" = String, Query, description = "The expression.")),
    responses((status = 200, description = "OK", body = PrometheusAnswer), PrometheusError, Unserved))]
fn promql_parse_query() {}

/// How many series there are, and of what.
#[utoipa::path(get, path = "/api/v1/status/tsdb", tag = "prometheus", security(("token" = [])),
    params(("limit" = Option<u64>, Query, description = "Entries of each list, 10 without it.")),
    responses((status = 200, description = "OK", body = PrometheusAnswer), PrometheusError, Unserved))]
fn promql_tsdb() {}

/// Store series: remote write 1.0 and 2.0, by the parameter proto of the content type. What is good of a bad body is
/// stored.
#[utoipa::path(post, path = "/api/v1/write", tag = "prometheus", security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/x-protobuf",
        description = "prometheus.WriteRequest or io.prometheus.write.v2.Request, compressed with snappy or zstd."),
    responses((status = 204, description = "All of it is stored; for 2.0, headers count."),
        (status = 400, description = "Some or all of it never can be stored: what, and why.", body = String),
        (status = 415, description = "No known message or compression.", body = String), Unserved))]
fn remote_write() {}

/// Read series: remote read, all samples in one message or chunks in a stream of them.
#[utoipa::path(post, path = "/api/v1/read", tag = "prometheus", security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/x-protobuf",
        description = "prometheus.ReadRequest, compressed with snappy."),
    responses((status = 200, description = "prometheus.ReadResponse or frames of prometheus.ChunkedReadResponse."),
        (status = 400, description = "Something in the request is wrong.", body = String), Unserved))]
fn remote_read() {}

/// Store exposition text: Prometheus's own, or OpenMetrics by its content type. Bad lines are left out.
#[utoipa::path(post, path = "/api/v1/import/prometheus", tag = "prometheus", security(("token" = [])),
    params(("extra_label" = Option<Vec<String>>, Query, description = "A label for all series: name=value."),
        ("timestamp" = Option<i64>, Query, description = "Milliseconds since 1970 for samples without a time.")),
    request_body(content = String, content_type = "text/plain", description = "The text; gzip, zstd or snappy."),
    responses((status = 204, description = "All of it is stored."),
        (status = 400, description = "Some of it is not: what, and why.", body = String), Unserved))]
fn import_text() {}

/// Store OpenTelemetry's metrics.
#[utoipa::path(post, path = "/api/v1/otlp/v1/metrics", tag = "prometheus", security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/x-protobuf",
        description = "ExportMetricsServiceRequest as protobuf or JSON, with or without gzip."),
    responses((status = 200, description = "ExportMetricsServiceResponse: what was left out, if anything was."),
        (status = 400, description = "The body is none.", body = String),
        (status = 415, description = "Neither protobuf nor JSON.", body = String), Unserved))]
fn otlp() {}

/// Take scrapes that come in full or as differences. What is wrong with a request stands in the answer. Only with
/// tokens in the section zstats of the config; those of the header Authorization are not asked for.
#[utoipa::path(post, path = "/api/v1/zstats", tag = "zstats",
    params(("Zebrium-Token" = String, Header, description = "The token of an account.")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        description = "StWbReq in Go's gob encoding, compressed with gzip."),
    responses((status = 200, description = "StWbResp in Go's gob encoding: a code for each scrape, or an error.",
            body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 503, description = "Nothing can be taken now: to be sent again later.", body = String)))]
fn zstats() {}

/// Whether scrapes are taken, for load balancers.
#[utoipa::path(get, path = "/api/v1/zstats", tag = "zstats",
    responses((status = 200, description = "OK.", body = String), (status = 503, description = "Recovering.")))]
fn zstats_asked() {}

/// Whether the process lives.
#[utoipa::path(get, path = "/-/healthy", tag = "status", responses((status = 200, description = "Yes.")))]
fn healthy() {}

/// Whether it serves.
#[utoipa::path(get, path = "/-/ready", tag = "status",
    responses((status = 200, description = "Yes."), (status = 503, description = "Recovering.")))]
fn ready() {}

/// Own metrics in OpenMetrics.
#[utoipa::path(get, path = "/metrics", tag = "status",
    responses(
        (status = 200, description = "OpenMetrics text.", body = String,
            content_type = "application/openmetrics-text")))]
fn metrics() {}

#[cfg(test)]
mod tests {
    /// Clients are generated from the file, so it must say what the server says.
    #[test]
    fn swagger_json_has_not_drifted() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/swagger.json");
        let file = std::fs::read_to_string(path).unwrap_or_default();
        assert!(file == super::openapi_json(), "swagger.json is out of date: run `make swagger` and commit it");
    }
}
