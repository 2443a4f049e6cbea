//! What only tests use: the manual clock and the reference model of a series.

mod clock;
mod fuzz;
mod model;

pub use clock::ManualClock;
pub use fuzz::{FUZZ_TARGETS, FuzzTarget};
pub use model::ModelSeries;
