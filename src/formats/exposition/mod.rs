//! The text formats that exporters speak: Prometheus's (version 0.0.4) and OpenMetrics 1.0, read; the former, written.
//!
//! A body is read line by line, and a bad line spoils nothing but itself. Both readers take what Prometheus's own
//! parsers take, with these exceptions: a carriage return at a line's end is passed over, times before 1970 are taken
//! in both formats, and no quoted text reaches beyond its line. Series named `…_created` are series like all others
//! unless [`ExpositionOptions::created_is_start`] says otherwise, as in Prometheus.

mod error;
mod escaping;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod line;
mod number;
mod parse;
mod print;
mod scan;
#[cfg(test)]
mod tests;

pub use error::ExpositionError;
pub use escaping::Escaping;
#[cfg(any(test, feature = "testing"))]
pub use fuzz::fuzz_exposition;
pub use line::ExpositionSample;
pub use parse::{ExpositionOptions, ExpositionVisitor, MetadataPart, Syntax, parse_exposition};
pub use print::TextPrinter;
