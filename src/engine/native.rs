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
    ComponentPath, ComponentRef, Definition, FileHeader, FileName, HorizonRecord, StampedHead, append_header,
    append_record, encode_both, encode_horizon, encode_metadata, encode_samples, encode_stamped,
};
use crate::model::{Labels, Metadata, Sample, SeriesId, StampedId};
use crate::store::{Host, SeriesDescription, Store};
use crate::time::SharedClock;

use super::commit::Part;
use super::folders;
use super::log::Log;

/// A segment is ended when it is longer: recovery reads one as a whole, and what is defined in a damaged record is
/// missing no further than its segment's end.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// At most this many definitions are repeated in a record.
const REPEATED_MAX: usize = 1 << 14;
/// And of stamped series at most so many that their labels have about this many bytes.
const REPEATED_BYTES_MAX: usize = 4 << 20;

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
    series: Defined,
    stamped: Defined,
}

/// Which of a host's numbers the segment has the definitions of; grid series and stamped series have numbers of their
/// own.
#[derive(Default)]
struct Defined {
    /// By number.
    known: Vec<bool>,
    /// How many records of the host the segment has that use these numbers.
    records: u64,
    /// What the last of them defined first: the next one repeats it, so that one damaged record costs no other.
    repeat: Vec<u32>,
}

impl Defined {
    /// The definitions that the host's next record repeats: the newest ones, and at times all of them, for what damages
    /// one record may reach as far as the next.
    fn repeated(&self) -> Vec<u32> {
        let record = self.records;
        if !record.is_power_of_two() || !record.trailing_zeros().is_multiple_of(3) || record == 1 {
            return self.repeat.clone();
        }
        let known = self.known.iter().zip(0..).filter(|(known, _)| **known).map(|(_, id)| id);
        known.take(REPEATED_MAX).collect()
    }

    /// Those of these numbers that are not defined yet, sorted, each once.
    fn undefined(this: Option<&Defined>, numbers: impl Iterator<Item = u32>) -> Vec<u32> {
        let is_known = |id: u32| this.is_some_and(|defined| defined.known.get(id as usize) == Some(&true));
        let mut new: Vec<u32> = numbers.filter(|id| !is_known(*id)).collect();
        new.sort_unstable();
        new.dedup();
        new
    }

    /// Notes that a record was written that defines these first.
    fn note(&mut self, new: Vec<u32>) {
        self.records += 1;
        if let Some(last) = new.last() {
            self.known.resize(self.known.len().max(*last as usize + 1), false);
        }
        new.iter().for_each(|id| self.known[*id as usize] = true);
        self.repeat = new;
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

/// The definitions of a record: the numbers that it defines first, and all that it names.
struct Named<T> {
    new: Vec<u32>,
    definitions: Vec<T>,
    /// Whether the host is named, too.
    is_host_named: bool,
}

/// What a record of grid samples has to name.
fn name_series(
    known: Option<&Known>,
    store: &Store,
    host: &Host,
    samples: &[Sample],
) -> Named<(SeriesId, SeriesDescription)> {
    let defined = known.map(|known| &known.series);
    let new = Defined::undefined(defined, samples.iter().map(|sample| sample.series.0));
    let metrics = store.metrics();
    let repeated = defined.map_or(Vec::new(), Defined::repeated);
    let definitions =
        repeated.iter().chain(&new).map(|&id| (SeriesId(id), host.describe(SeriesId(id), &metrics))).collect();
    Named { new, definitions, is_host_named: known.is_none() || !repeated.is_empty() }
}

/// What a record of stamped samples and exemplars has to name.
fn name_stamped(known: Option<&Known>, host: &Host, part: &Part<'_>) -> Named<(StampedId, Labels)> {
    let defined = known.map(|known| &known.stamped);
    let samples = part.stamped.iter().map(|sample| sample.series.0);
    let new = Defined::undefined(defined, samples.chain(part.exemplars.iter().map(|(series, _)| series.0)));
    let repeated = defined.map_or(Vec::new(), Defined::repeated);
    let labelled = |&id: &u32| (StampedId(id), host.stamped_labels(StampedId(id)));
    let mut definitions: Vec<(StampedId, Labels)> = Vec::with_capacity(repeated.len() + new.len());
    let mut bytes = 0;
    for (id, labels) in repeated.iter().map(labelled) {
        bytes += labels.iter().map(|label| label.name.len() + label.value.len()).sum::<usize>();
        if bytes > REPEATED_BYTES_MAX {
            break;
        }
        // One that is gone has no labels, and no samples will come for it.
        if !labels.is_empty() {
            definitions.push((id, labels));
        }
    }
    definitions.extend(new.iter().map(labelled).filter(|(_, labels)| !labels.is_empty()));
    let is_host_named = known.is_none() || !definitions.is_empty();
    Named { new, definitions, is_host_named }
}

impl Log for NativeLog {
    fn append(&mut self, store: &Store, host: &Arc<Host>, part: Part<'_>, received_ms: i64) -> io::Result<u64> {
        let address = Arc::as_ptr(host) as usize;
        if self.segment.as_ref().is_some_and(|segment| segment.good_len > SEGMENT_BYTES_MAX) {
            self.cut();
        }
        let segment = self.segment()?;
        let numbers = segment.hosts.len() as u32;
        let known = segment.hosts.get(&address);
        let number = known.map_or(numbers, |known| known.number);
        let has_stamped = !part.stamped.is_empty() || !part.exemplars.is_empty();
        let grid = (!part.samples.is_empty()).then(|| name_series(known, store, host, part.samples));
        let stamped = has_stamped.then(|| name_stamped(known, host, &part));
        let encode_grid = |out: &mut Vec<u8>, named: &Named<(SeriesId, SeriesDescription)>| {
            let mut definitions = Vec::with_capacity(named.definitions.len() + 1);
            if named.is_host_named {
                definitions.push(Definition::Host { cluster: host.cluster(), host: host.name() });
            }
            definitions.extend(named.definitions.iter().map(|(id, description)| definition(*id, description)));
            encode_samples(out, number, received_ms.div_euclid(1000), &definitions, part.samples)
        };
        let encode_stamped = |out: &mut Vec<u8>, named: &Named<(StampedId, Labels)>| {
            let names = named.is_host_named.then_some((&**host.cluster(), &**host.name()));
            let head = StampedHead { host: number, received_ms, names, definitions: &named.definitions };
            encode_stamped(out, &head, part.stamped, part.exemplars)
        };
        self.buffer.clear();
        append_record(&mut self.buffer, |out| match (&grid, &stamped) {
            (Some(grid), None) => encode_grid(out, grid),
            (None, Some(stamped)) => encode_stamped(out, stamped),
            // One record, so that what is refused is not half stored, should the disk not even take it back.
            (Some(grid), Some(stamped)) => {
                encode_both(out, |out| encode_grid(out, grid), |out| encode_stamped(out, stamped))
            }
            (None, None) => Ok(()),
        })?;
        let written = self.write()?;
        if let Some(segment) = &mut self.segment {
            let begin = || Known { number, series: Defined::default(), stamped: Defined::default() };
            let known = segment.hosts.entry(address).or_insert_with(begin);
            if let Some(named) = grid {
                known.series.note(named.new);
            }
            if let Some(named) = stamped {
                known.stamped.note(named.new);
            }
        }
        Ok(written)
    }

    fn append_metadata(&mut self, metrics: &[(&str, &Metadata)]) -> io::Result<u64> {
        self.buffer.clear();
        append_record(&mut self.buffer, |out| {
            encode_metadata(out, metrics.iter().copied());
            Ok(())
        })?;
        self.write()
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
