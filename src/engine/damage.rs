//! What a recovery could not use: one line in the log with file and reason, one count by kind, and the file kept
//! beside, never deleted and never written over.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::telemetry::{Reason, Telemetry};

/// Notes that a file, or a part of it, can't be used.
pub(super) fn note(telemetry: &Telemetry, reason: &'static str, path: &Path, what: &dyn Display) {
    tracing::warn!("{}: {what}", path.display());
    telemetry.recovery_damage.get_or_create(&Reason { reason }).inc();
}

/// Renames a file or folder that can't be used, or not as a whole, so that neither a recovery nor a cleanup touches it
/// again; answers whether that was possible.
pub(super) fn set_aside(disk: &dyn Disk, path: &Path) -> bool {
    let aside = free_name(disk, path);
    let renamed = disk.rename(path, &aside);
    match &renamed {
        Ok(()) => tracing::warn!("{} is kept as {}", path.display(), aside.display()),
        Err(error) => tracing::error!("{} can't be set aside: {error}", path.display()),
    }
    renamed.is_ok()
}

/// `<name>.corrupt`, or the first of `<name>.corrupt.2`, `.3` … that is free: what was set aside before stays.
pub(super) fn free_name(disk: &dyn Disk, path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".corrupt");
    let taken: Vec<String> = path
        .parent()
        .and_then(|folder| disk.list(folder).ok())
        .map(|entries| entries.into_iter().map(|entry| entry.name).collect())
        .unwrap_or_default();
    let is_taken = |name: &std::ffi::OsStr| taken.iter().any(|other| name == other.as_str());
    let mut free = name.clone();
    let mut number = 2;
    while is_taken(&free) {
        free = name.clone();
        free.push(format!(".{number}"));
        number += 1;
    }
    path.with_file_name(free)
}

#[cfg(test)]
mod tests;
