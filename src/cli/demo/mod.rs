//! `treering demo`: a simulated cluster that feeds a store, or a store of its own.
//!
//! The cluster (`noise`, `jobs`, `topology`, `catalogue`, `values`, `cluster`) is a pure function of the time; `target`
//! sends what it makes over HTTP or NATS, `store` runs a store as a child, `questions` asks it. With `--zstats` a real
//! page of metrics is shipped instead (`zstats`).

mod catalogue;
mod cluster;
mod error;
mod feed;
mod http;
mod jobs;
mod nats;
mod noise;
mod questions;
mod run;
mod show;
mod store;
mod target;
#[cfg(test)]
mod tests;
mod topology;
mod values;
mod zstats;

pub(super) use error::TOKEN_VARIABLE;
pub(super) use run::main;
