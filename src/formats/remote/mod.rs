//! Prometheus's remote write and remote read: bytes ↔ model.
//!
//! A body is decompressed by [`decompress`] into a buffer of the caller's, then walked over by [`decode_write_1`] or
//! [`decode_write_2`], which shows series after series to a [`WriteVisitor`]. What the visitor was shown counts only if
//! the walk ends without an error: a malformed body is refused as a whole, and its end may be what is malformed.
//! Senders send the same series again and again: [`Series::key`] tells one series from all others before its labels are
//! looked at, and [`WriteVisitor::expected`] lets a receiver name the key that it takes for the next one.

mod bits;
mod chunk;
mod compression;
mod encode;
mod error;
mod exemplar;
mod histogram;
mod labels;
mod limits;
mod read_answer;
mod read_request;
mod read_stream;
mod sample;
mod series;
mod symbols;
mod visit;
mod write_1;
mod write_2;

#[cfg(any(test, feature = "testing"))]
mod fuzz;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod write_tests;

#[cfg(any(test, feature = "testing"))]
pub use compression::snappy;
pub use compression::{Compression, decompress, to_snappy};
#[cfg(any(test, feature = "testing"))]
pub(crate) use encode::{put_histogram, put_sample};
pub use error::{CompressionError, SeriesError, WriteError};
pub use exemplar::{EXEMPLAR_CHARACTERS_MAX, ExemplarError};
#[cfg(any(test, feature = "testing"))]
pub use fuzz::{fuzz_read, fuzz_write};
pub use limits::WriteLimits;
pub use read_answer::SampledAnswer;
pub use read_request::{ReadError, ReadForm, ReadHints, ReadQuery, ReadRequest};
pub use read_stream::{FRAME_BYTES_MAX, StreamedSeries};
pub use sample::{FloatSample, HistogramSample};
pub use series::Series;
pub use visit::{Counts, MetadataRef, WriteVisitor};
pub use write_1::decode_write_1;
pub use write_2::decode_write_2;
