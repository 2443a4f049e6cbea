//! Series with labels of their own, as Prometheus and its relatives send them: a file a way in.
//!
//! Whoever may write may use them. What is wrong with a body is told in plain text, as Prometheus's receiver tells it.

mod body;
mod content_type;
mod import;
mod otlp;
mod remote_write;

use std::sync::Arc;

use axum::routing::{MethodRouter, post};

use super::App;

pub(super) use self::body::Coding;

/// The endpoints with their paths.
pub(super) fn endpoints() -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
    vec![
        ("/api/v1/write", post(remote_write::write)),
        ("/api/v1/import/prometheus", post(import::import)),
        ("/api/v1/otlp/v1/metrics", post(otlp::metrics)),
    ]
}
