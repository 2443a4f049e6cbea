//! Tests against the running binary that take long for their size: large bodies, 10,000 hosts, full memory, floods and
//! hostile clients.
//!
//! They share the harness of `tests/e2e` and are a binary of their own, so that each of the two ends in minutes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

#[path = "../e2e/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "these tests need only a part of it")]
mod harness;

mod bodies;
mod checkpoint;
mod connections;
mod http2;
mod names;
mod overload;
mod probe;
#[cfg(feature = "testing")]
mod prometheus;
mod queries;
mod raw;
mod retention;
mod scale;
mod shutdown;
mod slow;
