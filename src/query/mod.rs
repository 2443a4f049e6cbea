//! Selector queries over the store: the JSON request of `/api/query` in, a streamed JSON answer out.
//!
//! [`Request::parse`] reads a body, [`answer()`] writes what the store says to it.

mod answer;
mod decode;
mod entry;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod number;
mod parallel;
mod request;
mod resample;
mod selector;
mod source;
mod statistics;

pub use answer::answer;
#[cfg(any(test, feature = "testing"))]
pub use fuzz::fuzz_request;
pub use number::{write_data, write_statistic};
pub use request::{Query, Request, RequestError, SELECTIONS_MAX};
pub use resample::{NotAMultiple, Resample};
pub use source::Source;
pub use statistics::Statistics;
