//! File formats and wire formats: bytes ↔ model.

pub mod native;
