//! Frames: how a payload lies in a file, the same in segments and in snapshots.
//!
//! `3 bytes magic · 5 bytes length · u32 CRC-32 of the payload · u32 CRC-32 of the 12 bytes before · payload`. The
//! header has a checksum of its own, so a length can be trusted before the payload is looked at: a payload that is
//! damaged is stepped over, and what it contains is never taken for frames.

/// Bytes before a payload.
pub(super) const FRAME_HEADER_BYTES: usize = 16;

/// The first bytes of every magic.
pub(super) const MAGIC_PREFIX: [u8; 2] = [0xA7, b'T'];

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A record of a log.
    Record,
    /// A host in a snapshot.
    Host,
    /// What metrics are, in a snapshot.
    Metadata,
    /// The end of a snapshot.
    Trailer,
}

impl FrameKind {
    const ALL: [FrameKind; 4] = [FrameKind::Record, FrameKind::Host, FrameKind::Metadata, FrameKind::Trailer];

    fn magic(self) -> [u8; 3] {
        let last = match self {
            FrameKind::Record => b'r',
            FrameKind::Host => b'h',
            FrameKind::Metadata => b'm',
            FrameKind::Trailer => b'e',
        };
        [MAGIC_PREFIX[0], MAGIC_PREFIX[1], last]
    }
}

/// A frame's header whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) kind: FrameKind,
    /// Bytes of the payload, less than 2^40.
    pub(super) len: u64,
    /// CRC-32 (IEEE) of the payload.
    pub(super) payload_crc: u32,
}

impl FrameHeader {
    /// The header of a payload. Its length has to be less than 2^40: the callers' limits are far below.
    pub(super) fn of(kind: FrameKind, payload: &[u8]) -> Self {
        FrameHeader { kind, len: payload.len() as u64, payload_crc: crc32fast::hash(payload) }
    }

    pub(super) fn to_bytes(self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[..8].copy_from_slice(&(self.len << 24).to_le_bytes());
        bytes[..3].copy_from_slice(&self.kind.magic());
        bytes[8..12].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..12]);
        bytes[12..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header at the beginning of `bytes`; `None` when none lies there.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
        let kind = FrameKind::ALL.into_iter().find(|kind| bytes.starts_with(&kind.magic()))?;
        let (checked, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(checked) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (first, payload_crc) = checked.split_first_chunk::<8>()?;
        let payload_crc = u32::from_le_bytes(*payload_crc.first_chunk()?);
        Some(FrameHeader { kind, len: u64::from_le_bytes(*first) >> 24, payload_crc })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_unless_a_bit_is_wrong() {
        let header = FrameHeader { kind: FrameKind::Host, len: 0x12_3456_789A, payload_crc: 0xDEAD_BEEF };
        let mut bytes = header.to_bytes();
        assert_eq!(FrameHeader::parse(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::parse(&bytes), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(FrameHeader::parse(&bytes[..15]), None);
    }
}
