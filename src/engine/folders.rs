//! Folders below the checkpoint directory, made so that they are there after a power failure too.
//!
//! Invariant: the checkpoint directory itself is made when an engine opens, and never again. One that is gone was taken
//! away: a new one in its place would fill the disk below a mount point, and hide what is in it from the next start.

use std::io;
use std::path::Path;

use crate::disk::Disk;

use super::core::OWN_FOLDER;

/// Makes the checkpoint directory with Treering's own folder in it.
pub(super) fn make_root(disk: &dyn Disk, checkpoints: &Path) -> io::Result<()> {
    disk.create_dir_all(&checkpoints.join(OWN_FOLDER))?;
    disk.sync_dir(checkpoints)?;
    match checkpoints.parent() {
        // Somebody else's folder, which need not be readable.
        Some(above) if !above.as_os_str().is_empty() => _ = disk.sync_dir(above),
        _ => _ = disk.sync_dir(Path::new(".")),
    }
    Ok(())
}

/// Fails when the checkpoint directory was taken away: then a file that is not found there may come back with it.
pub(super) fn check_there(disk: &dyn Disk, checkpoints: &Path) -> io::Result<()> {
    match disk.list(&checkpoints.join(OWN_FOLDER)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("{} was taken away: {error}", checkpoints.display())))
        }
        Err(error) => Err(error),
    }
}

/// Makes a folder and those between it and the checkpoint directory.
pub(super) fn make(disk: &dyn Disk, checkpoints: &Path, folder: &Path) -> io::Result<()> {
    check_there(disk, checkpoints)?;
    disk.create_dir_all(folder)
}

/// As [`make`], and what was made has durable names.
pub(super) fn make_durable(disk: &dyn Disk, checkpoints: &Path, folder: &Path) -> io::Result<()> {
    make(disk, checkpoints, folder)?;
    let above = folder.ancestors().skip(1).take_while(|above| above.starts_with(checkpoints));
    above.into_iter().try_for_each(|above| disk.sync_dir(above))
}
