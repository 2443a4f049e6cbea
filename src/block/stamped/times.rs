//! The sealed times of samples: shared by all series whose samples come together.
//!
//! Invariant: the bytes inside [`Times`] were sealed here or validated in full, so decoding them never fails.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::grid::Grid;
use super::{PATCHED_MIN, SAMPLES_MAX, count};
use crate::block::codec::id;
use crate::block::error::BlockError;
use crate::block::integers::{Packed, Packing};
use crate::block::reader::{Reader, varint_bytes, write_varint};
use crate::block::sealed::allocation_bytes;

/// 1 to [`SAMPLES_MAX`] times in milliseconds since 1970; immutable and cheap to clone. Those of samples ascend
/// strictly; start times need not.
#[derive(Clone, PartialEq, Eq)]
pub struct Times(Arc<[u8]>);

impl Times {
    /// Seals times of any order.
    ///
    /// # Panics
    /// Without a time and with more than [`SAMPLES_MAX`]: the caller's bug.
    pub fn seal(times_ms: &[i64]) -> Times {
        let len = times_ms.len();
        assert!((1..=SAMPLES_MAX).contains(&len), "{len} times, not 1 to {SAMPLES_MAX}");
        let mut out = Vec::with_capacity(64);
        let ascends = if is_ascending(times_ms) { ASCENDS } else { 0 };
        if let Some(grid) = Grid::exact(times_ms) {
            out.push(REGULAR | ascends);
            count::write(len, &mut out);
            out.extend_from_slice(&grid.first_ms.to_le_bytes());
            write_varint(grid.step, &mut out);
            return Times(out.into());
        }
        let mut best: Option<(usize, Grid, Packing, Vec<i64>)> = None;
        for grid in Grid::candidates(times_ms) {
            let offset = |(at, time_ms): (u64, &i64)| time_ms.wrapping_sub(grid.at(at));
            let offsets: Vec<i64> = (0u64..).zip(times_ms).map(offset).collect();
            let packing = Packing::plan(&offsets, Vec::new(), PATCHED_MIN);
            let bytes = varint_bytes(grid.step) + packing.bytes(len);
            if best.as_ref().is_none_or(|best| bytes < best.0) {
                best = Some((bytes, grid, packing, offsets));
            }
        }
        if let (Some((_, grid, packing, offsets)), Some(last_ms)) = (best, times_ms.last()) {
            out.push(id::of_packing(&packing) | ascends);
            count::write(len, &mut out);
            out.extend_from_slice(&grid.first_ms.to_le_bytes());
            out.extend_from_slice(&last_ms.to_le_bytes());
            write_varint(grid.step, &mut out);
            packing.write(&offsets, |position| offsets[position] as u64, &mut out);
        }
        Times(out.into())
    }

    /// Times from the bytes that [`Times::as_bytes`] returned once; validates all of them.
    ///
    /// # Errors
    /// When the bytes are no times: which field is wrong, what it holds and what was expected.
    pub fn from_bytes(bytes: Arc<[u8]>) -> Result<Times, BlockError> {
        View::read(&bytes)?.validate()?;
        Ok(Times(bytes))
    }

    /// The bytes, as they go to disk.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        &self.0
    }

    /// Whether both are handles of the same memory.
    pub fn ptr_eq(&self, other: &Times) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many handles share the memory, this one among them; more or fewer the next moment.
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// The number of times: 1 to [`SAMPLES_MAX`].
    #[expect(clippy::len_without_is_empty, reason = "times are never empty")]
    pub fn len(&self) -> usize {
        self.head().count
    }

    /// Time 0, milliseconds since 1970.
    pub fn first_ms(&self) -> i64 {
        self.head().grid.first_ms
    }

    /// The last time, milliseconds since 1970.
    pub fn last_ms(&self) -> i64 {
        self.head().last_ms
    }

    /// Whether each time lies behind the one before.
    pub fn is_ascending(&self) -> bool {
        self.head().ascends
    }

    /// The milliseconds between any two neighbours, if they are the same everywhere and whole.
    pub fn step_ms(&self) -> Option<i64> {
        let head = self.head();
        head.kind.is_none().then(|| head.grid.at(1).wrapping_sub(head.grid.first_ms))
    }

    /// Writes the times `range` to `out`.
    ///
    /// # Panics
    /// When `range` reaches beyond [`Times::len`], or `out` is not as long as `range`: the caller's bug.
    pub fn decode(&self, range: Range<usize>, out: &mut [i64]) {
        assert_eq!(range.len(), out.len(), "a place for each time");
        match View::read(&self.0) {
            Ok(view) => {
                let len = view.head.count;
                assert!(range.start <= range.end && range.end <= len, "{range:?} lies outside of {len} times");
                view.decode(range, out);
            }
            // Never: the bytes were validated.
            Err(_) => out.fill(0),
        }
    }

    /// The number of times before `time_ms`, which is the place of the first that is not; for times that ascend.
    pub fn count_before(&self, time_ms: i64) -> usize {
        let Head { count, grid, last_ms, kind, .. } = self.head();
        if time_ms <= grid.first_ms {
            return 0;
        }
        if time_ms > last_ms {
            return count;
        }
        if kind.is_some() {
            let mut times_ms = [0; SAMPLES_MAX];
            self.decode(0..count, &mut times_ms[..count]);
            return times_ms[..count].partition_point(|time| *time < time_ms);
        }
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            if grid.at(middle as u64) < time_ms { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The bytes of memory behind the handle: the allocation, rounded up as glibc's allocator does.
    pub fn memory_bytes(&self) -> usize {
        allocation_bytes(self.0.len())
    }

    fn head(&self) -> Head {
        // Never the default: validated bytes begin with a head.
        Head::read(&mut Reader::new(&self.0)).unwrap_or_default()
    }
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { count, grid, last_ms, .. } = self.head();
        write!(f, "Times({count} from {} to {last_ms} ms, {} bytes)", grid.first_ms, self.0.len())
    }
}

/// The form of evenly spaced times: nothing follows the head. The other forms are the ids of packed numbers.
const REGULAR: u8 = 0;

/// The bits of the first byte that hold the form.
const FORM: u8 = 0b111;

/// The bit of the first byte that says that the times ascend.
const ASCENDS: u8 = 1 << 3;

/// What sealed times begin with.
#[derive(Debug, Clone, Copy)]
struct Head {
    /// How offsets from the grid are packed; `None` when there are none.
    kind: Option<crate::block::integers::Kind>,
    ascends: bool,
    count: usize,
    grid: Grid,
    last_ms: i64,
}

impl Default for Head {
    fn default() -> Self {
        Head { kind: None, ascends: true, count: 0, grid: Grid { first_ms: 0, step: 0 }, last_ms: 0 }
    }
}

impl Head {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<Head, BlockError> {
        let bits = reader.u8("first byte of the times")?;
        let kind = id::to_kind(bits & FORM);
        if bits & !(FORM | ASCENDS) != 0 || (kind.is_none() && bits & FORM != REGULAR) {
            let expected = "0, 2, 3, 5 or 6, 8 more if the times ascend";
            return Err(BlockError::Field { what: "first byte of the times", found: u64::from(bits), expected });
        }
        let count = count::read(reader)?;
        let first_ms = reader.u64("first time")? as i64;
        let last_ms = kind.map(|_| reader.u64("last time")).transpose()?;
        let grid = Grid { first_ms, step: reader.varint("step of the times")? };
        let last_ms = last_ms.map_or_else(|| grid.at(count as u64 - 1), |last_ms| last_ms as i64);
        Ok(Head { kind, ascends: bits & ASCENDS != 0, count, grid, last_ms })
    }
}

/// The parts of sealed times.
#[derive(Debug)]
struct View<'a> {
    head: Head,
    packed: Option<Packed<'a>>,
}

impl<'a> View<'a> {
    fn read(bytes: &'a [u8]) -> Result<View<'a>, BlockError> {
        let mut reader = Reader::new(bytes);
        let head = Head::read(&mut reader)?;
        let packed = head.kind.map(|kind| Packed::read(&mut reader, kind, head.count)).transpose()?;
        reader.finish()?;
        Ok(View { head, packed })
    }

    /// Checks what reading has not checked: the packed numbers, and what the head says about them.
    fn validate(&self) -> Result<(), BlockError> {
        self.packed.map_or(Ok(()), |packed| packed.validate())?;
        let mut times_ms = [0; SAMPLES_MAX];
        let times_ms = &mut times_ms[..self.head.count];
        self.decode(0..self.head.count, times_ms);
        let fail = |what, found: i64, expected| Err(BlockError::Field { what, found: found as u64, expected });
        if times_ms.first() != Some(&self.head.grid.first_ms) {
            return fail("first time", self.head.grid.first_ms, "the first of the times");
        }
        if times_ms.last() != Some(&self.head.last_ms) {
            return fail("last time", self.head.last_ms, "the last of the times");
        }
        if is_ascending(times_ms) != self.head.ascends {
            return fail("ascending", i64::from(self.head.ascends), "what the times are");
        }
        Ok(())
    }

    fn decode(&self, range: Range<usize>, out: &mut [i64]) {
        let Some(packed) = &self.packed else {
            out.fill(0);
            return self.head.grid.add(range.start as u64, out);
        };
        packed.unpack(range.clone(), |at, piece| out[at..at + piece.len()].copy_from_slice(piece));
        for (at, exact) in packed.exceptions(range.clone()) {
            out[at] = exact as i64;
        }
        self.head.grid.add(range.start as u64, out);
    }
}

fn is_ascending(times_ms: &[i64]) -> bool {
    times_ms.windows(2).all(|pair| pair[0] < pair[1])
}
