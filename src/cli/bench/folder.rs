//! A folder that lives as long as what works in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::error::BenchError;

/// A folder of the bench's own; dropped, it is removed with all that is in it.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new folder below `base`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn create(base: &Path) -> Result<Folder, BenchError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("treering-bench-{}-{number}", std::process::id()));
        // Nothing that is there already is used, and removed later.
        fs::create_dir(&path).map_err(BenchError::file(&path))?;
        // Programs are started in it: it must not depend on where the bench itself runs.
        let path = fs::canonicalize(&path).map_err(BenchError::file(&path))?;
        Ok(Folder(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Its content is worth nothing: what cannot be removed is left to whoever cleans the directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The bytes of all files below a folder, those of folders that begin with a dot included.
pub(super) fn bytes_below(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        // Removed meanwhile.
        Err(_) => 0,
    });
    sizes.sum()
}
