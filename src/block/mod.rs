//! Sealed runs of slots: immutable, compressed, bit for bit exact. Pure functions over bytes, no I/O.
//!
//! The bytes of a [`Block`] and of [`Ticks`] go verbatim into snapshots; `docs/formats/block.md` draws them. A value
//! passes through up to three steps, each in its own file: empty slots and repeated values are taken out (`mask`), what
//! is left is mapped to whole numbers (`mapping`) and these are packed (`integers`, `bits`), or a codec without numbers
//! takes them (`codec`: raw, constant, dictionary).

mod bits;
mod codec;
mod decimal;
mod dictionary;
mod error;
mod header;
mod integers;
mod layer;
mod mapping;
mod mask;
mod patches;
mod reader;
mod sealed;
mod sealer;
mod stamped;
mod ticks;

#[cfg(test)]
mod tests;

pub use error::BlockError;
pub use sealed::{Batch, Block, SLOTS_MAX};
#[cfg(any(test, feature = "testing"))]
pub use stamped::fuzz;
pub use stamped::{Column, ColumnBatch, HistogramColumn, SAMPLES_MAX, Times, Values};
pub use ticks::{NO_TICK, Ticks};
