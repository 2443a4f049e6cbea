//! OpenTelemetry's metrics over HTTP: `ExportMetricsServiceRequest`, as protobuf or JSON, into series as Prometheus's
//! translator makes them.
//!
//! A body is decoded whole, for resources say what holds for everything inside of them, with a limit on how many parts
//! it may have; then each point is shown to an [`OtlpVisitor`] as a sample of a series. What cannot be translated is
//! refused metric by metric, as Prometheus does, and the rest goes on.

mod answer;
mod classic;
mod error;
mod exemplar;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod json;
mod label_names;
mod labels;
mod layout;
mod message;
mod metric_names;
mod native;
mod options;
mod target_info;
#[cfg(test)]
mod tests;
mod translate;
mod value;
mod wire;

pub use answer::{answer_json, answer_protobuf};
pub use error::{OtlpBodyError, OtlpError};
#[cfg(any(test, feature = "testing"))]
pub use fuzz::fuzz_otlp;
pub use options::{OtlpOptions, TranslationStrategy};
pub use translate::{OtlpSample, OtlpVisitor, translate_json, translate_protobuf};
