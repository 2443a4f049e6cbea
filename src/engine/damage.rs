//! What a recovery could not use: one line in the log with file and reason, one count by kind, and the file kept
//! beside, never deleted.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::telemetry::{Reason, Telemetry};

/// Notes that a file, or a part of it, can't be used.
pub(super) fn note(telemetry: &Telemetry, reason: &'static str, path: &Path, what: &dyn Display) {
    tracing::warn!("{}: {what}", path.display());
    telemetry.recovery_damage.get_or_create(&Reason { reason }).inc();
}

/// Renames a snapshot that can't be used, or not as a whole, so that neither a recovery nor a cleanup touches it again.
pub(super) fn set_aside(disk: &dyn Disk, path: &Path) {
    let mut name = path.as_os_str().to_owned();
    name.push(".corrupt");
    let aside = PathBuf::from(name);
    match disk.rename(path, &aside) {
        Ok(()) => tracing::warn!("{} is kept as {}", path.display(), aside.display()),
        Err(error) => tracing::error!("{} can't be set aside: {error}", path.display()),
    }
}
