//! The retention of the archive itself: files that are too old go, and the oldest when there is too much.
//!
//! Invariant: only files that are settled, or that the manifest does not know, are removed.

use std::path::PathBuf;

use super::super::core::Engine;
use super::super::options::ArchiveOptions;
use super::error::{ArchiveError, disk};
use super::manifest::{DAY_PREFIX, FileState, archive_files, cluster_folder, file_secs};

/// A file that may go.
struct Candidate {
    /// Its newest row.
    last_secs: i64,
    bytes: u64,
    cluster: String,
    file: String,
    path: PathBuf,
}

impl Engine {
    /// Removes what is beyond the age or the size that the options allow.
    pub(super) fn expire_archive(&self, options: &ArchiveOptions) -> Result<(), ArchiveError> {
        if options.max_age.is_none() && options.bytes_max == 0 {
            return Ok(());
        }
        let mut candidates = Vec::new();
        let mut total = 0;
        for entry in self.disk.list(&options.directory).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(Vec::new()),
            _ => Err(disk(&options.directory)(error)),
        })? {
            if !entry.is_dir {
                continue;
            }
            let cluster = crate::formats::ccms::name_of_directory(&entry.name);
            let folder = cluster_folder(&options.directory, &cluster);
            let manifest = self.archive.manifest(&cluster);
            for (file, bytes) in archive_files(&*self.disk, &folder)? {
                total += bytes;
                let known = manifest.files.iter().find(|known| known.file == file);
                if known.is_some_and(|known| known.state == FileState::Pending) {
                    continue;
                }
                let last_secs = known.map(|known| known.last).or_else(|| file_secs(&file)).unwrap_or(i64::MAX);
                let path = folder.join(&file);
                candidates.push(Candidate { last_secs, bytes, cluster: cluster.clone(), file, path });
            }
        }
        candidates.sort_by(|a, b| (a.last_secs, &a.path).cmp(&(b.last_secs, &b.path)));
        let oldest_secs = options.max_age.map_or(i64::MIN, |age| {
            self.clock.now_secs().saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
        });
        for candidate in candidates {
            let is_too_much = options.bytes_max > 0 && total > options.bytes_max;
            if candidate.last_secs >= oldest_secs && !is_too_much {
                continue;
            }
            self.remove_archived_file(options, &candidate)?;
            total -= candidate.bytes;
        }
        Ok(())
    }

    fn remove_archived_file(&self, options: &ArchiveOptions, candidate: &Candidate) -> Result<(), ArchiveError> {
        let Candidate { cluster, file, path, bytes, .. } = candidate;
        self.disk.remove(path).map_err(disk(path))?;
        if let Some(folder) = path.parent().filter(|_| file.starts_with(DAY_PREFIX)) {
            // It is kept while it holds other files.
            _ = self.disk.remove_dir(folder);
        }
        let is_known = self.archive.manifest(cluster).files.iter().any(|known| known.file == *file);
        if is_known {
            self.archive.change(&*self.disk, options, cluster, |manifest| {
                manifest.files.retain(|known| known.file != *file);
            })?;
        }
        tracing::info!("{}: {bytes} bytes removed, beyond cleanup.max-age or cleanup.max-size", path.display());
        Ok(())
    }
}
