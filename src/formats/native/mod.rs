//! Treering's own files: log segments and shard snapshots, version 1 of both.
//!
//! Bytes ↔ model only, over slices, `Read` and `Write` that the caller hands in. What a record means ([`Record`]) knows
//! nothing of segments, and what a host's section holds knows nothing of snapshots. `docs/formats/log.md` and
//! `docs/formats/snapshot.md` draw the bytes; golden files pin them.

mod bytes;
mod definition;
mod error;
mod frame;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod header;
mod names;
mod record;
mod runs;
mod section;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;
mod values;

pub use definition::{ComponentPath, ComponentRef, Definition};
pub use error::{Damage, NativeError};
#[cfg(any(test, feature = "testing"))]
pub use fuzz::{fuzz_segment, fuzz_snapshot};
pub use header::{FILE_HEADER_BYTES, FileHeader, Kind as FileKind, VERSION as FILE_VERSION};
pub use names::{FileName, parse_shard_folder, shard_folder};
pub use record::{HorizonRecord, Record, SAMPLES_MAX, SamplesRecord, encode_horizon, encode_samples};
pub use segment::{Entry, RECORD_BYTES_MAX, SegmentReader, append_header, append_record};
pub use snapshot::{SECTION_BYTES_MAX, Section, SnapshotReader, SnapshotWriter};
