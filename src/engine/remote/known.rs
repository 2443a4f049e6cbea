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

use super::keys::{Keys, grow};
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

/// A series that was seen. There is one for each series of each sender, so it is kept small.
#[derive(Debug)]
struct Entry {
    /// A part of its key's hash, for tables that grow.
    hash: u32,
    /// The grid series, or [`NONE`].
    grid: u32,
    /// The stamped series, or [`NONE`]. With neither, it is dropped.
    stamped: u32,
    /// The place of its host; [`NONE`] for a series that is dropped.
    host: u32,
    /// The series that came after it the last time.
    next: AtomicU32,
    /// A hash of the metadata that came with it the last time; 0 for none.
    metadata: AtomicU32,
    /// The place of its scale.
    scale: u16,
}

const _: () = assert!(size_of::<Entry>() == 28, "without holes");

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
    /// The key of each entry.
    keys: Keys,
    /// The scales of targets: as many as rules have.
    scales: Vec<f64>,
    by_key: HashTable<u32>,
    hosts: Vec<KnownHost>,
    /// The newest place of each host, by address: they are kept, so an address means one host.
    by_host: HashMap<usize, u32, foldhash::fast::RandomState>,
    hasher: RandomState,
    /// Changes whenever everything is forgotten.
    epoch: u64,
}

impl Known {
    /// Finds a series by its key.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        let hash = self.hash_of(key);
        let is_same = |&index: &u32| self.entries[index as usize].hash == hash && self.keys.is(index as usize, key);
        self.by_key.find(spread(hash), is_same).copied()
    }

    /// Part of a key's hash; the cast cuts on purpose.
    fn hash_of(&self, key: &[u8]) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// Writes the key of a series into `out`, in place of what it holds; nothing for [`NONE`].
    #[inline]
    pub(super) fn copy_key(&self, index: u32, out: &mut Vec<u8>) {
        self.keys.copy_to(index as usize, out);
    }

    /// The target of a series, and the place of its host.
    #[inline]
    pub(super) fn target(&self, index: u32) -> (Target, u32) {
        let Entry { grid, stamped, host, scale, .. } = self.entries[index as usize];
        let is_there = |&id: &u32| id != NONE;
        let target = Target {
            grid: Some(grid).filter(is_there).map(SeriesId),
            // One that is not 1 has a place.
            scale: self.scales.get(usize::from(scale)).copied().unwrap_or(1.0),
            stamped: Some(stamped).filter(is_there).map(StampedId),
            is_dropped: grid == NONE && stamped == NONE,
        };
        (target, host)
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

    /// Remembers a series, in place of what was remembered of it; answers [`NONE`] when there is no room.
    pub(super) fn insert(&mut self, key: &[u8], target: Target, host: u32, metadata: u32) -> u32 {
        let Some(scale) = self.place_of_scale(target.scale) else { return NONE };
        let grid = target.grid.map_or(NONE, |series| series.0);
        let stamped = target.stamped.map_or(NONE, |series| series.0);
        let hash = self.hash_of(key);
        if let Some(index) = self.find(key) {
            let entry = &mut self.entries[index as usize];
            let (next, metadata) = (AtomicU32::new(*entry.next.get_mut()), AtomicU32::new(metadata));
            *entry = Entry { hash, grid, stamped, host, next, metadata, scale };
            return index;
        }
        let index = index_of(self.entries.len());
        if index == NONE || !self.keys.push(key) {
            return NONE;
        }
        let (next, metadata) = (AtomicU32::new(NONE), AtomicU32::new(metadata));
        grow(&mut self.entries, 1);
        self.entries.push(Entry { hash, grid, stamped, host, next, metadata, scale });
        let entries = &self.entries;
        self.by_key.insert_unique(spread(hash), index, |&index| spread(entries[index as usize].hash));
        index
    }

    /// The place of a scale, which is new or not; `None` when there are too many.
    fn place_of_scale(&mut self, scale: f64) -> Option<u16> {
        let is_same = |other: &f64| other.to_bits() == scale.to_bits();
        let found = self.scales.iter().position(is_same);
        let place = u16::try_from(found.unwrap_or(self.scales.len())).ok()?;
        if found.is_none() {
            self.scales.push(scale);
        }
        Some(place)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        let epoch = self.epoch + 1;
        *self = Known { epoch, ..Known::default() };
    }

    /// Memory of it all, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        let entries = self.entries.capacity() * size_of::<Entry>() + self.scales.capacity() * size_of::<f64>();
        let hosts = self.hosts.capacity() * size_of::<KnownHost>();
        let tables = self.by_key.allocation_size() + self.by_host.allocation_size();
        entries + self.keys.memory_bytes() + hosts + tables
    }
}

/// A hash for the table, which looks at its highest and at its lowest bits.
fn spread(hash: u32) -> u64 {
    /// 2⁶⁴ by the golden ratio: neighbours go far apart (Knuth, TAOCP 3, 6.4).
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    u64::from(hash).wrapping_mul(GOLDEN)
}

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
        let mut key = Vec::new();
        known.copy_key(b, &mut key);
        assert_eq!(key, b"ab");
        known.copy_key(NONE, &mut key);
        assert_eq!(key, b"");
        assert_eq!(known.next(a), NONE);
        known.set_next(a, b);
        assert_eq!(known.next(a), b);
        assert_eq!(known.insert(b"a", known.target(b).0, 0, 0), a, "replaced");
        assert_eq!((known.target(a), known.next(a)), (known.target(b), b));
        assert!(!known.note_metadata(b, 3) && known.note_metadata(b, 4) && !known.note_metadata(b, 4));
    }

    #[test]
    fn targets_come_back_as_they_went_in() {
        let mut known = Known::default();
        let (grid, stamped) = (Some(SeriesId(3)), Some(StampedId(0)));
        let targets = [
            Target::DROPPED,
            Target { grid, scale: 1e-3, stamped: None, is_dropped: false },
            Target { grid, scale: 1.0, stamped, is_dropped: false },
            Target { grid: None, scale: 1.0, stamped, is_dropped: false },
            Target { grid, scale: -0.0, stamped: None, is_dropped: false },
        ];
        for (number, target) in (0u8..).zip(targets) {
            let index = known.insert(&[number], target, u32::from(number), 0);
            assert_eq!(known.target(index), (target, u32::from(number)));
            assert_eq!(known.target(index).0.scale.to_bits(), target.scale.to_bits());
        }
        // Scales are of rules, and those are few; what has one too many is asked for each time.
        for scale in 0..70_000_u32 {
            let target = Target { scale: f64::from(scale) + 0.5, ..targets[1] };
            let index = known.insert(&scale.to_be_bytes(), target, 0, 0);
            assert!(if index == NONE { scale > 60_000 } else { known.target(index).0 == target }, "{scale}");
        }
    }

    #[test]
    fn forgetting_gives_everything_back() {
        let mut known = Known::default();
        for number in 0..1000_u32 {
            known.insert(&number.to_be_bytes(), Target::DROPPED, NONE, 0);
        }
        assert!(known.memory_bytes() > 1000 * (size_of::<Entry>() + 4));
        known.clear();
        assert_eq!((known.memory_bytes(), known.epoch(), known.find(&[0, 0, 0, 0])), (0, 1, None));
    }
}
