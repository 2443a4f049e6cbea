//! Which slots of a run hold something: taken out of a run at sealing, put back by decoding.
//!
//! A block has up to two masks behind each other. The first takes empty slots out, the second what a rule restores:
//! one dominant value, or the value before it. In bytes a mask is a list of the clear runs, a bitmap, or the distances
//! between the clear runs and their lengths, packed: a sender whose ticks are a little longer than the slots leaves a
//! hole every few slots, at distances that hardly differ.

use std::ops::Range;

use super::bits::{pack, packed_bytes, unpack};
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

    /// The first slot from `slot` on that is set, or is not; the length when there is none.
    fn next(&self, slot: usize, is_set: bool) -> usize {
        let mut at = slot;
        while at < self.len {
            let word = if is_set { self.words[at / 64] } else { !self.words[at / 64] };
            let left = word >> (at % 64);
            if left != 0 {
                return (at + left.trailing_zeros() as usize).min(self.len);
            }
            at = (at / 64 + 1) * 64;
        }
        self.len
    }

    /// Maximal runs of clear slots.
    fn clear_runs(&self) -> impl Iterator<Item = Range<usize>> + Clone + use<'_> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = self.next(at, false);
            at = self.next(start, true);
            (start < at).then_some(start..at)
        })
    }

    /// The cheapest form and its size in bytes.
    pub(super) fn form(&self) -> (Form, usize) {
        let mut packing = RunPacking::default();
        self.clear_runs().for_each(|run| packing.note(&run));
        let runs_bytes = RUNS_HEAD_BYTES + packing.runs * RUN_BYTES;
        let bitmap_bytes = self.len.div_ceil(8);
        let packed_bytes = packing.bytes();
        if packing.runs > 0 && packing.runs <= RUNS_MAX && packed_bytes < runs_bytes.min(bitmap_bytes) {
            (Form::Packed, packed_bytes)
        } else if runs_bytes < bitmap_bytes {
            (Form::Runs, runs_bytes)
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
                out.push(self.clear_runs().count() as u8);
                for run in self.clear_runs() {
                    out.extend_from_slice(&(run.start as u16).to_le_bytes());
                    out.extend_from_slice(&(run.len() as u16).to_le_bytes());
                }
            }
            Form::Packed => {
                let mut packing = RunPacking::default();
                self.clear_runs().for_each(|run| packing.note(&run));
                packing.write(self.clear_runs(), out);
            }
        }
    }
}

/// How the distances and lengths of clear runs are packed. A distance is the number of set slots before a run.
#[derive(Debug, Clone, Copy, Default)]
struct RunPacking {
    runs: usize,
    first: usize,
    /// The end of the last run.
    end: usize,
    /// Of the distances but the first.
    least: usize,
    most: usize,
    longest: usize,
}

impl RunPacking {
    fn note(&mut self, run: &Range<usize>) {
        let distance = run.start - self.end;
        match self.runs {
            0 => self.first = distance,
            1 => (self.least, self.most) = (distance, distance),
            _ => (self.least, self.most) = (self.least.min(distance), self.most.max(distance)),
        }
        self.runs += 1;
        self.end = run.end;
        self.longest = self.longest.max(run.len());
    }

    fn distance_width(&self) -> u32 {
        significant_bits(self.most - self.least)
    }

    fn length_width(&self) -> u32 {
        significant_bits(self.longest.saturating_sub(1))
    }

    fn bytes(&self) -> usize {
        let distances = packed_bytes(self.runs.saturating_sub(1), self.distance_width());
        PACKED_HEAD_BYTES + distances + packed_bytes(self.runs, self.length_width())
    }

    /// Writes 1 to [`RUNS_MAX`] runs.
    fn write(&self, runs: impl Iterator<Item = Range<usize>> + Clone, out: &mut Vec<u8>) {
        // Positions and lengths are at most 1024, so their widths are at most 11.
        out.push(self.runs as u8);
        out.push((self.distance_width() | self.length_width() << 4) as u8);
        out.extend_from_slice(&(self.first as u16).to_le_bytes());
        out.extend_from_slice(&(self.least as u16).to_le_bytes());
        let mut end = self.first;
        let distances = runs.clone().map(|run| {
            let distance = run.start.saturating_sub(end);
            end = run.end;
            distance
        });
        pack(distances.skip(1).map(|distance| (distance - self.least) as u64), self.distance_width(), out);
        pack(runs.map(|run| (run.len() - 1) as u64), self.length_width(), out);
    }
}

fn significant_bits(number: usize) -> u32 {
    usize::BITS - number.leading_zeros()
}

/// How a mask is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A count, then position and length of each clear run.
    Runs,
    /// A bit a slot.
    Bitmap,
    /// Packed distances and lengths of the clear runs.
    Packed,
}

/// Runs at most; their number takes a byte.
const RUNS_MAX: usize = 255;

/// Bytes of the number of runs, both widths, the first and the least distance.
const PACKED_HEAD_BYTES: usize = 6;

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
    /// Packed runs, too, once they are read.
    Bitmap(&'a [u8]),
}

/// Room for the bitmap of packed runs while a block is read.
pub(super) type Scratch = [u8; SLOTS_MAX / 8];

pub(super) const SCRATCH: Scratch = [0; SLOTS_MAX / 8];

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

    pub(super) fn read(
        reader: &mut Reader<'a>,
        form: Form,
        len: usize,
        scratch: &'a mut Scratch,
    ) -> Result<Mask<'a>, BlockError> {
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
            Form::Packed => Self::read_packed(reader, len, scratch),
        }
    }

    fn read_packed(reader: &mut Reader<'a>, len: usize, scratch: &'a mut Scratch) -> Result<Mask<'a>, BlockError> {
        let runs = usize::from(reader.u8("number of runs")?);
        let widths = u32::from(reader.u8("widths of runs")?);
        let (distance_width, length_width) = (widths & 15, widths >> 4);
        let first = u64::from(reader.u16("first distance")?);
        let least = u64::from(reader.u16("least distance")?);
        let distances = reader.take(packed_bytes(runs.saturating_sub(1), distance_width), "distances of runs")?;
        let lengths = reader.take(packed_bytes(runs, length_width), "lengths of runs")?;
        let mut words = [0u64; WORDS];
        for (index, word) in words.iter_mut().enumerate().take(len.div_ceil(64)) {
            *word = low_bits(len - index * 64);
        }
        let (mut distance_of, mut length_of) = ([0u64; RUNS_MAX], [0u64; RUNS_MAX]);
        // The first distance is not among the packed ones.
        unpack(distances, distance_width, 0, &mut distance_of[1..runs.max(1)]);
        unpack(lengths, length_width, 0, &mut length_of[..runs]);
        let (mut end, mut clear) = (0u64, 0u64);
        for run in 0..runs {
            let distance = if run == 0 { first } else { least + distance_of[run] };
            let start = end + distance;
            end = start + length_of[run] + 1;
            if end > len as u64 || (run > 0 && distance == 0) {
                let expected = "behind the run before it, not empty and inside the block";
                return Err(BlockError::Field { what: "begin of a run", found: start, expected });
            }
            clear += end - start;
            clear_bits(&mut words, start as usize..end as usize);
        }
        for (bytes, word) in scratch.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        Ok(Mask { len, count: len - clear as usize, bytes: MaskBytes::Bitmap(&scratch[..len.div_ceil(8)]) })
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

/// Clears the bits of a range.
fn clear_bits(words: &mut [u64; WORDS], range: Range<usize>) {
    let mut at = range.start;
    while at < range.end {
        let count = (64 - at % 64).min(range.end - at);
        words[at / 64] &= !(low_bits(count) << (at % 64));
        at += count;
    }
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
            let runs = mask.clear_runs().count();
            for form in [Form::Runs, Form::Bitmap, Form::Packed] {
                let mut bytes = Vec::new();
                if form != Form::Bitmap && (runs > RUNS_MAX || form == Form::Packed && runs == 0) {
                    continue;
                }
                mask.write(form, &mut bytes);
                let mut reader = Reader::new(&bytes);
                let mut scratch = SCRATCH;
                let read = Mask::read(&mut reader, form, bits.len(), &mut scratch).unwrap();
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
