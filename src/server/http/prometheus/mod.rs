//! The HTTP API of Prometheus over what is in the tree: a file an endpoint.
//!
//! Paths, parameters, answers and errors are those of Prometheus 3; what has no counterpart here is empty, in the right
//! shape. Reading needs the role for reading.

mod alerts;
mod catalogue;
mod cors;
mod empty;
mod envelope;
mod evaluate;
mod failure;
mod federate;
mod form;
mod label_values;
mod labels;
mod metadata;
mod parse_query;
mod points;
mod printed;
mod query;
mod query_exemplars;
mod query_range;
mod remote_read;
mod result;
mod rules;
mod run;
mod series;
mod status;
mod time;

use std::sync::Arc;

use axum::routing::{MethodRouter, get, post};

use super::App;

pub(super) use self::cors::allow_origins;
pub(in crate::server) use self::evaluate::{PromqlQuery, STEPS_MAX, Unevaluated, Waiting, watch};

/// The endpoints with their paths.
pub(super) fn endpoints() -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
    vec![
        ("/api/v1/query", get(query::query).post(query::query)),
        ("/api/v1/query_range", get(query_range::query_range).post(query_range::query_range)),
        ("/api/v1/query_exemplars", get(query_exemplars::query_exemplars).post(query_exemplars::query_exemplars)),
        ("/api/v1/format_query", get(parse_query::format_query).post(parse_query::format_query)),
        ("/api/v1/parse_query", get(parse_query::parse_query).post(parse_query::parse_query)),
        ("/api/v1/read", post(remote_read::remote_read)),
        ("/api/v1/series", get(series::series).post(series::series)),
        ("/api/v1/labels", get(labels::labels).post(labels::labels)),
        ("/api/v1/label/{name}/values", get(label_values::label_values)),
        ("/api/v1/metadata", get(metadata::metadata)),
        ("/api/v1/rules", get(rules::rules)),
        ("/api/v1/alerts", get(alerts::alerts)),
        ("/api/v1/alertmanagers", get(alerts::alertmanagers)),
        ("/api/v1/targets", get(empty::targets)),
        ("/api/v1/status/buildinfo", get(status::buildinfo)),
        ("/api/v1/status/config", get(status::config)),
        ("/api/v1/status/flags", get(status::flags)),
        ("/api/v1/status/runtimeinfo", get(status::runtimeinfo)),
        ("/api/v1/status/tsdb", get(status::tsdb)),
        ("/federate", get(federate::federate)),
    ]
}
