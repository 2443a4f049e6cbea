//! Cleanups of the files of a store that is not running, host by host: memory holds a few hosts at a time.
//!
//! The hosts come in the order of their names from the shards and from the folders of the other forms (`sources`), some
//! threads read them ahead (`host`), their old rows go to the archive, and what is left is written beside the files it
//! came from (`rest`). The rest gets its names only after the archive's files have theirs; between the two the
//! manifest has them as pending, so a crash at any point is resumed by the next cleanup or start.

mod course;
mod host;
mod rest;
mod sources;

pub use course::CleanupProgress;
