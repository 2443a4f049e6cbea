//! Sealed times that series share: those that are sent together have one copy.
//!
//! Invariant: `uses` counts the chunks of the host and the places of its pool that refer to the times, so that their
//! bytes count once, from the first use to the last. Handles of readers do not count.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::block::Times;

/// Sealed times with what is asked of them most.
#[derive(Debug)]
pub(super) struct SharedTimes {
    pub(super) sealed: Times,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) len: u32,
    uses: AtomicU32,
}

impl SharedTimes {
    /// Times that nothing refers to yet.
    pub(super) fn new(sealed: Times) -> Arc<SharedTimes> {
        let (first_ms, last_ms, len) = (sealed.first_ms(), sealed.last_ms(), sealed.len() as u32);
        Arc::new(SharedTimes { sealed, first_ms, last_ms, len, uses: AtomicU32::new(0) })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// All of them, appended.
    pub(super) fn decode_to(&self, out: &mut Vec<i64>) {
        let begin = out.len();
        out.resize(begin + self.len(), 0);
        self.sealed.decode(0..self.len(), &mut out[begin..]);
    }

    /// Notes a use; answers the bytes that count from now on. The host's lock is held for writing.
    pub(super) fn begin_use(&self) -> usize {
        if self.uses.fetch_add(1, Ordering::Relaxed) == 0 { self.memory_bytes() } else { 0 }
    }

    /// Notes the end of a use; answers the bytes that no longer count.
    pub(super) fn end_use(&self) -> usize {
        if self.uses.fetch_sub(1, Ordering::Relaxed) == 1 { self.memory_bytes() } else { 0 }
    }

    /// Bytes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        // The counts of an `Arc`, and what the allocator adds.
        self.sealed.memory_bytes() + size_of::<SharedTimes>() + 16 + 8
    }
}

/// Times that are remembered to be shared.
const POOL: usize = 16;

/// The times that were sealed last in a host.
#[derive(Debug, Default)]
pub(super) struct Pool {
    recent: VecDeque<Arc<SharedTimes>>,
    scratch: Vec<i64>,
}

impl Pool {
    /// Seals times, or answers the equal ones that were sealed shortly before. `bytes` are those of all times.
    pub(super) fn share(&mut self, times: &[i64], bytes: &mut usize) -> Arc<SharedTimes> {
        let (first, last) = (times.first().copied(), times.last().copied());
        for place in 0..self.recent.len() {
            let other = &self.recent[place];
            if other.len() != times.len() || Some(other.first_ms) != first || Some(other.last_ms) != last {
                continue;
            }
            self.scratch.clear();
            other.decode_to(&mut self.scratch);
            if self.scratch == times {
                return Arc::clone(other);
            }
        }
        let sealed = SharedTimes::new(Times::seal(times));
        *bytes += sealed.begin_use();
        if self.recent.len() == POOL
            && let Some(oldest) = self.recent.pop_back()
        {
            *bytes -= oldest.end_use();
        }
        self.recent.push_front(Arc::clone(&sealed));
        sealed
    }

    /// Whether all that is remembered is older than a time.
    pub(super) fn is_before(&self, time_ms: i64) -> bool {
        self.recent.iter().all(|times| times.last_ms < time_ms)
    }

    /// Forgets all times.
    pub(super) fn clear(&mut self, bytes: &mut usize) {
        for times in self.recent.drain(..) {
            *bytes -= times.end_use();
        }
        self.recent.shrink_to_fit();
        self.scratch = Vec::new();
    }

    /// The times that it refers to.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<SharedTimes>> {
        self.recent.iter()
    }
}

/// Decoded times that are remembered while several series are read: bounded, whatever the series.
const DECODED: usize = 16;

/// Times decoded by the readers of one call.
#[derive(Debug, Default)]
pub(super) struct Decoded(Mutex<VecDeque<Known>>);

/// Sealed times and what they are.
type Known = (Arc<SharedTimes>, Arc<[i64]>);

impl Decoded {
    /// The times, decoded by whoever asks first.
    pub(super) fn get(&self, times: &Arc<SharedTimes>) -> Arc<[i64]> {
        let found = |all: &VecDeque<Known>| {
            all.iter().find(|(known, _)| Arc::ptr_eq(known, times)).map(|(_, decoded)| Arc::clone(decoded))
        };
        if let Some(decoded) = found(&self.0.lock()) {
            return decoded;
        }
        let mut decoded = vec![0; times.len()];
        times.sealed.decode(0..times.len(), &mut decoded);
        let decoded: Arc<[i64]> = decoded.into();
        let mut all = self.0.lock();
        if let Some(of_another) = found(&all) {
            return of_another;
        }
        all.truncate(DECODED - 1);
        all.push_front((Arc::clone(times), Arc::clone(&decoded)));
        decoded
    }
}
