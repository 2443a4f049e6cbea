//! The archive: rows that leave memory become Parquet files, and only then leave it.
//!
//! A pass writes one file a cluster (`pass`), its rename is the commit, then its rows are dropped from memory
//! (`settle`). The manifest of a cluster (`manifest`) knows which files are not settled yet: after a crash their rows
//! are looked for in memory and dropped, so that no row is archived twice and none is missing. `expire` bounds the
//! archive itself.

mod error;
mod expire;
mod manifest;
mod offline;
mod output;
mod pass;
mod plan;
mod samples;
mod settle;
mod state;
#[cfg(test)]
mod tests;

pub use error::ArchiveError;
pub use offline::CleanupProgress;
pub(super) use pass::Archived;
pub(super) use plan::Plan;
pub(super) use state::ArchiveState;
