//! A segment of a log: a header, then framed records, appended and never changed.
//!
//! Writing appends to a buffer that the caller hands to one `write(2)`. Reading gives every record whose checksum is
//! right, tells what lies between them that is damaged, and where the torn tail begins. The cost of reading grows
//! linearly with the file, whatever is in it.

use memchr::memmem;

use super::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, MAGIC_PREFIX};
use super::header::Kind;
use super::{Damage, FILE_HEADER_BYTES, FileHeader, NativeError};

/// Bytes of a record's payload at most.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// Appends a segment's header: its first bytes.
pub fn append_header(out: &mut Vec<u8>, header: &FileHeader) {
    header.encode(Kind::Segment, out);
}

/// Appends a record whose payload `encode` appends.
///
/// # Errors
///
/// Those of `encode`, and [`NativeError::TooLarge`] beyond [`RECORD_BYTES_MAX`]; `out` then holds what it held before.
pub fn append_record(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), NativeError>,
) -> Result<(), NativeError> {
    let begin = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    let payload_at = out.len();
    let outcome = encode(out).and_then(|()| match out.len() - payload_at {
        len if len > RECORD_BYTES_MAX => {
            Err(NativeError::TooLarge { what: "bytes in a record", found: len as u64, limit: RECORD_BYTES_MAX as u64 })
        }
        _ => Ok(()),
    });
    match outcome {
        Ok(()) => {
            let header = FrameHeader::of(FrameKind::Record, &out[payload_at..]).to_bytes();
            out[begin..payload_at].copy_from_slice(&header);
        }
        Err(_) => out.truncate(begin),
    }
    outcome
}

/// What lies next in a segment.
#[derive(Debug)]
pub enum Entry<'a> {
    /// A record.
    Record {
        /// Where its frame begins, in bytes from the beginning of the file.
        offset: u64,
        /// What [`Record::parse`](super::Record::parse) reads.
        payload: &'a [u8],
    },
    /// A damaged stretch behind which another valid record lies (or the header, with offset 0).
    Damage(Damage),
    /// No valid record follows: the file is to be cut off at this offset before anything is appended. Always the last.
    Tail(Damage),
}

/// Reads a segment that lies in memory.
#[derive(Debug)]
pub struct SegmentReader<'a> {
    bytes: &'a [u8],
    header: Option<FileHeader>,
    /// Where the next frame should be.
    at: usize,
    /// Bytes of payloads that were looked at in vain while searching.
    wasted: usize,
    valid_len: usize,
}

impl<'a> SegmentReader<'a> {
    /// Begins to read. A damaged header is reported by the iterator, and the records behind it are read all the same.
    ///
    /// # Errors
    ///
    /// A sound header of another version or another kind of file: the file must not be changed.
    pub fn open(bytes: &'a [u8]) -> Result<Self, NativeError> {
        let header = FileHeader::decode(Kind::Segment, bytes)?;
        let at = if header.is_some() { FILE_HEADER_BYTES } else { 0 };
        Ok(SegmentReader { bytes, header, at, wasted: 0, valid_len: at })
    }

    /// The header; `None` when it is damaged.
    pub fn header(&self) -> Option<&FileHeader> {
        self.header.as_ref()
    }

    /// Where the last valid record so far ends. After the iterator is done: the length that the file is to have before
    /// anything is appended.
    pub fn valid_len(&self) -> u64 {
        self.valid_len as u64
    }

    /// The payload of the frame at `at`.
    fn payload_at(&self, at: usize) -> Result<&'a [u8], NativeError> {
        let header = self.header_at(at).ok_or_else(|| {
            let found = self.bytes.len() - at;
            match found < FRAME_HEADER_BYTES {
                true => NativeError::CutOff { expected: FRAME_HEADER_BYTES as u64, found: found as u64 },
                false => NativeError::NoHeader { expected: "record" },
            }
        })?;
        let behind = &self.bytes[at + FRAME_HEADER_BYTES..];
        let payload = behind
            .get(..header.len as usize)
            .ok_or(NativeError::CutOff { expected: header.len, found: behind.len() as u64 })?;
        match crc32fast::hash(payload) {
            found if found == header.payload_crc => Ok(payload),
            found => Err(NativeError::Checksum { expected: header.payload_crc, found }),
        }
    }

    /// The header of a record's frame at `at`, with a length within the limit.
    fn header_at(&self, at: usize) -> Option<FrameHeader> {
        FrameHeader::parse(self.bytes.get(at..)?)
            .filter(|header| header.kind == FrameKind::Record && header.len <= RECORD_BYTES_MAX as u64)
    }

    /// Where reading goes on behind the bad frame at `bad`.
    fn find_next(&mut self, bad: usize) -> Option<usize> {
        if let Some(header) = self.header_at(bad) {
            // The length is sound though the payload is not: what follows decides whether it still leads somewhere.
            let end = bad + FRAME_HEADER_BYTES + header.len as usize;
            if end == self.bytes.len() {
                return None;
            }
            if self.header_at(end).is_some() {
                return Some(end);
            }
        }
        let finder = memmem::Finder::new(&MAGIC_PREFIX);
        let mut from = bad + 1;
        while let Some(found) = self.bytes.get(from..).and_then(|rest| finder.find(rest)) {
            let at = from + found;
            from = at + 1;
            let Some(header) = self.header_at(at) else { continue };
            if self.payload_at(at).is_ok() {
                return Some(at);
            }
            // A header without its payload. Nested ones could make every byte be looked at again and again: beyond a
            // budget their lengths are believed.
            self.wasted += header.len as usize;
            if self.wasted / WASTE_FACTOR_MAX > self.bytes.len() {
                from = at + FRAME_HEADER_BYTES + header.len as usize;
            }
        }
        None
    }
}

impl<'a> Iterator for SegmentReader<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (at, len) = (self.at, self.bytes.len());
        if at >= len {
            return None;
        }
        let reason = match self.payload_at(at) {
            Ok(payload) => {
                self.at = at + FRAME_HEADER_BYTES + payload.len();
                self.valid_len = self.at;
                return Some(Entry::Record { offset: at as u64, payload });
            }
            Err(_) if at == 0 => NativeError::NoHeader { expected: "log segment" },
            Err(reason) => reason,
        };
        let next = self.find_next(at);
        self.at = next.unwrap_or(len);
        let damage = Damage { offset: at as u64, len: (self.at - at) as u64, reason };
        Some(if next.is_some() { Entry::Damage(damage) } else { Entry::Tail(damage) })
    }
}

/// While searching, payloads of at most this many times the file's length are looked at in vain.
const WASTE_FACTOR_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::header::tests::set_version;
    use super::*;

    const HEADER: FileHeader = FileHeader { shard: 5, sequence: 3, created_secs: 1_700_000_000 };

    fn segment(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        append_header(&mut out, &HEADER);
        for payload in payloads {
            append_record(&mut out, |out| {
                out.extend_from_slice(payload);
                Ok(())
            })
            .unwrap();
        }
        out
    }

    /// The payloads, the damages and the offset of the tail.
    fn read(bytes: &[u8]) -> (Vec<&[u8]>, Vec<Damage>, Option<u64>) {
        let (mut payloads, mut damages, mut tail) = (Vec::new(), Vec::new(), None);
        let mut reader = SegmentReader::open(bytes).unwrap();
        for entry in reader.by_ref() {
            assert_eq!(tail, None, "nothing follows the tail");
            match entry {
                Entry::Record { payload, .. } => payloads.push(payload),
                Entry::Damage(damage) => damages.push(damage),
                Entry::Tail(damage) => tail = Some(damage.offset),
            }
        }
        assert_eq!(reader.valid_len(), tail.unwrap_or(bytes.len() as u64));
        (payloads, damages, tail)
    }

    #[test]
    fn records_come_back_with_their_offsets() {
        let bytes = segment(&[b"one", b"", b"three"]);
        let reader = SegmentReader::open(&bytes).unwrap();
        assert_eq!(reader.header(), Some(&HEADER));
        let offsets: Vec<u64> = reader
            .map(|entry| match entry {
                Entry::Record { offset, .. } => offset,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(offsets, [36, 55, 71]);
        assert_eq!(read(&bytes).0, [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn a_flipped_byte_costs_its_own_record_only() {
        let all: [&[u8]; 4] = [b"first", b"second", b"third", b"last"];
        let sound = segment(&all);
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x40;
            let (payloads, damages, tail) = read(&bytes);
            let hit = (at >= FILE_HEADER_BYTES).then(|| {
                let ends = all.iter().scan(FILE_HEADER_BYTES, |end, payload| {
                    *end += FRAME_HEADER_BYTES + payload.len();
                    Some(*end)
                });
                ends.take_while(|&end| end <= at).count()
            });
            let expected: Vec<&[u8]> =
                all.iter().enumerate().filter(|(i, _)| Some(*i) != hit).map(|(_, payload)| *payload).collect();
            assert_eq!(payloads, expected, "byte {at}");
            assert_eq!(damages.len() + usize::from(tail.is_some()), 1, "byte {at}");
            assert_eq!(tail.is_some(), hit == Some(3), "byte {at}");
        }
    }

    #[test]
    fn every_cut_leaves_whole_records_and_a_tail() {
        let sound = segment(&[b"first", b"second"]);
        let ends = [36, 57, sound.len()];
        for len in 0..sound.len() {
            let (payloads, damages, tail) = read(&sound[..len]);
            assert!(damages.is_empty());
            assert_eq!(payloads.len(), ends[1..].iter().filter(|&&end| end <= len).count(), "{len} bytes");
            let whole = ends.iter().copied().filter(|&end| end <= len).max().unwrap_or(0);
            assert_eq!(tail, (whole != len).then_some(whole as u64), "{len} bytes");
        }
    }

    #[test]
    fn zeros_at_the_end_are_a_tail() {
        // A file system that grew the file before a power failure kept the data.
        let mut bytes = segment(&[b"first"]);
        let len = bytes.len();
        bytes.resize(len + 4096, 0);
        assert_eq!(read(&bytes).2, Some(len as u64));
    }

    #[test]
    fn bytes_inside_a_damaged_payload_are_not_taken_for_records() {
        // A component's id may hold any bytes: a sender could put a whole frame into one and wait for a bad sector.
        let inner = segment(&[b"forged"])[FILE_HEADER_BYTES..].to_vec();
        let mut bytes = segment(&[&inner, b"after"]);
        bytes[FILE_HEADER_BYTES + 12 + 4 + inner.len() - 1] ^= 1;
        assert_eq!(read(&bytes).0, [&b"after"[..]]);
        let mut bytes = segment(&[&[&inner[..], b"x"].concat()]);
        *bytes.last_mut().unwrap() ^= 1;
        assert!(read(&bytes).0.is_empty(), "nor in the last record");
    }

    #[test]
    fn a_header_of_a_newer_version_is_refused() {
        let mut bytes = segment(&[b"one"]);
        set_version(&mut bytes, 3);
        let error = SegmentReader::open(&bytes).unwrap_err();
        assert!(matches!(error, NativeError::UnsupportedVersion { version: 3, .. }), "{error}");
    }

    #[test]
    fn a_record_beyond_the_limit_leaves_the_buffer_alone() {
        let mut out = vec![7];
        let error = append_record(&mut out, |out| {
            out.resize(out.len() + RECORD_BYTES_MAX + 1, 0);
            Ok(())
        });
        assert!(matches!(error, Err(NativeError::TooLarge { .. })), "{error:?}");
        assert_eq!(out, [7]);
    }

    #[test]
    fn nested_headers_do_not_cost_more_than_the_file_is_long() {
        // Each header is sound and promises everything up to the end, so believing none of them would look at
        // 20,000 × 1 MB. Counted, not timed.
        let count = 60_000usize;
        let len = count * FRAME_HEADER_BYTES;
        let mut bytes = vec![0; 1];
        for index in 0..count {
            let rest = (len - (index + 1) * FRAME_HEADER_BYTES) as u64;
            bytes.extend_from_slice(&FrameHeader { kind: FrameKind::Record, len: rest, payload_crc: 1 }.to_bytes());
        }
        let mut reader = SegmentReader::open(&bytes).unwrap();
        assert!(matches!(reader.next(), Some(Entry::Tail(Damage { offset: 0, .. }))));
        assert!(reader.wasted <= (WASTE_FACTOR_MAX + 2) * bytes.len(), "{} of {}", reader.wasted, bytes.len());
        assert!(reader.next().is_none());
    }
}
