//! Sealing: chooses masks and codec of a block by their computed sizes, then writes it once.

use super::codec::Plan;
use super::header::{HEADER_BYTES, Header};
use super::mask::{Form, MaskBits};
use super::sealed::{SLOTS_MAX, flag};
use crate::model::is_empty;

/// Seals slots: appends the bytes of a block, or answers `None` when all slots are empty. At most [`SLOTS_MAX`] slots,
/// frequency not 0.
pub(super) fn seal(start_secs: i64, frequency_secs: u32, slots: &[f64], out: &mut Vec<u8>) -> Option<()> {
    let first = slots.iter().position(|value| !is_empty(*value))?;
    let last = slots.iter().rposition(|value| !is_empty(*value))?;
    let start_secs = start_secs.saturating_add(i64::from(frequency_secs).saturating_mul(first as i64));
    let slots = &slots[first..=last];

    let empties = MaskBits::from_fn(slots.len(), |slot| !is_empty(slots[slot]));
    let has_empties = empties.count() < slots.len();
    let gathered = if has_empties { empties.gather(slots) } else { Vec::new() };
    let values = if has_empties { &gathered[..] } else { slots };
    let layer = Layer::smallest(values);

    out.reserve(HEADER_BYTES + SLOTS_MAX / 8 + layer.bytes);
    let mut flags = layer.flags();
    let (form, _) = if has_empties { empties.form() } else { (Form::Runs, 0) };
    if has_empties {
        flags |= flag::EMPTIES
            | match form {
                Form::Runs => 0,
                Form::Bitmap => flag::EMPTIES_BITMAP,
                Form::Packed => flag::EMPTIES_PACKED,
            };
    }
    Header { start_secs, frequency_secs, len: slots.len(), codec: layer.plan.id(), flags }.write(out);
    if has_empties {
        empties.write(form, out);
    }
    layer.write(values, out);
    Some(())
}

/// What is taken out of the values, and the codec of the rest.
struct Layer {
    taken: Taken,
    /// The values that are left; unused when nothing is taken.
    left: Vec<f64>,
    plan: Plan,
    bytes: usize,
}

enum Taken {
    Nothing,
    Repeats(MaskBits),
    Dominant(MaskBits, f64),
}

impl Layer {
    fn smallest(values: &[f64]) -> Layer {
        let changes = changes(values);
        if changes == 1 {
            return Layer { taken: Taken::Nothing, left: Vec::new(), plan: Plan::Constant, bytes: 8 };
        }
        let plan = Plan::smallest(values);
        let bytes = plan.bytes(values.len());
        let mut best = Layer { taken: Taken::Nothing, left: Vec::new(), plan, bytes };
        // A mask costs about a bit a value, which the values left out must save first.
        let repeats = values.len() - changes;
        if repeats * 2 > values.len() || repeats * best.bytes > values.len().div_ceil(8) * values.len() {
            let mask = MaskBits::from_fn(values.len(), |at| at == 0 || !same(values[at], values[at - 1]));
            best.consider(values, Taken::Repeats(mask), 0);
        }
        let dominant = dominant(values);
        let dominated = values.iter().filter(|value| same(**value, dominant)).count();
        if dominated * 4 > values.len() {
            let mask = MaskBits::from_fn(values.len(), |at| !same(values[at], dominant));
            best.consider(values, Taken::Dominant(mask, dominant), 8);
        }
        best
    }

    /// Becomes the layer that takes out `taken`, if that is smaller.
    fn consider(&mut self, values: &[f64], taken: Taken, head_bytes: usize) {
        let (Taken::Repeats(mask) | Taken::Dominant(mask, _)) = &taken else { return };
        let mask_bytes = head_bytes + mask.form().1;
        if mask_bytes >= self.bytes {
            return;
        }
        let left = mask.gather(values);
        let plan = Plan::smallest(&left);
        let bytes = mask_bytes + plan.bytes(left.len());
        if bytes < self.bytes {
            *self = Layer { taken, left, plan, bytes };
        }
    }

    fn flags(&self) -> u8 {
        let (kind, mask) = match &self.taken {
            Taken::Nothing => return 0,
            Taken::Repeats(mask) => (flag::REPEATS, mask),
            Taken::Dominant(mask, _) => (flag::DOMINANT, mask),
        };
        kind | match mask.form().0 {
            Form::Runs => 0,
            Form::Bitmap => flag::TAKEN_BITMAP,
            Form::Packed => flag::TAKEN_PACKED,
        }
    }

    fn write(&self, values: &[f64], out: &mut Vec<u8>) {
        let written = out.len();
        match &self.taken {
            Taken::Nothing => self.plan.write(values, out),
            Taken::Repeats(mask) => {
                mask.write(mask.form().0, out);
                self.plan.write(&self.left, out);
            }
            Taken::Dominant(mask, value) => {
                out.extend_from_slice(&value.to_le_bytes());
                mask.write(mask.form().0, out);
                self.plan.write(&self.left, out);
            }
        }
        debug_assert_eq!(out.len() - written, self.bytes, "the computed size is the written one");
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
