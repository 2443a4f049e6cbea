//! zstats: what becomes of the scrapes that the collector ships.

mod spool;

pub use spool::{Kept, Spool, SpoolOptions};
