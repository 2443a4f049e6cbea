//! Packs whole numbers of one width behind each other, lowest bit first.
//!
//! Number `i` lies in the bits `[i·width, (i+1)·width)` of the little-endian bit string. Eight numbers fill exactly
//! `width` bytes, so the unpacker works on groups of eight with constant shifts.

/// The greatest width that is packed; wider numbers are stored in 64 bits. A number of 56 bits lies inside one word of
/// eight bytes wherever it begins.
const PACKED_WIDTH_MAX: u32 = 56;

/// Numbers a group.
const GROUP: usize = 8;

/// The width in which numbers of `bits` significant bits are stored.
pub(super) fn stored_width(bits: u32) -> u32 {
    if bits > PACKED_WIDTH_MAX { 64 } else { bits }
}

/// Whether `width` is one that [`stored_width`] returns.
pub(super) fn is_width(width: u32) -> bool {
    width <= PACKED_WIDTH_MAX || width == 64
}

/// The bytes that `count` numbers take.
pub(super) fn packed_bytes(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Appends numbers, each below `2^width`.
pub(super) fn pack(numbers: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    if width == 64 {
        out.extend(numbers.flat_map(u64::to_le_bytes));
        return;
    }
    let (mut word, mut used) = (0u64, 0u32);
    for number in numbers {
        debug_assert!(number >> width == 0, "{number} does not fit into {width} bits");
        word |= number << used;
        used += width;
        if used >= 64 {
            out.extend_from_slice(&word.to_le_bytes());
            used -= 64;
            // The bits of `number` that did not fit: `used` of them, which is less than `width`, and `width` below 64.
            word = number >> (width - used);
        }
    }
    out.extend_from_slice(&word.to_le_bytes()[..used.div_ceil(8) as usize]);
}

/// Unpacks the numbers `[first, first + out.len())`. Bits behind the end of `bytes` read as zero.
pub(super) fn unpack(bytes: &[u8], width: u32, first: usize, out: &mut [u64]) {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => unpack_width::<$width>(bytes, first, out),)*
                64 => unpack_words(bytes, first, out),
                _ => out.fill(0),
            }
        };
    }
    by_width!(
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28
        29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56
    );
}

fn unpack_width<const WIDTH: usize>(bytes: &[u8], first: usize, out: &mut [u64]) {
    let (mut group, skip) = (first / GROUP, first % GROUP);
    let (head, body) = out.split_at_mut(if skip == 0 { 0 } else { (GROUP - skip).min(out.len()) });
    if !head.is_empty() {
        let numbers = unpack_group::<WIDTH>(bytes, group);
        head.copy_from_slice(&numbers[skip..skip + head.len()]);
        group += 1;
    }
    let (chunks, tail) = body.as_chunks_mut::<GROUP>();
    for chunk in chunks {
        *chunk = unpack_group::<WIDTH>(bytes, group);
        group += 1;
    }
    if !tail.is_empty() {
        let numbers = unpack_group::<WIDTH>(bytes, group);
        tail.copy_from_slice(&numbers[..tail.len()]);
    }
}

#[inline(always)]
fn unpack_group<const WIDTH: usize>(bytes: &[u8], group: usize) -> [u64; GROUP] {
    let at = group * WIDTH;
    // The last number's word reaches at most eight bytes behind the group.
    if let Some(window) = bytes.get(at..at + WIDTH + 8) {
        return unpack_window::<WIDTH>(window);
    }
    let mut padded = [0; PACKED_WIDTH_MAX as usize + 8];
    let left = bytes.get(at..).unwrap_or_default();
    let left = &left[..left.len().min(WIDTH)];
    padded[..left.len()].copy_from_slice(left);
    unpack_window::<WIDTH>(&padded[..WIDTH + 8])
}

#[inline(always)]
fn unpack_window<const WIDTH: usize>(window: &[u8]) -> [u64; GROUP] {
    let mask = (1u64 << WIDTH) - 1;
    std::array::from_fn(|i| {
        let bit = i * WIDTH;
        let mut word = [0; 8];
        word.copy_from_slice(&window[bit / 8..bit / 8 + 8]);
        (u64::from_le_bytes(word) >> (bit % 8)) & mask
    })
}

fn unpack_words(bytes: &[u8], first: usize, out: &mut [u64]) {
    out.fill(0);
    let (words, _) = bytes.as_chunks::<8>();
    for (number, word) in out.iter_mut().zip(words.get(first..).unwrap_or_default()) {
        *number = u64::from_le_bytes(*word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_range_of_every_width_comes_back(
            bits in 0..=64u32, seed in any::<u64>(), count in 1..200usize, from in 0..200usize, to in 0..200usize,
        ) {
            let width = stored_width(bits);
            prop_assert!(is_width(width));
            let below = if width == 64 { u64::MAX } else { (1 << width) - 1 };
            let number = |i: u64| (seed ^ i).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) & below;
            let numbers: Vec<u64> = (0..count as u64).map(number).collect();
            let mut bytes = Vec::new();
            pack(numbers.iter().copied(), width, &mut bytes);
            prop_assert_eq!(bytes.len(), packed_bytes(count, width));
            let (from, to) = (from.min(to).min(count), from.max(to).min(count));
            let mut out = vec![1; to - from];
            unpack(&bytes, width, from, &mut out);
            prop_assert_eq!(&out[..], &numbers[from..to]);
        }
    }

    #[test]
    fn bits_behind_the_end_read_as_zero() {
        for width in [1, 7, 13, 56, 64] {
            let mut out = [1; 9];
            unpack(&[], width, 3, &mut out);
            assert_eq!(out, [0; 9]);
        }
    }
}
