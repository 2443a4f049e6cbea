//! All fuzz targets by name: the fuzz crate runs them, and a test replays what was found.

use crate::formats::{ccms, exposition, line, native, otlp, push, remote, zstats};
use crate::{block, config, promql, query, server};

/// A function that takes any bytes and panics when something is broken.
pub type FuzzTarget = fn(&[u8]);

/// The targets, with the names of their folders in `fuzz/corpus`.
pub const FUZZ_TARGETS: [(&str, FuzzTarget); 18] = [
    ("line", line::fuzz),
    ("query", query::fuzz_request),
    ("wal", ccms::fuzz_wal),
    ("bin", ccms::fuzz_bin),
    ("json", ccms::fuzz_json),
    ("state", ccms::fuzz_state),
    ("segment", native::fuzz_segment),
    ("snapshot", native::fuzz_snapshot),
    ("chunk", block::fuzz),
    ("config", config::fuzz_config),
    ("token", server::fuzz_token),
    ("promql", promql::parse::fuzz_query),
    ("remote_write", remote::fuzz_write),
    ("remote_read", remote::fuzz_read),
    ("exposition", exposition::fuzz_exposition),
    ("otlp", otlp::fuzz_otlp),
    ("zstats", zstats::fuzz_zstats),
    ("push", push::fuzz_push),
];
