//! What is remembered of the series of all senders: from the bytes of their labels to their targets.
//!
//! A sender sends the same series in the same order again and again, so each series also remembers which one came after
//! it: most often the next key is compared with one text, and nothing is hashed. Invariant: an entry stands for exactly
//! its key's bytes (they are compared whole), and for the targets that the rules of one epoch gave them.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use foldhash::quality::RandomState;
use hashbrown::{HashMap, HashTable};

use crate::model::{SeriesId, StampedId};
use crate::store::Host;

/// Stands for no entry, no series, no host.
pub(super) const NONE: u32 = u32::MAX;

/// Where the samples of a series go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    /// The grid series, if it has one.
    pub(super) grid: Option<SeriesId>,
    /// What values on their way to the grid are multiplied with.
    pub(super) scale: f64,
    /// The stamped series, if it has one.
    pub(super) stamped: Option<StampedId>,
    /// Whether a rule drops the series: it has no other target then.
    pub(super) is_dropped: bool,
}

impl Target {
    /// Nowhere, because a rule says so.
    pub(super) const DROPPED: Target = Target { grid: None, scale: 1.0, stamped: None, is_dropped: true };
}

/// A series that was seen.
#[derive(Debug)]
struct Entry {
    key: Box<[u8]>,
    hash: u64,
    target: Target,
    /// The place of its host; [`NONE`] for a series that is dropped.
    host: u32,
    /// The series that came after it the last time.
    next: AtomicU32,
    /// A hash of the metadata that came with it the last time; 0 for none.
    metadata: AtomicU32,
}

/// A host at a time: when series of it have gone, what is remembered of it is asked anew.
#[derive(Debug)]
pub(super) struct KnownHost {
    pub(super) host: Arc<Host>,
    pub(super) generation: u64,
}

/// All series that were seen.
#[derive(Debug, Default)]
pub(super) struct Known {
    entries: Vec<Entry>,
    by_key: HashTable<u32>,
    hosts: Vec<KnownHost>,
    /// The newest place of each host, by address: they are kept, so an address means one host.
    by_host: HashMap<usize, u32, foldhash::fast::RandomState>,
    hasher: RandomState,
    key_bytes: usize,
    /// Changes whenever everything is forgotten.
    epoch: u64,
}

impl Known {
    /// Finds a series by its key.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.by_key.find(hash, |&index| *self.entries[index as usize].key == *key).copied()
    }

    /// The key of a series; empty for [`NONE`].
    #[inline]
    pub(super) fn key(&self, index: u32) -> &[u8] {
        self.entries.get(index as usize).map_or(&[], |entry| &entry.key)
    }

    /// The target of a series, and the place of its host.
    #[inline]
    pub(super) fn target(&self, index: u32) -> (Target, u32) {
        let entry = &self.entries[index as usize];
        (entry.target, entry.host)
    }

    /// The host at a place.
    #[inline]
    pub(super) fn host(&self, place: u32) -> Option<&KnownHost> {
        self.hosts.get(place as usize)
    }

    /// The series that came after this one; [`NONE`] if nobody knows.
    #[inline]
    pub(super) fn next(&self, index: u32) -> u32 {
        self.entries.get(index as usize).map_or(NONE, |entry| entry.next.load(Ordering::Relaxed))
    }

    /// Remembers which series came after this one.
    #[inline]
    pub(super) fn set_next(&self, index: u32, next: u32) {
        if let Some(entry) = self.entries.get(index as usize) {
            entry.next.store(next, Ordering::Relaxed);
        }
    }

    /// Takes over the hash of a series' metadata; answers whether it is another one than before.
    #[inline]
    pub(super) fn note_metadata(&self, index: u32, hash: u32) -> bool {
        let Some(entry) = self.entries.get(index as usize) else { return true };
        entry.metadata.load(Ordering::Relaxed) != hash && entry.metadata.swap(hash, Ordering::Relaxed) != hash
    }

    /// Changes whenever everything is forgotten: what was learnt before counts for nothing then.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The place of a host as it is now.
    pub(super) fn add_host(&mut self, host: Arc<Host>, generation: u64) -> u32 {
        let address = Arc::as_ptr(&host) as usize;
        let found = self.by_host.get(&address).copied();
        if let Some(place) = found.filter(|&place| self.hosts[place as usize].generation == generation) {
            return place;
        }
        let place = index_of(self.hosts.len());
        self.hosts.push(KnownHost { host, generation });
        self.by_host.insert(address, place);
        place
    }

    /// Remembers a series, in place of what was remembered of it.
    pub(super) fn insert(&mut self, key: &[u8], target: Target, host: u32, metadata: u32) -> u32 {
        let hash = self.hasher.hash_one(key);
        let found = self.by_key.find(hash, |&index| *self.entries[index as usize].key == *key).copied();
        if let Some(index) = found {
            let entry = &mut self.entries[index as usize];
            (entry.target, entry.host) = (target, host);
            *entry.metadata.get_mut() = metadata;
            return index;
        }
        let index = index_of(self.entries.len());
        let (next, metadata) = (AtomicU32::new(NONE), AtomicU32::new(metadata));
        self.entries.push(Entry { key: key.into(), hash, target, host, next, metadata });
        self.key_bytes += key.len();
        let entries = &self.entries;
        self.by_key.insert_unique(hash, index, |&index| entries[index as usize].hash);
        index
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        let epoch = self.epoch + 1;
        *self = Known { epoch, ..Known::default() };
    }

    /// Memory of it all, in bytes; a heap's own overhead for each key included.
    pub(super) fn memory_bytes(&self) -> usize {
        let entries = self.entries.capacity() * size_of::<Entry>() + self.entries.len() * HEAP_BYTES;
        let hosts = self.hosts.capacity() * size_of::<KnownHost>();
        entries + self.key_bytes + self.by_key.allocation_size() + hosts + self.by_host.allocation_size()
    }
}

/// What a heap takes beyond the bytes of a piece, about.
const HEAP_BYTES: usize = 16;

/// A place as a number of 32 bits: as many entries take more memory than the receiver allows.
fn index_of(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_their_whole_key() {
        let mut known = Known::default();
        let a = known.insert(b"a", Target::DROPPED, NONE, 0);
        let b = known.insert(b"ab", Target { stamped: Some(StampedId(7)), is_dropped: false, ..Target::DROPPED }, 0, 3);
        assert_eq!((known.find(b"a"), known.find(b"ab"), known.find(b"b")), (Some(a), Some(b), None));
        assert_eq!(known.target(b).0.stamped, Some(StampedId(7)));
        assert_eq!((known.key(b), known.key(NONE)), (&b"ab"[..], &b""[..]));
        assert_eq!(known.next(a), NONE);
        known.set_next(a, b);
        assert_eq!(known.next(a), b);
        assert_eq!(known.insert(b"a", known.target(b).0, 0, 0), a, "replaced");
        assert_eq!((known.target(a), known.next(a)), (known.target(b), b));
        assert!(!known.note_metadata(b, 3) && known.note_metadata(b, 4) && !known.note_metadata(b, 4));
    }

    #[test]
    fn forgetting_gives_everything_back() {
        let mut known = Known::default();
        for number in 0..1000_u32 {
            known.insert(&number.to_be_bytes(), Target::DROPPED, NONE, 0);
        }
        assert!(known.memory_bytes() > 50_000);
        known.clear();
        assert_eq!((known.memory_bytes(), known.epoch(), known.find(&[0, 0, 0, 0])), (0, 1, None));
    }
}
