//! Stamped series of a host: arbitrary labels, exact milliseconds, values bit by bit.

mod cardinality;
mod chunk;
mod data;
mod departing;
mod exemplars;
mod find;
mod found;
mod group;
mod host;
mod image;
mod index;
mod loose;
mod metadata;
mod restore;
mod retain;
mod seal;
mod symbols;
mod table;
#[cfg(test)]
mod tests;
mod times;
mod view;

pub use cardinality::Cardinality;
pub(super) use data::Stamped;
pub use departing::{StampedDeparting, StampedRows, StampedStamp};
pub use found::StampedFound;
pub(super) use metadata::MetadataTable;
pub use view::{StampedReader, StampedView};
