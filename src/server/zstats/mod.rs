//! zstats at the network: readers of the spool are told what lies there.

mod announcer;
mod call;
mod options;
mod queue;
#[cfg(test)]
mod tests;

pub use announcer::Announcer;
pub use options::{AnnouncerError, AnnouncerOptions};
