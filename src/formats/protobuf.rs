//! The wire format of Protocol Buffers, for every format that is made of them: fields one by one, in both directions.
//!
//! Reading never allocates and never recurses: a message inside of a message is bytes until somebody walks over it too.
//! Whatever the bytes are, a walk ends, with [`Malformed`] at the first place that cannot be.

/// Bytes that are no protobuf message, or not one of the kind that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed protobuf at byte {offset}: {reason}")]
pub struct Malformed {
    /// Where, in the decompressed body.
    pub offset: usize,
    /// What was expected there.
    pub reason: &'static str,
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Integers, enumerations and booleans.
    Varint(u64),
    /// Doubles and integers of fixed length.
    Fixed64(u64),
    /// Texts, messages, packed numbers.
    Bytes(&'a [u8]),
    /// Floats and short integers of fixed length.
    Fixed32(u32),
}

/// Walks over the fields of one message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    /// Where the message ends in the body.
    end: usize,
}

impl<'a> Fields<'a> {
    /// The fields of a whole body.
    pub fn of_body(body: &'a [u8]) -> Fields<'a> {
        Fields { rest: body, end: body.len() }
    }

    /// The fields of a message that ends at byte `end` of the body.
    #[inline]
    pub fn ending_at(message: &'a [u8], end: usize) -> Fields<'a> {
        Fields { rest: message, end }
    }

    /// Where the next field begins in the body; behind a field that was just read, where that one ends.
    #[inline]
    pub fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// What was not read yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The fields of the message that was just read as bytes.
    #[inline]
    pub fn inside(&self, message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message, end: self.offset() }
    }

    /// The next field's number and value, if there is one. Groups, which nothing uses any more, are passed over.
    #[inline]
    pub fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        while !self.rest.is_empty() {
            let (field, wire) = self.tag()?;
            let value = match wire {
                VARINT => Value::Varint(self.varint()?),
                FIXED64 => Value::Fixed64(self.fixed64()?),
                BYTES => Value::Bytes(self.bytes()?),
                FIXED32 => Value::Fixed32(self.fixed32()?),
                GROUP => {
                    self.skip_group(field)?;
                    continue;
                }
                _ => return Err(self.malformed("expected a known wire type")),
            };
            return Ok(Some((field, value)));
        }
        Ok(None)
    }

    #[inline]
    fn tag(&mut self) -> Result<(u32, u8), Malformed> {
        let tag = self.varint()?;
        match u32::try_from(tag >> 3) {
            Ok(field @ 1..=FIELD_MAX) => Ok((field, (tag & 7) as u8)),
            _ => Err(self.malformed("expected a field number from 1 to 536870911")),
        }
    }

    /// A number of variable length, without a tag before it: packed numbers are read so.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (at, &byte) in self.rest.iter().take(VARINT_BYTES_MAX).enumerate() {
            value |= u64::from(byte & 0x7F) << (7 * at);
            if byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(self.malformed("expected a number of at most ten bytes"))
    }

    /// Eight bytes without a tag before them: packed doubles are read so.
    #[inline]
    pub fn fixed64(&mut self) -> Result<u64, Malformed> {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(u64::from_le_bytes(*bytes))
            }
            None => Err(self.malformed("expected eight bytes more")),
        }
    }

    #[inline]
    fn fixed32(&mut self) -> Result<u32, Malformed> {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(u32::from_le_bytes(*bytes))
            }
            None => Err(self.malformed("expected four bytes more")),
        }
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.varint()?;
        match usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length)) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.malformed("expected a length that the message has room for")),
        }
    }

    #[cold]
    fn skip_group(&mut self, field: u32) -> Result<(), Malformed> {
        let mut open = [0; GROUP_DEPTH_MAX];
        open[0] = field;
        let mut depth = 1;
        while depth > 0 {
            if self.rest.is_empty() {
                return Err(self.malformed("expected the end of a group"));
            }
            let (field, wire) = self.tag()?;
            match wire {
                VARINT => drop(self.varint()?),
                FIXED64 => drop(self.fixed64()?),
                BYTES => drop(self.bytes()?),
                FIXED32 => drop(self.fixed32()?),
                GROUP if depth < GROUP_DEPTH_MAX => {
                    open[depth] = field;
                    depth += 1;
                }
                GROUP => return Err(self.malformed("expected groups that are not nested that deep")),
                GROUP_END if open[depth - 1] == field => depth -= 1,
                _ => return Err(self.malformed("expected a known wire type")),
            }
        }
        Ok(())
    }

    /// An error at the place where the walk stands.
    #[cold]
    pub fn malformed(&self, reason: &'static str) -> Malformed {
        Malformed { offset: self.offset(), reason }
    }
}

impl<'a> Value<'a> {
    /// The bytes of a text or a message.
    #[inline]
    pub fn bytes(self, fields: &Fields<'a>) -> Result<&'a [u8], Malformed> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(fields.malformed("expected a length and bytes in the field before")),
        }
    }

    /// The fields of a message.
    #[inline]
    pub fn message(self, fields: &Fields<'a>) -> Result<Fields<'a>, Malformed> {
        Ok(fields.inside(self.bytes(fields)?))
    }

    /// A text.
    pub fn text(self, fields: &Fields<'a>) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes(fields)?).map_err(|_| fields.malformed("expected UTF-8 in the field before"))
    }

    /// An integer, an enumeration or a boolean.
    #[inline]
    pub fn varint(self, fields: &Fields<'a>) -> Result<u64, Malformed> {
        match self {
            Value::Varint(number) => Ok(number),
            _ => Err(fields.malformed("expected a number of variable length in the field before")),
        }
    }

    /// An integer that is never written zigzag.
    #[inline]
    pub fn signed(self, fields: &Fields<'a>) -> Result<i64, Malformed> {
        Ok(self.varint(fields)?.cast_signed())
    }

    /// An integer of 64 fixed bits.
    #[inline]
    pub fn fixed64(self, fields: &Fields<'a>) -> Result<u64, Malformed> {
        match self {
            Value::Fixed64(bits) => Ok(bits),
            _ => Err(fields.malformed("expected eight bytes in the field before")),
        }
    }

    /// A double, bit by bit.
    #[inline]
    pub fn double(self, fields: &Fields<'a>) -> Result<f64, Malformed> {
        Ok(f64::from_bits(self.fixed64(fields)?))
    }

    /// Every number of a field that may be packed, each shown to `take`.
    pub fn varints(self, fields: &Fields<'a>, mut take: impl FnMut(u64)) -> Result<(), Malformed> {
        match self {
            Value::Varint(number) => take(number),
            Value::Bytes(bytes) => {
                let mut packed = fields.inside(bytes);
                while !packed.rest.is_empty() {
                    take(packed.varint()?);
                }
            }
            _ => return Err(fields.malformed("expected numbers of variable length in the field before")),
        }
        Ok(())
    }

    /// Every number of fixed length of a field that may be packed, each shown to `take`.
    pub fn fixed64s(self, fields: &Fields<'a>, mut take: impl FnMut(u64)) -> Result<(), Malformed> {
        match self {
            Value::Fixed64(number) => take(number),
            Value::Bytes(bytes) => {
                let mut packed = fields.inside(bytes);
                while !packed.rest.is_empty() {
                    take(packed.fixed64()?);
                }
            }
            _ => return Err(fields.malformed("expected eight bytes in the field before")),
        }
        Ok(())
    }
}

/// A signed number from its zigzag form.
#[inline]
pub(crate) fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// The zigzag form of a signed number.
#[inline]
pub(crate) fn to_zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

/// Appends a number of variable length.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a field with an integer; zero is the same as no field, so nothing is written for it.
pub(crate) fn put_integer(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        put_integer_always(out, field, number);
    }
}

/// Appends a field with an integer, zero included.
pub(crate) fn put_integer_always(out: &mut Vec<u8>, field: u32, number: u64) {
    put_varint(out, u64::from(field) << 3 | u64::from(VARINT));
    put_varint(out, number);
}

/// Appends a field with a double; positive zero is the same as no field.
pub(crate) fn put_double(out: &mut Vec<u8>, field: u32, number: f64) {
    if number.to_bits() != 0 {
        put_double_always(out, field, number);
    }
}

/// Appends a field with a double, zero included.
pub(crate) fn put_double_always(out: &mut Vec<u8>, field: u32, number: f64) {
    put_varint(out, u64::from(field) << 3 | u64::from(FIXED64));
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a field with bytes, empty ones included.
pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(out, u64::from(field) << 3 | u64::from(BYTES));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a field with a text; an empty one is the same as no field.
pub(crate) fn put_text(out: &mut Vec<u8>, field: u32, text: &str) {
    if !text.is_empty() {
        put_bytes(out, field, text.as_bytes());
    }
}

/// Appends a field with the message that `write` appends.
pub(crate) fn put_message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    put_varint(out, u64::from(field) << 3 | u64::from(BYTES));
    let start = out.len();
    // Most messages are short: room for a length of one byte, moved when it takes more.
    out.push(0);
    write(out);
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(VARINT_BYTES_MAX);
    put_varint(&mut prefix, length as u64);
    out.splice(start..=start, prefix);
}

/// Appends a field with packed numbers; none are the same as no field.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn put_packed(out: &mut Vec<u8>, field: u32, numbers: impl IntoIterator<Item = u64>) {
    let mut numbers = numbers.into_iter().peekable();
    if numbers.peek().is_some() {
        put_message(out, field, |out| numbers.for_each(|number| put_varint(out, number)));
    }
}

/// Appends a field with packed doubles; none are the same as no field.
pub(crate) fn put_doubles(out: &mut Vec<u8>, field: u32, numbers: &[f64]) {
    if !numbers.is_empty() {
        put_message(out, field, |out| numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes())));
    }
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const GROUP: u8 = 3;
const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;

/// The largest field number that the format has.
const FIELD_MAX: u32 = (1 << 29) - 1;
/// Bytes of a number of 64 bits, seven bits a byte.
const VARINT_BYTES_MAX: usize = 10;
/// Groups inside of groups that are passed over.
const GROUP_DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(body: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        let mut fields = Fields::of_body(body);
        let mut found = Vec::new();
        while let Some(field) = fields.next()? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn every_wire_type_comes_back() {
        let mut body = Vec::new();
        put_integer(&mut body, 1, 300);
        put_integer(&mut body, 2, 0);
        put_double(&mut body, 3, 1.5);
        put_text(&mut body, 4, "text");
        body.extend_from_slice(&[0x2D, 1, 2, 3, 4]);
        put_integer(&mut body, FIELD_MAX, u64::MAX);
        let expected = [
            (1, Value::Varint(300)),
            (3, Value::Fixed64(1.5f64.to_bits())),
            (4, Value::Bytes(b"text")),
            (5, Value::Fixed32(0x0403_0201)),
            (FIELD_MAX, Value::Varint(u64::MAX)),
        ];
        assert_eq!(all(&body).unwrap(), expected);
        for end in 0..body.len() {
            // A cut between two fields is a shorter message; anywhere else it is none.
            assert!(all(&body[..end]).is_ok_and(|found| expected.starts_with(&found)) || all(&body[..end]).is_err());
        }
    }

    #[test]
    fn long_messages_get_a_long_length() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
            let mut body = vec![0x08, 7];
            put_message(&mut body, 2, |out| out.resize(out.len() + length, 9));
            put_integer(&mut body, 3, 1);
            let content = vec![9; length];
            assert_eq!(
                all(&body).unwrap(),
                [(1, Value::Varint(7)), (2, Value::Bytes(&content)), (3, Value::Varint(1))]
            );
        }
    }

    #[test]
    fn groups_are_passed_over() {
        // Field 1 as a group with a number and a group inside of it, then field 2.
        assert_eq!(all(&[0x0B, 0x10, 5, 0x1B, 0x1C, 0x0C, 0x10, 1]).unwrap(), [(2, Value::Varint(1))]);
        assert!(all(&[0x0B, 0x10, 5]).is_err(), "no end");
        assert!(all(&[0x0B, 0x14]).is_err(), "the end of another one");
        assert!(all(&[0x0C]).is_err(), "an end without a start");
        assert!(all(&[0x0B; 100_000]).is_err(), "too deep");
    }

    #[test]
    fn what_cannot_be_names_its_place() {
        let error = |body: &[u8]| all(body).unwrap_err().to_string();
        assert_eq!(error(&[0x08, 1, 0x0F]), "malformed protobuf at byte 3: expected a known wire type");
        assert!(error(&[0x00]).contains("a field number from 1 to 536870911"));
        assert!(error(&[0x0A, 5, 1]).contains("byte 2: expected a length that the message has room for"));
        assert!(error(&[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]).contains("has room for"));
        assert!(error(&[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]).contains("ten bytes"));
        assert!(error(&[0x09, 1, 2]).contains("eight bytes"));
        assert!(error(&[0x0D, 1, 2]).contains("four bytes"));
    }

    #[test]
    fn zigzag_goes_both_ways() {
        for number in [0, -1, 1, -2, i64::MAX, i64::MIN, 123_456, -123_456] {
            assert_eq!(zigzag(to_zigzag(number)), number);
        }
        assert_eq!((to_zigzag(-1), to_zigzag(1), to_zigzag(-2)), (1, 2, 3));
    }
}
