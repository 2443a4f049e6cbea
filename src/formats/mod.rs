//! File formats and wire formats: bytes ↔ model.

pub mod ccms;
pub mod exposition;
pub mod line;
pub mod native;
pub mod otlp;
pub mod parquet;
pub(crate) mod protobuf;
pub mod push;
pub mod remote;
mod whole;
pub mod yaml;
pub mod zstats;

pub use protobuf::Malformed;
