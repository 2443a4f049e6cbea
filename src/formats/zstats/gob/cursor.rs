//! Numbers and bytes of a gob message, read from its front; nothing is read beyond its end.

use super::super::error::ZstatsError;

/// What is left of a message.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    /// Offset of the message's end in its stream, for errors.
    end: usize,
}

impl<'a> Cursor<'a> {
    /// Reads a whole stream.
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, end: bytes.len() }
    }

    /// Where in the stream the next byte lies.
    pub fn offset(&self) -> usize {
        self.end - self.bytes.len()
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    /// An error at the next byte.
    pub fn expected(&self, expected: &'static str) -> ZstatsError {
        ZstatsError::Malformed { offset: self.offset(), expected }
    }

    /// An unsigned number: one byte below 128, or its length and as many bytes, the highest first.
    #[inline]
    pub fn uint(&mut self) -> Result<u64, ZstatsError> {
        let Some((&first, rest)) = self.bytes.split_first() else { return Err(self.expected("a number")) };
        if first < 0x80 {
            self.bytes = rest;
            return Ok(u64::from(first));
        }
        self.long_uint(first, rest)
    }

    fn long_uint(&mut self, first: u8, rest: &'a [u8]) -> Result<u64, ZstatsError> {
        let length = usize::from(first.wrapping_neg());
        if length > size_of::<u64>() {
            return Err(self.expected("a number of at most eight bytes"));
        }
        let Some((digits, rest)) = rest.split_at_checked(length) else {
            return Err(self.expected("a whole number"));
        };
        self.bytes = rest;
        Ok(digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit)))
    }

    /// A signed number: the lowest bit says whether the others are to be inverted.
    #[inline]
    pub fn int(&mut self) -> Result<i64, ZstatsError> {
        let number = self.uint()?;
        let half = (number >> 1) as i64;
        Ok(if number & 1 == 1 { !half } else { half })
    }

    /// A double: its bytes come in reverse order, so that the zeros at the end of short ones are not sent.
    #[inline]
    pub fn float(&mut self) -> Result<f64, ZstatsError> {
        Ok(f64::from_bits(self.uint()?.swap_bytes()))
    }

    /// A length and as many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], ZstatsError> {
        let length = self.count()?;
        let (taken, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        Ok(taken)
    }

    /// A number of things of which every one takes a byte: never more than bytes are left.
    #[inline]
    pub fn count(&mut self) -> Result<usize, ZstatsError> {
        let start = self.clone();
        let count = self.uint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.left() => Ok(count),
            _ => Err(start.expected("a length within the message")),
        }
    }

    /// A message: a length and as many bytes.
    pub fn message(&mut self) -> Result<Cursor<'a>, ZstatsError> {
        let bytes = self.bytes()?;
        Ok(Cursor { bytes, end: self.offset() })
    }

    /// The number of the next field of a struct that has `fields` of them; `next` is the lowest that may come. None at
    /// the struct's end, which the end of the message is too.
    #[inline]
    pub fn field(&mut self, next: &mut usize, fields: usize) -> Result<Option<usize>, ZstatsError> {
        if self.is_at_end() {
            return Ok(None);
        }
        let start = self.clone();
        let delta = self.uint()?;
        if delta == 0 {
            return Ok(None);
        }
        let number = usize::try_from(delta - 1).ok().and_then(|skipped| next.checked_add(skipped));
        match number {
            Some(number) if number < fields => {
                *next = number + 1;
                Ok(Some(number))
            }
            _ => Err(start.expected("the number of a field that the type has")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_documented() {
        let read = |bytes: &[u8]| Cursor::new(bytes).uint();
        assert_eq!(read(&[0x7F]), Ok(127));
        assert_eq!(read(&[0xFF, 0xC8]), Ok(200));
        assert_eq!(read(&[0xFE, 1, 0]), Ok(256));
        assert_eq!(read(&[0xFE, 0, 1]), Ok(1), "more bytes than needed");
        assert_eq!(read(&[0xF8, 255, 255, 255, 255, 255, 255, 255, 255]), Ok(u64::MAX));
        for bad in [&[][..], &[0x80], &[0xF7, 1, 1, 1, 1, 1, 1, 1, 1, 1], &[0xFE, 1], &[0xFF]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        let int = |bytes: &[u8]| Cursor::new(bytes).int();
        assert_eq!((int(&[0]), int(&[2]), int(&[1])), (Ok(0), Ok(1), Ok(-1)));
        assert_eq!(int(&[0xFE, 0x07, 0xD0]), Ok(1000));
        assert_eq!(int(&[0xF8, 255, 255, 255, 255, 255, 255, 255, 255]), Ok(i64::MIN));
        assert_eq!(Cursor::new(&[0xFE, 0xF0, 0x3F]).float(), Ok(1.0));
        assert_eq!(Cursor::new(&[0xFE, 0x31, 0x40]).float(), Ok(17.0));
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        assert_eq!(Cursor::new(&[2, 7, 7]).bytes(), Ok(&[7, 7][..]));
        assert!(Cursor::new(&[3, 7, 7]).bytes().is_err());
        assert!(Cursor::new(&[0xF8, 255, 255, 255, 255, 255, 255, 255, 255, 1]).bytes().is_err());
    }

    #[test]
    fn field_numbers_rise_and_stay_inside() {
        let mut cursor = Cursor::new(&[1, 2, 0]);
        let mut next = 0;
        assert_eq!(cursor.field(&mut next, 3), Ok(Some(0)));
        assert_eq!(cursor.field(&mut next, 3), Ok(Some(2)));
        assert_eq!(cursor.field(&mut next, 3), Ok(None));
        assert_eq!(cursor.field(&mut next, 3), Ok(None), "the end of the message ends all structs");
        assert!(Cursor::new(&[4]).field(&mut 0, 3).is_err());
        assert!(Cursor::new(&[0xF8, 255, 255, 255, 255, 255, 255, 255, 255]).field(&mut 9, 3).is_err());
    }
}
