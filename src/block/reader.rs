//! Takes fields from bytes in order; every access is checked.

use super::BlockError;

/// A position in bytes; each `take` moves it behind what it returns.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// The bytes that were taken so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], BlockError> {
        let left = self.bytes.get(self.at..).unwrap_or_default();
        let short = BlockError::Short { what, at: self.at, expected: count, found: left.len() };
        let taken = left.get(..count).ok_or(short)?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BlockError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, BlockError> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, BlockError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, BlockError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, BlockError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A signed number in LEB128 over its zigzag form, at most ten bytes.
    pub(super) fn varint(&mut self, what: &'static str) -> Result<i64, BlockError> {
        let mut zigzag = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(what)?;
            zigzag |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(unzigzag(zigzag));
            }
        }
        Err(BlockError::Field { what, found: zigzag, expected: "a number of at most ten bytes" })
    }

    /// Fails unless everything was taken.
    pub(super) fn finish(&self) -> Result<(), BlockError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            found => Err(BlockError::Trailing { at: self.at, found }),
        }
    }
}

/// Appends what [`Reader::varint`] reads.
pub(super) fn write_varint(value: i64, out: &mut Vec<u8>) {
    let mut zigzag = zigzag(value);
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

/// The bytes that [`write_varint`] appends.
pub(super) fn varint_bytes(value: i64) -> usize {
    // 1 to 64 significant bits, seven a byte.
    (64 - (zigzag(value) | 1).leading_zeros() as usize).div_ceil(7)
}

/// Folds the sign into the lowest bit, so that numbers near zero are small.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_and_take_the_announced_bytes() {
        for value in [0, 1, -1, 63, -64, 64, 8191, -8193, 1 << 40, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            write_varint(value, &mut bytes);
            assert_eq!(bytes.len(), varint_bytes(value), "{value}");
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.varint("number"), Ok(value));
            assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn an_endless_varint_is_refused() {
        assert!(Reader::new(&[0xFF; 20]).varint("number").is_err());
    }
}
