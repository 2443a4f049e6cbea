//! Tests against the running binary that take long for their size: a body of 300 MB, 10,000 hosts, full memory.
//!
//! They share the harness of `tests/e2e` and are a binary of their own, so that each of the two ends in minutes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

#[path = "../e2e/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "these tests need only a part of it")]
mod harness;
mod retention;
mod scale;
