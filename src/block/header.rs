//! The header that blocks and ticks begin with.
//!
//! Invariant: what it reads is not judged here: which lengths, codecs and flags there are, blocks and ticks know.

use super::error::BlockError;
use super::reader::Reader;

/// The bytes of a header.
pub(super) const HEADER_BYTES: usize = 16;

/// The fields of a header, in their order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Header {
    /// The centre of slot or row 0, seconds since 1970.
    pub(super) start_secs: i64,
    pub(super) frequency_secs: u32,
    /// Slots or rows.
    pub(super) len: usize,
    pub(super) codec: u8,
    pub(super) flags: u8,
}

impl Header {
    /// Reads a header; `what` is counted by its length.
    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Header, BlockError> {
        Ok(Header {
            start_secs: reader.u64("start")? as i64,
            frequency_secs: reader.u32("frequency")?,
            len: usize::from(reader.u16(what)?),
            codec: reader.u8("codec")?,
            flags: reader.u8("flags")?,
        })
    }

    /// The header of bytes that were validated.
    #[inline]
    pub(super) fn of_valid(bytes: &[u8]) -> Header {
        // Never the default: validated bytes begin with a header.
        Header::read(&mut Reader::new(bytes), "length").unwrap_or_default()
    }

    /// Appends what [`Header::read`] reads.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.start_secs.to_le_bytes());
        out.extend_from_slice(&self.frequency_secs.to_le_bytes());
        // At most 1024: `SLOTS_MAX`.
        out.extend_from_slice(&(self.len as u16).to_le_bytes());
        out.extend_from_slice(&[self.codec, self.flags]);
    }

    /// The centre of the slot or row behind the last, seconds since 1970.
    #[inline]
    pub(super) fn end_secs(&self) -> i64 {
        self.start_secs.saturating_add(i64::from(self.frequency_secs) * self.len as i64)
    }
}
