//! How entries are announced, and why they cannot be.

use std::time::Duration;

/// How entries are announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncerOptions {
    /// Where the reader listens: host and port, `[::1]:5300`.
    pub address: String,
    /// How long one call may take.
    pub timeout: Duration,
    /// Entries that wait, at most; beyond, the oldest are given up.
    pub queue_max: usize,
    /// Calls at a time.
    pub calls_max: usize,
    /// The first pause after a call that failed, doubled after each further one.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl AnnouncerOptions {
    /// A reader at this address, all else by default.
    pub fn new(address: impl Into<String>) -> AnnouncerOptions {
        AnnouncerOptions {
            address: address.into(),
            timeout: Duration::from_secs(360),
            queue_max: 10_000,
            calls_max: 32,
            pause_min: Duration::from_millis(200),
            pause_max: Duration::from_secs(30),
        }
    }
}

/// Why entries cannot be announced at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnouncerError {
    /// The address is none.
    #[error("{address:?} is no address: expected a host and a port like \"localhost:5300\"")]
    Address {
        /// What was given.
        address: String,
    },
}
