//! Native histograms with float counts, as PromQL computes with them.
//!
//! A histogram that passed [`FloatHistogram::validate`] stays valid through every operation here; one that did not is
//! still never a cause for a panic: its counts and spans are read as far as they agree.

mod bucket;
mod buckets;
mod classic;
mod combine;
mod compact;
mod custom;
mod describe;
mod description;
mod error;
mod float_histogram;
mod iterate;
mod json;
mod kahan;
mod mean;
mod number;
mod reset;
mod schema;
mod sum;
mod text;
mod trim;
mod validate;
mod zero;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use bucket::Bucket;
pub use buckets::{Buckets, Span};
pub use classic::{ClassicError, ClassicHistogram};
pub use combine::Combined;
pub use description::{Described, DescriptionError};
pub use error::{HistogramError, Place};
pub use float_histogram::FloatHistogram;
pub use kahan::KahanSum;
pub use mean::HistogramMean;
pub use number::{general_text, json_number};
pub use reset::CounterReset;
pub use schema::{SCHEMA_CUSTOM, SCHEMA_MAX, SCHEMA_MIN, is_custom, is_exponential};
pub use sum::HistogramSum;
pub use trim::Trim;
pub use validate::{BUCKETS_MAX, CUSTOM_BOUNDS_MAX};
