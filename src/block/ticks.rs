//! The seconds of a lane's rows, sealed: shared by all series of the lane.
//!
//! A second is kept as its offset from the row's centre. Collectors tick evenly, so the offsets mostly are one number
//! or few. Invariant as for a block: the bytes were sealed here or validated in full.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::codec::id;
use super::error::BlockError;
use super::header::Header;
use super::integers::{PATCHED_MIN, Packed, Packing};
use super::mask::{Form, Mask, MaskBits, SCRATCH, Scratch};
use super::reader::Reader;
use super::sealed::{SLOTS_MAX, allocation_bytes};

/// The offset of a row without a sample.
pub const NO_TICK: i32 = i32::MIN;

/// The seconds of up to [`SLOTS_MAX`] rows; immutable and cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticks(Arc<[u8]>);

impl Ticks {
    /// Seals `offsets`: for each row the second of its first sample less the row's centre, or [`NO_TICK`]. The centre
    /// of row 0 is `start_secs`. Nothing is cut off.
    ///
    /// # Panics
    /// With more than [`SLOTS_MAX`] rows or a frequency of 0: the caller's bug.
    pub fn seal(start_secs: i64, frequency_secs: u32, offsets: &[i32]) -> Ticks {
        assert!(offsets.len() <= SLOTS_MAX, "{} rows are more than {SLOTS_MAX}", offsets.len());
        assert!(frequency_secs > 0, "a frequency of 0 s");
        let mask = MaskBits::from_fn(offsets.len(), |row| offsets[row] != NO_TICK);
        let present = offsets.iter().copied().filter(|offset| *offset != NO_TICK);
        let numbers: Vec<i64> = present.map(i64::from).collect();
        let packing = (!numbers.is_empty()).then(|| Packing::plan(&numbers, Vec::new(), PATCHED_MIN));

        let mut out = Vec::with_capacity(64);
        let codec = packing.as_ref().map_or(NO_SECONDS, id::of_packing);
        let (form, _) = mask.form();
        let has_holes = packing.is_some() && mask.count() < offsets.len();
        let form_flag = match form {
            Form::Runs => 0,
            Form::Bitmap => flag::HOLES_BITMAP,
            Form::Packed => flag::HOLES_PACKED,
        };
        let flags = if has_holes { flag::HOLES | form_flag } else { 0 };
        Header { start_secs, frequency_secs, len: offsets.len(), codec, flags }.write(&mut out);
        if has_holes {
            mask.write(form, &mut out);
        }
        if let Some(packing) = packing {
            packing.write(&numbers, |position| numbers[position] as u64, &mut out);
        }
        Ticks(out.into())
    }

    /// Ticks from the bytes that [`Ticks::as_bytes`] returned once; validates all of them.
    ///
    /// # Errors
    /// When the bytes are no ticks: which field is wrong, what it holds and what was expected.
    pub fn from_bytes(bytes: Arc<[u8]>) -> Result<Ticks, BlockError> {
        View::read(&bytes, &mut { SCRATCH })?.validate()?;
        Ok(Ticks(bytes))
    }

    /// The bytes, as they go to disk.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        &self.0
    }

    /// The centre of row 0, seconds since 1970.
    pub fn start_secs(&self) -> i64 {
        self.header().start_secs
    }

    /// Seconds between two rows.
    pub fn frequency_secs(&self) -> u32 {
        self.header().frequency_secs
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.header().len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The centre of the row behind the last, seconds since 1970.
    pub fn end_secs(&self) -> i64 {
        self.header().end_secs()
    }

    /// Writes the offsets of the rows `range` to `out`, [`NO_TICK`] where there is none.
    ///
    /// # Panics
    /// When `range` reaches beyond [`Ticks::len`], or `out` is not as long as `range`: the caller's bug.
    pub fn decode(&self, range: Range<usize>, out: &mut [i32]) {
        assert_eq!(range.len(), out.len(), "a place for each row");
        assert!(range.start <= range.end && range.end <= self.len(), "{range:?} lies outside of {} rows", self.len());
        match View::read(&self.0, &mut { SCRATCH }) {
            Ok(view) => view.decode(range, out),
            // Never: the bytes were validated.
            Err(_) => out.fill(NO_TICK),
        }
    }

    /// The offset of one row, [`NO_TICK`] when there is none.
    ///
    /// # Panics
    /// When `row` is not below [`Ticks::len`]: the caller's bug.
    pub fn offset(&self, row: usize) -> i32 {
        let mut offset = [NO_TICK];
        self.decode(row..row + 1, &mut offset);
        offset[0]
    }

    /// The bytes of memory behind the handle: the allocation, rounded up as glibc's allocator does.
    pub fn memory_bytes(&self) -> usize {
        allocation_bytes(self.0.len())
    }

    fn header(&self) -> Header {
        Header::of_valid(&self.0)
    }
}

impl fmt::Debug for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { start_secs, frequency_secs, len, .. } = self.header();
        write!(f, "Ticks({len} rows of {frequency_secs} s from {start_secs}, {} bytes)", self.0.len())
    }
}

/// The codec id of ticks of which no row has a second; the others are those of packed numbers in blocks.
const NO_SECONDS: u8 = 0;

/// The bits of the header's last byte.
mod flag {
    /// Some rows have no second: their mask comes first.
    pub(super) const HOLES: u8 = 1;
    /// That mask is a bitmap, not a list of runs.
    pub(super) const HOLES_BITMAP: u8 = 1 << 1;
    /// That mask is a packed list of runs.
    pub(super) const HOLES_PACKED: u8 = 1 << 2;
}

/// The parts of sealed ticks.
#[derive(Debug)]
struct View<'a> {
    holes: Mask<'a>,
    /// `None` when no row has a second.
    packed: Option<Packed<'a>>,
}

impl<'a> View<'a> {
    fn read(bytes: &'a [u8], scratch: &'a mut Scratch) -> Result<View<'a>, BlockError> {
        let mut reader = Reader::new(bytes);
        let Header { frequency_secs, len, codec, flags, .. } = Header::read(&mut reader, "number of rows")?;
        let fail = |what, found, expected| Err(BlockError::Field { what, found, expected });
        if frequency_secs == 0 {
            return fail("frequency", 0, "1 or more");
        }
        if len > SLOTS_MAX {
            return fail("number of rows", len as u64, "at most 1024");
        }
        let form = match flags ^ flag::HOLES {
            _ if flags == 0 => None,
            0 => Some(Form::Runs),
            flag::HOLES_BITMAP => Some(Form::Bitmap),
            flag::HOLES_PACKED => Some(Form::Packed),
            _ => return fail("flags", u64::from(flags), "a known combination of bits"),
        };
        if codec == NO_SECONDS && form.is_some() {
            return fail("flags", u64::from(flags), "none without seconds");
        }
        let holes = form.map_or(Ok(Mask::all(len)), |form| Mask::read(&mut reader, form, len, scratch))?;
        let packed = match id::to_kind(codec) {
            Some(kind) => Some(Packed::read(&mut reader, kind, holes.count())?),
            None if codec == NO_SECONDS => None,
            None => return fail("codec", u64::from(codec), "0, 2, 3, 5 or 6"),
        };
        reader.finish()?;
        Ok(View { holes, packed })
    }

    /// Checks what reading has not checked. Numbers beyond an `i32` are not looked for: they are cut off.
    fn validate(&self) -> Result<(), BlockError> {
        self.holes.validate()?;
        self.packed.map_or(Ok(()), |packed| packed.validate())
    }

    fn decode(&self, range: Range<usize>, out: &mut [i32]) {
        out.fill(NO_TICK);
        let Some(packed) = self.packed else { return };
        let needed = self.holes.rank(range.start)..self.holes.rank(range.end);
        let mut numbers = vec![0i64; needed.len()];
        packed.unpack(needed.clone(), |at, piece| numbers[at..at + piece.len()].copy_from_slice(piece));
        for (at, exact) in packed.exceptions(needed) {
            numbers[at] = exact as i64;
        }
        let rows = out.iter_mut().zip(range).filter(|(_, row)| self.holes.is_set(*row));
        for ((offset, _), number) in rows.zip(numbers) {
            *offset = number as i32;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offsets() -> impl Strategy<Value = Vec<i32>> {
        let offset = prop_oneof![20 => -3..3i32, 2 => Just(NO_TICK), 1 => any::<i32>()];
        prop_oneof![
            prop::collection::vec(offset, 0..=SLOTS_MAX),
            (0..=SLOTS_MAX, any::<i32>()).prop_map(|(len, offset)| vec![offset; len]),
            (0..=SLOTS_MAX).prop_map(|len| (0..len as i32).map(|row| row / 7 - 30).collect()),
        ]
    }

    proptest! {
        #[test]
        fn every_range_comes_back(offsets in offsets(), start: i64, from in 0..2000usize, to in 0..2000usize) {
            let sealed = Ticks::seal(start, 60, &offsets);
            let ticks = Ticks::from_bytes(sealed.as_bytes().clone()).unwrap();
            prop_assert_eq!((ticks.start_secs(), ticks.frequency_secs(), ticks.len()), (start, 60, offsets.len()));
            let (from, to) = (from.min(to).min(offsets.len()), from.max(to).min(offsets.len()));
            let mut out = vec![7; to - from];
            ticks.decode(from..to, &mut out);
            prop_assert_eq!(&out[..], &offsets[from..to]);
            if let Some(offset) = offsets.get(from) {
                prop_assert_eq!(ticks.offset(from), *offset);
            }
        }

        #[test]
        fn damaged_bytes_never_panic(
            offsets in offsets(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Ticks::seal(0, 60, &offsets).as_bytes().to_vec();
            for (index, byte) in damage {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
                if let Ok(ticks) = Ticks::from_bytes(bytes.into()) {
                    let mut out = vec![0; ticks.len()];
                    ticks.decode(0..ticks.len(), &mut out);
                }
            }
        }
    }

    #[test]
    fn even_ticks_take_no_byte_a_row() {
        assert_eq!(Ticks::seal(1_700_000_000, 60, &[-2; 512]).as_bytes().len(), 20);
        assert_eq!(Ticks::seal(1_700_000_000, 60, &[NO_TICK; 512]).as_bytes().len(), 16);
    }

    #[test]
    fn the_bytes_are_pinned_and_documented() {
        let ticks = Ticks::seal(1_700_000_000, 60, &[-2, -2, NO_TICK, 5]);
        let hex: Vec<String> = ticks.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.join(" "), GOLDEN);
        assert!(include_str!("../../docs/formats/block.md").contains(GOLDEN));
    }

    const GOLDEN: &str = "00 f1 53 65 00 00 00 00 3c 00 00 00 04 00 02 03 0b 03 00 00 03 c0 01";
}
