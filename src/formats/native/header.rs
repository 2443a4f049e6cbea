//! The first bytes of a log segment and of a snapshot: which kind, which version, which shard, which number.
//!
//! All versions to come keep these 36 bytes and their checksum, so a header that is sound tells the version for
//! certain, and one that is damaged never looks like a newer version.

use super::NativeError;
use super::bytes::Cursor;

/// Bytes of a file's header.
pub const FILE_HEADER_BYTES: usize = 36;

/// What a file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHeader {
    /// The shard whose hosts the file holds.
    pub shard: u32,
    /// Of a segment its number; of a snapshot the number of the first segment that it does *not* cover: every segment
    /// with a smaller number is contained.
    pub sequence: u64,
    /// When the file was begun, seconds since 1970.
    pub created_secs: i64,
}

/// The kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A segment of a log.
    Segment,
    /// A snapshot of a shard.
    Snapshot,
}

impl Kind {
    /// Tells what a file is from its first bytes, whatever its name; `None` when it is neither.
    pub fn detect(head: &[u8]) -> Option<Kind> {
        [Kind::Segment, Kind::Snapshot].into_iter().find(|kind| head.starts_with(&kind.magic()))
    }

    /// What the file is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Segment => "log segment",
            Kind::Snapshot => "snapshot",
        }
    }

    fn magic(self) -> [u8; 8] {
        // A byte beyond ASCII and a line feed: a file that was mangled as text is told at once.
        match self {
            Kind::Segment => *b"\xA7TRlog\r\n",
            Kind::Snapshot => *b"\xA7TRsnp\r\n",
        }
    }
}

impl FileHeader {
    pub(super) fn encode(&self, kind: Kind, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&kind.magic());
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.shard.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.created_secs.to_le_bytes());
        let crc = crc32fast::hash(&out[begin..]);
        out.extend_from_slice(&crc.to_le_bytes());
    }

    /// Reads the header at the beginning of `bytes`; `None` when it is damaged or cut off.
    ///
    /// # Errors
    ///
    /// A sound header of another kind of file, or of a version that is not read here.
    pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Option<FileHeader>, NativeError> {
        match Self::fields(bytes) {
            Some((magic, ..)) if magic != kind.magic() => {
                Err(NativeError::WrongFile { expected: kind.name(), found: magic })
            }
            Some((_, version, _)) if !(VERSION_OLDEST..=VERSION).contains(&version) => {
                Err(NativeError::UnsupportedVersion { what: kind.name(), version, newest: VERSION })
            }
            Some((_, _, header)) => Ok(Some(header)),
            None => Ok(None),
        }
    }

    /// The version in a sound header at the beginning of `bytes`.
    pub fn version(bytes: &[u8]) -> Option<u32> {
        Self::fields(bytes).map(|(_, version, _)| version)
    }

    /// Magic, version and the rest of a header whose checksum is right.
    fn fields(bytes: &[u8]) -> Option<([u8; 8], u32, FileHeader)> {
        let (checked, crc) = bytes.get(..FILE_HEADER_BYTES)?.split_last_chunk::<4>()?;
        if crc32fast::hash(checked) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (magic, rest) = checked.split_first_chunk::<8>()?;
        let mut cursor = Cursor::new(rest);
        let version = cursor.u32("a version").ok()?;
        let header = FileHeader {
            shard: cursor.u32("a shard").ok()?,
            sequence: cursor.u64("a sequence number").ok()?,
            created_secs: cursor.i64("a time").ok()?,
        };
        Some((*magic, version, header))
    }
}

/// The version that is written, of both kinds. It knows stamped series, their exemplars and metadata: what a reader of
/// version 1 would take for damage.
pub const VERSION: u32 = 2;
/// The oldest version that is read.
const VERSION_OLDEST: u32 = 1;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Changes the version of a file in memory and makes its header sound again.
    pub(in super::super) fn set_version(file: &mut [u8], version: u32) {
        file[8..12].copy_from_slice(&version.to_le_bytes());
        let crc = crc32fast::hash(&file[..FILE_HEADER_BYTES - 4]);
        file[FILE_HEADER_BYTES - 4..FILE_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    }

    #[test]
    fn a_header_comes_back_and_kinds_are_told_apart() {
        let header = FileHeader { shard: 3, sequence: 17, created_secs: 1_700_000_000 };
        let mut bytes = Vec::new();
        header.encode(Kind::Segment, &mut bytes);
        assert_eq!(bytes.len(), FILE_HEADER_BYTES);
        assert_eq!(FileHeader::decode(Kind::Segment, &bytes).unwrap(), Some(header));
        let error = FileHeader::decode(Kind::Snapshot, &bytes).unwrap_err();
        assert!(matches!(error, NativeError::WrongFile { .. }), "{error}");
        set_version(&mut bytes, 1);
        assert_eq!(FileHeader::decode(Kind::Segment, &bytes).unwrap(), Some(header));
        for other in [0, 3] {
            set_version(&mut bytes, other);
            let error = FileHeader::decode(Kind::Segment, &bytes).unwrap_err();
            let expected = format!("log segment of format version {other}: ");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn a_damaged_header_is_no_newer_version() {
        let mut bytes = Vec::new();
        FileHeader { shard: 0, sequence: 1, created_secs: 0 }.encode(Kind::Snapshot, &mut bytes);
        for at in 0..bytes.len() {
            bytes[at] ^= 0x55;
            assert_eq!(FileHeader::decode(Kind::Snapshot, &bytes).unwrap(), None, "byte {at}");
            bytes[at] ^= 0x55;
        }
        for len in 0..bytes.len() {
            assert_eq!(FileHeader::decode(Kind::Snapshot, &bytes[..len]).unwrap(), None, "{len} bytes");
        }
    }
}
