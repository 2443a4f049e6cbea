//! Numbers and names of the state file: LEB128, seven bits a byte, the lowest first; signed ones zigzag.

use super::error::CcmsError;

/// The longest name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = u16::MAX as usize;

pub(super) fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_u64(out, (value << 1 ^ value >> 63).cast_unsigned());
}

pub(super) fn put_name(out: &mut Vec<u8>, name: &str) {
    put_u64(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
}

/// Takes numbers and names off bytes, and fails with the place.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    /// Where `bytes` begins in the file.
    offset: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], offset: u64) -> Self {
        Cursor { bytes, offset }
    }

    pub(super) fn fail<T>(&self, reason: impl Into<String>) -> Result<T, CcmsError> {
        Err(CcmsError::corrupt(self.offset, reason))
    }

    /// Fails unless everything was taken.
    pub(super) fn finish(&self) -> Result<(), CcmsError> {
        if self.bytes.is_empty() { Ok(()) } else { self.fail(format!("{} bytes too many", self.bytes.len())) }
    }

    pub(super) fn byte(&mut self, what: &str) -> Result<u8, CcmsError> {
        let Some((&byte, rest)) = self.bytes.split_first() else {
            return self.fail(format!("the file ends inside {what}"));
        };
        self.bytes = rest;
        self.offset += 1;
        Ok(byte)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, CcmsError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        self.fail(format!("{what} has more than 64 bits"))
    }

    pub(super) fn i64(&mut self, what: &str) -> Result<i64, CcmsError> {
        let value = self.u64(what)?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A number below 2^32.
    pub(super) fn u32(&mut self, what: &str) -> Result<u32, CcmsError> {
        let value = self.u64(what)?;
        u32::try_from(value).or_else(|_| self.fail(format!("{what} of {value}: expected at most {}", u32::MAX)))
    }

    /// A number of 32 bits with its sign.
    pub(super) fn i32(&mut self, what: &str) -> Result<i32, CcmsError> {
        let value = self.i64(what)?;
        i32::try_from(value).or_else(|_| self.fail(format!("{what} of {value}: expected a number of 32 bits")))
    }

    /// A count of at most `max` things that take at least `bytes_each` each, checked against what is left.
    pub(super) fn count(&mut self, max: usize, bytes_each: usize, what: &str) -> Result<usize, CcmsError> {
        let count = self.u64(what)?;
        if count > max as u64 {
            return self.fail(format!("{what} is {count}: expected at most {max}"));
        }
        match usize::try_from(count) {
            Ok(count) if count <= self.bytes.len() / bytes_each => Ok(count),
            _ => self.fail(format!("{what} is {count}, but the file has only {} more bytes", self.bytes.len())),
        }
    }

    pub(super) fn name(&mut self, what: &str) -> Result<Box<str>, CcmsError> {
        let len = self.count(NAME_BYTES_MAX, 1, what)?;
        let (name, rest) = self.bytes.split_at(len);
        let Ok(name) = std::str::from_utf8(name) else {
            return self.fail(format!("{what} is no UTF-8"));
        };
        self.bytes = rest;
        self.offset += len as u64;
        Ok(name.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_are_leb128() {
        let mut out = Vec::new();
        put_u64(&mut out, 300);
        put_i64(&mut out, -1);
        put_i64(&mut out, 1);
        assert_eq!(out, [0xAC, 0x02, 0x01, 0x02]);
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(Cursor::new(&[0x80; 11], 0).u64("n").is_err());
        assert!(Cursor::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], 0).u64("n").is_err());
        let error = Cursor::new(&[0x05, b'a'], 8).name("a name's length").unwrap_err().to_string();
        assert_eq!(error, "byte 9, top level: a name's length is 5, but the file has only 1 more bytes");
    }

    proptest! {
        #[test]
        fn numbers_come_back(unsigned in any::<u64>(), signed in any::<i64>(), name in "\\PC{0,30}") {
            let mut out = Vec::new();
            put_u64(&mut out, unsigned);
            put_i64(&mut out, signed);
            put_name(&mut out, &name);
            let mut cursor = Cursor::new(&out, 0);
            prop_assert_eq!(cursor.u64("n").unwrap(), unsigned);
            prop_assert_eq!(cursor.i64("n").unwrap(), signed);
            prop_assert_eq!(&*cursor.name("n").unwrap(), &*name);
            cursor.finish().unwrap();
        }
    }
}
