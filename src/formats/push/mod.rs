//! What is pushed over gRPC: the bytes of a `treering.v1.WriteRequest`, walked over without making anything of them.
//!
//! Series with labels are in it as remote write 1.0 has them, and its decoder reads them; here is the rest.

#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod request;

#[cfg(any(test, feature = "testing"))]
pub use fuzz::fuzz_push;
pub use request::{GridSample, GridSeries, PushRequest};
