//! Where memory goes: counted bytes, by kind.
//!
//! Every structure that grows with data reports its growth here. The invariant: a host's own counts are the sum over
//! what it holds, and the shared counts are the sum over the hosts, so the memory cap has an exact figure to go by.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// What memory is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Sealed blocks.
    Blocks,
    /// Open rows.
    Lanes,
    /// Late samples that are not folded into blocks yet.
    Overlays,
    /// The seconds of sealed rows.
    Ticks,
    /// Series headers and indexes.
    Series,
    /// Components and their names.
    Components,
    /// What is remembered of the lines of each sender.
    Keys,
    /// Sealed sums over components.
    Rollups,
    /// Sealed samples of stamped series.
    StampedChunks,
    /// Samples of stamped series that are not sealed yet.
    StampedOpen,
    /// Headers, labels and index of stamped series.
    StampedSeries,
    /// Exemplars of stamped series.
    Exemplars,
    /// What metrics measure, by their senders.
    Metadata,
}

impl Use {
    /// All uses, in the order in which they are shown.
    pub const ALL: [Use; 13] = [
        Use::Blocks,
        Use::Lanes,
        Use::Overlays,
        Use::Ticks,
        Use::Series,
        Use::Components,
        Use::Keys,
        Use::Rollups,
        Use::StampedChunks,
        Use::StampedOpen,
        Use::StampedSeries,
        Use::Exemplars,
        Use::Metadata,
    ];

    /// The name as metrics show it.
    pub fn name(self) -> &'static str {
        match self {
            Use::Blocks => "blocks",
            Use::Lanes => "lanes",
            Use::Overlays => "overlays",
            Use::Ticks => "ticks",
            Use::Series => "series",
            Use::Components => "components",
            Use::Keys => "keys",
            Use::Rollups => "rollups",
            Use::StampedChunks => "stamped_chunks",
            Use::StampedOpen => "stamped_open",
            Use::StampedSeries => "stamped_series",
            Use::Exemplars => "exemplars",
            Use::Metadata => "metadata",
        }
    }
}

/// Bytes by use, of one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    by_use: [i64; Use::ALL.len()],
    /// All that was ever taken off.
    freed: u64,
}

impl Bytes {
    /// Notes growth, or with a negative number shrinkage.
    #[inline]
    pub(super) fn add(&mut self, to: Use, bytes: i64) {
        self.by_use[to as usize] += bytes;
        self.freed += bytes.min(0).unsigned_abs();
    }

    /// All of them.
    pub(super) fn total(&self) -> usize {
        self.by_use.iter().sum::<i64>().max(0) as usize
    }

    /// Sets a count that is cheaper to compute anew than to keep.
    pub(super) fn set(&mut self, of: Use, bytes: usize) {
        let before = std::mem::replace(&mut self.by_use[of as usize], bytes as i64);
        self.freed += (bytes as i64 - before).min(0).unsigned_abs();
    }
}

/// Bytes by use, of all hosts together, and what else all hosts share.
#[derive(Debug, Default)]
pub(super) struct SharedBytes {
    by_use: [AtomicI64; Use::ALL.len()],
    freed: AtomicU64,
    stamped_series: AtomicU64,
    exemplars_max: usize,
}

impl SharedBytes {
    /// Nothing yet, with so many exemplars a series at most.
    pub(super) fn new(exemplars_max: usize) -> Self {
        SharedBytes { exemplars_max, ..SharedBytes::default() }
    }

    /// How many stamped series all hosts have.
    pub(super) fn stamped_series(&self) -> &AtomicU64 {
        &self.stamped_series
    }

    /// How many exemplars a series keeps.
    pub(super) fn exemplars_max(&self) -> usize {
        self.exemplars_max
    }

    /// Notes growth, or with a negative number shrinkage, of what belongs to no host.
    pub(super) fn add(&self, to: Use, bytes: i64) {
        self.by_use[to as usize].fetch_add(bytes, Ordering::Relaxed);
        self.freed.fetch_add(bytes.min(0).unsigned_abs(), Ordering::Relaxed);
    }

    /// Takes over what changed in a host since it was last published.
    pub(super) fn publish(&self, before: &mut Bytes, now: &Bytes) {
        for (shared, (before, now)) in self.by_use.iter().zip(before.by_use.iter().zip(&now.by_use)) {
            let change = *now - *before;
            if change != 0 {
                shared.fetch_add(change, Ordering::Relaxed);
            }
        }
        if now.freed > before.freed {
            self.freed.fetch_add(now.freed - before.freed, Ordering::Relaxed);
        }
        *before = *now;
    }

    /// Bytes by use.
    pub(super) fn by_use(&self) -> Vec<(&'static str, u64)> {
        Use::ALL.iter().map(|&u| (u.name(), self.get(u))).collect()
    }

    /// Bytes that were freed since the start: what may be of use to give back.
    pub(super) fn freed(&self) -> u64 {
        self.freed.load(Ordering::Relaxed)
    }

    /// All bytes.
    pub(super) fn total(&self) -> u64 {
        Use::ALL.iter().map(|&u| self.get(u)).sum()
    }

    fn get(&self, of: Use) -> u64 {
        // Hosts publish one after the other: between two of them a sum may be below zero for a moment.
        self.by_use[of as usize].load(Ordering::Relaxed).max(0).unsigned_abs()
    }
}
