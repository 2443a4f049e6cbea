//! The `Disk` trait: the only way to files.
//!
//! Everything that Treering keeps goes through it, so that a test can put a faulty disk in its place. The one
//! invariant that callers build on is [`Disk::replace`]: after it returned, a crash leaves the old or the new content
//! at the path, never a mixture.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};

/// What Treering asks of a file system. Paths are relative to the process or absolute; errors are the system's.
pub trait Disk: Send + Sync + 'static {
    /// Creates an empty file, or empties the one that is there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for appending and creates it when it is missing. What is written goes to its end.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading from its beginning.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;
    /// Opens a file for reading anywhere in it, by many threads.
    fn open_random(&self, path: &Path) -> io::Result<Arc<dyn RandomRead>>;
    /// Renames a file over another, atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates a folder and those above it.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Lists a folder, sorted by name.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Makes renames, creations and removals in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes everything written to the file system that holds `path` durable (`syncfs`).
    fn sync_all(&self, path: &Path) -> io::Result<()>;

    /// Locks a folder against other processes until what is answered is dropped; fails with
    /// [`io::ErrorKind::WouldBlock`] when another holds it. A disk that nobody shares need not.
    fn lock_dir(&self, _path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        Ok(Box::new(()))
    }

    /// Reads a whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Replaces a file's content atomically and durably: temporary file, fsync, rename, fsync of the folder. A
    /// failure leaves the old content, and at worst a `.tmp` file beside it.
    fn replace(&self, path: &Path, write: &mut WriteContent<'_>) -> io::Result<()> {
        self.write_temporary(path, write)?.sync_data()?;
        self.rename(&temporary(path), path)?;
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => self.sync_dir(folder),
            _ => self.sync_dir(Path::new(".")),
        }
    }

    /// The first step of [`replace`](Self::replace) alone, for those who make many files durable at once: writes the
    /// content to [`temporary`] beside the path.
    fn write_temporary(&self, path: &Path, write: &mut WriteContent<'_>) -> io::Result<Box<dyn DiskFile>> {
        let mut file = io::BufWriter::with_capacity(1 << 18, self.create(&temporary(path))?);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

/// Writes a file's content.
pub type WriteContent<'w> = dyn FnMut(&mut dyn Write) -> io::Result<()> + 'w;

/// The name beside a file under which its next content is written.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// A file open for writing.
pub trait DiskFile: Write + Send {
    /// Makes what was written durable (`fdatasync`).
    fn sync_data(&mut self) -> io::Result<()>;
    /// Bytes in the file.
    fn file_bytes(&mut self) -> io::Result<u64>;
    /// Cuts the file off behind `len` bytes; appending goes on there.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// A second handle to the same file, so that one thread can make durable what another goes on appending to.
    fn try_clone(&self) -> io::Result<Box<dyn DiskFile>>;
}

/// A file open for reading anywhere in it. It stays readable when its name goes.
pub trait RandomRead: Send + Sync {
    /// Bytes in the file when it was opened.
    fn file_bytes(&self) -> u64;
    /// Fills `buffer` with the bytes from `offset` on; fewer in the file are an error
    /// ([`io::ErrorKind::UnexpectedEof`]).
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// A disk that several modules share.
pub type SharedDisk = Arc<dyn Disk>;

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name, without its folder. Names that are no UTF-8 are left out of listings: none of ours is one.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Bytes, 0 for a folder.
    pub len: u64,
}

/// The operating system's file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().append(true).create(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn open_random(&self, path: &Path) -> io::Result<Arc<dyn RandomRead>> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Arc::new(SystemFile { file, len }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed between the listing and the look at it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let is_dir = metadata.is_dir();
            entries.push(Entry { name, is_dir, len: if is_dir { 0 } else { metadata.len() } });
        }
        entries.sort();
        Ok(entries)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        nix::unistd::syncfs(File::open(path)?.as_fd()).map_err(io::Error::from)
    }

    fn lock_dir(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        match Flock::lock(File::open(path)?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Box::new(lock)),
            Err((_, error)) => Err(error.into()),
        }
    }
}

struct SystemFile {
    file: File,
    len: u64,
}

impl RandomRead for SystemFile {
    fn file_bytes(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

impl DiskFile for File {
    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn file_bytes(&mut self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.seek(SeekFrom::Start(len))?;
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::try_clone(self)?))
    }
}
