//! Selector queries over the store: the JSON request of `/api/query` in, a streamed JSON answer out.
//!
//! [`Request::parse`] reads a body, [`answer()`] writes what the store says to it.

mod answer;
mod batch;
mod decode;
mod entry;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod job;
mod number;
mod parallel;
mod request;
mod resample;
mod selector;
mod sink;
mod source;
mod statistics;
mod triangles;

pub use answer::{answer, answer_quickly};
#[cfg(any(test, feature = "testing"))]
pub use fuzz::fuzz_request;
pub use number::{write_data, write_statistic};
pub use request::{Query, Request, RequestError, SELECTIONS_MAX};
pub use resample::{NotAMultiple, Resample};
pub use sink::Sink;
pub use source::Source;
pub use statistics::Statistics;
