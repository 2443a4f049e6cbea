//! Sealing of a block: takes empty slots out, then writes header, mask and layer once.

use super::header::{HEADER_BYTES, Header};
use super::integers::PATCHED_MIN;
use super::layer::Layer;
use super::mask::{Form, MaskBits};
use super::sealed::{self, SLOTS_MAX, flag};
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
    let layer = Layer::smallest(values, PATCHED_MIN);

    out.reserve(HEADER_BYTES + SLOTS_MAX / 8 + layer.bytes());
    let mut flags = sealed::flags_of(layer.taken());
    let (form, _) = if has_empties { empties.form() } else { (Form::Runs, 0) };
    if has_empties {
        flags |= flag::EMPTIES
            | match form {
                Form::Runs => 0,
                Form::Bitmap => flag::EMPTIES_BITMAP,
                Form::Packed => flag::EMPTIES_PACKED,
            };
    }
    Header { start_secs, frequency_secs, len: slots.len(), codec: layer.codec(), flags }.write(out);
    if has_empties {
        empties.write(form, out);
    }
    layer.write(values, out);
    Some(())
}
