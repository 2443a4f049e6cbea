//! Patches: the high bits of the few packed numbers that need more than the width of the rest.
//!
//! After NewPFD (Yan, Ding, Suel: "Inverted Index Compression and Query Processing with Optimized Document Ordering",
//! WWW 2009): every number's low bits are packed at one width, and those that need more have their high bits behind
//! them. A patch takes two or three bytes, so it pays for a tail of values that lie a little outside, where a whole
//! value of ten bytes does not.

use super::bits::{is_width, pack, packed_bytes, stored_width};
use super::error::BlockError;
use super::reader::Reader;

/// Numbers that are looked at to find a width.
const SAMPLES: usize = 48;

/// Numbers of more bits are noise: none stands out.
const BITS_MAX: u32 = 44;

/// Bytes of the number of patches and the width of their high bits.
const HEAD_BYTES: usize = 3;

/// More numbers than one of this many with patches are not worth it.
const PATCHED_PART: usize = 4;

/// What is packed at a width, and what of it does not fit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Patched {
    /// What the packed numbers count from.
    pub(super) reference: i64,
    /// The bits of a packed number.
    pub(super) width: u32,
    /// The patches, at least one.
    pub(super) patches: Patches,
}

/// High bits by position.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Patches {
    positions: Vec<u16>,
    highs: Vec<i64>,
    high_width: u32,
    /// Packed numbers, with and without a patch.
    of: usize,
}

impl Patches {
    /// The bytes that [`Patches::write`] appends.
    pub(super) fn bytes(&self) -> usize {
        let count = self.positions.len();
        HEAD_BYTES + packed_bytes(count, position_width(self.of)) + packed_bytes(count, self.high_width)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // At most 1024 numbers.
        out.extend_from_slice(&(self.positions.len() as u16).to_le_bytes());
        out.push(self.high_width as u8);
        pack(self.positions.iter().map(|position| u64::from(*position)), position_width(self.of), out);
        let below = low_bits(self.high_width);
        pack(self.highs.iter().map(|high| *high as u64 & below), self.high_width, out);
    }
}

/// Finds the width at which numbers between `least` and `most`, which differ in `bits` bits, are the shortest with
/// patches, if any is shorter than `bits` a number.
pub(super) fn plan(numbers: &[i64], least: i64, most: i64, bits: u32) -> Option<Patched> {
    if bits > BITS_MAX {
        return None;
    }
    let mut samples = [0; SAMPLES];
    let count = numbers.len().min(SAMPLES);
    for (index, sample) in samples.iter_mut().enumerate().take(count) {
        *sample = numbers[index * numbers.len() / count];
    }
    let samples = &mut samples[..count];
    samples.sort_unstable();
    let position_bits = position_width(numbers.len()) as usize;
    let mut best = (numbers.len() * bits as usize, 0, 0);
    for width in (1..bits).rev() {
        let (inside, first, last) = densest(samples, width);
        let outside = count - inside;
        if outside * PATCHED_PART > count {
            break;
        }
        // The window may be wider than what it holds of the samples: in the middle, it holds the most of the rest.
        let room = low_bits(width).wrapping_sub(samples[last].wrapping_sub(samples[first]) as u64);
        let highest = (most as u64).wrapping_sub(low_bits(width)) as i64;
        let reference = samples[first].wrapping_sub((room / 2) as i64).max(least).min(highest.max(least));
        let high_bits = high_width(reference, width, least, most) as usize;
        let size = numbers.len() * width as usize + numbers.len() * outside * (position_bits + high_bits) / count;
        if size < best.0 {
            best = (size, width, reference);
        }
    }
    let (_, width, reference) = best;
    if width == 0 {
        return None;
    }
    let (mut positions, mut highs) = (Vec::new(), Vec::new());
    for (position, number) in numbers.iter().enumerate() {
        let high = number.wrapping_sub(reference) >> width;
        if high != 0 {
            // A block holds at most 1024 slots.
            positions.push(position as u16);
            highs.push(high);
        }
    }
    let high_width = stored_width(high_width(reference, width, least, most));
    let patches = Patches { positions, highs, high_width, of: numbers.len() };
    let is_shorter = packed_bytes(numbers.len(), width) + patches.bytes() < packed_bytes(numbers.len(), bits);
    let is_stored = high_width <= 56 && !patches.positions.is_empty();
    (is_shorter && is_stored).then_some(Patched { reference, width, patches })
}

/// The window of `2^width` numbers that holds the most of sorted samples: how many, and the first and last place.
fn densest(samples: &[i64], width: u32) -> (usize, usize, usize) {
    let (mut best, mut first) = ((0, 0, 0), 0);
    for (last, sample) in samples.iter().enumerate() {
        while sample.wrapping_sub(samples[first]) as u64 > low_bits(width) {
            first += 1;
        }
        if last + 1 - first > best.0 {
            best = (last + 1 - first, first, last);
        }
    }
    best
}

/// The bits of the high parts of numbers from `least` to `most`, their sign among them.
fn high_width(reference: i64, width: u32, least: i64, most: i64) -> u32 {
    let bits = |number: i64| {
        let high = number.wrapping_sub(reference) >> width;
        65 - (high ^ (high >> 63)).leading_zeros()
    };
    bits(least).max(bits(most))
}

/// The bits of a position among `count` numbers.
fn position_width(count: usize) -> u32 {
    count.saturating_sub(1).checked_ilog2().map_or(1, |log| log + 1)
}

fn low_bits(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// Patches in bytes. Structure is checked when they are read, positions by [`PackedPatches::validate`].
#[derive(Debug, Clone, Copy)]
pub(super) struct PackedPatches<'a> {
    count: usize,
    of: usize,
    /// The bits of the low parts.
    width: u32,
    high_width: u32,
    positions: &'a [u8],
    highs: &'a [u8],
}

impl<'a> PackedPatches<'a> {
    /// Reads the patches of `of` numbers that are packed in `width` bits.
    pub(super) fn read(reader: &mut Reader<'a>, of: usize, width: u32) -> Result<PackedPatches<'a>, BlockError> {
        let count = usize::from(reader.u16("number of patches")?);
        let high_width = u32::from(reader.u8("width of patches")?);
        if !is_width(high_width) || !(1..64).contains(&high_width) || width >= 64 {
            let expected = "1 to 56, for numbers of 56 bits or less";
            return Err(BlockError::Field { what: "width of patches", found: u64::from(high_width), expected });
        }
        let positions = reader.take(packed_bytes(count, position_width(of)), "positions of patches")?;
        let highs = reader.take(packed_bytes(count, high_width), "patches")?;
        Ok(PackedPatches { count, of, width, high_width, positions, highs })
    }

    /// Checks that the patches ascend and lie inside.
    pub(super) fn validate(&self) -> Result<(), BlockError> {
        let mut next = 0;
        for position in (0..self.count).map(|patch| self.position(patch)) {
            if position < next || position >= self.of {
                let expected = "behind the one before it and inside the block";
                return Err(BlockError::Field { what: "position of a patch", found: position as u64, expected });
            }
            next = position + 1;
        }
        Ok(())
    }

    /// The first patch at or behind a position.
    pub(super) fn first_at(&self, position: usize) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if self.position(middle) < position { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Adds the high bits of the numbers from position `at` on; `next` is the first patch there, and then the one
    /// behind them.
    #[inline]
    pub(super) fn apply(&self, next: &mut usize, at: usize, numbers: &mut [u64]) {
        while *next < self.count {
            let position = self.position(*next);
            let Some(number) = position.checked_sub(at).and_then(|place| numbers.get_mut(place)) else { return };
            *number = number.wrapping_add(self.high(*next));
            *next += 1;
        }
    }

    /// The sum of the high parts before a patch.
    pub(super) fn sum_before(&self, patch: usize) -> u64 {
        (0..patch).fold(0u64, |sum, patch| sum.wrapping_add(self.high(patch)))
    }

    fn position(&self, patch: usize) -> usize {
        number_at(self.positions, position_width(self.of), patch) as usize
    }

    /// What a patch adds to its number.
    fn high(&self, patch: usize) -> u64 {
        let unused = 64 - self.high_width;
        let high = (number_at(self.highs, self.high_width, patch) << unused) as i64 >> unused;
        (high as u64) << self.width
    }
}

/// One packed number of at most 56 bits.
#[inline]
fn number_at(bytes: &[u8], width: u32, index: usize) -> u64 {
    let bit = index * width as usize;
    let from = &bytes[bit / 8..];
    let word = match from.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => from.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    word >> (bit % 8) & low_bits(width)
}
