//! The spool: every scrape taken as two files, for readers outside.
//!
//! Invariant: a manifest is there only when its data is whole, and nothing is written or removed but below the spool's
//! directory and with the names of entries. Readers may take files away at any time.

mod clean;
mod held;
mod keep;
mod options;
#[cfg(test)]
mod tests;
mod work;

pub use clean::Cleaned;
pub use keep::{Kept, Spool};
pub use options::SpoolOptions;
pub use work::SpoolCleaning;
