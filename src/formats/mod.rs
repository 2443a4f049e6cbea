//! File formats and wire formats: bytes ↔ model.
