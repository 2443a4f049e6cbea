//! Sealed samples of stamped series: exact milliseconds, values bit by bit, native histograms. Pure functions over
//! bytes, no I/O.
//!
//! A chunk of a series is [`Times`], which the series of one sender share, and [`Values`]: a [`Column`] of floats or a
//! [`HistogramColumn`]. All go verbatim into snapshots; `docs/formats/stamped.md` draws them.

mod batch;
mod column;
mod count;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod grid;
mod histograms;
mod shape;
mod times;
mod values;

#[cfg(test)]
mod tests;

pub use batch::ColumnBatch;
pub use column::Column;
#[cfg(any(test, feature = "testing"))]
pub use fuzz::fuzz;
pub use histograms::HistogramColumn;
pub use times::Times;
pub use values::Values;

use super::sealed::SLOTS_MAX;

/// Times, columns and histogram columns hold 1 to this many samples.
pub const SAMPLES_MAX: usize = SLOTS_MAX;

/// Chunks are sealed once and small, so patches are sought from here on.
const PATCHED_MIN: usize = 48;
