//! A sealed run of float samples of one series.
//!
//! Invariant: the bytes inside a [`Column`] were sealed here or validated in full, so decoding them never fails.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{PATCHED_MIN, SAMPLES_MAX, count};
use crate::block::codec::id;
use crate::block::error::BlockError;
use crate::block::layer::{Layer, LayerView, Taken};
use crate::block::mask::{Form, SCRATCH, Scratch};
use crate::block::reader::Reader;
use crate::block::sealed::allocation_bytes;
use crate::model::{STALE, is_stale};

/// 1 to [`SAMPLES_MAX`] floats of any bit pattern; immutable and cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Column(Arc<[u8]>);

impl Column {
    /// Seals values.
    ///
    /// # Panics
    /// Without a value and with more than [`SAMPLES_MAX`]: the caller's bug.
    pub fn seal(values: &[f64]) -> Column {
        let mut bytes = Vec::new();
        seal(values, &mut bytes);
        Column(bytes.into())
    }

    /// A column of bytes that [`seal`] made.
    pub(super) fn of_sealed(bytes: &[u8]) -> Column {
        Column(Arc::from(bytes))
    }

    /// A column from the bytes that [`Column::as_bytes`] returned once; validates all of them.
    ///
    /// # Errors
    /// When the bytes are no column: which field is wrong, what it holds and what was expected.
    pub fn from_bytes(bytes: Arc<[u8]>) -> Result<Column, BlockError> {
        View::read(&bytes, &mut { SCRATCH })?.validate()?;
        Ok(Column(bytes))
    }

    /// The bytes, as they go to disk.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        &self.0
    }

    /// The number of values: 1 to [`SAMPLES_MAX`].
    #[expect(clippy::len_without_is_empty, reason = "a column is never empty")]
    pub fn len(&self) -> usize {
        // Never 0: the bytes were validated.
        Head::read(&mut Reader::new(&self.0)).map_or(0, |head| head.count)
    }

    /// The name of the codec that holds the values.
    pub fn codec(&self) -> &'static str {
        // A validated column has a known codec.
        Head::read(&mut Reader::new(&self.0)).ok().and_then(|head| id::name(head.codec)).unwrap_or("unknown")
    }

    /// The value of all samples, if all are equal bit by bit; a column can be of equal values and not say so.
    pub fn constant(&self) -> Option<f64> {
        let mut reader = Reader::new(&self.0);
        let head = Head::read(&mut reader).ok()?;
        let is_plain = head.codec == id::CONSTANT && head.taken == Taken::Nothing && !head.has_stale;
        // Without masks and markers, the value is all that follows.
        is_plain.then(|| reader.u64("value").ok().map(f64::from_bits)).flatten()
    }

    /// Writes the values `range` to `out`.
    ///
    /// # Panics
    /// When `range` reaches beyond [`Column::len`], or `out` is not as long as `range`: the caller's bug.
    pub fn decode(&self, range: Range<usize>, out: &mut [f64]) {
        assert_eq!(range.len(), out.len(), "a place for each value");
        match View::read(&self.0, &mut { SCRATCH }) {
            Ok(view) => {
                assert!(range.start <= range.end && range.end <= view.count, "{range:?} of {} values", view.count);
                view.decode(range, out);
            }
            // Never: the bytes were validated.
            Err(_) => out.fill(STALE),
        }
    }

    /// One value.
    ///
    /// # Panics
    /// When `at` is not below [`Column::len`]: the caller's bug.
    pub fn get(&self, at: usize) -> f64 {
        let mut value = [STALE];
        self.decode(at..at + 1, &mut value);
        value[0]
    }

    /// The bytes of memory behind the handle: the allocation, rounded up as glibc's allocator does.
    pub fn memory_bytes(&self) -> usize {
        allocation_bytes(self.0.len())
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({} values, {}, {} bytes)", self.len(), self.codec(), self.0.len())
    }
}

/// Appends the bytes of a column.
///
/// # Panics
/// As [`Column::seal`].
pub(super) fn seal(values: &[f64], out: &mut Vec<u8>) {
    assert!((1..=SAMPLES_MAX).contains(&values.len()), "{} values, not 1 to {SAMPLES_MAX}", values.len());
    let stale = stale_positions(values);
    let mended;
    let layered = match stale.is_empty() {
        true => values,
        false => {
            mended = without_stale(values);
            &mended[..]
        }
    };
    let layer = Layer::smallest(layered, PATCHED_MIN);
    out.reserve(HEAD_BYTES_MAX + stale.len() * 2 + layer.bytes());
    Head { codec: layer.codec(), taken: layer.taken(), has_stale: !stale.is_empty(), count: values.len() }.write(out);
    if !stale.is_empty() {
        // At most `STALE_MAX`.
        out.push(stale.len() as u8);
        out.extend(stale.iter().flat_map(|position| position.to_le_bytes()));
    }
    layer.write(layered, out);
}

/// The places of staleness markers, when they are few enough to be kept apart: one of them among numbers would be an
/// exception of ten bytes or spoil the codec. None when there is nothing to keep apart.
fn stale_positions(values: &[f64]) -> Vec<u16> {
    let count = values.iter().filter(|value| is_stale(**value)).count();
    if count == 0 || count > STALE_MAX || count * STALE_PART > values.len() {
        return Vec::new();
    }
    (0u16..).zip(values).filter(|(_, value)| is_stale(**value)).map(|(position, _)| position).collect()
}

/// The values with each staleness marker replaced by the value before it, at the front by the first other value.
fn without_stale(values: &[f64]) -> Vec<f64> {
    let mut before = values.iter().copied().find(|value| !is_stale(*value)).unwrap_or_default();
    let mend = |value: &f64| {
        if !is_stale(*value) {
            before = *value;
        }
        before
    };
    values.iter().map(mend).collect()
}

/// Staleness markers that are kept apart at most; their number takes a byte.
const STALE_MAX: usize = 255;

/// Not more than one of this many values.
const STALE_PART: usize = 4;

/// Bytes of a head and of the number of staleness markers.
const HEAD_BYTES_MAX: usize = 4;

/// What a column begins with.
#[derive(Debug, Clone, Copy)]
struct Head {
    codec: u8,
    taken: Taken,
    has_stale: bool,
    count: usize,
}

/// The bits of a column's first byte.
mod bit {
    /// The codec.
    pub(super) const CODEC: u8 = 0b111;
    /// What is left out begins here; three bits.
    pub(super) const TAKEN_SHIFT: u32 = 3;
    /// A list of staleness markers follows the number of values.
    pub(super) const STALE: u8 = 1 << 6;
}

/// The bit of the first byte that tells histograms from floats.
pub(super) const HISTOGRAMS: u8 = 1 << 7;

const TAKEN: [Taken; 7] = [
    Taken::Nothing,
    Taken::Repeats(Form::Runs),
    Taken::Repeats(Form::Bitmap),
    Taken::Repeats(Form::Packed),
    Taken::Dominant(Form::Runs),
    Taken::Dominant(Form::Bitmap),
    Taken::Dominant(Form::Packed),
];

/// The six bits that say how a layer is written.
pub(super) fn layer_bits(codec: u8, taken: Taken) -> u8 {
    let taken = TAKEN.iter().position(|kind| *kind == taken).unwrap_or_default();
    codec | (taken << bit::TAKEN_SHIFT) as u8
}

/// What [`layer_bits`] says: the codec and what is left out.
#[inline]
pub(super) fn layer_of(bits: u8) -> Result<(u8, Taken), BlockError> {
    let taken = TAKEN.get(usize::from(bits >> bit::TAKEN_SHIFT & 0b111)).copied();
    let expected = "0 to 6 in the bits 3 to 5";
    let taken =
        taken.ok_or(BlockError::Field { what: "first byte of the values", found: u64::from(bits), expected })?;
    Ok((bits & bit::CODEC, taken))
}

impl Head {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<Head, BlockError> {
        let bits = reader.u8("first byte of the values")?;
        if bits & HISTOGRAMS != 0 {
            let expected = "floats, not histograms";
            return Err(BlockError::Field { what: "first byte of the values", found: u64::from(bits), expected });
        }
        let (codec, taken) = layer_of(bits)?;
        Ok(Head { codec, taken, has_stale: bits & bit::STALE != 0, count: count::read(reader)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(layer_bits(self.codec, self.taken) | if self.has_stale { bit::STALE } else { 0 });
        count::write(self.count, out);
    }
}

/// A column's parts.
#[derive(Debug)]
struct View<'a> {
    count: usize,
    stale: &'a [[u8; 2]],
    layer: LayerView<'a>,
}

impl<'a> View<'a> {
    fn read(bytes: &'a [u8], scratch: &'a mut Scratch) -> Result<View<'a>, BlockError> {
        let mut reader = Reader::new(bytes);
        let head = Head::read(&mut reader)?;
        let markers = if head.has_stale { usize::from(reader.u8("number of staleness markers")?) } else { 0 };
        let (stale, _) = reader.take(markers * 2, "staleness markers")?.as_chunks();
        let layer = LayerView::read(&mut reader, head.codec, head.taken, head.count, scratch)?;
        reader.finish()?;
        Ok(View { count: head.count, stale, layer })
    }

    /// Checks what reading has not checked.
    fn validate(&self) -> Result<(), BlockError> {
        let mut next = 0;
        for position in self.stale.iter().map(|bytes| usize::from(u16::from_le_bytes(*bytes))) {
            if position < next || position >= self.count {
                let expected = "behind the one before it and inside the column";
                let what = "position of a staleness marker";
                return Err(BlockError::Field { what, found: position as u64, expected });
            }
            next = position + 1;
        }
        self.layer.validate()
    }

    fn decode(&self, range: Range<usize>, out: &mut [f64]) {
        self.layer.decode(range.clone(), out);
        for position in self.stale.iter().map(|bytes| usize::from(u16::from_le_bytes(*bytes))) {
            if let Some(out) = position.checked_sub(range.start).and_then(|at| out.get_mut(at)) {
                *out = STALE;
            }
        }
    }
}
