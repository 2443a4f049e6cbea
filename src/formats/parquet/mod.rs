//! The archive: Parquet files of rows, one cluster a file.
//!
//! Rows ↔ bytes only, over `Write` and [`RandomRead`](crate::disk::RandomRead); no paths, no tree. What is written is
//! truly sorted, and a reader can skip by host, metric and time. `docs/formats/parquet.md` describes the files.

mod error;
mod group;
mod names;
mod options;
mod prune;
mod reader;
mod rows;
mod runs;
mod scan;
mod schema;
mod source;
#[cfg(test)]
mod tests;
mod writer;

pub use error::ParquetError;
pub use options::{COMPRESSION_LEVEL, ValueType, WriterOptions};
pub use reader::{ArchiveMetadata, ArchiveReader, RowGroupSummary};
pub use rows::{Batch, Filter, Rows};
pub use scan::Batches;
pub use writer::{ArchiveWriter, Written};
