//! Few distinct values: each value is the index of an entry of a table.
//!
//! The table holds bit patterns in the order of their first appearance, so sealing needs no sort and equal inputs give
//! equal bytes.

use std::ops::Range;

use super::bits::{pack, packed_bytes, unpack};
use super::error::BlockError;
use super::integers::CHUNK;
use super::reader::Reader;

/// Distinct values at most; the number less one takes a byte.
const ENTRIES_MAX: usize = 256;

/// Distinct values and the index of each value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    entries: Vec<u64>,
    indexes: Vec<u8>,
}

impl Table {
    /// Collects the distinct values; gives up once the dictionary needs `limit_bytes`.
    pub(super) fn build(values: &[f64], limit_bytes: usize) -> Option<Table> {
        /// A free slot: no index of an entry.
        const FREE: u16 = u16::MAX;
        let entries_max = (limit_bytes.saturating_sub(1) / 8).min(ENTRIES_MAX);
        // At most half full, so that probes are short and end.
        let slots_log = (entries_max * 2).next_power_of_two().ilog2().max(1);
        let mut slots = vec![FREE; 1 << slots_log];
        let mut entries = Vec::with_capacity(entries_max.min(values.len()));
        let mut indexes = Vec::with_capacity(values.len());
        for bits in values.iter().map(|value| value.to_bits()) {
            // Fibonacci hashing: the top bits of a product depend on all bits below.
            let mut slot = (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - slots_log)) as usize;
            loop {
                match slots[slot] {
                    FREE if entries.len() == entries_max => return None,
                    FREE => {
                        slots[slot] = entries.len() as u16;
                        indexes.push(entries.len() as u8);
                        entries.push(bits);
                        break;
                    }
                    index if entries[usize::from(index)] == bits => {
                        indexes.push(index as u8);
                        break;
                    }
                    _ => slot = (slot + 1) % slots.len(),
                }
            }
        }
        let table = Table { entries, indexes };
        (table.bytes() < limit_bytes).then_some(table)
    }

    /// The bytes that [`Table::write`] appends.
    pub(super) fn bytes(&self) -> usize {
        1 + self.entries.len() * 8 + packed_bytes(self.indexes.len(), width_of(self.entries.len()))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // 1 to 256 entries.
        out.push((self.entries.len() - 1) as u8);
        out.extend(self.entries.iter().flat_map(|bits| bits.to_le_bytes()));
        pack(self.indexes.iter().map(|index| u64::from(*index)), width_of(self.entries.len()), out);
    }
}

/// A dictionary in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dictionary<'a> {
    count: usize,
    entries: &'a [[u8; 8]],
    indexes: &'a [u8],
}

impl<'a> Dictionary<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, count: usize) -> Result<Dictionary<'a>, BlockError> {
        let entries = usize::from(reader.u8("number of entries")?) + 1;
        let (entries, _) = reader.take(entries * 8, "table of entries")?.as_chunks();
        let indexes = reader.take(packed_bytes(count, width_of(entries.len())), "packed indexes")?;
        Ok(Dictionary { count, entries, indexes })
    }

    /// Checks that every index has its entry.
    pub(super) fn validate(&self) -> Result<(), BlockError> {
        let mut indexes = [0; CHUNK];
        for at in (0..self.count).step_by(CHUNK) {
            let indexes = &mut indexes[..CHUNK.min(self.count - at)];
            unpack(self.indexes, width_of(self.entries.len()), at, indexes);
            if let Some(found) = indexes.iter().copied().find(|index| *index >= self.entries.len() as u64) {
                return Err(BlockError::Field { what: "index", found, expected: "below the number of entries" });
            }
        }
        Ok(())
    }

    pub(super) fn decode(&self, range: Range<usize>, out: &mut [f64]) {
        let mut indexes = [0; CHUNK];
        for (at, out) in range.step_by(CHUNK).zip(out.chunks_mut(CHUNK)) {
            unpack(self.indexes, width_of(self.entries.len()), at, &mut indexes[..out.len()]);
            for (out, index) in out.iter_mut().zip(&indexes) {
                *out = f64::from_le_bytes(self.entries[*index as usize]);
            }
        }
    }
}

/// The bits of an index.
fn width_of(entries: usize) -> u32 {
    entries.saturating_sub(1).checked_ilog2().map_or(0, |log| log + 1)
}
