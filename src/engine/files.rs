//! The log of the `wal` and `json` forms: a `current.wal` for each host, as cc-metric-store writes it.
//!
//! Invariant: a host's entry holds the length of its file up to the last whole record. Few files are open at once,
//! however many hosts there are: the rest is opened again when it is written.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::disk::{Disk, DiskFile, SharedDisk, temporary};
use crate::formats::ccms::{WAL_FILE, WAL_HEADER, directory_name, encode_record, write_state};
use crate::model::Sample;
use crate::store::{Host, Store};

use super::commit::Part;
use super::core::OWN_FOLDER;
use super::folders;
use super::log::Log;

/// Files that are open at once, of all shards together.
const OPEN_FILES_MAX: usize = 512;

/// The logs of one shard's hosts.
pub(super) struct FilesLog {
    disk: SharedDisk,
    checkpoints: PathBuf,
    open_max: usize,
    /// By address: hosts are never dropped.
    hosts: HashMap<usize, HostLog, foldhash::fast::RandomState>,
    /// Hosts with an open file, the longest open first.
    open: Vec<usize>,
    bytes: u64,
    buffer: Vec<u8>,
    failure: Option<String>,
    /// Flushes of the file system that have failed so far.
    flushes_failed: u64,
    /// A file could not be flushed outside of a flush.
    has_lost: bool,
}

#[derive(Default)]
struct HostLog {
    file: Option<Box<dyn DiskFile>>,
    /// `None` before the file was looked at.
    good_len: Option<u64>,
    /// Whether the file may be shorter than that: a replacement of it has failed somewhere.
    may_be_shorter: bool,
    /// Whether this process has written all of the file, and nothing of it has failed. Else it may have holes, for a
    /// flush of it failed (an earlier process's, too), or a refused record at its end that could not be cut off.
    is_sound: bool,
    /// By series number: the metric's name and the selector below the host.
    series: Vec<Option<(Box<str>, Vec<String>)>>,
}

/// The folder of a host's files below the checkpoint directory.
pub(super) fn host_folder(checkpoints: &Path, cluster: &str, host: &str) -> PathBuf {
    checkpoints.join(directory_name(cluster)).join(directory_name(host))
}

/// The state file of a host.
pub(super) fn state_path(checkpoints: &Path, cluster: &str, host: &str) -> PathBuf {
    host_folder(&checkpoints.join(OWN_FOLDER).join("state"), cluster, host)
}

/// Writes what the reference's files can't hold of a host beside its place, for a checkpoint to make durable and put
/// there; answers where.
pub(super) fn write_state_beside(
    disk: &dyn Disk,
    checkpoints: &Path,
    store: &Store,
    host: &Host,
) -> io::Result<PathBuf> {
    // Its own name: a horizon that moves meanwhile is saved through the other one.
    let mut beside = state_path(checkpoints, host.cluster(), host.name()).into_os_string();
    beside.push(".checkpoint");
    let beside = PathBuf::from(beside);
    if let Some(folder) = beside.parent() {
        folders::make(disk, checkpoints, folder)?;
    }
    let image = host.image(&store.metrics());
    disk.write_temporary(&beside, &mut |mut out| write_state(&mut out, &image).map_err(io::Error::other))?;
    Ok(temporary(&beside))
}

/// Writes a host's state in its place, with a horizon that its memory does not have yet. It is durable when this
/// returns.
fn save_state(
    disk: &dyn Disk,
    checkpoints: &Path,
    store: &Store,
    host: &Host,
    (path, to_secs): (&[String], i64),
) -> io::Result<()> {
    let place = state_path(checkpoints, host.cluster(), host.name());
    if let Some(folder) = place.parent() {
        folders::make_durable(disk, checkpoints, folder)?;
    }
    let mut image = host.image(&store.metrics());
    image.move_horizon(path, to_secs);
    disk.replace(&place, &mut |mut out| write_state(&mut out, &image).map_err(io::Error::other))
}

/// Writes what a host's log holds from `covered` to `end` bytes beside it. That part of a log never changes: its lock
/// need not be held.
pub(super) fn write_tail_beside(disk: &dyn Disk, log: &Path, covered: u64, end: u64) -> io::Result<()> {
    let tail = read_range(disk, log, covered, end.saturating_sub(covered))?;
    disk.write_temporary(log, &mut |out| {
        if covered > 0 {
            out.write_all(&WAL_HEADER)?;
        }
        out.write_all(&tail)
    })?;
    Ok(())
}

fn read_range(disk: &dyn Disk, path: &Path, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let file = disk.open_random(path)?;
    let end = offset.checked_add(len).filter(|end| *end <= file.file_bytes());
    end.ok_or_else(|| io::Error::other("the log is shorter than what was written to it"))?;
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_at(offset, &mut bytes)?;
    Ok(bytes)
}

impl FilesLog {
    pub(super) fn new(disk: SharedDisk, checkpoints: PathBuf, shards: usize) -> Self {
        FilesLog {
            disk,
            checkpoints,
            open_max: OPEN_FILES_MAX / shards,
            hosts: HashMap::default(),
            open: Vec::new(),
            bytes: 0,
            buffer: Vec::new(),
            failure: None,
            flushes_failed: 0,
            has_lost: false,
        }
    }

    /// The length of a host's log up to now: what a checkpoint that begins now covers.
    pub(super) fn len(&mut self, host: &Arc<Host>) -> io::Result<u64> {
        let path = self.path(host);
        let entry = self.hosts.entry(Arc::as_ptr(host) as usize).or_default();
        if let (Some(len), false) = (entry.good_len, entry.may_be_shorter) {
            return Ok(len);
        }
        let len = match self.disk.open(&path) {
            Ok(_) => self.disk.append(&path)?.file_bytes()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folders::check_there(&*self.disk, &self.checkpoints)?;
                0
            }
            Err(error) => return Err(error),
        };
        let len = entry.good_len.map_or(len, |good_len| good_len.min(len));
        if entry.may_be_shorter {
            self.bytes = (self.bytes + len).saturating_sub(entry.good_len.unwrap_or(0));
            entry.good_len = Some(len);
            entry.may_be_shorter = false;
        }
        Ok(len)
    }

    /// Writes a host's log anew when it is not sound: should its removal not survive a power failure, one with holes
    /// would bring older values back over those of a newer snapshot, and one with a refused record that one.
    pub(super) fn make_whole(&mut self, host: &Arc<Host>) -> io::Result<()> {
        let address = Arc::as_ptr(host) as usize;
        let len = self.len(host)?;
        if self.hosts.get(&address).is_some_and(|entry| entry.is_sound) {
            return Ok(());
        }
        self.close(address);
        let path = self.path(host);
        if len > 0 {
            let log = self.disk.read(&path)?;
            let good =
                log.get(..len as usize).ok_or_else(|| io::Error::other("the log is shorter than its good part"))?;
            self.disk.replace(&path, &mut |out| out.write_all(good))?;
        }
        if let Some(entry) = self.hosts.get_mut(&address) {
            entry.is_sound = true;
        }
        Ok(())
    }

    /// Flushes of the file system that have failed so far. One that fails may have lost whatever was not durable then,
    /// and a later one that succeeds says nothing of that.
    pub(super) fn flushes_failed(&self) -> u64 {
        self.flushes_failed
    }

    /// Bytes of the longest log of one host.
    pub(super) fn longest_bytes(&self) -> u64 {
        self.hosts.values().filter_map(|entry| entry.good_len).max().unwrap_or(0)
    }

    /// Removes a host's log when a durable snapshot holds all of it, which are its first `covered` bytes. Else answers
    /// how long it is: its tail is to be written beside it ([`write_tail_beside`]).
    pub(super) fn remove_covered(&mut self, host: &Arc<Host>, covered: u64) -> io::Result<Option<u64>> {
        let len = self.len(host)?;
        if len > covered {
            return Ok(Some(len));
        }
        self.exchange(host, len, |disk, checkpoints, path| match disk.remove(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => folders::check_there(disk, checkpoints),
            other => other,
        })?;
        Ok(None)
    }

    /// Puts a log's tail, which lies beside it and is durable, in its place. What has come behind the tail's end
    /// meanwhile goes with it, durable too: a log that survives a power failure holds what the one before it held.
    pub(super) fn keep_tail(&mut self, host: &Arc<Host>, end: u64) -> io::Result<()> {
        let len = self.len(host)?;
        let path = self.path(host);
        let missed = len.checked_sub(end).ok_or_else(|| io::Error::other("the log has become shorter"))?;
        if missed > 0 {
            let bytes = read_range(&*self.disk, &path, end, missed)?;
            let mut tail = self.disk.append(&temporary(&path))?;
            if tail.file_bytes()? == 0 {
                return Err(io::Error::other("the tail of the log is gone"));
            }
            tail.write_all(&bytes)?;
            tail.sync_data()?;
        }
        self.exchange(host, len, |disk, _, path| disk.rename(&temporary(path), path))
    }

    /// Takes a host's log away, or puts another file in its place.
    fn exchange(
        &mut self,
        host: &Arc<Host>,
        len: u64,
        change: impl FnOnce(&dyn Disk, &Path, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let address = Arc::as_ptr(host) as usize;
        self.close(address);
        if let Some(entry) = self.hosts.get_mut(&address) {
            // Until it has succeeded: what lies behind the good length must stay cut off.
            entry.good_len = Some(len);
            entry.may_be_shorter = true;
        }
        change(&*self.disk, &self.checkpoints, &self.path(host))?;
        if let Some(entry) = self.hosts.get_mut(&address) {
            self.bytes = self.bytes.saturating_sub(entry.good_len.take().unwrap_or(0));
            entry.may_be_shorter = false;
            entry.is_sound = true;
        }
        Ok(())
    }

    fn path(&self, host: &Host) -> PathBuf {
        host_folder(&self.checkpoints, host.cluster(), host.name()).join(WAL_FILE)
    }

    fn close(&mut self, address: usize) {
        if let Some(entry) = self.hosts.get_mut(&address) {
            entry.file = None;
        }
        self.open.retain(|&open| open != address);
    }

    /// Opens a host's log behind its last whole record.
    fn open(&mut self, host: &Arc<Host>) -> io::Result<()> {
        let address = Arc::as_ptr(host) as usize;
        if self.hosts.get(&address).is_some_and(|entry| entry.file.is_some()) {
            return Ok(());
        }
        if self.open.len() >= self.open_max {
            let longest = self.open[0];
            self.close(longest);
        }
        let path = self.path(host);
        let mut file = match self.disk.append(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = path.parent() {
                    folders::make(&*self.disk, &self.checkpoints, folder)?;
                }
                self.disk.append(&path)?
            }
            other => other?,
        };
        let mut len = file.file_bytes()?;
        let entry = self.hosts.entry(address).or_default();
        match entry.good_len {
            Some(good_len) if good_len < len => {
                file.truncate(good_len)?;
                len = good_len;
            }
            _ => {}
        }
        if len < WAL_HEADER.len() as u64 {
            file.truncate(0)?;
            file.write_all(&WAL_HEADER)?;
            len = WAL_HEADER.len() as u64;
            entry.is_sound = true;
        }
        self.bytes = (self.bytes + len).saturating_sub(entry.good_len.unwrap_or(0));
        entry.good_len = Some(len);
        entry.may_be_shorter = false;
        entry.file = Some(file);
        self.open.push(address);
        Ok(())
    }

    fn describe(&mut self, store: &Store, host: &Arc<Host>, samples: &[Sample]) {
        let entry = self.hosts.entry(Arc::as_ptr(host) as usize).or_default();
        for sample in samples {
            let at = sample.series.0 as usize;
            if entry.series.len() <= at {
                entry.series.resize(at + 1, None);
            }
            if entry.series[at].is_none() {
                let description = host.describe(sample.series, &store.metrics());
                let selector = description.components.iter().map(ToString::to_string).collect();
                entry.series[at] = Some((description.metric, selector));
            }
        }
    }

    fn encode(&mut self, host: &Arc<Host>, samples: &[Sample]) -> io::Result<()> {
        self.buffer.clear();
        let Some(entry) = self.hosts.get(&(Arc::as_ptr(host) as usize)) else { return Ok(()) };
        let mut selector: Vec<&str> = Vec::new();
        for sample in samples {
            let Some((metric, names)) = entry.series.get(sample.series.0 as usize).and_then(Option::as_ref) else {
                continue;
            };
            selector.clear();
            selector.extend(names.iter().map(String::as_str));
            encode_record(&mut self.buffer, sample.secs, metric, &selector, sample.value).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn write(&mut self, host: &Arc<Host>) -> io::Result<u64> {
        self.open(host)?;
        let address = Arc::as_ptr(host) as usize;
        let Some(HostLog { file: Some(file), good_len: Some(good_len), .. }) = self.hosts.get_mut(&address) else {
            return Err(io::Error::other("the log is not open"));
        };
        if let Err(error) = file.write_all(&self.buffer) {
            // Nothing of it may stay, after a power failure neither. When this fails too, opening the file again cuts
            // it back first.
            let cut = file.truncate(*good_len);
            if cut.is_err() {
                self.close(address);
                if let Some(entry) = self.hosts.get_mut(&address) {
                    entry.is_sound = false;
                }
            } else if file.sync_data().is_err() {
                self.has_lost = true;
            }
            return Err(error);
        }
        let written = self.buffer.len() as u64;
        *good_len += written;
        self.bytes += written;
        Ok(written)
    }
}

impl Log for FilesLog {
    fn append(&mut self, store: &Store, host: &Arc<Host>, part: Part<'_>, _: i64) -> io::Result<u64> {
        if !part.stamped.is_empty() || !part.exemplars.is_empty() {
            return Err(io::Error::other("this form has no room for stamped series"));
        }
        self.describe(store, host, part.samples);
        let outcome = self.encode(host, part.samples).and_then(|()| self.write(host));
        self.failure = outcome.as_ref().err().map(|error| format!("{}: {error}", self.path(host).display()));
        outcome
    }

    fn append_horizon(&mut self, store: &Store, host: &Arc<Host>, path: &[String], to_secs: i64) -> io::Result<u64> {
        let outcome = save_state(&*self.disk, &self.checkpoints, store, host, (path, to_secs));
        self.failure = outcome.as_ref().err().map(|error| format!("{}: {error}", self.path(host).display()));
        outcome.map(|()| 0)
    }

    fn unsynced(&mut self) -> io::Result<Vec<Box<dyn DiskFile>>> {
        Ok(Vec::new())
    }

    fn flush_failed(&mut self, reason: &io::Error) {
        self.failure = Some(format!("flush failed: {reason}"));
        self.flushes_failed += 1;
        self.has_lost = false;
        // The system may have dropped what it could not write, and whether the files are still in their places nobody
        // knows: they are opened again, and the next checkpoint writes them anew.
        for entry in self.hosts.values_mut() {
            entry.file = None;
            entry.is_sound = false;
            entry.may_be_shorter = entry.good_len.is_some();
        }
        self.open.clear();
    }

    fn close_files(&mut self) -> bool {
        let was_open = !self.open.is_empty();
        while let Some(&address) = self.open.last() {
            self.close(address);
        }
        was_open
    }

    fn has_lost(&self) -> bool {
        self.has_lost
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}
