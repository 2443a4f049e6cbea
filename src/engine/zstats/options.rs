//! What the engine needs to know of zstats; the config makes it.

use super::spool::SpoolOptions;
use crate::formats::zstats::StateLimits;

/// How scrapes are collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZstatsOptions {
    /// Whose scrapes are taken.
    pub accounts: Vec<String>,
    /// What is kept of all accounts together, but the number of targets, which is each account's.
    pub limits: StateLimits,
    /// How scrapes are kept as files; `None` for not at all.
    pub spool: Option<SpoolOptions>,
}
