//! The targets whose scrapes are collected, by account.
//!
//! Invariant: an account's lock is held from the first look at its scrapes until the log has what was made of them, so
//! what is kept is never ahead of what is stored, and the samples of a target are written in the order of its scrapes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::super::core::Engine;
use super::options::ZstatsOptions;
use super::spool::Spool;
use crate::formats::zstats::{Instances, StateLimits};
use crate::telemetry::LogLimit;

/// All accounts' targets.
pub(in crate::engine) struct Collected {
    /// A lock an account: senders have one request under way at a time, and accounts do not wait for each other.
    accounts: BTreeMap<Box<str>, Mutex<Instances>>,
    limits: StateLimits,
    /// Bytes of all accounts' scrapes together.
    bytes: AtomicUsize,
    /// Targets of all accounts together.
    targets: AtomicUsize,
    pub(super) spool: Option<Arc<Spool>>,
    /// A flood of what is left out is a few lines of the log.
    pub(super) logged: LogLimit,
}

/// An account's targets, locked.
pub(super) struct Account<'c> {
    pub(super) name: &'c str,
    pub(super) instances: MutexGuard<'c, Instances>,
    collected: &'c Collected,
    engine: &'c Engine,
    /// Bytes and targets as they were.
    before: (usize, usize),
}

impl Collected {
    /// No target yet. `bytes_max` bounds what is kept beside the limits.
    pub(super) fn new(options: ZstatsOptions, bytes_max: usize, spool: Option<Arc<Spool>>) -> Collected {
        let ZstatsOptions { accounts, limits, .. } = options;
        let limits = StateLimits { bytes_max: limits.bytes_max.min(bytes_max), ..limits };
        let empty = |account: String| (account.into_boxed_str(), Mutex::new(Instances::new(limits.clone())));
        Collected {
            accounts: accounts.into_iter().map(empty).collect(),
            limits,
            bytes: AtomicUsize::new(0),
            targets: AtomicUsize::new(0),
            spool,
            logged: LogLimit::default(),
        }
    }

    /// Locks an account; waits for who has it.
    pub(super) fn account<'c>(&'c self, name: &str, engine: &'c Engine) -> Option<Account<'c>> {
        let (name, instances) = self.accounts.get_key_value(name)?;
        let mut instances = instances.lock();
        let before = (instances.bytes(), instances.len());
        // What others add at the same time is not seen: the bound is kept up to what is under way.
        let others = self.bytes.load(Ordering::Relaxed).saturating_sub(before.0);
        instances.limit_bytes(self.limits.bytes_max.saturating_sub(others));
        Some(Account { name, instances, collected: self, engine, before })
    }

    /// The names of the accounts.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(|name| &**name)
    }
}

impl Drop for Account<'_> {
    /// Counts what has changed.
    fn drop(&mut self) {
        let count = |sum: &AtomicUsize, before: usize, after: usize| {
            // Wrapping, so that what is added may be less than nothing.
            let change = after.wrapping_sub(before);
            sum.fetch_add(change, Ordering::Relaxed).wrapping_add(change)
        };
        let bytes = count(&self.collected.bytes, self.before.0, self.instances.bytes());
        let targets = count(&self.collected.targets, self.before.1, self.instances.len());
        self.engine.store.count_kept(self.instances.bytes().wrapping_sub(self.before.0) as i64);
        let (telemetry, shown) = (&self.engine.telemetry.zstats, |count| i64::try_from(count).unwrap_or(i64::MAX));
        telemetry.state_bytes.set(shown(bytes));
        telemetry.targets.set(shown(targets));
    }
}
