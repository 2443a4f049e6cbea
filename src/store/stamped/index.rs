//! Which series there are: pairs of label name and value, the series of each pair, and label sets to series.
//!
//! Invariants: a series' pairs are sorted by the text of their names; the series of a pair ascend; a pair is there
//! exactly as long as a series has it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

use crate::model::{Label, Labels, StampedId};

use super::symbols::Symbols;
use super::table::Table;

/// The index of a host's stamped series.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) symbols: Symbols,
    pairs: Vec<Pair>,
    free: Vec<u32>,
    by_symbols: HashTable<u32>,
    /// The pairs of each name.
    by_name: HashMap<u32, Vec<u32>, RandomState>,
    by_pairs: HashTable<u32>,
    hasher: RandomState,
    /// Bytes of the series of all pairs and of the pairs of all names.
    list_bytes: usize,
}

/// A label's name and value, and who has them.
#[derive(Debug, Default)]
pub(super) struct Pair {
    pub(super) name: u32,
    pub(super) value: u32,
    /// Ids, ascending.
    pub(super) series: Vec<u32>,
}

impl Index {
    /// The series with exactly these labels.
    pub(super) fn find(&self, labels: &Labels, table: &Table) -> Option<StampedId> {
        let mut pairs = Vec::with_capacity(labels.len());
        for label in labels.iter() {
            pairs.push(self.pair_of(self.symbols.find(&label.name)?, self.symbols.find(&label.value)?)?);
        }
        let is_same = |&id: &u32| table.get(StampedId(id)).is_some_and(|series| *series.pairs == *pairs);
        self.by_pairs.find(self.hasher.hash_one(&*pairs), is_same).copied().map(StampedId)
    }

    /// The pair of two symbols.
    #[inline]
    pub(super) fn pair_of(&self, name: u32, value: u32) -> Option<u32> {
        let is_same = |&at: &u32| (self.pairs[at as usize].name, self.pairs[at as usize].value) == (name, value);
        self.by_symbols.find(self.hasher.hash_one((name, value)), is_same).copied()
    }

    /// A pair that is in use.
    #[inline]
    pub(super) fn pair(&self, at: u32) -> &Pair {
        &self.pairs[at as usize]
    }

    /// The pairs of a name.
    pub(super) fn pairs_of(&self, name: u32) -> &[u32] {
        self.by_name.get(&name).map_or(&[], |pairs| pairs)
    }

    /// The names in use.
    pub(super) fn names(&self) -> impl Iterator<Item = u32> + '_ {
        self.by_name.keys().copied()
    }

    /// How many pairs there have been at a time: their numbers are smaller.
    pub(super) fn pairs_len(&self) -> usize {
        self.pairs.len()
    }

    /// The pairs in use.
    pub(super) fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(|pair| !pair.series.is_empty())
    }

    /// Enters the series of this id, the largest so far, and adds it to the table.
    pub(super) fn insert(&mut self, labels: &Labels, table: &mut Table) -> StampedId {
        let id = table.next_id();
        let pairs: Box<[u32]> = labels.iter().map(|label| self.add_to_pair(label, id.0)).collect();
        let hash = self.hasher.hash_one(&*pairs);
        table.push(pairs);
        let hasher = &self.hasher;
        self.by_pairs.insert_unique(hash, id.0, |&other| {
            table.get(StampedId(other)).map_or(0, |series| hasher.hash_one(&*series.pairs))
        });
        id
    }

    fn add_to_pair(&mut self, label: &Label, id: u32) -> u32 {
        let (name, value) = (self.symbols.intern(&label.name), self.symbols.intern(&label.value));
        if let Some(at) = self.pair_of(name, value) {
            // One use a pair: those of this lookup are not needed.
            self.symbols.release(name);
            self.symbols.release(value);
            push(&mut self.pairs[at as usize].series, id, &mut self.list_bytes);
            return at;
        }
        let mut pair = Pair { name, value, series: Vec::new() };
        push(&mut pair.series, id, &mut self.list_bytes);
        let at = match self.free.pop() {
            Some(at) => {
                self.pairs[at as usize] = pair;
                at
            }
            None => {
                if self.pairs.len() == self.pairs.capacity() {
                    self.pairs.reserve_exact(8 + self.pairs.len() / 8);
                }
                self.pairs.push(pair);
                (self.pairs.len() - 1) as u32
            }
        };
        let Index { pairs, by_symbols, hasher, by_name, list_bytes, .. } = self;
        let hash = |at: &u32| hasher.hash_one((pairs[*at as usize].name, pairs[*at as usize].value));
        by_symbols.insert_unique(hash(&at), at, hash);
        push(by_name.entry(name).or_default(), at, list_bytes);
        at
    }

    /// Takes out series that are in the table still; ids ascend.
    pub(super) fn remove(&mut self, gone: &[StampedId], table: &Table) {
        let mut touched: Vec<u32> = Vec::new();
        for &id in gone {
            let Some(series) = table.get(id) else { continue };
            touched.extend(series.pairs.iter());
            if let Ok(entry) = self.by_pairs.find_entry(self.hasher.hash_one(&*series.pairs), |&other| other == id.0) {
                entry.remove();
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for at in touched {
            let Index { pairs, by_symbols, by_name, symbols, hasher, list_bytes, free, .. } = self;
            let pair = &mut pairs[at as usize];
            *list_bytes -= list_bytes_of(&pair.series);
            pair.series.retain(|&id| gone.binary_search(&StampedId(id)).is_err());
            pair.series.shrink_to(pair.series.len() + pair.series.len() / 8);
            *list_bytes += list_bytes_of(&pair.series);
            if !pair.series.is_empty() {
                continue;
            }
            let (name, value) = (pair.name, pair.value);
            pair.series = Vec::new();
            if let Ok(entry) = by_symbols.find_entry(hasher.hash_one((name, value)), |&other| other == at) {
                entry.remove();
            }
            if let Some(of_name) = by_name.get_mut(&name) {
                *list_bytes -= list_bytes_of(of_name);
                of_name.retain(|&other| other != at);
                of_name.shrink_to_fit();
                *list_bytes += list_bytes_of(of_name);
                if of_name.is_empty() {
                    by_name.remove(&name);
                }
            }
            free.push(at);
            symbols.release(name);
            symbols.release(value);
        }
        let Index { pairs, by_symbols, by_pairs, hasher, .. } = self;
        by_symbols.shrink_to_fit(|&at| hasher.hash_one((pairs[at as usize].name, pairs[at as usize].value)));
        by_pairs.shrink_to_fit(|&id| table.get(StampedId(id)).map_or(0, |series| hasher.hash_one(&*series.pairs)));
        self.by_name.shrink_to_fit();
        self.free.shrink_to_fit();
        self.symbols.shrink();
    }

    /// The labels that these pairs are.
    pub(super) fn labels(&self, pairs: &[u32]) -> Labels {
        let label = |&at: &u32| {
            let pair = self.pair(at);
            Label { name: self.symbols.text(pair.name).clone(), value: self.symbols.text(pair.value).clone() }
        };
        Labels::from_sorted(pairs.iter().map(label).collect())
    }

    /// Bytes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.symbols.memory_bytes() + self.list_bytes + self.table_bytes()
    }

    fn table_bytes(&self) -> usize {
        self.pairs.capacity() * size_of::<Pair>()
            + self.free.capacity() * size_of::<u32>()
            + self.by_symbols.allocation_size()
            + self.by_name.allocation_size()
            + self.by_pairs.allocation_size()
    }

    /// As [`memory_bytes`](Self::memory_bytes), counted one by one.
    #[cfg(test)]
    pub(super) fn counted_bytes(&self) -> usize {
        let lists = self.pairs.iter().map(|pair| &pair.series).chain(self.by_name.values());
        self.symbols.counted_bytes() + lists.map(list_bytes_of).sum::<usize>() + self.table_bytes()
    }
}

/// Adds to a list that grows by little: most lists are short, or grow once.
fn push(list: &mut Vec<u32>, number: u32, list_bytes: &mut usize) {
    if list.len() == list.capacity() {
        *list_bytes -= list_bytes_of(list);
        list.reserve_exact(if list.is_empty() { 1 } else { 3 + list.len() / 8 });
        *list_bytes += list_bytes_of(list);
    }
    list.push(number);
}

/// Bytes of a list's memory, with what the allocator adds.
fn list_bytes_of(list: &Vec<u32>) -> usize {
    if list.capacity() == 0 { 0 } else { list.capacity() * size_of::<u32>() + 8 }
}
