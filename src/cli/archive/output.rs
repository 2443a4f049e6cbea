//! Where an export goes: standard output, or a file that is complete or not there.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile, SystemDisk, temporary};

/// Bytes that are gathered for one write.
const BUFFER_BYTES: usize = 1 << 18;

/// An export's output. Dropped before [`commit`](Self::commit), it leaves no file.
pub(super) struct Output {
    target: BufWriter<Target>,
}

enum Target {
    Stdout(io::Stdout),
    /// A pipe, a device: what can't be replaced.
    Special(Box<dyn DiskFile>),
    File(Pending),
}

/// A file beside its name.
struct Pending {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    is_committed: bool,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.is_committed {
            // What can't be removed is a `.tmp` that the next export overwrites.
            let _ = SystemDisk.remove(&temporary(&self.path));
        }
    }
}

impl Output {
    /// Opens a file's place, or standard output for `-`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let target = if path == Path::new("-") {
            Target::Stdout(io::stdout())
        } else if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            Target::Special(SystemDisk.append(path)?)
        } else {
            let file = SystemDisk.create(&temporary(path))?;
            Target::File(Pending { file, path: path.to_owned(), is_committed: false })
        };
        Ok(Output { target: BufWriter::with_capacity(BUFFER_BYTES, target) })
    }

    /// Makes everything that was written appear under the file's name, durably.
    ///
    /// # Errors
    ///
    /// The system's; the file that was there before is then still there.
    pub(super) fn commit(self) -> io::Result<()> {
        match self.target.into_inner().map_err(io::IntoInnerError::into_error)? {
            Target::Stdout(mut stdout) => stdout.flush(),
            Target::Special(mut file) => file.flush(),
            Target::File(mut pending) => {
                pending.file.sync_data()?;
                SystemDisk.rename(&temporary(&pending.path), &pending.path)?;
                pending.is_committed = true;
                match pending.path.parent() {
                    Some(folder) if !folder.as_os_str().is_empty() => SystemDisk.sync_dir(folder),
                    _ => SystemDisk.sync_dir(Path::new(".")),
                }
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.target.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Stdout(stdout) => stdout.write(bytes),
            Target::Special(file) => file.write(bytes),
            Target::File(pending) => pending.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Stdout(stdout) => stdout.flush(),
            Target::Special(file) => file.flush(),
            Target::File(pending) => pending.file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_complete_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        std::fs::write(&path, "old").unwrap();
        let mut output = Output::open(&path).unwrap();
        output.write_all(b"half").unwrap();
        output.flush().unwrap();
        drop(output);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        let mut output = Output::open(&path).unwrap();
        output.write_all(b"new").unwrap();
        output.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
