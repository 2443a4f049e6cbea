//! The archive: Parquet files of rows, one cluster a file.
//!
//! Rows ↔ bytes only, over `Write` and [`RandomRead`](crate::disk::RandomRead); no paths, no tree. What is written is
//! truly sorted, and a reader can skip by host, metric and time. `docs/formats/parquet.md` describes the files.

mod chunk;
mod delta;
mod distinct;
mod encode;
mod error;
mod float;
mod group;
mod hybrid;
mod names;
mod options;
mod plan;
mod prune;
mod reader;
mod rows;
mod runs;
mod samples;
mod scan;
mod schema;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod writer;

pub use error::ParquetError;
pub use options::{COMPRESSION_LEVEL, ValueType, WriterOptions};
pub use reader::{ArchiveMetadata, ArchiveReader, RowGroupSummary};
pub use rows::{Batch, Filter, Rows};
pub use samples::{SampleBatch, SampleRows, SamplesReader, SamplesWriter};
pub use scan::Batches;
pub use writer::{ArchiveWriter, Written};
