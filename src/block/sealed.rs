//! A sealed run of slots of one series.
//!
//! Invariant: the bytes inside a [`Block`] were sealed here or validated in full, so decoding them never fails.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::error::BlockError;
use super::header::{HEADER_BYTES, Header};
use super::layer::{LayerView, Taken};
use super::mask::{Fill, Form, Mask, SCRATCH, Scratch};
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
        let mut batch = Batch::default();
        batch.seal(start_secs, frequency_secs, slots);
        batch.blocks().next()
    }

    /// A block from the bytes that [`Block::as_bytes`] returned once; validates all of them.
    ///
    /// # Errors
    /// When the bytes are no block: which field is wrong, what it holds and what was expected.
    pub fn from_bytes(bytes: Arc<[u8]>) -> Result<Block, BlockError> {
        View::read(&bytes, &mut [SCRATCH; 2])?.validate()?;
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
        self.header().end_secs()
    }

    /// The name of the codec that holds the values.
    pub fn codec(&self) -> &'static str {
        // A validated block has a known codec.
        super::codec::id::name(self.header().codec).unwrap_or("unknown")
    }

    /// The number of slots that hold a value.
    pub fn filled(&self) -> usize {
        View::read(&self.0, &mut [SCRATCH; 2]).map_or(0, |view| view.empties.count())
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
        match View::read(&self.0, &mut [SCRATCH; 2]) {
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
        Header::of_valid(&self.0)
    }
}

/// Blocks that are sealed one after the other, before any of them gets its memory. Who replaces blocks frees the old
/// ones meanwhile: the new ones then lie where those were, and not behind them.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each block ends.
    ends: Vec<usize>,
}

impl Batch {
    /// Seals slots as [`Block::seal`] does; `false` when all are [`EMPTY`], and there is no block.
    ///
    /// # Panics
    /// As [`Block::seal`].
    pub fn seal(&mut self, start_secs: i64, frequency_secs: u32, slots: &[f64]) -> bool {
        assert!(slots.len() <= SLOTS_MAX, "{} slots are more than {SLOTS_MAX}", slots.len());
        assert!(frequency_secs > 0, "a frequency of 0 s");
        let is_sealed = sealer::seal(start_secs, frequency_secs, slots, &mut self.bytes).is_some();
        if is_sealed {
            self.ends.push(self.bytes.len());
        }
        is_sealed
    }

    /// The blocks in their order.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| Block(Arc::from(&self.bytes[begin..*end])))
    }

    /// The bytes of all blocks.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the blocks, and keeps the memory for the next ones.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
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
    /// The mask of empty slots is a packed list of runs.
    pub(in super::super) const EMPTIES_PACKED: u8 = 1 << 5;
    /// The mask of what is left out is a packed list of runs.
    pub(in super::super) const TAKEN_PACKED: u8 = 1 << 6;
}

/// Checks a block's header.
fn validate(header: &Header) -> Result<(), BlockError> {
    let Header { frequency_secs, len, flags, .. } = *header;
    if frequency_secs == 0 {
        return Err(BlockError::Field { what: "frequency", found: 0, expected: "1 or more" });
    }
    if len == 0 || len > SLOTS_MAX {
        let expected = "1 to 1024";
        return Err(BlockError::Field { what: "number of slots", found: len as u64, expected });
    }
    // Only a mask that is there has a form, and only one.
    let is_form = |has_mask: bool, bitmap: u8, packed: u8| match flags & (bitmap | packed) {
        0 => true,
        form => has_mask && form != bitmap | packed,
    };
    let has = |bits: u8| flags & bits != 0;
    let is_known = is_form(has(flag::EMPTIES), flag::EMPTIES_BITMAP, flag::EMPTIES_PACKED)
        && is_form(has(flag::REPEATS | flag::DOMINANT), flag::TAKEN_BITMAP, flag::TAKEN_PACKED)
        && flags & (flag::REPEATS | flag::DOMINANT) != flag::REPEATS | flag::DOMINANT
        && flags < flag::TAKEN_PACKED << 1;
    if !is_known {
        let expected = "a known combination of bits";
        return Err(BlockError::Field { what: "flags", found: u64::from(flags), expected });
    }
    Ok(())
}

/// The bits that say what a layer leaves out.
pub(super) fn flags_of(taken: Taken) -> u8 {
    let (kind, form) = match taken {
        Taken::Nothing => return 0,
        Taken::Repeats(form) => (flag::REPEATS, form),
        Taken::Dominant(form) => (flag::DOMINANT, form),
    };
    kind | match form {
        Form::Runs => 0,
        Form::Bitmap => flag::TAKEN_BITMAP,
        Form::Packed => flag::TAKEN_PACKED,
    }
}

/// A block's parts.
#[derive(Debug)]
struct View<'a> {
    empties: Mask<'a>,
    layer: LayerView<'a>,
}

impl<'a> View<'a> {
    /// Reads the parts; `scratch` is for masks that are packed.
    fn read(bytes: &'a [u8], scratch: &'a mut [Scratch; 2]) -> Result<View<'a>, BlockError> {
        let mut reader = Reader::new(bytes);
        let header = Header::read(&mut reader, "number of slots")?;
        validate(&header)?;
        let [of_empties, of_taken] = scratch;
        let has = |bit: u8| header.flags & bit != 0;
        let form = |bitmap: u8, packed: u8| match () {
            () if has(bitmap) => Form::Bitmap,
            () if has(packed) => Form::Packed,
            () => Form::Runs,
        };
        let empties = match has(flag::EMPTIES) {
            true => Mask::read(&mut reader, form(flag::EMPTIES_BITMAP, flag::EMPTIES_PACKED), header.len, of_empties)?,
            false => Mask::all(header.len),
        };
        let taken = match (has(flag::DOMINANT), has(flag::REPEATS)) {
            (true, _) => Taken::Dominant(form(flag::TAKEN_BITMAP, flag::TAKEN_PACKED)),
            (_, true) => Taken::Repeats(form(flag::TAKEN_BITMAP, flag::TAKEN_PACKED)),
            _ => Taken::Nothing,
        };
        let layer = LayerView::read(&mut reader, header.codec, taken, empties.count(), of_taken)?;
        reader.finish()?;
        Ok(View { empties, layer })
    }

    /// Checks what reading has not checked.
    fn validate(&self) -> Result<(), BlockError> {
        self.empties.validate()?;
        let expected = "a value in the first and in the last slot";
        let is_cut = self.empties.len() > 0 && self.empties.is_set(0) && self.empties.is_set(self.empties.len() - 1);
        if !is_cut {
            return Err(BlockError::Field { what: "mask of empty slots", found: 0, expected });
        }
        self.layer.validate()
    }

    fn decode(&self, range: Range<usize>, out: &mut [f64]) {
        let values = self.empties.needed(range.clone(), Fill::Value(EMPTY));
        self.layer.decode(values, out);
        self.empties.expand(range, Fill::Value(EMPTY), out);
    }
}
