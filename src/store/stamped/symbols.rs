//! Names and values of labels, each kept once a host.
//!
//! Invariant: a symbol's number means one text for as long as anything refers to it, and may mean another one after.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Bytes of the heap around a text: two counts, and what the allocator adds.
const AROUND_TEXT: usize = 32;

/// The texts of a host.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    all: Vec<Symbol>,
    free: Vec<u32>,
    by_text: HashTable<u32>,
    hasher: RandomState,
    text_bytes: usize,
}

#[derive(Debug, Clone)]
struct Symbol {
    text: Arc<str>,
    /// Pairs that have it as name or value; 0 when the place is free.
    uses: u32,
}

impl Symbols {
    /// The number of a text, if it has one.
    #[inline]
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.by_text.find(hash, |&at| *self.all[at as usize].text == *text).copied()
    }

    /// The number of a text, for one more use of it.
    pub(super) fn intern(&mut self, text: &Arc<str>) -> u32 {
        if let Some(found) = self.find(text) {
            self.all[found as usize].uses += 1;
            return found;
        }
        // The sender's own string may hang on a whole body: the host keeps a copy.
        let symbol = Symbol { text: Arc::from(&**text), uses: 1 };
        self.text_bytes += AROUND_TEXT + text.len();
        let at = match self.free.pop() {
            Some(at) => {
                self.all[at as usize] = symbol;
                at
            }
            None => {
                if self.all.len() == self.all.capacity() {
                    self.all.reserve_exact(8 + self.all.len() / 8);
                }
                self.all.push(symbol);
                (self.all.len() - 1) as u32
            }
        };
        let Symbols { all, by_text, hasher, .. } = self;
        let hash = |at: &u32| hasher.hash_one(&*all[*at as usize].text);
        by_text.insert_unique(hash(&at), at, hash);
        at
    }

    /// Ends one use of a symbol; frees it with the last.
    pub(super) fn release(&mut self, at: u32) {
        let symbol = &mut self.all[at as usize];
        symbol.uses -= 1;
        if symbol.uses > 0 {
            return;
        }
        let text = std::mem::replace(&mut symbol.text, Arc::from(""));
        self.text_bytes -= AROUND_TEXT + text.len();
        if let Ok(entry) = self.by_text.find_entry(self.hasher.hash_one(&*text), |&other| other == at) {
            entry.remove();
        }
        self.free.push(at);
    }

    /// The text of a symbol in use.
    #[inline]
    pub(super) fn text(&self, at: u32) -> &Arc<str> {
        &self.all[at as usize].text
    }

    /// Gives back room that churn has left.
    pub(super) fn shrink(&mut self) {
        let Symbols { all, by_text, hasher, free, .. } = self;
        by_text.shrink_to_fit(|&at| hasher.hash_one(&*all[at as usize].text));
        free.shrink_to_fit();
    }

    /// Bytes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.text_bytes
            + self.all.capacity() * size_of::<Symbol>()
            + self.free.capacity() * size_of::<u32>()
            + self.by_text.allocation_size()
    }

    /// As [`memory_bytes`](Self::memory_bytes), counted one by one.
    #[cfg(test)]
    pub(super) fn counted_bytes(&self) -> usize {
        let used = self.all.iter().filter(|symbol| symbol.uses > 0);
        self.memory_bytes() - self.text_bytes + used.map(|symbol| AROUND_TEXT + symbol.text.len()).sum::<usize>()
    }
}
