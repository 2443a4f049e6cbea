//! Files in memory, some of which can't be read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile, Entry, RandomRead};

/// By path the bytes of a file, or `None` for a folder.
pub type Files = BTreeMap<PathBuf, Option<Vec<u8>>>;

type Bytes = Arc<Mutex<Vec<u8>>>;

/// A disk in memory.
#[derive(Default)]
pub struct MemoryDisk {
    /// `None` is a folder.
    nodes: Mutex<BTreeMap<PathBuf, Option<Bytes>>>,
    /// Files and folders that neither open nor list, though they can be renamed.
    unreadable: Mutex<BTreeSet<PathBuf>>,
}

impl MemoryDisk {
    pub fn of(files: &Files) -> Self {
        let node = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| Arc::new(Mutex::new(bytes.clone())));
        let nodes = files.iter().map(|(path, bytes)| (path.clone(), node(bytes))).collect();
        MemoryDisk { nodes: Mutex::new(nodes), unreadable: Mutex::default() }
    }

    pub fn unreadable(self, path: &Path) -> Self {
        self.unreadable.lock().insert(path.to_owned());
        self
    }

    pub fn files(&self) -> Files {
        let node = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| bytes.lock().clone());
        self.nodes.lock().iter().map(|(path, bytes)| (path.clone(), node(bytes))).collect()
    }

    fn file(&self, path: &Path) -> io::Result<Bytes> {
        if self.unreadable.lock().contains(path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        match self.nodes.lock().get(path) {
            Some(Some(bytes)) => Ok(Arc::clone(bytes)),
            Some(None) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create_or_open(&self, path: &Path) -> io::Result<Box<MemoryFile>> {
        match self.file(path) {
            Ok(bytes) => Ok(Box::new(MemoryFile(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().unwrap();
                match self.nodes.lock().get(parent) {
                    Some(None) => {}
                    Some(Some(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                    None => return Err(io::ErrorKind::NotFound.into()),
                }
                let bytes = Bytes::default();
                self.nodes.lock().insert(path.to_owned(), Some(Arc::clone(&bytes)));
                Ok(Box::new(MemoryFile(bytes)))
            }
            Err(error) => Err(error),
        }
    }
}

impl Disk for MemoryDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.create_or_open(path)?;
        file.0.lock().clear();
        Ok(file)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.create_or_open(path)?)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.file(path)?.lock().clone();
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn open_random(&self, _: &Path) -> io::Result<Arc<dyn RandomRead>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut nodes = self.nodes.lock();
        if matches!((nodes.get(from), nodes.get(to)), (Some(Some(_)), Some(None))) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !nodes.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let moved: Vec<PathBuf> = nodes.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            let node = nodes.remove(&path).unwrap();
            self.unreadable.lock().remove(&path);
            let below = path.strip_prefix(from).unwrap();
            nodes.insert(if below.as_os_str().is_empty() { to.to_owned() } else { to.join(below) }, node);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut nodes = self.nodes.lock();
        match nodes.get(path) {
            Some(Some(_)) => _ = nodes.remove(path),
            Some(None) => return Err(io::ErrorKind::IsADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut nodes = self.nodes.lock();
        for path in path.ancestors().filter(|path| !path.as_os_str().is_empty()) {
            if let Some(_file) = nodes.entry(path.to_owned()).or_insert(None) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.nodes.lock().remove(path);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        if self.unreadable.lock().contains(path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let nodes = self.nodes.lock();
        match nodes.get(path) {
            Some(None) => {}
            Some(Some(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        let inside = nodes.iter().filter(|(other, _)| other.parent() == Some(path));
        let entry = |(path, node): (&PathBuf, &Option<Bytes>)| Entry {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            is_dir: node.is_none(),
            len: node.as_ref().map_or(0, |bytes| bytes.lock().len() as u64),
        };
        Ok(inside.map(entry).collect())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

struct MemoryFile(Bytes);

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn file_bytes(&mut self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.lock().truncate(len as usize);
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(MemoryFile(Arc::clone(&self.0))))
    }
}
