//! Stamped series of a host: arbitrary labels, exact milliseconds, values bit by bit.

mod departing;
mod found;
mod host;
mod view;

pub use departing::{StampedDeparting, StampedRows, StampedStamp};
pub use found::{Cardinality, StampedFound};
pub use view::{StampedReader, StampedView};
