//! Remote write and its relatives: from decoded series to samples of hosts.
//!
//! A series is relabelled, given a place in the tree, and goes to the grid where a mapping or its own labels say so;
//! else it is stamped. The answers are remembered by the bytes of its labels, so that in the steady state no label is
//! looked at. Invariant: what is remembered gives the same target as working it out anew.

mod grid;
mod import;
mod intake;
mod key;
mod keys;
mod known;
mod mapping;
mod options;
mod otlp;
mod place;
mod receiver;
mod report;
mod results;
mod scrapes;
#[cfg(test)]
mod tests;
mod write;

pub use import::ImportOptions;
pub use mapping::{Mapping, MappingError, MappingSettings};
pub use options::{Protocols, RemoteLimits, RemoteOptions};
pub use otlp::OtlpForm;
pub use place::{Place, Placing};
pub(in crate::engine) use receiver::Receiver;
pub use report::RemoteReport;
pub use results::{RuleReport, RuleSample};
pub(in crate::engine) use scrapes::ScrapeWrite;
pub use write::{RemoteError, WriteVersion};
