//! zstats: what becomes of the scrapes that the collector ships.
//!
//! A request's scrapes are rebuilt, kept as files if there is a spool, and written into the store; only then is their
//! sender answered.

mod collected;
mod expire;
mod options;
mod spool;
mod take;
#[cfg(test)]
mod tests;

pub(super) use collected::Collected;
pub use options::ZstatsOptions;
pub use spool::{Cleaned, Kept, Spool, SpoolCleaning, SpoolOptions};
pub use take::{TakeError, Taken, TakenScrape};
