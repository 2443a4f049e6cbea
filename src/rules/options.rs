//! What rules need to know; the config makes it.

use super::notify::NotifyOptions;
use super::query::QueryOptions;

/// How rules are evaluated.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files with rules, by name or pattern.
    pub files: Vec<String>,
    /// Milliseconds between two evaluations of groups that name none.
    pub interval_ms: i64,
    /// How far groups that do not say it look back, in milliseconds.
    pub query_offset_ms: i64,
    /// Where this store is, for links in alerts; without a slash at the end.
    pub external_url: String,
    /// After so many milliseconds an alert is sent again.
    pub resend_ms: i64,
    /// Alerts that were active so many milliseconds ago go on after a restart.
    pub outage_tolerance_ms: i64,
    /// The least milliseconds between a restart and an alert that goes on and fires.
    pub grace_ms: i64,
    /// Groups that are evaluated at a time.
    pub evaluations_max: usize,
    /// How rules ask.
    pub query: QueryOptions,
    /// How alerts are sent.
    pub notify: NotifyOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            files: Vec::new(),
            interval_ms: 60_000,
            query_offset_ms: 0,
            external_url: String::new(),
            resend_ms: 60_000,
            outage_tolerance_ms: 3_600_000,
            grace_ms: 600_000,
            evaluations_max: 4,
            query: QueryOptions::default(),
            notify: NotifyOptions::default(),
        }
    }
}
