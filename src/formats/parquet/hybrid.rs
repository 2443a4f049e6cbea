//! The run-length and bit-packing hybrid of Parquet, written.
//!
//! Runs go in as runs: a column that hardly ever changes costs by its changes and not by its rows. The format:
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>.

/// Values of a bit-packed run: so many that its header is one byte.
const PACKED_MAX: usize = 63 * 8;

/// Writes one stream of numbers of a fixed width.
pub(super) struct Hybrid<'o> {
    out: &'o mut Vec<u8>,
    width: u32,
    /// The value that repeats at the end, and how often.
    last: u32,
    repeats: usize,
    /// Values before it that no run has taken.
    packed: Vec<u32>,
}

impl<'o> Hybrid<'o> {
    /// Appends to `out`; every number has at most `width` bits, 1 to 32.
    pub(super) fn new(out: &'o mut Vec<u8>, width: u32) -> Self {
        Hybrid { out, width, last: 0, repeats: 0, packed: Vec::with_capacity(PACKED_MAX) }
    }

    /// Writes `value` `repeats` times.
    #[inline]
    pub(super) fn run(&mut self, value: u32, repeats: usize) {
        if value == self.last {
            self.repeats += repeats;
        } else {
            self.end_run();
            self.last = value;
            self.repeats = repeats;
        }
    }

    /// Ends the stream.
    pub(super) fn finish(mut self) {
        self.end_run();
        // The last group of eight is filled up; readers know how many values there are.
        self.packed.resize(self.packed.len().next_multiple_of(8), 0);
        self.end_packed();
    }

    #[inline]
    fn end_run(&mut self) {
        // Only the end of the stream may fill up a group of eight, so a run completes the one before it.
        let completing = (self.packed.len().next_multiple_of(8) - self.packed.len()).min(self.repeats);
        if self.repeats - completing < 8 {
            for _ in 0..self.repeats {
                self.packed.push(self.last);
                if self.packed.len() == PACKED_MAX {
                    self.end_packed();
                }
            }
        } else {
            self.packed.resize(self.packed.len() + completing, self.last);
            self.end_packed();
            write_varint(self.out, ((self.repeats - completing) as u64) << 1);
            let bytes = self.width.div_ceil(8) as usize;
            self.out.extend_from_slice(&self.last.to_le_bytes()[..bytes]);
        }
        self.repeats = 0;
    }

    fn end_packed(&mut self) {
        if self.packed.is_empty() {
            return;
        }
        write_varint(self.out, ((self.packed.len() / 8) as u64) << 1 | 1);
        pack(self.out, self.packed.iter().map(|value| u64::from(*value)), self.width);
        self.packed.clear();
    }
}

/// Packs numbers of at most `width` bits, the first in the lowest bits. Their bits together must be whole bytes.
pub(super) fn pack(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, width: u32) {
    let mut bits: u128 = 0;
    let mut used = 0;
    for value in values {
        bits |= u128::from(value) << used;
        used += width;
        while used >= 64 {
            out.extend_from_slice(&(bits as u64).to_le_bytes());
            bits >>= 64;
            used -= 64;
        }
    }
    out.extend_from_slice(&(bits as u64).to_le_bytes()[..used.div_ceil(8) as usize]);
}

/// An unsigned number, seven bits a byte.
pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bits that numbers up to `max` need, at least one: some readers do not know what no bits mean.
pub(super) fn width_of(max: u32) -> u32 {
    (u32::BITS - max.leading_zeros()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        // Eight numbers from 0 to 7 of three bits are 88 C6 FA.
        let mut out = Vec::new();
        let mut hybrid = Hybrid::new(&mut out, 3);
        (0..8).for_each(|value| hybrid.run(value, 1));
        hybrid.finish();
        assert_eq!(out, [0x03, 0x88, 0xc6, 0xfa]);
    }

    #[test]
    fn runs_are_two_numbers() {
        let mut out = Vec::new();
        let mut hybrid = Hybrid::new(&mut out, 9);
        hybrid.run(0, 1000);
        hybrid.run(300, 100);
        hybrid.finish();
        assert_eq!(out, [0xd0, 0x0f, 0x00, 0x00, 0xc8, 0x01, 0x2c, 0x01]);
    }

    #[test]
    fn a_run_completes_the_group_before_it() {
        let mut out = Vec::new();
        let mut hybrid = Hybrid::new(&mut out, 1);
        hybrid.run(1, 3);
        hybrid.run(0, 5 + 9);
        hybrid.finish();
        assert_eq!(out, [0x03, 0b111, 18, 0]);
    }
}
