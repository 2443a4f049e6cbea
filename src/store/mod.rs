//! Memory: the tree of clusters, hosts and components with their series. No I/O, no async.

mod aggregate;
mod archived;
mod block_order;
mod components;
mod depart;
mod host;
mod host_data;
mod image;
mod keys;
mod lane;
mod limits;
mod memory;
mod pieces;
mod read;
mod recent;
mod retain;
mod rolled;
mod rollup;
mod rollup_keep;
mod rollup_read;
mod rollup_seal;
mod sample_reader;
mod samples;
mod seconds;
mod series;
#[cfg(test)]
mod short_ways;
mod slots;
mod stamped;
mod summary;
#[cfg(test)]
mod tests;
mod tree;
mod view;

pub use archived::ArchivedRows;
pub use depart::{Departing, DepartingRows, Stamp};
pub use host::{Host, Restored, SeriesDescription};
pub use host_data::{Applied, SeriesPath};
pub use keys::KeyCache;
pub use limits::{LimitReached, Limits};
pub use read::{Answer, ReadError};
pub use sample_reader::SampleReader;
pub use samples::{ComponentPath, Found, SampleSeries};
pub use stamped::{Cardinality, StampedDeparting, StampedFound, StampedReader, StampedRows, StampedStamp, StampedView};
pub use summary::{LevelSummary, RunSummary};
pub use tree::Store;
