//! zstats: what becomes of the scrapes that the collector ships.

mod spool;

pub use spool::{Cleaned, Kept, Spool, SpoolCleaning, SpoolOptions};
