//! The receiver: the rules in force and what is remembered under them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::super::core::Engine;
use super::known::Known;
use super::options::RemoteOptions;

/// Bytes that all that is remembered may take; with a memory cap, never more than an eighth of that.
const KNOWN_BYTES_MAX: u64 = 512 << 20;
/// Senders come and go: when there is no more room, everything is forgotten, but not more often than this.
const FORGET_PAUSE: Duration = Duration::from_secs(600);

/// By what the keys of series are told apart: keys of two kinds say nothing about each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// Fields of remote write 1.0.
    Write1,
    /// Hashes of remote write 2.0.
    Write2,
    /// Label sets written out: everything else.
    Labels,
    /// Label sets written out, of scrapes: apart, for they are read for as long as a spool takes.
    Scrapes,
}

/// How many kinds of keys there are.
const KINDS: usize = 4;

/// Takes series in.
#[derive(Debug)]
pub(in crate::engine) struct Receiver {
    options: ArcSwap<RemoteOptions>,
    /// By kind of key. A lock that bodies share while they are read; what they taught is added at their ends.
    known: [RwLock<Known>; KINDS],
    /// When everything was forgotten for want of room. A plain lock: it is held for a few instructions.
    forgotten: Mutex<Option<Instant>>,
}

impl Default for Receiver {
    fn default() -> Self {
        Receiver { options: ArcSwap::default(), known: Default::default(), forgotten: Mutex::new(None) }
    }
}

impl Receiver {
    /// The rules in force.
    pub(super) fn options(&self) -> Arc<RemoteOptions> {
        self.options.load_full()
    }

    /// What is remembered of keys of this kind.
    pub(super) fn known(&self, kind: KeyKind) -> RwLockReadGuard<'_, Known> {
        self.known[kind as usize].read()
    }

    /// Adds what a body taught, if the rules are still those by which it was read.
    pub(super) fn learn(&self, engine: &Engine, kind: KeyKind, epoch: u64, add: impl FnOnce(&mut Known)) {
        let mut known = self.known[kind as usize].write();
        if known.epoch() != epoch {
            return;
        }
        if engine.known_bytes() >= bytes_max(engine) {
            // Of all kinds: senders that changed theirs have left what nobody else would take away. One lock at a time,
            // so that no two bodies wait for each other; the next one is learnt from.
            drop(known);
            if self.may_forget() {
                self.forget(engine);
            }
            return;
        }
        let before = known.memory_bytes();
        add(&mut known);
        engine.store.count_known(known.memory_bytes() as i64 - before as i64);
    }

    /// Whether everything may be forgotten for want of room; notes that it is.
    fn may_forget(&self) -> bool {
        let mut forgotten = self.forgotten.lock();
        if forgotten.is_some_and(|at| at.elapsed() < FORGET_PAUSE) {
            return false;
        }
        *forgotten = Some(Instant::now());
        true
    }

    /// Forgets everything: rules or metrics have changed, or there is no more room.
    fn forget(&self, engine: &Engine) {
        for known in &self.known {
            let mut known = known.write();
            let before = known.memory_bytes();
            known.clear();
            engine.store.count_known(-(before as i64));
        }
    }
}

/// Bytes that all that is remembered may take.
fn bytes_max(engine: &Engine) -> u64 {
    match engine.options.memory_bytes_max {
        0 => KNOWN_BYTES_MAX,
        cap => KNOWN_BYTES_MAX.min(cap / 8),
    }
}

impl Engine {
    /// The rules by which series of remote write and its relatives are taken in.
    pub fn remote_options(&self) -> Arc<RemoteOptions> {
        self.receiver.options()
    }

    /// Takes over the rules of a config. Bodies under way end by the rules of their beginning.
    pub fn set_remote_options(&self, options: RemoteOptions) {
        self.receiver.options.store(Arc::new(options));
        self.receiver.forget(self);
    }

    /// Forgets which series went where: the table of metrics has changed.
    pub(in crate::engine) fn forget_targets(&self) {
        self.receiver.forget(self);
    }

    /// Bytes of what is remembered.
    fn known_bytes(&self) -> u64 {
        self.store.known_bytes()
    }
}
