//! A snapshot of a shard: a header, a framed section a host, one of metadata where there is any, a framed trailer.
//!
//! Both ways stream: no more than one section is in memory. The reader steps over damaged sections, reports them, and
//! believes a snapshot to be complete only when the trailer counts what it has read.

use std::io::{ErrorKind, Read, Write};

use crc32fast::Hasher;
use memchr::memmem;

use super::bytes::Cursor;
use super::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, MAGIC_PREFIX};
use super::header::Kind;
use super::{Damage, FILE_HEADER_BYTES, FileHeader, NativeError, metadata, section};
use crate::model::{HostImage, Metadata};

/// Bytes of a host's section at most: 16 GiB.
pub const SECTION_BYTES_MAX: u64 = 1 << 34;

/// Writes a snapshot host by host.
#[derive(Debug)]
pub struct SnapshotWriter<W> {
    target: W,
    /// One section, used again for the next.
    payload: Vec<u8>,
    written: u64,
    totals: Totals,
}

impl<W: Write> SnapshotWriter<W> {
    /// Begins a snapshot.
    ///
    /// # Errors
    ///
    /// Those of the target.
    pub fn begin(mut target: W, header: &FileHeader) -> Result<Self, NativeError> {
        let mut payload = Vec::new();
        header.encode(Kind::Snapshot, &mut payload);
        target.write_all(&payload)?;
        Ok(SnapshotWriter { target, written: payload.len() as u64, payload, totals: Totals::default() })
    }

    /// Writes a host.
    ///
    /// # Errors
    ///
    /// Those of the target, after which the snapshot is useless. An image that can't be written
    /// ([`NativeError::InvalidImage`], [`NativeError::TooLarge`]) leaves no trace: the next host may follow.
    pub fn host(&mut self, image: &HostImage) -> Result<(), NativeError> {
        self.payload.clear();
        section::encode(&mut self.payload, image)?;
        self.section(FrameKind::Host)
    }

    /// Writes what these metrics are.
    ///
    /// # Errors
    ///
    /// Those of the target, after which the snapshot is useless.
    pub fn metadata<'m>(
        &mut self,
        metrics: impl ExactSizeIterator<Item = (&'m str, &'m Metadata)>,
    ) -> Result<(), NativeError> {
        self.payload.clear();
        metadata::encode(&mut self.payload, metrics);
        self.section(FrameKind::Metadata)
    }

    fn section(&mut self, kind: FrameKind) -> Result<(), NativeError> {
        let len = self.payload.len() as u64;
        if len > SECTION_BYTES_MAX {
            return Err(NativeError::TooLarge { what: "bytes in a section", found: len, limit: SECTION_BYTES_MAX });
        }
        let header = self.frame(kind)?;
        self.totals.add(&header);
        Ok(())
    }

    /// Writes the trailer and flushes. Gives the target back, which is for the caller to make durable, and the length
    /// of the file.
    ///
    /// # Errors
    ///
    /// Those of the target.
    pub fn finish(mut self) -> Result<(W, u64), NativeError> {
        self.payload.clear();
        self.totals.encode(self.written, &mut self.payload);
        self.frame(FrameKind::Trailer)?;
        self.target.flush()?;
        Ok((self.target, self.written))
    }

    fn frame(&mut self, kind: FrameKind) -> Result<FrameHeader, NativeError> {
        let header = FrameHeader::of(kind, &self.payload);
        self.target.write_all(&header.to_bytes())?;
        self.target.write_all(&self.payload)?;
        self.written += (FRAME_HEADER_BYTES + self.payload.len()) as u64;
        Ok(header)
    }
}

/// What the trailer says of the sections.
#[derive(Debug, Default)]
struct Totals {
    sections: u64,
    /// CRC-32 over the payloads' CRC-32s, four bytes each.
    crcs: Hasher,
}

impl Totals {
    fn add(&mut self, section: &FrameHeader) {
        self.sections += 1;
        self.crcs.update(&section.payload_crc.to_le_bytes());
    }

    /// The trailer's payload when it begins at `offset`.
    fn encode(&self, offset: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sections.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&self.crcs.clone().finalize().to_le_bytes());
    }

    /// Whether `payload` is the trailer that belongs here.
    fn check(&self, offset: u64, payload: &[u8]) -> Result<(), NativeError> {
        let mut cursor = Cursor::new(payload);
        let (sections, len) = (cursor.u64("a number of sections")?, cursor.u64("a length")?);
        let crcs = cursor.u32("a checksum of checksums")?;
        cursor.finish()?;
        if sections != self.sections {
            return Err(NativeError::Trailer("counts other sections than were there"));
        }
        if len != offset {
            return Err(NativeError::Trailer("is not where it says"));
        }
        if crcs != self.crcs.clone().finalize() {
            return Err(NativeError::Trailer("has another checksum of the sections"));
        }
        Ok(())
    }
}

/// What lies next in a snapshot.
#[derive(Debug)]
pub enum Section {
    /// A host.
    Host(HostImage),
    /// What metrics are.
    Metadata(Vec<(Box<str>, Metadata)>),
    /// A damaged stretch; more may follow.
    Damage(Damage),
}

/// Reads a snapshot host by host.
#[derive(Debug)]
pub struct SnapshotReader<R> {
    source: R,
    header: Option<FileHeader>,
    version: Option<u32>,
    /// Bytes that were read and not yet used up: those from `start` on.
    buffer: Vec<u8>,
    start: usize,
    /// Where `start` lies in the file.
    offset: u64,
    /// Whether the source has ended.
    ended: bool,
    totals: Totals,
    /// Bytes of payloads that were read, found damaged and searched for other sections.
    wasted: u64,
    damaged: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Among the sections.
    Sections,
    /// Behind a trailer that fits.
    Trailer,
    /// All is said.
    Done,
}

impl<R: Read> SnapshotReader<R> {
    /// Begins to read. A damaged header is reported with the first section, and the hosts are read all the same.
    ///
    /// # Errors
    ///
    /// Those of the source; a sound header of another version or another kind of file: the file must not be changed.
    pub fn open(source: R) -> Result<Self, NativeError> {
        let mut reader = SnapshotReader {
            source,
            header: None,
            version: None,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            ended: false,
            totals: Totals::default(),
            wasted: 0,
            damaged: false,
            state: State::Sections,
        };
        reader.fill(FILE_HEADER_BYTES as u64)?;
        reader.header = FileHeader::decode(Kind::Snapshot, reader.rest())?;
        if reader.header.is_some() {
            reader.version = FileHeader::version(reader.rest());
            reader.consume(FILE_HEADER_BYTES);
        }
        Ok(reader)
    }

    /// The header; `None` when it is damaged.
    pub fn header(&self) -> Option<&FileHeader> {
        self.header.as_ref()
    }

    /// The version in the header; `None` when it is damaged.
    pub fn version(&self) -> Option<u32> {
        self.version
    }

    /// Where in the file the next section begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether everything was there: to be asked when [`next_section`](Self::next_section) has answered `None`.
    pub fn is_complete(&self) -> bool {
        self.state == State::Done && !self.damaged
    }

    /// The next host or the next damage; `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of the source only.
    pub fn next_section(&mut self) -> Result<Option<Section>, NativeError> {
        if self.state == State::Done {
            return Ok(None);
        }
        let there = self.fill(FRAME_HEADER_BYTES as u64)?;
        if self.rest().is_empty() {
            let missing = self.state == State::Sections;
            self.state = State::Done;
            return Ok(missing.then(|| self.damage(0, NativeError::Trailer("is missing"))));
        }
        if self.state == State::Trailer {
            let begin = self.offset;
            while self.fill(1)? {
                self.consume(self.rest().len());
            }
            self.state = State::Done;
            self.damaged = true;
            let reason = NativeError::Trailer("is followed by more bytes");
            return Ok(Some(Section::Damage(Damage { offset: begin, len: self.offset - begin, reason })));
        }
        let Some(header) = header_at(self.rest()) else {
            let found = self.rest().len() as u64;
            let reason = match there {
                _ if self.offset == 0 => NativeError::NoHeader { expected: "snapshot" },
                true => NativeError::NoHeader { expected: "section" },
                false => NativeError::CutOff { expected: FRAME_HEADER_BYTES as u64, found },
            };
            return self.resynchronise(reason).map(Some);
        };
        let frame_bytes = FRAME_HEADER_BYTES as u64 + header.len;
        if !self.fill(frame_bytes)? {
            let found = (self.rest().len() - FRAME_HEADER_BYTES) as u64;
            return self.resynchronise(NativeError::CutOff { expected: header.len, found }).map(Some);
        }
        // It is in the buffer, so its length is a usize.
        let frame_len = frame_bytes as usize;
        let payload = &self.rest()[FRAME_HEADER_BYTES..frame_len];
        let crc = crc32fast::hash(payload);
        if crc != header.payload_crc {
            let reason = NativeError::Checksum { expected: header.payload_crc, found: crc };
            return self.step_over(&header, frame_len, reason).map(Some);
        }
        let outcome = match header.kind {
            FrameKind::Trailer => self.totals.check(self.offset, payload).map(|()| None),
            FrameKind::Metadata => {
                metadata::decode(&mut Cursor::new(payload)).map(|metrics| Some(Section::Metadata(metrics)))
            }
            _ => section::decode(payload).map(|image| Some(Section::Host(image))),
        };
        if header.kind == FrameKind::Trailer {
            self.state = State::Trailer;
        } else {
            self.totals.add(&header);
        }
        let found = match outcome {
            Ok(found) => found,
            Err(reason) => Some(self.damage(frame_len as u64, reason)),
        };
        self.consume(frame_len);
        match found {
            Some(section) => Ok(Some(section)),
            // Behind the trailer there is an end or damage, no further trailer.
            None => self.next_section(),
        }
    }

    /// Steps over a section whose payload is damaged: by its length when that leads to a header or to the end, else to
    /// whatever header comes next.
    fn step_over(&mut self, header: &FrameHeader, len: usize, reason: NativeError) -> Result<Section, NativeError> {
        self.fill((len + FRAME_HEADER_BYTES) as u64)?;
        let behind = &self.rest()[len..];
        let leads_on = behind.is_empty() || header_at(behind).is_some();
        self.wasted += len as u64;
        // Sound headers that promise much, one in the other, would make every byte be looked at again and again.
        let is_believed = self.wasted / WASTE_FACTOR_MAX > self.offset + len as u64;
        if !leads_on && !is_believed {
            return self.resynchronise(reason);
        }
        if header.kind != FrameKind::Trailer {
            self.totals.add(header);
        }
        let damage = self.damage(len as u64, reason);
        self.consume(len);
        Ok(damage)
    }

    /// Drops bytes up to the next header, at least one.
    fn resynchronise(&mut self, reason: NativeError) -> Result<Section, NativeError> {
        let begin = self.offset;
        let finder = memmem::Finder::new(&MAGIC_PREFIX);
        self.consume(1);
        while self.fill(FRAME_HEADER_BYTES as u64)? {
            match finder.find(self.rest()) {
                Some(found) => {
                    self.consume(found);
                    self.fill(FRAME_HEADER_BYTES as u64)?;
                    if header_at(self.rest()).is_some() {
                        let damage = Damage { offset: begin, len: self.offset - begin, reason };
                        self.damaged = true;
                        return Ok(Section::Damage(damage));
                    }
                    self.consume(1);
                }
                // The last byte may be the first of a magic.
                None => self.consume(self.rest().len() - 1),
            }
        }
        self.consume(self.rest().len());
        self.damaged = true;
        Ok(Section::Damage(Damage { offset: begin, len: self.offset - begin, reason }))
    }

    /// Notes damage that begins here.
    fn damage(&mut self, len: u64, reason: NativeError) -> Section {
        self.damaged = true;
        Section::Damage(Damage { offset: self.offset, len, reason })
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn consume(&mut self, len: usize) {
        self.start += len;
        self.offset += len as u64;
    }

    /// Reads on until `len` bytes are there; `false` when the file ends before. The buffer grows with what is read, not
    /// with what is asked for, so a length that lies costs no memory.
    fn fill(&mut self, len: u64) -> Result<bool, NativeError> {
        while (self.rest().len() as u64) < len {
            if self.ended {
                return Ok(false);
            }
            if self.start > 0 {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            let filled = self.buffer.len();
            let missing = (len - filled as u64).clamp(READ_BYTES_MIN, READ_BYTES_MAX) as usize;
            self.buffer.resize(filled + missing, 0);
            let outcome = self.source.read(&mut self.buffer[filled..]);
            self.buffer.truncate(filled + *outcome.as_ref().unwrap_or(&0));
            match outcome {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

/// The header of a section or a trailer at the beginning of `bytes`, with a length within the limit.
fn header_at(bytes: &[u8]) -> Option<FrameHeader> {
    FrameHeader::parse(bytes).filter(|header| header.kind != FrameKind::Record && header.len <= SECTION_BYTES_MAX)
}

/// Damaged payloads of at most this many times the file's length are searched.
const WASTE_FACTOR_MAX: u64 = 4;

/// How much is asked of the source at once.
const READ_BYTES_MIN: u64 = 64 << 10;
const READ_BYTES_MAX: u64 = 4 << 20;
