//! What only tests use: the manual clock, the faulty disk, random numbers, free ports, the reference model of a series.

mod clock;
mod disk;
mod fuzz;
mod model;
mod port;
mod random;
mod remote_write;

pub use clock::ManualClock;
pub use disk::{FaultyDisk, Files, Lasts, Operation};
pub use fuzz::{FUZZ_TARGETS, FuzzTarget};
pub use model::ModelSeries;
pub use port::free_port;
pub use random::Random;
pub use remote_write::{SentSeries, write_1, write_2};
