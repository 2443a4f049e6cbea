//! Treering's own files: log segments and shard snapshots, version 2 of both; version 1 is read.
//!
//! Bytes ↔ model only, over slices, `Read` and `Write` that the caller hands in. What a record means ([`Record`]) knows
//! nothing of segments, and what a host's section holds knows nothing of snapshots. `docs/formats/log.md` and
//! `docs/formats/snapshot.md` draw the bytes; golden files pin them.

mod bytes;
mod columns;
mod definition;
mod error;
mod frame;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod header;
mod histogram;
mod metadata;
mod names;
mod record;
mod runs;
mod section;
mod segment;
mod snapshot;
mod stamped_record;
mod stamped_section;
mod symbols;
#[cfg(test)]
mod tests;
mod values;

pub use definition::{ComponentPath, ComponentRef, Definition};
pub use error::{Damage, NativeError};
#[cfg(any(test, feature = "testing"))]
pub use fuzz::{fuzz_segment, fuzz_snapshot};
pub use header::{FILE_HEADER_BYTES, FileHeader, Kind as FileKind, VERSION as FILE_VERSION};
pub use names::{FileName, parse_shard_folder, shard_folder};
pub use record::{
    HorizonRecord, Record, SAMPLES_MAX, SamplesRecord, encode_both, encode_horizon, encode_metadata, encode_samples,
};
pub use segment::{Entry, RECORD_BYTES_MAX, SegmentReader, append_header, append_record};
pub use snapshot::{SECTION_BYTES_MAX, Section, SnapshotReader, SnapshotWriter};
pub use stamped_record::{StampedHead, StampedRecord, encode_stamped};
