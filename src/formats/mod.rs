//! File formats and wire formats: bytes ↔ model.

pub mod ccms;
pub mod exposition;
pub mod line;
pub mod native;
pub mod parquet;
pub(crate) mod protobuf;
pub mod push;
pub mod remote;

pub use protobuf::Malformed;
