//! The native form's log of one shard: segments that are appended to and never changed.
//!
//! Invariant: `good_len` is the length of the current segment up to its last whole record. After a failed write the
//! segment is cut back to it, and when even that fails, or a flush failed, a new segment is begun.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::disk::{DiskFile, SharedDisk};
use crate::formats::native::{
    ComponentPath, ComponentRef, Definition, FileHeader, FileName, HorizonRecord, append_header, append_record,
    encode_horizon, encode_samples,
};
use crate::model::{Sample, SeriesId};
use crate::store::{Host, SeriesDescription, Store};
use crate::time::SharedClock;

use super::folders;
use super::log::Log;

/// A segment is ended when it is longer: recovery reads one as a whole, and what is defined in a damaged record is
/// missing no further than its segment's end.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// At most this many definitions are repeated in a record.
const REPEATED_MAX: usize = 1 << 14;

/// The log of a shard in the native form.
pub(super) struct NativeLog {
    disk: SharedDisk,
    clock: SharedClock,
    place: Place,
    /// Whether the shard's folder has a durable name.
    has_folder: bool,
    /// The number of the current segment.
    sequence: u64,
    /// `None` before the first record: a segment that holds nothing is not made.
    segment: Option<Segment>,
    /// Segments that were ended and that no flush has made durable since, with their numbers.
    ended: Vec<(u64, Box<dyn DiskFile>)>,
    /// Numbers and bytes of the segments before the current one that no snapshot covers yet.
    older: Vec<(u64, u64)>,
    buffer: Vec<u8>,
    failure: Option<String>,
}

/// Where the files of a shard lie.
pub(super) struct Place {
    /// The checkpoint directory.
    pub(super) checkpoints: PathBuf,
    /// The shard's folder in it.
    pub(super) folder: PathBuf,
    pub(super) shard: u32,
}

struct Segment {
    file: Box<dyn DiskFile>,
    good_len: u64,
    is_dirty: bool,
    /// Hosts by address (hosts are never dropped) with their number in this segment.
    hosts: HashMap<usize, Known, foldhash::fast::RandomState>,
}

/// What this segment knows of a host.
struct Known {
    number: u32,
    /// By series number, whether the segment has its definition.
    series: Vec<bool>,
    /// How many records of the host the segment has.
    records: u64,
    /// What the last record defined first: the next one repeats it, so that one damaged record costs no other.
    repeat: Vec<SeriesId>,
}

impl Known {
    fn numbered(number: u32) -> Self {
        Known { number, series: Vec::new(), records: 0, repeat: Vec::new() }
    }

    /// The definitions that the host's next record repeats: the newest ones, and at times all of them, for what damages
    /// one record may reach as far as the next.
    fn repeated(&self) -> Vec<SeriesId> {
        let record = self.records;
        if !record.is_power_of_two() || !record.trailing_zeros().is_multiple_of(3) || record == 1 {
            return self.repeat.clone();
        }
        let known = self.series.iter().zip(0..).filter(|(known, _)| **known).map(|(_, id)| SeriesId(id));
        known.take(REPEATED_MAX).collect()
    }
}

impl NativeLog {
    /// A log whose first segment will have this number.
    pub(super) fn new(disk: SharedDisk, clock: SharedClock, place: Place, sequence: u64, older_bytes: u64) -> Self {
        NativeLog {
            disk,
            clock,
            place,
            has_folder: false,
            sequence,
            segment: None,
            ended: Vec::new(),
            older: vec![(sequence.saturating_sub(1), older_bytes)],
            buffer: Vec::new(),
            failure: None,
        }
    }

    /// Ends the current segment; answers the number of the next one, which later records go to.
    pub(super) fn cut(&mut self) -> u64 {
        self.end_segment();
        self.sequence
    }

    fn end_segment(&mut self) {
        if let Some(segment) = self.segment.take() {
            self.older.push((self.sequence, segment.good_len));
            if segment.is_dirty {
                self.ended.push((self.sequence, segment.file));
            }
            self.sequence += 1;
        }
    }

    /// Says that a durable snapshot covers all segments before this one.
    pub(super) fn covered(&mut self, sequence: u64) {
        self.older.retain(|(segment, _)| *segment >= sequence);
        self.ended.retain(|(segment, _)| *segment >= sequence);
    }

    /// The current segment, begun when there is none.
    fn segment(&mut self) -> io::Result<&mut Segment> {
        if self.segment.is_none() {
            let begun = self.begin_segment();
            self.segment = Some(begun.inspect_err(|error| {
                self.has_folder = false;
                self.failure = Some(format!("{}: {error}", self.place.folder.display()));
            })?);
        }
        match &mut self.segment {
            Some(segment) => Ok(segment),
            None => Err(io::Error::other("no segment")),
        }
    }

    fn begin_segment(&mut self) -> io::Result<Segment> {
        let folder = &self.place.folder;
        if !self.has_folder {
            folders::make_durable(&*self.disk, &self.place.checkpoints, folder)?;
            self.has_folder = true;
        }
        let mut file = self.disk.create(&folder.join(FileName::Segment(self.sequence).to_string()))?;
        let header =
            FileHeader { shard: self.place.shard, sequence: self.sequence, created_secs: self.clock.now_secs() };
        let mut bytes = Vec::new();
        append_header(&mut bytes, &header);
        file.write_all(&bytes)?;
        self.disk.sync_dir(folder)?;
        let good_len = bytes.len() as u64;
        Ok(Segment { file, good_len, is_dirty: true, hosts: HashMap::default() })
    }

    /// Writes the buffer behind the last good record, or leaves no trace of it.
    fn write(&mut self) -> io::Result<u64> {
        let buffer = std::mem::take(&mut self.buffer);
        let outcome = self.segment().and_then(|segment| {
            segment.is_dirty = true;
            segment.file.write_all(&buffer)?;
            segment.good_len += buffer.len() as u64;
            Ok(buffer.len() as u64)
        });
        self.buffer = buffer;
        match &outcome {
            Ok(_) => self.failure = None,
            Err(error) => {
                self.failure = Some(format!("{}: {error}", self.place.folder.display()));
                self.cut_back();
            }
        }
        outcome
    }

    /// After a failed write: nothing of it may stay, for what was refused must not come back at a recovery.
    fn cut_back(&mut self) {
        let Some(segment) = &mut self.segment else { return };
        if segment.file.truncate(segment.good_len).is_err() {
            // The next write goes to a new segment. Its half record is the old one's torn tail.
            self.end_segment();
        }
    }
}

impl Log for NativeLog {
    fn append(&mut self, store: &Store, host: &Arc<Host>, samples: &[Sample], received_secs: i64) -> io::Result<u64> {
        let address = Arc::as_ptr(host) as usize;
        if self.segment.as_ref().is_some_and(|segment| segment.good_len > SEGMENT_BYTES_MAX) {
            self.cut();
        }
        let segment = self.segment()?;
        let numbers = segment.hosts.len() as u32;
        let known = segment.hosts.get(&address);
        let number = known.map_or(numbers, |known| known.number);
        let is_known = |id: SeriesId| known.is_some_and(|known| known.series.get(id.0 as usize) == Some(&true));
        let mut new: Vec<SeriesId> = samples.iter().map(|sample| sample.series).filter(|id| !is_known(*id)).collect();
        new.sort_unstable();
        new.dedup();
        let is_new_host = known.is_none();
        let metrics = store.metrics();
        let repeated = known.map_or(Vec::new(), Known::repeated);
        let described: Vec<(SeriesId, SeriesDescription)> =
            repeated.iter().chain(&new).map(|&id| (id, host.describe(id, &metrics))).collect();
        let mut definitions = Vec::with_capacity(described.len() + 1);
        if is_new_host || !repeated.is_empty() {
            definitions.push(Definition::Host { cluster: host.cluster(), host: host.name() });
        }
        definitions.extend(described.iter().map(|(id, description)| definition(*id, description)));
        self.buffer.clear();
        append_record(&mut self.buffer, |out| encode_samples(out, number, received_secs, &definitions, samples))?;
        let written = self.write()?;
        if let Some(segment) = &mut self.segment {
            let known = segment.hosts.entry(address).or_insert_with(|| Known::numbered(number));
            known.records += 1;
            if let Some(last) = new.last() {
                known.series.resize(known.series.len().max(last.0 as usize + 1), false);
            }
            new.iter().for_each(|id| known.series[id.0 as usize] = true);
            known.repeat = new;
        }
        Ok(written)
    }

    fn append_horizon(&mut self, _: &Store, host: &Arc<Host>, path: &[String], to_secs: i64) -> io::Result<u64> {
        // A path of joined names: the kind alone carries it, for only the joined name finds a component.
        let parts: Vec<ComponentRef<'_>> = path.iter().map(|name| ComponentRef { kind: name, id: "" }).collect();
        let Some(path) = ComponentPath::new(&parts) else { return Ok(0) };
        let record = HorizonRecord { cluster: host.cluster(), host: Some(host.name()), path, to_secs };
        self.buffer.clear();
        append_record(&mut self.buffer, |out| {
            encode_horizon(out, &record);
            Ok(())
        })?;
        self.write()
    }

    fn unsynced(&mut self) -> io::Result<Vec<Box<dyn DiskFile>>> {
        let mut files = Vec::new();
        if let Some(segment) = self.segment.as_mut().filter(|segment| segment.is_dirty) {
            files.push(segment.file.try_clone()?);
            segment.is_dirty = false;
        }
        files.extend(self.ended.drain(..).map(|(_, file)| file));
        Ok(files)
    }

    fn flush_failed(&mut self, reason: &io::Error) {
        // What the system could not write it may have dropped from its cache: a later flush of the same file can
        // succeed without it. So the file is not used again; memory still holds what it lost, for the next snapshot.
        self.failure = Some(format!("{}: flush failed: {reason}", self.place.folder.display()));
        if let Some(segment) = self.segment.take() {
            self.older.push((self.sequence, segment.good_len));
            self.sequence += 1;
        }
    }

    fn close_files(&mut self) -> bool {
        let was_open = self.segment.is_some();
        self.end_segment();
        self.has_folder = false;
        was_open
    }

    fn bytes(&self) -> u64 {
        let older: u64 = self.older.iter().map(|(_, bytes)| bytes).sum();
        older + self.segment.as_ref().map_or(0, |segment| segment.good_len)
    }

    fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}

fn definition<'a>(series: SeriesId, description: &'a SeriesDescription) -> Definition<'a> {
    let parts: Vec<ComponentRef<'a>> =
        description.components.iter().map(|part| ComponentRef { kind: &part.kind, id: &part.id }).collect();
    // The store nests components no deeper than a path holds.
    let path = ComponentPath::new(&parts).unwrap_or(ComponentPath::HOST);
    Definition::Series { series, path, is_device: description.is_device, metric: &description.metric }
}
