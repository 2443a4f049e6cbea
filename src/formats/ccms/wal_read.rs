//! Reading `current.wal`: records in order, and around what is broken.
//!
//! Invariant: a record is answered only if its magic, its length, its fields and its CRC-32 agree, and every byte of
//! the file belongs to the header, to an answered record or to a reported [`Damage`]. The buffer never holds more
//! than two of the longest records.

use std::io::Read;

use memchr::memmem;

use super::error::{CcmsError, Damage};
use super::wal::{CRC_BYTES, HEAD_BYTES, PAYLOAD_BYTES_MAX, RECORD_MAGIC, Record, WAL_HEADER, is_whole, parse};

/// Reads a log from its beginning. `R` is read in large pieces and needs no buffer of its own.
#[derive(Debug)]
pub struct WalReader<R> {
    source: R,
    /// What was read and not consumed: the part behind `at`.
    buffer: Vec<u8>,
    at: usize,
    /// Where `buffer[0]` lies in the file.
    buffer_offset: u64,
    source_ended: bool,
    header_done: bool,
    /// Whether the file's beginning is that of a log, or what a torn write leaves of it.
    is_log: bool,
    record: Record,
    good_end: u64,
    damages: u64,
    damage_inside: bool,
}

/// What lies next in a log.
#[derive(Debug, PartialEq)]
pub enum WalItem<'a> {
    /// A record.
    Record {
        /// Where it begins, bytes from the start of the file.
        offset: u64,
        /// Its content; the next call uses the memory again.
        record: &'a Record,
    },
    /// Bytes that were skipped: a sound record follows, or the file is no log at all.
    Damage(Damage),
    /// No sound record follows, as when the last write was torn: the file is to be cut off at
    /// [`WalReader::good_end`] before anything is appended. Always the last.
    Tail(Damage),
}

/// Bytes asked of the source at once.
const READ_BYTES: usize = 1 << 16;
const RECORD_BYTES_MAX: usize = HEAD_BYTES + PAYLOAD_BYTES_MAX + CRC_BYTES;

/// What stands at a place of the buffer.
enum Found {
    /// A record with a payload of this length.
    Record(usize),
    /// The end of the file.
    End,
    /// Something else, described.
    Bad(String),
}

impl<R: Read> WalReader<R> {
    /// A reader of a log that begins where `source` stands.
    pub fn new(source: R) -> Self {
        WalReader {
            source,
            buffer: Vec::new(),
            at: 0,
            buffer_offset: 0,
            source_ended: false,
            header_done: false,
            is_log: true,
            record: Record::default(),
            good_end: 0,
            damages: 0,
            damage_inside: false,
        }
    }

    /// The next record or damage; `None` at the end of the file. Fails only when the source does.
    pub fn next_item(&mut self) -> Result<Option<WalItem<'_>>, CcmsError> {
        if !self.header_done {
            self.header_done = true;
            if let Some(reason) = self.read_header()? {
                return self.skip(reason).map(Some);
            }
        }
        let mut at = self.at;
        self.discard(&mut at);
        match self.look(at)? {
            Found::End => Ok(None),
            Found::Bad(reason) => self.skip(reason).map(Some),
            Found::Record(payload_len) => {
                let offset = self.offset();
                let payload_at = self.at + HEAD_BYTES;
                if parse(&self.buffer[payload_at..payload_at + payload_len], &mut self.record).is_none() {
                    // `look` checked the fields; should the two ever disagree, the record is bad, not the process.
                    return self.skip("its fields do not add up to the payload's length".to_owned()).map(Some);
                }
                self.at = payload_at + payload_len + CRC_BYTES;
                self.good_end = self.offset();
                self.damage_inside = self.damages > 0;
                Ok(Some(WalItem::Record { offset, record: &self.record }))
            }
        }
    }

    /// Where the good part of the file ends, as far as it was read: behind the last sound record, or behind the
    /// header, or 0 when even that is missing. Cut the file off here before you append to it; at 0, write
    /// [`WAL_HEADER`] first.
    pub fn good_end(&self) -> u64 {
        self.good_end
    }

    /// Whether damage lies before [`WalReader::good_end`]. cc-metric-store stops reading at it: do not append to such
    /// a file, write a new one.
    pub fn is_damaged_inside(&self) -> bool {
        self.damage_inside
    }

    /// How many damages were met so far, a tail included.
    pub fn damages(&self) -> u64 {
        self.damages
    }

    /// Consumes the header, or says what stands in its place. An empty file has none and is sound.
    fn read_header(&mut self) -> Result<Option<String>, CcmsError> {
        self.fill(self.at, WAL_HEADER.len())?;
        let head = &self.buffer[..self.buffer.len().min(WAL_HEADER.len())];
        if head == WAL_HEADER {
            self.at = WAL_HEADER.len();
            self.good_end = self.offset();
            return Ok(None);
        }
        self.is_log = WAL_HEADER.starts_with(head) || head.iter().all(|&byte| byte == 0);
        Ok((!head.is_empty()).then(|| format!("the file begins with {head:02X?}, expected {WAL_HEADER:02X?}")))
    }

    fn offset(&self) -> u64 {
        self.buffer_offset + self.at as u64
    }

    /// Looks whether a record stands at `at` in the buffer.
    fn look(&mut self, at: usize) -> Result<Found, CcmsError> {
        let have = self.fill(at, HEAD_BYTES)?;
        if have == 0 {
            return Ok(Found::End);
        }
        let head = &self.buffer[at..];
        if !head.starts_with(&RECORD_MAGIC[..have.min(RECORD_MAGIC.len())]) {
            let found = &head[..have.min(RECORD_MAGIC.len())];
            return Ok(Found::Bad(format!("found {found:02X?} where a record begins with {RECORD_MAGIC:02X?}")));
        }
        let Some((&[.., a, b, c, d], _)) = head.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(Found::Bad(format!("the file ends {have} bytes into a record's head of {HEAD_BYTES} bytes")));
        };
        let payload_len = u32::from_le_bytes([a, b, c, d]) as usize;
        if payload_len > PAYLOAD_BYTES_MAX {
            return Ok(Found::Bad(format!("a record of {payload_len} bytes, more than {PAYLOAD_BYTES_MAX}")));
        }
        let record_len = HEAD_BYTES + payload_len + CRC_BYTES;
        let have = self.fill(at, record_len)?;
        let Some(record) = self.buffer.get(at..at + record_len) else {
            return Ok(Found::Bad(format!("the file ends {have} bytes into a record of {record_len} bytes")));
        };
        let (payload, crc) = record[HEAD_BYTES..].split_at(payload_len);
        if !is_whole(payload) {
            return Ok(Found::Bad("a record whose fields do not add up to its length".to_owned()));
        }
        let summed = crc32fast::hash(payload).to_le_bytes();
        if summed != crc {
            return Ok(Found::Bad(format!("a record with CRC-32 {crc:02X?}, but its payload has {summed:02X?}")));
        }
        Ok(Found::Record(payload_len))
    }

    /// Skips to the next sound record or to the end of the file.
    fn skip(&mut self, reason: String) -> Result<WalItem<'static>, CcmsError> {
        let offset = self.offset();
        let mut at = self.at;
        if at > 0 || self.buffer_offset > 0 {
            at += 1;
        }
        let is_tail = loop {
            // All of one long record must be in the buffer before it can be judged; what was judged can go.
            self.discard(&mut at);
            let have = self.fill(at, READ_BYTES)?;
            match memmem::find(&self.buffer[at..], &RECORD_MAGIC) {
                Some(further) => {
                    at += further;
                    if let Found::Record(_) = self.look(at)? {
                        break false;
                    }
                    at += 1;
                }
                None if self.source_ended => {
                    at = self.buffer.len();
                    break true;
                }
                // A magic may begin in the last bytes.
                None => at += have - (RECORD_MAGIC.len() - 1),
            }
        };
        self.at = at;
        self.damages += 1;
        let damage = Damage { offset, len: self.offset() - offset, reason };
        // Nothing of a log in the whole file: it is something else, not a log that ends too early.
        Ok(if is_tail && (self.is_log || self.good_end > 0) { WalItem::Tail(damage) } else { WalItem::Damage(damage) })
    }

    /// Drops what lies before `at` when there is much of it.
    fn discard(&mut self, at: &mut usize) {
        if *at >= READ_BYTES {
            self.buffer.drain(..*at);
            self.buffer_offset += *at as u64;
            *at = 0;
            self.at = 0;
        }
    }

    /// Reads until the buffer holds `wanted` bytes from `at` on or the source ends; answers how many it holds.
    fn fill(&mut self, at: usize, wanted: usize) -> Result<usize, CcmsError> {
        debug_assert!(wanted <= RECORD_BYTES_MAX);
        while self.buffer.len() - at < wanted && !self.source_ended {
            let len = self.buffer.len();
            self.buffer.resize(len + READ_BYTES, 0);
            let read = match self.source.read(&mut self.buffer[len..]) {
                Ok(read) => read,
                Err(error) => {
                    self.buffer.truncate(len);
                    if error.kind() == std::io::ErrorKind::Interrupted {
                        continue;
                    }
                    return Err(error.into());
                }
            };
            self.buffer.truncate(len + read);
            self.source_ended = read == 0;
        }
        Ok(self.buffer.len() - at)
    }
}

#[cfg(test)]
mod tests;
