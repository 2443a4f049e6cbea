//! A disk that only reads, so that an engine can recover from a directory without changing anything in it.
//!
//! What recovery would do to files (cutting torn tails, setting corrupt snapshots aside) prepares them for being
//! written again, which never happens here. Folders that an engine expects are as good as empty when they are missing.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, Entry, RandomRead, SystemDisk};

/// The operating system's file system, for reading.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct ReadOnlyDisk;

fn refused<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "a conversion only reads: it is left as it is"))
}

impl Disk for ReadOnlyDisk {
    fn create(&self, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        refused()
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(KeptFile { len: std::fs::metadata(path)?.len() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        SystemDisk.open(path)
    }

    fn open_random(&self, path: &Path) -> io::Result<Arc<dyn RandomRead>> {
        SystemDisk.open_random(path)
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        SystemDisk.list(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A file that says it was cut, and stays as it is.
struct KeptFile {
    len: u64,
}

impl Write for KeptFile {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        refused()
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for KeptFile {
    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn file_bytes(&mut self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.len = len;
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(KeptFile { len: self.len }))
    }
}
