//! The disk itself: one lock around names, contents and faults, and handles that are worth nothing after a crash.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use parking_lot::{Mutex, MutexGuard};

use super::fault::{Faults, Lasts, Operation};
use super::tree::{Id, Tree};
use crate::disk::{Disk, DiskFile, Entry, RandomRead};
use crate::testing::Random;

/// By path the bytes of a file, or `None` for a folder.
pub type Files = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// A file system in memory, for tests of what survives. Clones share it.
///
/// What is written is not durable before `sync_data`, and a name not before `sync_dir` of its folder; `sync_all` does
/// both for everything.
#[derive(Clone)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

struct State {
    tree: Tree,
    faults: Faults,
    random: Random,
    operations: u64,
    /// Crashes so far: a handle from before one is worth nothing.
    crashes: u64,
}

impl FaultyDisk {
    /// An empty disk; the seed decides how much of a failing write is done and what survives a power failure.
    pub fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        let state = State { tree: Tree::new(), faults: Faults::default(), random, operations: 0, crashes: 0 };
        FaultyDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// A disk on which these files and folders lie, durably.
    ///
    /// # Errors
    ///
    /// A file lies where another path has a folder.
    pub fn of(files: &Files, seed: u64) -> io::Result<Self> {
        let disk = FaultyDisk::new(seed);
        let mut state = disk.state.lock();
        let tree = &mut state.tree;
        for (path, bytes) in files {
            match bytes {
                None => tree.create_dir_all(path)?,
                Some(bytes) => {
                    tree.create_dir_all(path.parent().unwrap_or(Path::new("")))?;
                    let id = tree.file_or_create(path)?;
                    tree.file(id)?.content.write(0, bytes);
                }
            }
        }
        tree.sync_all();
        drop(state);
        Ok(disk)
    }

    /// Lets operations fail with this error, after `spared` matching ones that succeed. A write that fails has done a
    /// part of its work; a flush that fails has lost what it should have flushed.
    pub fn fail(
        &self,
        spared: u64,
        lasts: Lasts,
        errno: Errno,
        matches: impl Fn(Operation, &Path) -> bool + Send + 'static,
    ) {
        self.state.lock().faults.add(Box::new(matches), spared, lasts, errno);
    }

    /// Lets the files take `bytes` more than they do now, and no more.
    pub fn run_full(&self, bytes: u64) {
        let mut state = self.state.lock();
        let used = state.tree.used_bytes();
        state.faults.capacity_bytes = Some(used + bytes);
    }

    /// Refuses every change.
    pub fn set_read_only(&self) {
        self.state.lock().faults.set_read_only();
    }

    /// A folder and all below it is not there any more, until the disk is healed.
    pub fn take_away(&self, folder: &Path) {
        self.state.lock().faults.take_away(folder);
    }

    /// The machine stops after so many more changes: the next one may be done in part, and all that follows fails.
    pub fn halt_after(&self, changes: u64) {
        self.state.lock().faults.halt_after(changes);
    }

    /// Whether the machine has stopped.
    pub fn is_halted(&self) -> bool {
        self.state.lock().faults.is_halted()
    }

    /// Nothing is wrong any more. What was lost stays lost.
    pub fn heal(&self) {
        self.state.lock().faults = Faults::default();
    }

    /// `kill -9`: what was written is there, open files are closed, and the disk is well.
    pub fn crash_process(&self) {
        let mut state = self.state.lock();
        state.crashes += 1;
        state.faults = Faults::default();
        state.tree.close_all();
    }

    /// The power went and came back: what was synced is there, and any part of what was not.
    pub fn crash_power(&self) {
        let mut state = self.state.lock();
        state.crashes += 1;
        state.faults = Faults::default();
        let State { tree, random, .. } = &mut *state;
        tree.lose_power(random);
    }

    /// Flips bits of a byte, on the device and for the readers; `false` when there is no such byte.
    pub fn rot(&self, path: &Path, offset: usize, mask: u8) -> bool {
        let mut state = self.state.lock();
        let file = state.tree.find(path).and_then(|id| state.tree.file(id).map(|file| file.content.rot(offset, mask)));
        file.unwrap_or(false)
    }

    /// What a file holds and whether all of it is durable, whatever is wrong with the disk.
    pub fn peek(&self, path: &Path) -> Option<(Vec<u8>, bool)> {
        let mut state = self.state.lock();
        let id = state.tree.find(path).ok()?;
        let content = &state.tree.file(id).ok()?.content;
        Some((content.bytes().to_vec(), content.is_durable()))
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// The paths of all files below a folder, whatever is wrong with the disk.
    pub fn files_below(&self, folder: &Path) -> Vec<PathBuf> {
        let state = self.state.lock();
        let mut found = state.tree.below(folder);
        found.retain(|(_, id)| state.tree.len_of(*id).is_some());
        found.into_iter().map(|(path, _)| path).collect()
    }

    /// All files and folders, whatever is wrong with the disk; their paths are relative.
    pub fn files(&self) -> Files {
        let state = self.state.lock();
        let all = state.tree.below(Path::new(""));
        all.into_iter().map(|(path, id)| (path, state.tree.bytes_of(id).map(<[u8]>::to_vec))).collect()
    }

    /// Bytes of all files that have a name.
    pub fn used_bytes(&self) -> u64 {
        self.state.lock().tree.used_bytes()
    }

    fn begin(&self, operation: Operation, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock();
        state.operations += 1;
        state.faults.admit(operation, path)?;
        Ok(state)
    }

    fn handle(&self, state: &mut State, id: Id, path: &Path, position: Option<usize>) -> io::Result<Handle> {
        state.tree.file(id)?.handles += 1;
        Ok(Handle { disk: self.clone(), id, crashes: state.crashes, path: path.to_owned(), position })
    }
}

impl std::fmt::Debug for FaultyDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyDisk").finish_non_exhaustive()
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.begin(Operation::Create, path)?;
        let id = state.tree.file_or_create(path)?;
        let content = &mut state.tree.file(id)?.content;
        if !content.bytes().is_empty() {
            content.truncate(0);
        }
        Ok(Box::new(self.handle(&mut state, id, path, Some(0))?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.begin(Operation::Append, path)?;
        let id = state.tree.file_or_create(path)?;
        Ok(Box::new(self.handle(&mut state, id, path, None)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let mut state = self.begin(Operation::Open, path)?;
        let id = state.tree.find(path)?;
        Ok(Box::new(Reader { handle: self.handle(&mut state, id, path, None)?, at: 0 }))
    }

    fn open_random(&self, path: &Path) -> io::Result<Arc<dyn RandomRead>> {
        let mut state = self.begin(Operation::Open, path)?;
        let id = state.tree.find(path)?;
        let len = state.tree.len_of(id).ok_or_else(|| io::Error::from(Errno::EISDIR))?;
        Ok(Arc::new(RandomReader { handle: self.handle(&mut state, id, path, None)?, len }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin(Operation::Rename, to)?.tree.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.begin(Operation::Remove, path)?.tree.remove(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.begin(Operation::CreateDir, path)?.tree.create_dir_all(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.begin(Operation::RemoveDir, path)?.tree.remove_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let state = self.begin(Operation::List, path)?;
        let folder = state.tree.folder(state.tree.find(path)?)?;
        let entries = folder.names.iter().map(|(name, id)| {
            let len = state.tree.len_of(*id);
            Entry { name: name.clone(), is_dir: len.is_none(), len: len.unwrap_or(0) }
        });
        Ok(entries.collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Operation::SyncDir, path)?;
        let id = state.tree.find(path)?;
        state.tree.folder(id)?;
        state.tree.sync_dir(id);
        Ok(())
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        match self.begin(Operation::SyncAll, path) {
            Ok(mut state) => {
                state.tree.find(path)?;
                state.tree.sync_all();
                Ok(())
            }
            Err(error) => {
                let mut state = self.state.lock();
                if loses_what_is_dirty(&state.faults, &error) {
                    let State { tree, random, .. } = &mut *state;
                    tree.files().for_each(|file| file.content.sync_failed(random));
                }
                Err(error)
            }
        }
    }
}

/// A flush that fails because the names are gone, or since nothing may be written, or after the end, loses nothing.
fn loses_what_is_dirty(faults: &Faults, error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    !faults.is_halted() && errno != Some(Errno::ENOENT as i32) && errno != Some(Errno::EROFS as i32)
}

/// An open file.
struct Handle {
    disk: FaultyDisk,
    id: Id,
    crashes: u64,
    path: PathBuf,
    /// Where the next write goes; `None` for the end.
    position: Option<usize>,
}

impl Handle {
    fn begin(&self, operation: Operation) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.begin(operation, &self.path)?;
        if state.crashes == self.crashes { Ok(state) } else { Err(Errno::EBADF.into()) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        if state.crashes == self.crashes
            && let Ok(file) = state.tree.file(self.id)
        {
            file.handles = file.handles.saturating_sub(1);
        }
    }
}

impl Write for Handle {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let begun = self.begin(Operation::Write).map(drop);
        let mut state = self.disk.state.lock();
        if state.crashes != self.crashes {
            return Err(Errno::EBADF.into());
        }
        let room = match state.faults.capacity_bytes {
            Some(capacity) => capacity.saturating_sub(state.tree.used_bytes()),
            None => u64::MAX,
        };
        let State { tree, random, .. } = &mut *state;
        let outcome = match begun {
            Ok(()) if data.len() as u64 <= room => Ok(data.len()),
            Ok(()) => Err((room as usize, Errno::ENOSPC.into())),
            Err(error) if error.raw_os_error() == Some(Errno::EROFS as i32) => Err((0, error)),
            // Never the whole: a system that took everything reports no error.
            Err(error) => Err((random.below(data.len()), error)),
        };
        let done = match &outcome {
            Ok(done) | Err((done, _)) => *done,
        };
        let content = &mut tree.file(self.id)?.content;
        let offset = self.position.unwrap_or(content.bytes().len());
        if done > 0 {
            content.write(offset, &data[..done]);
        }
        self.position = self.position.map(|position| position + done);
        outcome.map_err(|(_, error)| error)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for Handle {
    fn sync_data(&mut self) -> io::Result<()> {
        let outcome = self.begin(Operation::SyncData).map(drop);
        let mut state = self.disk.state.lock();
        let loses = outcome.as_ref().is_err_and(|error| loses_what_is_dirty(&state.faults, error));
        let State { tree, random, .. } = &mut *state;
        let content = &mut tree.file(self.id)?.content;
        match &outcome {
            Ok(()) => content.sync(),
            Err(_) if loses && content.is_dirty() => content.sync_failed(random),
            Err(_) => {}
        }
        outcome
    }

    fn file_bytes(&mut self) -> io::Result<u64> {
        let mut state = self.begin(Operation::Read)?;
        Ok(state.tree.file(self.id)?.content.bytes().len() as u64)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.begin(Operation::Truncate)?;
        state.tree.file(self.id)?.content.truncate(len as usize);
        drop(state);
        self.position = self.position.map(|_| len as usize);
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.disk.state.lock();
        if state.crashes != self.crashes {
            return Err(Errno::EBADF.into());
        }
        Ok(Box::new(self.disk.handle(&mut state, self.id, &self.path, self.position)?))
    }
}

/// Reads from the beginning.
struct Reader {
    handle: Handle,
    at: usize,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.handle.begin(Operation::Read)?;
        let rest = state.tree.file(self.handle.id)?.content.bytes().get(self.at..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        drop(state);
        self.at += len;
        Ok(len)
    }
}

struct RandomReader {
    handle: Handle,
    len: u64,
}

impl RandomRead for RandomReader {
    fn file_bytes(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.handle.begin(Operation::Read)?;
        let bytes = state.tree.file(self.handle.id)?.content.bytes();
        let range = offset as usize..(offset as usize).saturating_add(buffer.len());
        let found = bytes.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(found);
        Ok(())
    }
}
