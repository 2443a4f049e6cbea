//! The archive's files of stamped samples: labels as a map, exact milliseconds, numbers and native histograms.
//!
//! `docs/formats/parquet.md` describes the columns.

mod columns;
mod histograms;
mod reader;
mod texts;
mod writer;

#[cfg(test)]
mod tests;

pub use reader::{SampleBatch, SamplesReader};
pub use writer::{SampleRows, SamplesWriter};
