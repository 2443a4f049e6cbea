//! zstats at the network: readers of the spool are told what lies there.

mod announcer;

pub use announcer::{Announcer, AnnouncerError, AnnouncerOptions};
