//! A sealed run of slots of one series.
//!
//! Invariant: the bytes inside a [`Block`] were sealed here or validated in full, so decoding them never fails.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::codec::Codec;
use super::error::BlockError;
use super::mask::{Fill, Form, Mask};
use super::reader::Reader;
use super::sealer;
use crate::model::EMPTY;

/// A block holds 1 to this many slots.
pub const SLOTS_MAX: usize = 1024;

/// An immutable, compressed run of slots of one series; cheap to clone. First and last slot hold a value.
#[derive(Clone, PartialEq, Eq)]
pub struct Block(Arc<[u8]>);

impl Block {
    /// Seals `slots`, of which slot 0 has its centre at `start_secs`. `None` when all are [`EMPTY`]. Leading and
    /// trailing empty slots are cut off.
    ///
    /// # Panics
    /// With more than [`SLOTS_MAX`] slots or a frequency of 0: the caller's bug.
    pub fn seal(start_secs: i64, frequency_secs: u32, slots: &[f64]) -> Option<Block> {
        assert!(slots.len() <= SLOTS_MAX, "{} slots are more than {SLOTS_MAX}", slots.len());
        assert!(frequency_secs > 0, "a frequency of 0 s");
        sealer::seal(start_secs, frequency_secs, slots).map(|bytes| Block(bytes.into()))
    }

    /// A block from the bytes that [`Block::as_bytes`] returned once; validates all of them.
    ///
    /// # Errors
    /// When the bytes are no block: which field is wrong, what it holds and what was expected.
    pub fn from_bytes(bytes: Arc<[u8]>) -> Result<Block, BlockError> {
        View::read(&bytes)?.validate()?;
        Ok(Block(bytes))
    }

    /// The bytes, as they go to disk.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        &self.0
    }

    /// The centre of slot 0, seconds since 1970.
    pub fn start_secs(&self) -> i64 {
        self.header().start_secs
    }

    /// Seconds between two slots.
    pub fn frequency_secs(&self) -> u32 {
        self.header().frequency_secs
    }

    /// The number of slots, the empty ones among them: 1 to [`SLOTS_MAX`].
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> usize {
        self.header().len
    }

    /// The centre of the slot behind the last, seconds since 1970.
    pub fn end_secs(&self) -> i64 {
        let header = self.header();
        header.start_secs.saturating_add(i64::from(header.frequency_secs) * header.len as i64)
    }

    /// The name of the codec that holds the values.
    pub fn codec(&self) -> &'static str {
        // A validated block has a known codec.
        super::codec::id::name(self.header().codec).unwrap_or("unknown")
    }

    /// The number of slots that hold a value.
    pub fn filled(&self) -> usize {
        View::read(&self.0).map_or(0, |view| view.empties.count())
    }

    /// Whether every slot holds a value.
    pub fn is_full(&self) -> bool {
        self.header().flags & flag::EMPTIES == 0
    }

    /// The value of all slots, if every slot holds one and all are equal bit by bit; a block can be of equal values and
    /// not say so.
    pub fn constant(&self) -> Option<f64> {
        let header = self.header();
        // Without masks, the value is all that follows the header.
        let is_plain = header.codec == super::codec::id::CONSTANT && header.flags == 0;
        let bytes = self.0.get(HEADER_BYTES..)?.first_chunk().filter(|_| is_plain)?;
        Some(f64::from_le_bytes(*bytes))
    }

    /// Writes the values of the slots `range` to `out`, [`EMPTY`] where there is none.
    ///
    /// # Panics
    /// When `range` reaches beyond [`Block::len`], or `out` is not as long as `range`: the caller's bug.
    pub fn decode(&self, range: Range<usize>, out: &mut [f64]) {
        assert_eq!(range.len(), out.len(), "a place for each slot");
        assert!(range.start <= range.end && range.end <= self.len(), "{range:?} lies outside of {} slots", self.len());
        match View::read(&self.0) {
            Ok(view) => view.decode(range, out),
            // Never: the bytes were validated.
            Err(_) => out.fill(EMPTY),
        }
    }

    /// The value of one slot, [`EMPTY`] when there is none.
    ///
    /// # Panics
    /// When `slot` is not below [`Block::len`]: the caller's bug.
    pub fn get(&self, slot: usize) -> f64 {
        let mut value = [EMPTY];
        self.decode(slot..slot + 1, &mut value);
        value[0]
    }

    /// The bytes of memory behind the handle: the allocation, rounded up as glibc's allocator does.
    pub fn memory_bytes(&self) -> usize {
        allocation_bytes(self.0.len())
    }

    fn header(&self) -> Header {
        // Never the default: the bytes were validated.
        Header::read(&mut Reader::new(&self.0)).unwrap_or_default()
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { start_secs, frequency_secs, len, codec, flags } = self.header();
        let bytes = self.0.len();
        write!(f, "Block({len} slots of {frequency_secs} s from {start_secs}, codec {codec}/{flags:#x}, {bytes} bytes)")
    }
}

/// The bytes of the heap that an `Arc` of `bytes` bytes takes.
pub(super) fn allocation_bytes(bytes: usize) -> usize {
    /// The two counts of an `Arc`.
    const COUNTS: usize = 16;
    /// glibc keeps the size in front of an allocation, and aligns to 16.
    const SIZE: usize = 8;
    (COUNTS + bytes + SIZE).next_multiple_of(16)
}

/// The bytes of a header.
pub(super) const HEADER_BYTES: usize = 16;

/// The bits of the header's last byte.
pub(super) mod flag {
    /// Some slots are empty: their mask comes first.
    pub(in super::super) const EMPTIES: u8 = 1;
    /// That mask is a bitmap, not a list of runs.
    pub(in super::super) const EMPTIES_BITMAP: u8 = 1 << 1;
    /// Values that equal the one before are left out.
    pub(in super::super) const REPEATS: u8 = 1 << 2;
    /// Values that equal a dominant one are left out.
    pub(in super::super) const DOMINANT: u8 = 1 << 3;
    /// The mask of what is left out is a bitmap, not a list of runs.
    pub(in super::super) const TAKEN_BITMAP: u8 = 1 << 4;
}

#[derive(Debug, Clone, Copy, Default)]
struct Header {
    start_secs: i64,
    frequency_secs: u32,
    len: usize,
    codec: u8,
    flags: u8,
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Header, BlockError> {
        Ok(Header {
            start_secs: reader.u64("start")? as i64,
            frequency_secs: reader.u32("frequency")?,
            len: usize::from(reader.u16("number of slots")?),
            codec: reader.u8("codec")?,
            flags: reader.u8("flags")?,
        })
    }

    fn validate(&self) -> Result<(), BlockError> {
        if self.frequency_secs == 0 {
            return Err(BlockError::Field { what: "frequency", found: 0, expected: "1 or more" });
        }
        if self.len == 0 || self.len > SLOTS_MAX {
            let expected = "1 to 1024";
            return Err(BlockError::Field { what: "number of slots", found: self.len as u64, expected });
        }
        let is_known = match self.flags & (flag::REPEATS | flag::DOMINANT) {
            0 => self.flags & flag::TAKEN_BITMAP == 0,
            both => both != flag::REPEATS | flag::DOMINANT,
        };
        let has_stray_bitmap = self.flags & (flag::EMPTIES | flag::EMPTIES_BITMAP) == flag::EMPTIES_BITMAP;
        if self.flags >= flag::TAKEN_BITMAP << 1 || !is_known || has_stray_bitmap {
            let expected = "a known combination of bits";
            return Err(BlockError::Field { what: "flags", found: u64::from(self.flags), expected });
        }
        Ok(())
    }
}

/// A block's parts.
#[derive(Debug)]
struct View<'a> {
    empties: Mask<'a>,
    taken: Mask<'a>,
    fill: Fill,
    codec: Codec<'a>,
}

impl<'a> View<'a> {
    fn read(bytes: &'a [u8]) -> Result<View<'a>, BlockError> {
        let mut reader = Reader::new(bytes);
        let header = Header::read(&mut reader)?;
        header.validate()?;
        let has = |bit: u8| header.flags & bit != 0;
        let form = |bit: u8| if has(bit) { Form::Bitmap } else { Form::Runs };
        let empties = match has(flag::EMPTIES) {
            true => Mask::read(&mut reader, form(flag::EMPTIES_BITMAP), header.len)?,
            false => Mask::all(header.len),
        };
        let fill = match has(flag::DOMINANT) {
            true => Fill::Value(f64::from_bits(reader.u64("dominant value")?)),
            false => Fill::Previous,
        };
        let taken = match has(flag::DOMINANT | flag::REPEATS) {
            true => Mask::read(&mut reader, form(flag::TAKEN_BITMAP), empties.count())?,
            false => Mask::all(empties.count()),
        };
        let codec = Codec::read(&mut reader, header.codec, taken.count())?;
        reader.finish()?;
        Ok(View { empties, taken, fill, codec })
    }

    /// Checks what reading has not checked.
    fn validate(&self) -> Result<(), BlockError> {
        self.empties.validate()?;
        self.taken.validate()?;
        let expected = "a value in the first and in the last slot";
        let is_cut = self.empties.len() > 0 && self.empties.is_set(0) && self.empties.is_set(self.empties.len() - 1);
        if !is_cut {
            return Err(BlockError::Field { what: "mask of empty slots", found: 0, expected });
        }
        if matches!(self.fill, Fill::Previous) && !self.taken.is_set(0) {
            return Err(BlockError::Field { what: "mask of repeats", found: 0, expected: "a value in the first slot" });
        }
        self.codec.validate()
    }

    fn decode(&self, range: Range<usize>, out: &mut [f64]) {
        let values = self.empties.needed(range.clone(), Fill::Value(EMPTY));
        let left = self.taken.needed(values.clone(), self.fill);
        self.codec.decode(left.clone(), &mut out[..left.len()]);
        self.taken.expand(values.clone(), self.fill, &mut out[..values.len()]);
        self.empties.expand(range, Fill::Value(EMPTY), out);
    }
}
