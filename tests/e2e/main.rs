//! Tests against the running binary: each starts a store of its own in a directory of its own and talks to it as its
//! users do, over HTTP, HTTPS and NATS.
//!
//! `TREERING_BINARY` in the environment names another binary to test than the one just built.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod access;
mod adoption;
mod alerts;
mod archive;
mod bench;
mod beside_native;
mod beside_prometheus;
mod cli;
mod client_certificates;
mod clocks;
mod config;
mod conformance;
mod damage;
mod dashboards;
mod examples;
mod federation;
mod free;
mod gaps;
#[cfg(feature = "testing")]
mod grafana;
mod grpc;
mod grpc_access;
mod grpc_limits;
#[allow(dead_code, unused_imports, reason = "tests/load shares it")]
mod harness;
mod http;
mod jetstream;
mod job;
mod nats;
mod prometheus;
mod prometheus_addr;
mod provider;
mod reading;
#[cfg(feature = "testing")]
mod remote_hostile;
#[cfg(feature = "testing")]
mod remote_places;
#[cfg(feature = "testing")]
mod remote_write;
#[cfg(feature = "testing")]
mod remote_write_specification;
mod restart;
mod rules;
mod tls;
mod tools;
mod writing;
#[cfg(feature = "testing")]
mod zstats;
