//! Packs whole numbers: offsets from a reference or from the number before, whichever is smaller.
//!
//! Frame of reference and patching follow PFOR (Zukowski, Héman, Nes, Boncz: "Super-Scalar RAM-CPU Cache Compression",
//! ICDE 2006): numbers that would widen all others are exceptions, kept by position behind the packed ones. All
//! arithmetic wraps, so every `i64` is fine.

use std::ops::Range;

use super::bits::{self, is_width, pack, packed_bytes, stored_width};
use super::error::BlockError;
use super::patches::{self, PackedPatches, Patched, Patches};
use super::reader::{Reader, varint_bytes, write_varint, zigzag};

/// Numbers that are unpacked at a time.
pub(super) const CHUNK: usize = 64;

/// Bytes of an exception: position and what it stands for.
const EXCEPTION_BYTES: usize = 10;

/// Bytes of width and number of exceptions.
const HEAD_BYTES: usize = 3;

/// At so few bits a number, taking out outliers gains too little to be worth the search.
const PATCHED_BITS_MIN: u32 = 3;

/// Fewer numbers of a block are not worth the search for patches: they are sealed again with others, soon.
pub(super) const PATCHED_MIN: usize = 300;

/// Deltas whose bits exceed those of a number by more win nothing with patches.
const DELTA_BITS_MORE: u32 = 3;

/// Which of the forms packed numbers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// They count from the number before.
    pub(super) is_delta: bool,
    /// Some have patches.
    pub(super) is_patched: bool,
}

/// How numbers will be packed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Packing {
    frame: Frame,
    width: u32,
    /// Ascending positions of numbers that are not packed.
    exceptions: Vec<u16>,
    /// High bits of those that do not fit into the width.
    patches: Option<Patches>,
}

/// What the packed offsets count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// Number `i` is `reference + offset[i]`.
    Reference { reference: i64 },
    /// Number 0 is `first`, number `i` is the one before plus `step + offset[i - 1]`.
    Delta { first: i64, step: i64 },
}

impl Packing {
    /// The smallest packing. The numbers at `exceptions` (ascending positions) need not come back. Patches are sought
    /// from `patched_min` numbers on.
    pub(super) fn plan(numbers: &[i64], exceptions: Vec<u16>, patched_min: usize) -> Packing {
        let reference = plan_reference(numbers, exceptions.clone(), patched_min);
        let patched_bits_max = reference.width + DELTA_BITS_MORE;
        let delta = plan_delta(numbers, exceptions, patched_min, patched_bits_max);
        if delta.bytes(numbers.len()) < reference.bytes(numbers.len()) { delta } else { reference }
    }

    /// The bytes that [`Packing::write`] appends for `count` numbers.
    pub(super) fn bytes(&self, count: usize) -> usize {
        let (frame, offsets) = match self.frame {
            Frame::Reference { reference } => (varint_bytes(reference), count),
            Frame::Delta { first, step } => (varint_bytes(first) + varint_bytes(step), count.saturating_sub(1)),
        };
        let patches = self.patches.as_ref().map_or(0, Patches::bytes);
        HEAD_BYTES + frame + packed_bytes(offsets, self.width) + self.exceptions.len() * EXCEPTION_BYTES + patches
    }

    pub(super) fn is_delta(&self) -> bool {
        matches!(self.frame, Frame::Delta { .. })
    }

    pub(super) fn is_patched(&self) -> bool {
        self.patches.is_some()
    }

    /// The bits of a packed number.
    pub(super) fn width(&self) -> u32 {
        self.width
    }

    /// Appends the packed numbers; `exact` gives what stands for the exception at a position.
    pub(super) fn write(&self, numbers: &[i64], exact: impl Fn(usize) -> u64, out: &mut Vec<u8>) {
        // Width is at most 64, and there are at most 1024 numbers.
        out.push(self.width as u8);
        out.extend_from_slice(&(self.exceptions.len() as u16).to_le_bytes());
        // Exceptions may lie outside the width, and then their bits mean nothing; those of patches are the low ones.
        let mask = if self.width == 64 { u64::MAX } else { (1 << self.width) - 1 };
        match self.frame {
            Frame::Reference { reference } => {
                write_varint(reference, out);
                pack(numbers.iter().map(|number| number.wrapping_sub(reference) as u64 & mask), self.width, out);
            }
            Frame::Delta { first, step } => {
                write_varint(first, out);
                write_varint(step, out);
                pack(deltas(numbers).map(|delta| delta.wrapping_sub(step) as u64 & mask), self.width, out);
            }
        }
        out.extend(self.exceptions.iter().flat_map(|position| position.to_le_bytes()));
        out.extend(self.exceptions.iter().flat_map(|position| exact(usize::from(*position)).to_le_bytes()));
        if let Some(patches) = &self.patches {
            patches.write(out);
        }
    }
}

/// Numbers in bytes. Structure is checked when they are read, positions by [`Packed::validate`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'a> {
    count: usize,
    frame: Frame,
    width: u32,
    offsets: &'a [u8],
    positions: &'a [[u8; 2]],
    exact: &'a [[u8; 8]],
    patches: Option<PackedPatches<'a>>,
}

impl<'a> Packed<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, kind: Kind, count: usize) -> Result<Packed<'a>, BlockError> {
        let width = u32::from(reader.u8("width")?);
        if !is_width(width) {
            return Err(BlockError::Field { what: "width", found: u64::from(width), expected: "0 to 56 or 64" });
        }
        let exceptions = usize::from(reader.u16("number of exceptions")?);
        let (frame, places) = if kind.is_delta {
            let (first, step) = (reader.varint("first number")?, reader.varint("least step")?);
            (Frame::Delta { first, step }, count.saturating_sub(1))
        } else {
            (Frame::Reference { reference: reader.varint("reference")? }, count)
        };
        let offsets = reader.take(packed_bytes(places, width), "packed numbers")?;
        let (positions, _) = reader.take(exceptions * 2, "positions of exceptions")?.as_chunks();
        let (exact, _) = reader.take(exceptions * 8, "exceptions")?.as_chunks();
        let patches = kind.is_patched.then(|| PackedPatches::read(reader, places, width)).transpose()?;
        Ok(Packed { count, frame, width, offsets, positions, exact, patches })
    }

    /// Checks that exceptions and patches ascend and lie inside.
    pub(super) fn validate(&self) -> Result<(), BlockError> {
        let mut next = 0;
        for position in self.positions.iter().map(|bytes| usize::from(u16::from_le_bytes(*bytes))) {
            if position < next || position >= self.count {
                let expected = "behind the one before it and inside the block";
                return Err(BlockError::Field { what: "position of an exception", found: position as u64, expected });
            }
            next = position + 1;
        }
        self.patches.map_or(Ok(()), |patches| patches.validate())
    }

    /// Hands the numbers of `range` to `sink` in pieces of at most [`CHUNK`], each with its place inside the range.
    pub(super) fn unpack(&self, range: Range<usize>, mut sink: impl FnMut(usize, &[i64])) {
        let mut offsets = [0u64; CHUNK];
        let mut numbers = [0i64; CHUNK];
        let mut patch = self.patches.map_or(0, |patches| patches.first_at(range.start));
        let mut unpack = |at: usize, offsets: &mut [u64]| {
            bits::unpack(self.offsets, self.width, at, offsets);
            if let Some(patches) = &self.patches {
                patches.apply(&mut patch, at, offsets);
            }
        };
        match self.frame {
            Frame::Reference { reference } => {
                for at in range.clone().step_by(CHUNK) {
                    let count = CHUNK.min(range.end - at);
                    unpack(at, &mut offsets[..count]);
                    for (number, offset) in numbers.iter_mut().zip(&offsets) {
                        *number = reference.wrapping_add(*offset as i64);
                    }
                    sink(at - range.start, &numbers[..count]);
                }
            }
            Frame::Delta { first, step } => {
                let skipped = self.patches.map_or(0, |patches| patches.sum_before(patches.first_at(range.start)));
                let mut number = first.wrapping_add(skipped as i64);
                for at in (0..range.start).step_by(CHUNK) {
                    let count = CHUNK.min(range.start - at);
                    bits::unpack(self.offsets, self.width, at, &mut offsets[..count]);
                    let sum = offsets[..count].iter().fold(0u64, |sum, offset| sum.wrapping_add(*offset));
                    number = number.wrapping_add(step.wrapping_mul(count as i64)).wrapping_add(sum as i64);
                }
                for at in range.clone().step_by(CHUNK) {
                    let count = CHUNK.min(range.end - at);
                    // Behind the last number there is no offset; zeros are read there, and what they make is not used.
                    unpack(at, &mut offsets[..count]);
                    for (out, offset) in numbers[..count].iter_mut().zip(&offsets) {
                        *out = number;
                        number = number.wrapping_add(step).wrapping_add(*offset as i64);
                    }
                    sink(at - range.start, &numbers[..count]);
                }
            }
        }
    }

    /// The exceptions inside `range`: place inside the range and what stands there.
    pub(super) fn exceptions(&self, range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
        let pairs = self.positions.iter().zip(self.exact);
        pairs.filter_map(move |(position, exact)| {
            let position = usize::from(u16::from_le_bytes(*position));
            range.contains(&position).then(|| (position - range.start, u64::from_le_bytes(*exact)))
        })
    }
}

/// Of deltas that need more than `patched_bits_max` bits, no patches are sought.
fn plan_delta(numbers: &[i64], exceptions: Vec<u16>, patched_min: usize, patched_bits_max: u32) -> Packing {
    let first = numbers.first().copied().unwrap_or_default();
    let (step, most) = bounds(deltas(numbers)).unwrap_or_default();
    let bits = significant_bits(most.wrapping_sub(step) as u64);
    if numbers.len() >= patched_min && (PATCHED_BITS_MIN + 1..=patched_bits_max).contains(&bits) {
        let deltas: Vec<i64> = deltas(numbers).collect();
        if let Some(Patched { reference, width, patches }) = patches::plan(&deltas, step, most, bits) {
            return Packing {
                frame: Frame::Delta { first, step: reference },
                width,
                exceptions,
                patches: Some(patches),
            };
        }
    }
    Packing { frame: Frame::Delta { first, step }, width: stored_width(bits), exceptions, patches: None }
}

fn plan_reference(numbers: &[i64], exceptions: Vec<u16>, patched_min: usize) -> Packing {
    let (least, most) = bounds(numbers.iter().copied()).unwrap_or_default();
    let bits = significant_bits(most.wrapping_sub(least) as u64);
    let frame = Frame::Reference { reference: least };
    if bits <= PATCHED_BITS_MIN {
        return Packing { frame, width: stored_width(bits), exceptions, patches: None };
    }
    if numbers.len() >= patched_min
        && let Some(Patched { reference, width, patches }) = patches::plan(numbers, least, most, bits)
    {
        return Packing { frame: Frame::Reference { reference }, width, exceptions, patches: Some(patches) };
    }
    let whole = Packing { frame, width: stored_width(bits), exceptions, patches: None };
    let pivot = middle(numbers);
    let distance = |number: i64| significant_bits(zigzag(number.wrapping_sub(pivot))) as usize;
    let mut numbers_of_distance = [0usize; 65];
    for number in numbers {
        numbers_of_distance[distance(*number)] += 1;
    }
    let mut best = (packed_bytes(numbers.len(), whole.width), usize::MAX);
    let mut outliers = 0;
    for limit in (0..64).rev() {
        outliers += numbers_of_distance[limit + 1];
        let size = packed_bytes(numbers.len(), limit as u32) + outliers * EXCEPTION_BYTES;
        if outliers > 0 && size < best.0 {
            best = (size, limit);
        }
    }
    let (_, limit) = best;
    if limit == usize::MAX {
        return whole;
    }
    let inliers = numbers.iter().copied().filter(|number| distance(*number) <= limit);
    let Some((least, most)) = bounds(inliers) else { return whole };
    let mut exceptions = whole.exceptions.clone();
    let outliers = (0u16..).zip(numbers).filter(|(_, number)| distance(**number) > limit);
    exceptions.extend(outliers.map(|(position, _)| position));
    exceptions.sort_unstable();
    exceptions.dedup();
    let width = stored_width(significant_bits(most.wrapping_sub(least) as u64));
    let patched = Packing { frame: Frame::Reference { reference: least }, width, exceptions, patches: None };
    if patched.bytes(numbers.len()) < whole.bytes(numbers.len()) { patched } else { whole }
}

/// A number in the middle of most others: the median of some.
fn middle(numbers: &[i64]) -> i64 {
    const SAMPLES: usize = 9;
    let mut samples = [0; SAMPLES];
    for (index, sample) in samples.iter_mut().enumerate() {
        *sample = numbers[index * numbers.len() / SAMPLES];
    }
    samples.sort_unstable();
    samples[SAMPLES / 2]
}

fn deltas(numbers: &[i64]) -> impl Iterator<Item = i64> {
    numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]))
}

/// The least and the greatest.
fn bounds(numbers: impl Iterator<Item = i64>) -> Option<(i64, i64)> {
    let bounds = numbers.fold((i64::MAX, i64::MIN), |(least, most), number| (least.min(number), most.max(number)));
    (bounds.0 <= bounds.1).then_some(bounds)
}

fn significant_bits(number: u64) -> u32 {
    64 - number.leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(numbers: &[i64], exceptions: &[u16], packing: &Packing, range: Range<usize>) {
        let mut bytes = Vec::new();
        packing.write(numbers, |position| numbers[position] as u64, &mut bytes);
        assert_eq!(bytes.len(), packing.bytes(numbers.len()));
        let mut reader = Reader::new(&bytes);
        let kind = Kind { is_delta: packing.is_delta(), is_patched: packing.is_patched() };
        let packed = Packed::read(&mut reader, kind, numbers.len()).unwrap();
        assert_eq!((reader.finish(), packed.validate()), (Ok(()), Ok(())));
        let mut out = vec![0; range.len()];
        packed.unpack(range.clone(), |at, piece| out[at..at + piece.len()].copy_from_slice(piece));
        for (at, exact) in packed.exceptions(range.clone()) {
            out[at] = exact as i64;
        }
        assert_eq!(&out[..], &numbers[range]);
        assert!(exceptions.iter().all(|position| packing.exceptions.contains(position)));
    }

    fn numbers() -> impl Strategy<Value = Vec<i64>> {
        let number = prop_oneof![8 => -100..100i64, 1 => any::<i64>()];
        prop_oneof![
            prop::collection::vec(number, 1..300),
            prop::collection::vec(any::<i64>(), 1..100),
            prop::collection::vec(prop_oneof![20 => -20..30i64, 1 => any::<i32>().prop_map(i64::from)], 290..700),
            prop::collection::vec(prop_oneof![40 => -2000..30i64, 1 => any::<i64>()], 290..700),
            (any::<i64>(), prop::collection::vec(0..1000i64, 1..300)).prop_map(|(first, steps)| {
                steps
                    .iter()
                    .scan(first, |number, step| {
                        *number = number.wrapping_add(*step);
                        Some(*number)
                    })
                    .collect()
            }),
        ]
    }

    proptest! {
        #[test]
        fn both_packings_restore_every_range(
            numbers in numbers(), exceptions in prop::collection::btree_set(0..300u16, 0..4),
            from in 0..700usize, to in 0..700usize,
        ) {
            let count = numbers.len();
            let exceptions: Vec<u16> = exceptions.into_iter().filter(|at| usize::from(*at) < count).collect();
            let range = from.min(to).min(count)..from.max(to).min(count);
            check(&numbers, &exceptions, &plan_reference(&numbers, exceptions.clone(), PATCHED_MIN), range.clone());
            check(&numbers, &exceptions, &plan_delta(&numbers, exceptions.clone(), PATCHED_MIN, 64), range);
        }
    }

    #[test]
    fn a_counter_is_packed_by_its_steps_and_an_outlier_widens_nothing() {
        let counter: Vec<i64> = (0..100).map(|i| i * 1_000_000 + i % 3).collect();
        let packing = Packing::plan(&counter, Vec::new(), PATCHED_MIN);
        assert!(packing.is_delta() && packing.width() <= 2, "{packing:?}");
        let mut spread: Vec<i64> = (0..200).map(|i| i * 37 % 64).collect();
        spread[17] = 1 << 40;
        let packing = Packing::plan(&spread, Vec::new(), PATCHED_MIN);
        assert_eq!((packing.is_delta(), packing.width(), &packing.exceptions[..]), (false, 6, &[17][..]));
    }

    #[test]
    fn a_tail_is_patched_and_widens_nothing() {
        let tail = |i: i64| if i % 25 == 7 { 900 + i % 40 - 1900 * (i % 2) } else { 0 };
        let numbers: Vec<i64> = (0..500).map(|i| 5000 + i * 37 % 64 + tail(i)).collect();
        let packing = Packing::plan(&numbers, Vec::new(), PATCHED_MIN);
        assert_eq!((packing.is_delta(), packing.is_patched(), packing.width()), (false, true, 6));
        check(&numbers, &[], &packing, 3..499);
        let sums: Vec<i64> =
            numbers.iter().scan(0, |sum, number| Some(std::mem::replace(sum, *sum + number))).collect();
        let packing = Packing::plan(&sums, Vec::new(), PATCHED_MIN);
        assert_eq!((packing.is_delta(), packing.is_patched(), packing.width()), (true, true, 6));
        check(&sums, &[], &packing, 3..499);
    }
}
