//! `<archive>/<cluster>/_manifest.json`: which files there are, and which of them memory may still hold.
//!
//! Invariant: a file is in the manifest, as pending, before it gets its name; and it becomes settled only when no
//! checkpoint and no log can bring its rows back.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::{Disk, temporary};
use crate::formats::ccms::directory_name;

use super::error::{ArchiveError, disk};

/// The manifest's name in a cluster's folder. Readers of whole folders (Arrow, Spark) leave out names with an
/// underscore.
pub(super) const MANIFEST: &str = "_manifest.json";
/// The version that this program writes.
const VERSION: u32 = 1;
/// The end of the name of a file with rows.
pub(super) const FILE_ENDING: &str = ".parquet";
/// The end of the name of a file with stamped samples.
pub(super) const SAMPLES_ENDING: &str = ".samples.parquet";

/// What is known of one cluster's archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u32,
    /// In the order in which they were written.
    pub(super) files: Vec<FileEntry>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    /// Its path below the cluster's folder.
    pub(super) file: String,
    pub(super) state: FileState,
    /// Every row before this second that was in memory is in the file, but for the hosts in `exceptions`; absent when
    /// there was no such second.
    pub(super) cutoff: Option<i64>,
    pub(super) rows: u64,
    /// The first row's second.
    pub(super) first: i64,
    /// The last row's.
    pub(super) last: i64,
    pub(super) bytes: u64,
    /// When it was written.
    pub(super) created: i64,
    /// Hosts with a cutoff of their own, or without one; forgotten when the file is settled.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) exceptions: BTreeMap<String, Option<i64>>,
}

/// Whether memory, logs and checkpoints are done with a file's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FileState {
    /// A restart may find its rows in memory.
    Pending,
    /// It can't.
    Settled,
}

impl FileEntry {
    /// The second up to which a host's rows went, if they did.
    pub(super) fn cutoff_of(&self, host: &str) -> Option<i64> {
        self.exceptions.get(host).copied().unwrap_or(self.cutoff)
    }
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest { version: VERSION, files: Vec::new() }
    }
}

impl Manifest {
    /// Reads a cluster's manifest; an archive without one has no files of ours. One that can't be read is set aside,
    /// and all files that are there count as pending: their rows are looked for in memory once more.
    pub(super) fn load(files: &dyn Disk, folder: &Path, now_secs: i64) -> Result<Manifest, ArchiveError> {
        let path = folder.join(MANIFEST);
        let bytes = match files.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Manifest::default()),
            Err(error) => return Err(ArchiveError::Disk { path, error }),
        };
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        if let Ok(Version { version }) = serde_json::from_slice(&bytes)
            && version > VERSION
        {
            return Err(ArchiveError::Newer { path, version });
        }
        match serde_json::from_slice(&bytes) {
            Ok(manifest) => Ok(manifest),
            Err(error) => {
                tracing::error!("{}: {error}; it is set aside and made anew", path.display());
                let manifest = Manifest::of_files(files, folder, now_secs)?;
                manifest.save(files, &folder.join("_manifest.json.corrupt"), &bytes)?;
                manifest.store(files, folder)?;
                Ok(manifest)
            }
        }
    }

    /// A manifest that knows nothing of the files but that they are there.
    fn of_files(files: &dyn Disk, folder: &Path, now_secs: i64) -> Result<Manifest, ArchiveError> {
        let mut manifest = Manifest::default();
        for (file, bytes) in archive_files(files, folder)? {
            manifest.files.push(FileEntry {
                file,
                state: FileState::Pending,
                cutoff: None,
                rows: 0,
                first: 0,
                last: now_secs,
                bytes,
                created: now_secs,
                exceptions: BTreeMap::new(),
            });
        }
        Ok(manifest)
    }

    /// Writes the manifest, atomically and durably.
    pub(super) fn store(&self, files: &dyn Disk, folder: &Path) -> Result<(), ArchiveError> {
        let path = folder.join(MANIFEST);
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| disk(&path)(io::Error::other(error)))?;
        self.save(files, &path, &bytes)
    }

    fn save(&self, files: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
        files.replace(path, &mut |out| out.write_all(bytes)).map_err(disk(path))
    }
}

/// The folder of a cluster's files.
pub(super) fn cluster_folder(archive: &Path, cluster: &str) -> PathBuf {
    archive.join(directory_name(cluster))
}

/// The files with rows in a cluster's folder and its folders of days: paths below it and bytes, sorted.
pub(super) fn archive_files(files: &dyn Disk, folder: &Path) -> Result<Vec<(String, u64)>, ArchiveError> {
    let mut found = Vec::new();
    for (below, entries) in folders(files, folder)? {
        found.extend(entries.into_iter().filter(|(name, _)| file_secs(name).is_some()).map(|(name, bytes)| {
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            (path, bytes)
        }));
    }
    found.sort();
    Ok(found)
}

/// Removes what passes that never ended left.
pub(super) fn remove_temporary(files: &dyn Disk, folder: &Path) -> Result<(), ArchiveError> {
    for (below, entries) in folders(files, folder)? {
        for (name, _) in entries.iter().filter(|(name, _)| name.ends_with(".parquet.tmp")) {
            let path = folder.join(&below).join(name);
            files.remove(&path).map_err(disk(&path))?;
            tracing::info!("{}: removed, its writing was interrupted", path.display());
        }
    }
    Ok(())
}

/// Removes a manifest whose writing was interrupted. Not to be called while others may write one.
pub(super) fn remove_temporary_manifest(files: &dyn Disk, folder: &Path) -> Result<(), ArchiveError> {
    let path = temporary(&folder.join(MANIFEST));
    match files.remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(&path)(error)),
        _ => Ok(()),
    }
}

/// Whether a file is one of stamped samples, by its name.
pub(super) fn holds_samples(name: &str) -> bool {
    name.ends_with(SAMPLES_ENDING)
}

/// The second in the name of a file with rows.
pub(super) fn file_secs(name: &str) -> Option<i64> {
    let name = name.rsplit('/').next().unwrap_or(name).strip_suffix(FILE_ENDING)?;
    name.split('.').next()?.parse().ok()
}

/// Names and bytes of a folder's files.
type Files = Vec<(String, u64)>;

/// The files in a folder and in its folders of days, by the name of those.
fn folders(files: &dyn Disk, folder: &Path) -> Result<Vec<(String, Files)>, ArchiveError> {
    let list = |path: &Path| match files.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(disk(path)),
    };
    let plain = |entries: Vec<crate::disk::Entry>| -> Files {
        entries.into_iter().filter(|entry| !entry.is_dir).map(|entry| (entry.name, entry.len)).collect()
    };
    let top = list(folder)?;
    let mut found = Vec::new();
    for day in top.iter().filter(|entry| entry.is_dir && entry.name.starts_with(DAY_PREFIX)) {
        found.push((day.name.clone(), plain(list(&folder.join(&day.name))?)));
    }
    found.push((String::new(), plain(top)));
    Ok(found)
}

/// How the name of a day's folder begins.
pub(super) const DAY_PREFIX: &str = "date=";
