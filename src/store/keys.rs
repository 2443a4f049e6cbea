//! What a sender is expected to send: the bytes of line keys (`measurement,tags`) of one host, and their series.
//!
//! A collector sends the same lines in the same order every tick. The cache keeps the keys in the order in which they
//! were first seen, so the usual line costs one comparison with the key that follows the previous one; any other known
//! key costs a hash. Nothing here is needed to be right: a key that is missing is looked up in the tree.

use hashbrown::HashTable;
use std::hash::BuildHasher;

use crate::model::SeriesId;

/// Keys that one host's cache remembers; when it is full it begins anew. A host's series are bounded, but not the
/// spellings of their tags.
const KEYS_MAX: usize = 1 << 18;

/// A longer key is looked up each time.
const KEY_BYTES_MAX: usize = 1024;

/// Bytes of all keys of a host, after which its cache begins anew.
const ALL_KEYS_BYTES_MAX: usize = 32 << 20;

/// The keys of one host.
#[derive(Debug, Default)]
pub struct KeyCache {
    entries: Vec<Entry>,
    /// All keys behind each other: an allocation for each would be a third of what they take.
    text: Vec<u8>,
    by_key: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    /// The entry that is expected next.
    expected: usize,
}

#[derive(Debug)]
struct Entry {
    /// Where the key lies in the text.
    begin: u32,
    len: u16,
    /// `None` for a key whose lines are skipped: an unknown metric.
    series: Option<SeriesId>,
    /// Whether the key names no cluster: then it means this host only where this host's cluster is the default.
    needs_default: bool,
    /// The entry that followed this one last time.
    next: u32,
}

impl KeyCache {
    /// Finds the series of a key: `None` when the key is not known, `Some(None)` when its lines are to be skipped.
    /// `is_default` says whether lines without a cluster belong to this host's cluster.
    #[inline]
    pub fn find(&mut self, key: &[u8], is_default: bool) -> Option<Option<SeriesId>> {
        let expected = self.entries.get(self.expected).filter(|entry| entry.key(&self.text) == key);
        let entry = match expected {
            Some(entry) => entry,
            None => self.find_by_hash(key)?,
        };
        if entry.needs_default && !is_default {
            return None;
        }
        let (series, next) = (entry.series, entry.next);
        self.expected = next as usize;
        Some(series)
    }

    fn find_by_hash(&self, key: &[u8]) -> Option<&Entry> {
        let hash = self.hasher.hash_one(key);
        let at = self.by_key.find(hash, |&at| self.entries[at as usize].key(&self.text) == key)?;
        Some(&self.entries[*at as usize])
    }

    /// Remembers a key that was not found. `needs_default`: it names no cluster.
    pub fn insert(&mut self, key: &[u8], series: Option<SeriesId>, needs_default: bool) {
        if key.len() > KEY_BYTES_MAX {
            return;
        }
        if self.entries.len() >= KEYS_MAX || self.text.len() >= ALL_KEYS_BYTES_MAX {
            self.clear();
        }
        let at = self.entries.len();
        let hash = self.hasher.hash_one(key);
        if let Some(known) = self.by_key.find(hash, |&at| self.entries[at as usize].key(&self.text) == key) {
            // Known for another default cluster: the newer use is the likelier one.
            self.entries[*known as usize].series = series;
            return;
        }
        // Keys come once and stay: room for many more would be empty for ever.
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(4 + at / 8);
        }
        if self.text.capacity() - self.text.len() < key.len() {
            self.text.reserve_exact(4 * key.len() + self.text.len() / 8);
        }
        // Both are bounded above: the text by 32 MiB and a key, the key by 1 KiB.
        let (begin, len) = (self.text.len() as u32, key.len() as u16);
        self.text.extend_from_slice(key);
        self.entries.push(Entry { begin, len, series, needs_default, next: at as u32 + 1 });
        let KeyCache { entries, text, by_key, hasher, .. } = self;
        by_key.insert_unique(hash, at as u32, |&at| hasher.hash_one(entries[at as usize].key(text)));
        self.expected = at + 1;
    }

    /// Forgets everything, as a reload of the metric table demands.
    pub fn clear(&mut self) {
        self.entries = Vec::new();
        self.text = Vec::new();
        self.by_key = HashTable::new();
        self.expected = 0;
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.text.capacity() + self.entries.capacity() * size_of::<Entry>() + self.by_key.capacity() * size_of::<u32>()
    }
}

impl Entry {
    #[inline]
    fn key<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        // An entry's key was appended when the entry was made, and both go together.
        let begin = self.begin as usize;
        text.get(begin..begin + usize::from(self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_order() {
        let mut cache = KeyCache::default();
        for i in 0..100u32 {
            let key = format!("m{i},hostname=a");
            assert_eq!(cache.find(key.as_bytes(), true), None);
            cache.insert(key.as_bytes(), (i % 7 != 0).then_some(SeriesId(i)), i % 5 == 0);
        }
        for i in (0..100u32).rev().chain(0..100).chain([5, 50, 51, 3]) {
            let key = format!("m{i},hostname=a");
            assert_eq!(cache.find(key.as_bytes(), true), Some((i % 7 != 0).then_some(SeriesId(i))), "{key}");
        }
        assert_eq!(cache.find(b"m100,hostname=a", true), None);
        assert_eq!(cache.find(b"m5,hostname=a", false), None, "it names no cluster");
        assert_eq!(cache.find(b"m6,hostname=a", false), Some(Some(SeriesId(6))));
        cache.clear();
        assert_eq!(cache.find(b"m1,hostname=a", true), None);
    }
}
