//! HTTP, gRPC and NATS: everything that listens.
//!
//! [`run`] serves the REST API and Prometheus's over HTTP and HTTPS, and gRPC; `docs/api.md`, `docs/prometheus.md` and
//! `docs/grpc.md` describe them. Nothing in here touches memory or disk but through the engine.

pub mod nats;

mod accept;
mod api;
mod auth;
mod backend;
mod connection;
mod grpc;
mod health;
mod http;
mod identity;
mod options;
mod refuse;
mod run;
mod service;
mod tls;
mod token;
mod zstats;

#[cfg(test)]
mod tests;

pub use api::openapi_json;
pub use auth::{AuthOptions, PublicKey, PublicKeyError, Roles};
pub use backend::{BackendError, BackendNodes, BackendOptions};
pub use grpc::proto;
pub use options::{Compression, Limits, Options, PrometheusOptions, STACK_BYTES, ZstatsOptions, ZstatsToken};
pub use run::{Listeners, run};
pub use tls::{ClientCertificates, Tls, TlsError, TlsOptions};
#[cfg(any(test, feature = "testing"))]
pub use token::fuzz_token;
pub use zstats::{Announcer, AnnouncerError, AnnouncerOptions};
