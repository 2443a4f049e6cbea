//! Bits one behind the other, the highest of a byte first, and Prometheus's numbers in them.

/// Writes bits.
#[derive(Debug, Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// Bits of the last byte that are still free.
    free: u32,
}

impl Bits {
    /// Bits behind some whole bytes.
    pub fn behind(bytes: Vec<u8>) -> Bits {
        Bits { bytes, free: 0 }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Appends the `count` lowest bits of a number, at most 64.
    pub fn put(&mut self, number: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = left.min(self.free);
            let part = (number >> (left - taken)) as u8 & (0xFF >> (8 - taken));
            if let Some(last) = self.bytes.last_mut() {
                *last |= part << (self.free - taken);
            }
            self.free -= taken;
            left -= taken;
        }
    }

    /// Appends a number of variable length, seven bits a byte.
    pub fn put_varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.put(number | 0x80, 8);
            number >>= 7;
        }
        self.put(number, 8);
    }

    /// Appends a signed number: the smaller, the fewer bits.
    pub fn put_signed(&mut self, number: i64) {
        let class = CLASSES.iter().position(|&bits| fits(number, bits));
        self.put_class(number.cast_unsigned(), if number == 0 { None } else { Some(class) });
    }

    /// Appends an unsigned number: the smaller, the fewer bits.
    pub fn put_unsigned(&mut self, number: u64) {
        let class = CLASSES.iter().position(|&bits| number >> bits == 0);
        self.put_class(number, if number == 0 { None } else { Some(class) });
    }

    /// As many ones as the number of the class says, and the number; only a single zero for zero.
    fn put_class(&mut self, number: u64, class: Option<Option<usize>>) {
        match class {
            None => self.put(0, 1),
            Some(Some(class)) => {
                let ones = class as u32 + 1;
                self.put((1 << (ones + 1)) - 2, ones + 1);
                self.put(number, CLASSES[class]);
            }
            Some(None) => {
                self.put(0xFF, 8);
                self.put(number, 64);
            }
        }
    }
}

/// Whether a number lies in the range of so many bits, which ends at a power of two, inclusive.
pub(super) fn fits(number: i64, bits: u32) -> bool {
    let end = 1i64 << (bits - 1);
    -end < number && number <= end
}

/// Bits of numbers in the order of their prefixes; beyond, all 64 follow.
const CLASSES: [u32; 7] = [3, 6, 9, 12, 18, 25, 56];

/// Reads what [`Bits`] wrote: tests check chunks with it.
#[cfg(test)]
pub(super) mod reading {
    use super::CLASSES;

    pub struct BitReader<'a> {
        pub bytes: &'a [u8],
        pub at: usize,
    }

    impl BitReader<'_> {
        pub fn take(&mut self, count: u32) -> u64 {
            (0..count).fold(0, |number, _| {
                let bit = self.bytes[self.at / 8] >> (7 - self.at % 8) & 1;
                self.at += 1;
                number << 1 | u64::from(bit)
            })
        }

        pub fn varint(&mut self) -> u64 {
            let (mut number, mut shift) = (0, 0);
            loop {
                let byte = self.take(8);
                number |= (byte & 0x7F) << shift;
                shift += 7;
                if byte < 0x80 {
                    return number;
                }
            }
        }

        pub fn ones(&mut self, max: usize) -> usize {
            (0..max).take_while(|_| self.take(1) == 1).count()
        }

        pub fn signed_of(&mut self, bits: u32) -> i64 {
            let number = self.take(bits);
            if bits < 64 && number > 1 << (bits - 1) { number as i64 - (1 << bits) } else { number as i64 }
        }

        pub fn signed(&mut self) -> i64 {
            match self.ones(8) {
                0 => 0,
                8 => self.take(64) as i64,
                ones => self.signed_of(CLASSES[ones - 1]),
            }
        }

        pub fn unsigned(&mut self) -> u64 {
            match self.ones(8) {
                0 => 0,
                8 => self.take(64),
                ones => self.take(CLASSES[ones - 1]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reading::BitReader;
    use super::*;

    #[test]
    fn numbers_of_every_class_come_back() {
        let mut bits = Bits::behind(vec![1, 2]);
        let mut numbers = vec![0i64, i64::MAX, i64::MIN];
        for shift in 0..63 {
            let power = 1i64 << shift;
            numbers.extend([power, power - 1, power + 1, -power, 1 - power, -power - 1]);
        }
        for &number in &numbers {
            bits.put(1, 1);
            bits.put_signed(number);
            bits.put_unsigned(number as u64);
            bits.put_varint(number as u64);
        }
        assert_eq!(&bits.bytes()[..2], [1, 2]);
        let mut reader = BitReader { bytes: &bits.bytes()[2..], at: 0 };
        for &number in &numbers {
            assert_eq!(reader.take(1), 1);
            assert_eq!(reader.signed(), number);
            assert_eq!(reader.unsigned(), number as u64);
            assert_eq!(reader.varint(), number as u64);
        }
        assert!(reader.bytes.len() * 8 - reader.at < 8);
    }

    /// The ends of each class, as Prometheus documents them beside its encoder.
    #[test]
    fn classes_are_as_wide_as_documented() {
        for (number, length) in [
            (0, 1),
            (-3, 5),
            (4, 5),
            (5, 9),
            (-4, 9),
            (-31, 9),
            (32, 9),
            (33, 13),
            (-255, 13),
            (256, 13),
            (2048, 17),
            (-2048, 24),
            (131_072, 24),
            (16_777_216, 32),
            (-16_777_216, 64),
            (36_028_797_018_963_968, 64),
            (36_028_797_018_963_969, 72),
            (i64::MIN, 72),
        ] {
            let mut bits = Bits::default();
            bits.put_signed(number);
            assert_eq!(bits.bytes().len() * 8 - bits.free as usize, length, "{number}");
        }
    }
}
