//! The number of samples, as all sealed samples write it: less one, in LEB128.

use super::SAMPLES_MAX;
use crate::block::error::BlockError;
use crate::block::reader::Reader;

/// Appends a number of samples, 1 to [`SAMPLES_MAX`].
pub(super) fn write(count: usize, out: &mut Vec<u8>) {
    let rest = count - 1;
    if rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        out.push((rest >> 7) as u8);
    } else {
        out.push(rest as u8);
    }
}

/// Reads what [`write`] appends.
#[inline]
pub(super) fn read(reader: &mut Reader<'_>) -> Result<usize, BlockError> {
    let low = usize::from(reader.u8("number of samples")?);
    let rest = match low >= 0x80 {
        true => (low & 0x7F) | usize::from(reader.u8("number of samples")?) << 7,
        false => low,
    };
    if rest >= SAMPLES_MAX {
        let expected = "1 to 1024";
        return Err(BlockError::Field { what: "number of samples", found: rest as u64 + 1, expected });
    }
    Ok(rest + 1)
}
