//! Values without gaps: what a rule restores is left out, a codec holds the rest, whatever is the smallest.
//!
//! Blocks keep one layer behind the mask of their empty slots, sealed columns of stamped samples keep layers alone.

use std::ops::Range;

use super::codec::{Codec, Plan};
use super::error::BlockError;
use super::mask::{Fill, Form, Mask, MaskBits, Scratch};
use super::reader::Reader;

/// Which values are left out, and the form of the mask that says where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// None.
    Nothing,
    /// Those that equal the one before.
    Repeats(Form),
    /// Those that equal a dominant one.
    Dominant(Form),
}

/// How values will be written: what is taken out of them, and the codec of the rest.
pub(super) struct Layer {
    out: Out,
    /// The values that are left; unused when nothing is taken.
    left: Vec<f64>,
    plan: Plan,
    bytes: usize,
}

/// What is taken out.
enum Out {
    Nothing,
    Repeats(MaskBits),
    Dominant(MaskBits, f64),
}

impl Layer {
    /// The smallest layer of values, of which there is at least one. Patches are sought from `patched_min` numbers on.
    pub(super) fn smallest(values: &[f64], patched_min: usize) -> Layer {
        let changes = changes(values);
        if changes == 1 {
            return Layer { out: Out::Nothing, left: Vec::new(), plan: Plan::Constant, bytes: 8 };
        }
        let plan = Plan::smallest(values, patched_min);
        let bytes = plan.bytes(values.len());
        let mut best = Layer { out: Out::Nothing, left: Vec::new(), plan, bytes };
        // A mask costs about a bit a value, which the values left out must save first.
        let repeats = values.len() - changes;
        if repeats * 2 > values.len() || repeats * best.bytes > values.len().div_ceil(8) * values.len() {
            let mask = MaskBits::from_fn(values.len(), |at| at == 0 || !same(values[at], values[at - 1]));
            best.consider(values, Out::Repeats(mask), 0, patched_min);
        }
        let dominant = dominant(values);
        let dominated = values.iter().filter(|value| same(**value, dominant)).count();
        if dominated * 4 > values.len() {
            let mask = MaskBits::from_fn(values.len(), |at| !same(values[at], dominant));
            best.consider(values, Out::Dominant(mask, dominant), 8, patched_min);
        }
        best
    }

    /// Becomes the layer that takes `out` out, if that is smaller.
    fn consider(&mut self, values: &[f64], out: Out, head_bytes: usize, patched_min: usize) {
        let (Out::Repeats(mask) | Out::Dominant(mask, _)) = &out else { return };
        let mask_bytes = head_bytes + mask.form().1;
        if mask_bytes >= self.bytes {
            return;
        }
        let left = mask.gather(values);
        let plan = Plan::smallest(&left, patched_min);
        let bytes = mask_bytes + plan.bytes(left.len());
        if bytes < self.bytes {
            *self = Layer { out, left, plan, bytes };
        }
    }

    /// What is taken out.
    pub(super) fn taken(&self) -> Taken {
        match &self.out {
            Out::Nothing => Taken::Nothing,
            Out::Repeats(mask) => Taken::Repeats(mask.form().0),
            Out::Dominant(mask, _) => Taken::Dominant(mask.form().0),
        }
    }

    /// The id of the codec.
    pub(super) fn codec(&self) -> u8 {
        self.plan.id()
    }

    /// The bytes that [`Layer::write`] appends.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the values that the layer was made for.
    pub(super) fn write(&self, values: &[f64], out: &mut Vec<u8>) {
        let written = out.len();
        match &self.out {
            Out::Nothing => self.plan.write(values, out),
            Out::Repeats(mask) => {
                mask.write(mask.form().0, out);
                self.plan.write(&self.left, out);
            }
            Out::Dominant(mask, value) => {
                out.extend_from_slice(&value.to_le_bytes());
                mask.write(mask.form().0, out);
                self.plan.write(&self.left, out);
            }
        }
        debug_assert_eq!(out.len() - written, self.bytes, "the computed size is the written one");
    }
}

/// A layer in bytes.
#[derive(Debug)]
pub(super) struct LayerView<'a> {
    taken: Mask<'a>,
    fill: Fill,
    codec: Codec<'a>,
}

impl<'a> LayerView<'a> {
    /// Reads a layer of `count` values; `scratch` is for a mask that is packed.
    pub(super) fn read(
        reader: &mut Reader<'a>,
        codec: u8,
        taken: Taken,
        count: usize,
        scratch: &'a mut Scratch,
    ) -> Result<LayerView<'a>, BlockError> {
        let (fill, form) = match taken {
            Taken::Nothing => (Fill::Previous, None),
            Taken::Repeats(form) => (Fill::Previous, Some(form)),
            Taken::Dominant(form) => (Fill::Value(f64::from_bits(reader.u64("dominant value")?)), Some(form)),
        };
        let taken = form.map_or(Ok(Mask::all(count)), |form| Mask::read(reader, form, count, scratch))?;
        let codec = Codec::read(reader, codec, taken.count())?;
        Ok(LayerView { taken, fill, codec })
    }

    /// Checks what reading has not checked.
    pub(super) fn validate(&self) -> Result<(), BlockError> {
        self.taken.validate()?;
        if matches!(self.fill, Fill::Previous) && self.taken.len() > 0 && !self.taken.is_set(0) {
            return Err(BlockError::Field { what: "mask of repeats", found: 0, expected: "a value in the first slot" });
        }
        self.codec.validate()
    }

    /// Writes the values of `range` to the front of `out`, which has room for them.
    pub(super) fn decode(&self, range: Range<usize>, out: &mut [f64]) {
        let left = self.taken.needed(range.clone(), self.fill);
        self.codec.decode(left.clone(), &mut out[..left.len()]);
        self.taken.expand(range.clone(), self.fill, &mut out[..range.len()]);
    }
}

/// Values that differ from the one before, the first among them.
fn changes(values: &[f64]) -> usize {
    1 + values.windows(2).filter(|pair| !same(pair[0], pair[1])).count()
}

/// The value of more than half of the slots, if there is one; else any (Boyer and Moore's majority vote).
fn dominant(values: &[f64]) -> f64 {
    let (mut candidate, mut votes) = (values[0], 0usize);
    for value in values {
        if votes == 0 {
            (candidate, votes) = (*value, 1);
        } else if same(candidate, *value) {
            votes += 1;
        } else {
            votes -= 1;
        }
    }
    candidate
}

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
}
