//! What only tests use: the manual clock and the reference model of a series.

mod clock;
mod model;

pub use clock::ManualClock;
pub use model::ModelSeries;
