//! The messages of `api/treering/v1/metrics.proto` and a client for its service, as the build makes them.
//!
//! [`metrics_client::MetricsClient`] takes any channel; `examples/push_metrics.rs` shows one.

#![allow(missing_docs, reason = "what the build makes has the comments of the file that it is made of")]
#![allow(clippy::pedantic, clippy::nursery, clippy::all, reason = "nobody edits what the build makes")]

include!(concat!(env!("OUT_DIR"), "/treering.v1.rs"));

/// The descriptors of all that, as reflection answers them: an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/metrics.bin"));
