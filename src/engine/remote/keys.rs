//! The keys of series that are remembered, in one piece of memory.
//!
//! Series that follow each other in a body mostly differ in their last label: of such a key only the end is kept, and
//! how much of an earlier one, its anchor, stands before it. Invariant: an anchor is kept whole, and no key is ever
//! changed, so an entry gives exactly the bytes that were added.

/// A key that begins as its anchor does saves more than the reference to it takes.
const SHARED_MIN: usize = 16;

/// All keys, by their places.
#[derive(Debug, Default)]
pub(super) struct Keys {
    entries: Vec<Entry>,
    /// The ends of all keys, one behind the other.
    bytes: Vec<u8>,
    /// The last key that is kept whole.
    anchor: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Where its bytes end; they begin where those of the entry before end.
    end: u32,
    /// The entry that has the front.
    anchor: u32,
    /// How long that front is.
    shared: u32,
}

impl Keys {
    /// Adds a key behind the others: the first has place 0. `false` when there is no room for it.
    pub(super) fn push(&mut self, key: &[u8]) -> bool {
        let anchor = if self.entries.is_empty() { &[] } else { self.own(self.anchor as usize) };
        let common = anchor.iter().zip(key).take_while(|(a, b)| a == b).count();
        let shared = if common >= SHARED_MIN && common * 2 >= key.len() { common } else { 0 };
        let tail = &key[shared..];
        let (place, end) = (u32::try_from(self.entries.len()), u32::try_from(self.bytes.len() + tail.len()));
        let (Ok(place), Ok(end), Ok(shared)) = (place, end, u32::try_from(shared)) else { return false };
        if shared == 0 {
            self.anchor = place;
        }
        grow(&mut self.bytes, tail.len());
        self.bytes.extend_from_slice(tail);
        grow(&mut self.entries, 1);
        self.entries.push(Entry { end, anchor: self.anchor, shared });
        true
    }

    /// Whether the key at a place has these bytes.
    pub(super) fn is(&self, place: usize, key: &[u8]) -> bool {
        let (front, tail) = self.parts(place);
        key.len() == front.len() + tail.len() && key.ends_with(tail) && key.starts_with(front)
    }

    /// Writes the key at a place into `out`, in place of what it holds; nothing when there is none.
    #[inline]
    pub(super) fn copy_to(&self, place: usize, out: &mut Vec<u8>) {
        let (front, tail) = self.parts(place);
        out.clear();
        out.extend_from_slice(front);
        out.extend_from_slice(tail);
    }

    /// The front and the end of the key at a place.
    #[inline]
    fn parts(&self, place: usize) -> (&[u8], &[u8]) {
        let Some(entry) = self.entries.get(place) else { return (&[], &[]) };
        // An anchor has no front of its own.
        let front = &self.own(entry.anchor as usize)[..entry.shared as usize];
        (front, self.own(place))
    }

    /// The bytes that are kept of the key at a place.
    #[inline]
    fn own(&self, place: usize) -> &[u8] {
        let begin = place.checked_sub(1).map_or(0, |before| self.entries[before].end);
        &self.bytes[begin as usize..self.entries[place].end as usize]
    }

    /// Bytes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.bytes.capacity()
    }
}

/// Makes room, by an eighth where there is none: lists that are kept for long are not to be half empty.
pub(super) fn grow<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_they_went_in() {
        let mut keys = Keys::default();
        let mut plain: Vec<Vec<u8>> = Vec::new();
        let mut add = |key: Vec<u8>| {
            assert!(keys.push(&key));
            plain.push(key);
        };
        add(Vec::new());
        for metric in ["cpu_user", "flops_any", "x"] {
            for thread in 0..300 {
                add(format!("__name__{metric}cluster alex hostname a0001 type hwthread id {thread}").into_bytes());
            }
        }
        // The front of another alone, more than it, and one that shares too little.
        add(b"__name__xcluster alex".to_vec());
        add(b"__name__xcluster alex hostname a0001".to_vec());
        add(b"__name__x".to_vec());
        add((0..200_000).map(|at| at as u8).collect());
        add((0..200_001).map(|at| at as u8).collect());
        let mut out = b"what was there".to_vec();
        for (place, key) in plain.iter().enumerate() {
            keys.copy_to(place, &mut out);
            assert_eq!(&out, key, "key {place}");
            for (other, bytes) in plain.iter().enumerate().skip(place.saturating_sub(3)).take(7) {
                assert_eq!(keys.is(place, bytes), other == place, "{place} and {other}");
            }
        }
        keys.copy_to(plain.len(), &mut out);
        assert!(out.is_empty(), "no key there");
        let bytes: usize = plain.iter().take(901).map(Vec::len).sum();
        let kept = keys.memory_bytes() - 200_000 * 9 / 8;
        assert!(kept < bytes / 2, "{kept} of {bytes} bytes");
    }
}
