//! DELTA_BINARY_PACKED, written: regular timestamps cost a byte or two for 128 of them.
//!
//! The format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTAENC>. All sums wrap, as there.

use super::hybrid::{pack, write_varint};

const BLOCK: usize = 128;
const MINIBLOCK: usize = 32;

/// Appends the numbers to `out`.
pub(super) fn encode(out: &mut Vec<u8>, values: &[i64]) {
    write_varint(out, BLOCK as u64);
    write_varint(out, (BLOCK / MINIBLOCK) as u64);
    write_varint(out, values.len() as u64);
    write_varint(out, zigzag(values.first().copied().unwrap_or_default()));
    let mut before = values.first().copied().unwrap_or_default();
    let mut deltas = [0; BLOCK];
    for block in values.get(1..).unwrap_or_default().chunks(BLOCK) {
        for (delta, value) in deltas.iter_mut().zip(block) {
            *delta = value.wrapping_sub(before);
            before = *value;
        }
        let deltas = &mut deltas[..block.len()];
        let min = deltas.iter().copied().min().unwrap_or_default();
        deltas.iter_mut().for_each(|delta| *delta = delta.wrapping_sub(min));
        write_varint(out, zigzag(min));
        let widths = out.len();
        out.extend_from_slice(&[0; BLOCK / MINIBLOCK]);
        for (i, miniblock) in deltas.chunks(MINIBLOCK).enumerate() {
            let all_bits = miniblock.iter().fold(0, |all, delta| all | delta);
            let width = u64::BITS - (all_bits as u64).leading_zeros();
            out[widths + i] = width as u8;
            if width > 0 {
                let padding = std::iter::repeat_n(0, MINIBLOCK - miniblock.len());
                pack(out, miniblock.iter().map(|delta| *delta as u64).chain(padding), width);
            }
        }
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        // 1 to 5: the first value 1, four deltas of 1, no bits.
        let mut out = Vec::new();
        encode(&mut out, &[1, 2, 3, 4, 5]);
        assert_eq!(out, [0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0]);
        // 7 5 3 1 2 3 4 5: deltas -2 -2 -2 1 1 1 1, the least -2, the others in two bits.
        let mut out = Vec::new();
        encode(&mut out, &[7, 5, 3, 1, 2, 3, 4, 5]);
        assert_eq!(out[..10], [0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0]);
        assert_eq!(out[10..], [0b1100_0000, 0b0011_1111, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn extremes_wrap() {
        let mut out = Vec::new();
        encode(&mut out, &[i64::MIN, i64::MAX, i64::MIN]);
        assert!(!out.is_empty());
    }
}
