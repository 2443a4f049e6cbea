//! Which slots of a run hold something: taken out of a run at sealing, put back by decoding.
//!
//! A block has up to two masks behind each other. The first takes empty slots out, the second what a rule restores:
//! one dominant value, or the value before it. In bytes a mask is a list of the clear runs or a bitmap.

use std::ops::Range;

use super::error::BlockError;
use super::reader::Reader;
use super::sealed::SLOTS_MAX;

const WORDS: usize = SLOTS_MAX / 64;

/// A mask while a block is sealed. Bits at `len` and behind are clear.
#[derive(Debug, Clone)]
pub(super) struct MaskBits {
    words: [u64; WORDS],
    len: usize,
}

impl MaskBits {
    /// Asks `is_set` for each of `len` slots, in order.
    pub(super) fn from_fn(len: usize, mut is_set: impl FnMut(usize) -> bool) -> MaskBits {
        let mut words = [0; WORDS];
        for (index, word) in words.iter_mut().enumerate().take(len.div_ceil(64)) {
            let first = index * 64;
            for slot in first..len.min(first + 64) {
                *word |= u64::from(is_set(slot)) << (slot - first);
            }
        }
        MaskBits { words, len }
    }

    /// The number of set slots.
    pub(super) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    fn is_set(&self, slot: usize) -> bool {
        self.words[slot / 64] >> (slot % 64) & 1 == 1
    }

    /// The values of the set slots.
    pub(super) fn gather(&self, values: &[f64]) -> Vec<f64> {
        let mut gathered = Vec::with_capacity(self.count());
        gathered.extend((0..self.len).filter(|slot| self.is_set(*slot)).map(|slot| values[slot]));
        gathered
    }

    /// Maximal runs of clear slots.
    fn clear_runs(&self) -> usize {
        let mut before = 1;
        let mut runs = 0;
        for (index, word) in self.words.iter().enumerate().take(self.len.div_ceil(64)) {
            let clear = !word & low_bits((self.len - index * 64).min(64));
            // A run begins where a slot is clear and the one before it is not.
            runs += (clear & (word << 1 | before)).count_ones() as usize;
            before = word >> 63;
        }
        runs
    }

    /// The cheaper form and its size in bytes.
    pub(super) fn form(&self) -> (Form, usize) {
        let runs = self.clear_runs();
        let bitmap_bytes = self.len.div_ceil(8);
        if RUNS_HEAD_BYTES + runs * RUN_BYTES < bitmap_bytes {
            (Form::Runs, RUNS_HEAD_BYTES + runs * RUN_BYTES)
        } else {
            (Form::Bitmap, bitmap_bytes)
        }
    }

    pub(super) fn write(&self, form: Form, out: &mut Vec<u8>) {
        match form {
            Form::Bitmap => {
                let bytes = self.words.iter().flat_map(|word| word.to_le_bytes());
                out.extend(bytes.take(self.len.div_ceil(8)));
            }
            Form::Runs => {
                // The form is chosen only when it is shorter than a bitmap, so the count is below 32.
                out.push(self.clear_runs() as u8);
                let mut slot = 0;
                while slot < self.len {
                    let first = slot;
                    while slot < self.len && !self.is_set(slot) {
                        slot += 1;
                    }
                    if slot > first {
                        out.extend_from_slice(&(first as u16).to_le_bytes());
                        out.extend_from_slice(&((slot - first) as u16).to_le_bytes());
                    }
                    slot += 1;
                }
            }
        }
    }
}

/// How a mask is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A count, then position and length of each clear run.
    Runs,
    /// A bit a slot.
    Bitmap,
}

const RUNS_HEAD_BYTES: usize = 1;
const RUN_BYTES: usize = 4;

/// A mask in bytes. Structure is checked when it is read, content by [`Mask::validate`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask<'a> {
    len: usize,
    /// Set slots.
    count: usize,
    bytes: MaskBytes<'a>,
}

#[derive(Debug, Clone, Copy)]
enum MaskBytes<'a> {
    All,
    Runs(&'a [[u8; 4]]),
    Bitmap(&'a [u8]),
}

/// What clear slots become.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fill {
    /// This value.
    Value(f64),
    /// The value of the slot before.
    Previous,
}

impl<'a> Mask<'a> {
    /// The mask without a clear slot; it has no bytes.
    pub(super) fn all(len: usize) -> Mask<'a> {
        Mask { len, count: len, bytes: MaskBytes::All }
    }

    pub(super) fn read(reader: &mut Reader<'a>, form: Form, len: usize) -> Result<Mask<'a>, BlockError> {
        match form {
            Form::Runs => {
                let runs = reader.u8("number of runs")?;
                let (runs, _) = reader.take(usize::from(runs) * RUN_BYTES, "list of runs")?.as_chunks();
                let clear: usize = runs.iter().map(|run| run_of(*run).len()).sum();
                Ok(Mask { len, count: len.saturating_sub(clear), bytes: MaskBytes::Runs(runs) })
            }
            Form::Bitmap => {
                let bytes = reader.take(len.div_ceil(8), "bitmap")?;
                Ok(Mask { len, count: count_ones(bytes), bytes: MaskBytes::Bitmap(bytes) })
            }
        }
    }

    /// Checks that runs ascend, do not touch and lie inside; that a bitmap sets nothing behind the end.
    pub(super) fn validate(&self) -> Result<(), BlockError> {
        match self.bytes {
            MaskBytes::All => {}
            MaskBytes::Runs(runs) => {
                let mut next = 0;
                for run in runs.iter().map(|run| run_of(*run)) {
                    if run.start < next || run.is_empty() || run.end > self.len {
                        let expected = "behind the run before it, not empty and inside the block";
                        return Err(BlockError::Field { what: "begin of a run", found: run.start as u64, expected });
                    }
                    next = run.end + 1;
                }
            }
            MaskBytes::Bitmap(bytes) => {
                let last = bytes.last().copied().unwrap_or_default();
                let used = self.len - (bytes.len().saturating_sub(1)) * 8;
                if u64::from(last) & !low_bits(used) != 0 {
                    let expected = "no bit behind the last slot";
                    return Err(BlockError::Field { what: "end of a bitmap", found: u64::from(last), expected });
                }
            }
        }
        Ok(())
    }

    /// The number of slots.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The number of set slots.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn is_set(&self, slot: usize) -> bool {
        match self.bytes {
            MaskBytes::All => true,
            MaskBytes::Runs(runs) => !runs.iter().any(|run| run_of(*run).contains(&slot)),
            MaskBytes::Bitmap(bytes) => bytes[slot / 8] >> (slot % 8) & 1 == 1,
        }
    }

    /// The number of set slots before `slot`, which is at most the length.
    pub(super) fn rank(&self, slot: usize) -> usize {
        match self.bytes {
            MaskBytes::All => slot,
            _ if slot == self.len => self.count,
            MaskBytes::Runs(runs) => {
                let clear = runs.iter().map(|run| run_of(*run)).map(|run| run.end.min(slot).saturating_sub(run.start));
                slot - clear.sum::<usize>()
            }
            MaskBytes::Bitmap(bytes) => {
                let partial = bytes[slot / 8] & low_bits(slot % 8) as u8;
                count_ones(&bytes[..slot / 8]) + partial.count_ones() as usize
            }
        }
    }

    /// The set slots that `range` needs, by rank. With [`Fill::Previous`] the one before the range may be among them.
    pub(super) fn needed(&self, range: Range<usize>, fill: Fill) -> Range<usize> {
        let first = self.rank(range.start);
        match fill {
            Fill::Previous if !range.is_empty() && !self.is_set(range.start) => {
                first.saturating_sub(1)..self.rank(range.end)
            }
            _ => first..self.rank(range.end),
        }
    }

    /// Spreads the values at the front of `out` (those of [`Mask::needed`]) over the slots of `range` in place, and
    /// fills the clear slots.
    pub(super) fn expand(&self, range: Range<usize>, fill: Fill, out: &mut [f64]) {
        let mut left = self.needed(range.clone(), fill).len();
        match self.bytes {
            MaskBytes::All => {}
            // From the back: a value never moves to the front, so none is overwritten before it was moved.
            MaskBytes::Bitmap(bytes) => {
                for slot in range.clone().rev() {
                    let at = slot - range.start;
                    let is_set = bytes[slot / 8] >> (slot % 8) & 1 == 1;
                    let value = out[left.saturating_sub(1)];
                    out[at] = match fill {
                        Fill::Value(filler) if !is_set => filler,
                        _ => value,
                    };
                    left -= usize::from(is_set);
                }
            }
            MaskBytes::Runs(runs) => {
                let mut end = range.end;
                for run in runs.iter().rev().map(|run| run_of(*run)) {
                    let clear = run.start.clamp(range.start, end)..run.end.clamp(range.start, end);
                    if clear.is_empty() {
                        continue;
                    }
                    let set = end - clear.end;
                    out.copy_within(left - set..left, clear.end - range.start);
                    left -= set;
                    let filler = match fill {
                        Fill::Value(filler) => filler,
                        Fill::Previous => out[left.saturating_sub(1)],
                    };
                    out[clear.start - range.start..clear.end - range.start].fill(filler);
                    end = clear.start;
                }
            }
        }
    }
}

fn run_of(run: [u8; 4]) -> Range<usize> {
    let first = usize::from(u16::from_le_bytes([run[0], run[1]]));
    first..first + usize::from(u16::from_le_bytes([run[2], run[3]]))
}

fn count_ones(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word).count_ones() as usize);
    words.sum::<usize>() + rest.iter().map(|byte| byte.count_ones() as usize).sum::<usize>()
}

/// A word with its lowest `count` bits set.
fn low_bits(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits() -> impl Strategy<Value = Vec<bool>> {
        prop_oneof![
            prop::collection::vec(any::<bool>(), 1..300),
            prop::collection::vec((any::<bool>(), 1..80usize), 1..12)
                .prop_map(|runs| runs.iter().flat_map(|(bit, len)| vec![*bit; *len]).collect()),
        ]
    }

    proptest! {
        #[test]
        fn expanding_restores_every_range(bits in bits(), from in 0..1000usize, to in 0..1000usize, previous: bool) {
            let mut bits = bits;
            if previous {
                bits[0] = true;
            }
            let mask = MaskBits::from_fn(bits.len(), |slot| bits[slot]);
            let values: Vec<f64> = (0..bits.len()).map(|slot| slot as f64).collect();
            let dense = mask.gather(&values);
            let mut last = -1.0;
            let spread: Vec<f64> = values.iter().zip(&bits).map(|(value, bit)| {
                match (bit, previous) {
                    (true, _) => last = *value,
                    (false, true) => {}
                    (false, false) => return -1.0,
                }
                last
            }).collect();
            let (from, to) = (from.min(to).min(bits.len()), from.max(to).min(bits.len()));
            for form in [Form::Runs, Form::Bitmap] {
                let mut bytes = Vec::new();
                if form == Form::Runs && mask.clear_runs() > 255 {
                    continue;
                }
                mask.write(form, &mut bytes);
                let mut reader = Reader::new(&bytes);
                let read = Mask::read(&mut reader, form, bits.len()).unwrap();
                prop_assert_eq!(reader.finish(), Ok(()));
                prop_assert_eq!(read.validate(), Ok(()));
                prop_assert_eq!(read.count(), dense.len());
                let fill = if previous { Fill::Previous } else { Fill::Value(-1.0) };
                let needed = read.needed(from..to, fill);
                let mut out = vec![f64::NAN; to - from];
                out[..needed.len()].copy_from_slice(&dense[needed]);
                read.expand(from..to, fill, &mut out);
                prop_assert_eq!(&out[..], &spread[from..to]);
                prop_assert!((from..to).all(|slot| read.is_set(slot) == bits[slot]));
            }
            let (form, size) = mask.form();
            let mut bytes = Vec::new();
            mask.write(form, &mut bytes);
            prop_assert_eq!(bytes.len(), size);
        }
    }
}
