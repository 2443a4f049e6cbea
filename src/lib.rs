//! Treering: an in-memory metric store for compute clusters.
//!
//! The layers, from the bottom: [`time`], [`disk`], [`telemetry`] and [`allocator`]; [`model`]; [`block`] and
//! [`formats`]; [`store`]; [`engine`], [`query`] and [`promql`]; [`rules`]; [`server`]; [`config`]; [`cli`]. Imports
//! go strictly downward (`tests/tidy.rs` enforces it); `docs/architecture.md` draws the picture.

pub mod allocator;
pub mod block;
pub mod cli;
pub mod config;
pub mod disk;
pub mod engine;
pub mod formats;
pub mod model;
pub mod promql;
pub mod query;
pub mod rules;
pub mod server;
pub mod store;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
