//! Tests of the archive from the outside: other tools read what Treering has written, and rows go out and in again.
//!
//! They share the harness of `tests/e2e`. DuckDB, pyarrow, pandas and Spark live in `target/venv`, which is made from
//! `requirements.txt` when it is missing; where that can't be done, the tests that need it say SKIPPED and why. With
//! `CI=true`, only Spark may be skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod checkpoints;
mod documented;
#[path = "../e2e/harness/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "these tests need only a part of it")]
mod harness;
mod python;
mod samples;
mod transfer;
mod two_days;
