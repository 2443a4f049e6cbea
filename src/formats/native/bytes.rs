//! Primitive values as bytes: little-endian numbers, varints, texts.
//!
//! A [`Cursor`] never reads behind its slice and never allocates; a count is believed only when the bytes that it
//! promises can be there.

use super::NativeError;

/// Reads a payload front to back.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    /// The error that `expected` is not what lies here.
    pub(super) fn malformed(&self, expected: &'static str) -> NativeError {
        NativeError::Malformed { at: self.at as u64, expected }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], NativeError> {
        let taken = self.rest().get(..len).ok_or_else(|| self.malformed(expected))?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], NativeError> {
        let array = *self.rest().first_chunk::<N>().ok_or_else(|| self.malformed(expected))?;
        self.at += N;
        Ok(array)
    }

    pub(super) fn u8(&mut self, expected: &'static str) -> Result<u8, NativeError> {
        Ok(self.array::<1>(expected)?[0])
    }

    pub(super) fn u32(&mut self, expected: &'static str) -> Result<u32, NativeError> {
        Ok(u32::from_le_bytes(self.array(expected)?))
    }

    pub(super) fn i32(&mut self, expected: &'static str) -> Result<i32, NativeError> {
        Ok(i32::from_le_bytes(self.array(expected)?))
    }

    pub(super) fn u64(&mut self, expected: &'static str) -> Result<u64, NativeError> {
        Ok(u64::from_le_bytes(self.array(expected)?))
    }

    pub(super) fn i64(&mut self, expected: &'static str) -> Result<i64, NativeError> {
        Ok(i64::from_le_bytes(self.array(expected)?))
    }

    pub(super) fn f64(&mut self, expected: &'static str) -> Result<f64, NativeError> {
        Ok(f64::from_le_bytes(self.array(expected)?))
    }

    /// An LEB128 number of at most 64 bits.
    #[inline]
    pub(super) fn varint(&mut self, expected: &'static str) -> Result<u64, NativeError> {
        let mut value = 0u64;
        for (position, &byte) in self.rest().iter().take(VARINT_BYTES_MAX).enumerate() {
            if position == VARINT_BYTES_MAX - 1 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * position);
            if byte < 0x80 {
                self.at += position + 1;
                return Ok(value);
            }
        }
        Err(self.malformed(expected))
    }

    pub(super) fn signed(&mut self, expected: &'static str) -> Result<i64, NativeError> {
        Ok(unzigzag(self.varint(expected)?))
    }

    pub(super) fn text(&mut self, expected: &'static str) -> Result<&'a str, NativeError> {
        let at = self.at;
        let len = usize::try_from(self.varint(expected)?).unwrap_or(usize::MAX);
        let bytes = self.take(len, expected)?;
        std::str::from_utf8(bytes).map_err(|_| NativeError::Malformed { at: at as u64, expected })
    }

    /// A `u32` count of things that take at least `bytes_min` bytes each.
    pub(super) fn count(&mut self, bytes_min: usize, expected: &'static str) -> Result<usize, NativeError> {
        let at = self.at;
        let count = self.u32(expected)? as usize;
        if count > self.rest().len() / bytes_min {
            return Err(NativeError::Malformed { at: at as u64, expected });
        }
        Ok(count)
    }

    /// Nothing may follow.
    pub(super) fn finish(&self) -> Result<(), NativeError> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.malformed("the end of the payload")) }
    }
}

/// Appends an LEB128 number.
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number, zigzag and LEB128.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

/// Appends a text behind its length.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// 0, −1, 1, −2 … as 0, 1, 2, 3 …
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// 64 bits in groups of seven.
const VARINT_BYTES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut cursor = Cursor::new(&out);
            assert_eq!(cursor.varint("a number").unwrap(), value);
            cursor.finish().unwrap();
            assert!(Cursor::new(&out[..out.len() - 1]).varint("a number").is_err(), "{value} cut off");
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        let mut bytes = vec![0xff; 9];
        bytes.push(2);
        assert!(Cursor::new(&bytes).varint("a number").is_err());
        assert!(Cursor::new(&[0x80; 40]).varint("a number").is_err());
    }

    #[test]
    fn a_count_that_cannot_be_is_refused() {
        let bytes = [5, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(Cursor::new(&bytes).count(1, "things").unwrap(), 5);
        let error = Cursor::new(&bytes).count(2, "things").unwrap_err();
        assert_eq!(error.to_string(), "byte 0 of the payload: expected things");
    }
}
