//! What a running engine knows of its archive.
//!
//! Invariant: the manifests here are those on disk, or marked as unsure, and then the next pass writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::disk::Disk;
use crate::engine::options::ArchiveOptions;
use crate::formats::ccms::name_of_directory;

use super::error::{ArchiveError, disk};
use super::manifest::{FileState, MANIFEST, Manifest, cluster_folder, remove_temporary, remove_temporary_manifest};

/// What is known of all clusters' archives.
#[derive(Debug, Default)]
pub(in crate::engine) struct ArchiveState {
    /// Held over a pass: there is one at a time.
    pub(super) pass: Mutex<()>,
    /// `None` until the manifests were read. The lock is held only to look something up or to write a manifest.
    clusters: Mutex<Option<BTreeMap<String, Cluster>>>,
    /// Whether a pass is due out of turn: something was freed.
    wants_pass: AtomicBool,
    /// Whether it is due for the memory cap.
    wants_relief: AtomicBool,
}

/// One cluster's archive.
#[derive(Debug, Clone, Default)]
struct Cluster {
    manifest: Manifest,
    /// Pending files whose rows are in memory no more: the next whole checkpoint settles them.
    dropped: BTreeSet<String>,
    /// The manifest on disk may be another one: writing it has failed.
    is_unsure: bool,
}

impl ArchiveState {
    /// Asks for a pass.
    pub(in crate::engine) fn want_pass(&self) {
        self.wants_pass.store(true, Ordering::Relaxed);
    }

    /// Asks for a pass that makes room.
    pub(in crate::engine) fn want_relief(&self) {
        self.wants_relief.store(true, Ordering::Relaxed);
    }

    /// Whether a pass was asked for, and whether it is to make room; both are forgotten.
    pub(in crate::engine) fn take_wanted(&self) -> (bool, bool) {
        (self.wants_pass.swap(false, Ordering::Relaxed), self.wants_relief.swap(false, Ordering::Relaxed))
    }

    /// Reads the manifests, unless they are known, and removes what interrupted passes left.
    pub(super) fn load(&self, files: &dyn Disk, options: &ArchiveOptions, now_secs: i64) -> Result<(), ArchiveError> {
        let mut clusters = self.clusters.lock();
        if clusters.is_some() {
            return Ok(());
        }
        let entries = match files.list(&options.directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(disk(&options.directory))?,
        };
        let mut found = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.is_dir) {
            let folder = options.directory.join(&entry.name);
            remove_temporary(files, &folder)?;
            remove_temporary_manifest(files, &folder)?;
            let manifest = Manifest::load(files, &folder, now_secs)?;
            found.insert(name_of_directory(&entry.name), Cluster { manifest, ..Cluster::default() });
        }
        *clusters = Some(found);
        Ok(())
    }

    /// The clusters that have an archive.
    pub(super) fn clusters(&self) -> Vec<String> {
        self.clusters.lock().iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    /// A copy of a cluster's manifest.
    pub(super) fn manifest(&self, cluster: &str) -> Manifest {
        let clusters = self.clusters.lock();
        let cluster = clusters.as_ref().and_then(|clusters| clusters.get(cluster));
        cluster.map(|cluster| cluster.manifest.clone()).unwrap_or_default()
    }

    /// Whether the rows of a pending file are in memory no more.
    pub(super) fn is_dropped(&self, cluster: &str, file: &str) -> bool {
        let clusters = self.clusters.lock();
        let cluster = clusters.as_ref().and_then(|clusters| clusters.get(cluster));
        cluster.is_some_and(|cluster| cluster.dropped.contains(file))
    }

    /// Notes that the rows of a pending file are in memory no more.
    pub(super) fn note_dropped(&self, cluster: &str, file: &str) {
        let mut clusters = self.clusters.lock();
        clusters.get_or_insert_default().entry(cluster.to_owned()).or_default().dropped.insert(file.to_owned());
    }

    /// Changes a cluster's manifest and writes it. When the writing fails, nothing has changed.
    pub(super) fn change(
        &self,
        files: &dyn Disk,
        options: &ArchiveOptions,
        cluster: &str,
        change: impl FnOnce(&mut Manifest),
    ) -> Result<(), ArchiveError> {
        let mut clusters = self.clusters.lock();
        let folder = cluster_folder(&options.directory, cluster);
        let is_known = clusters.as_ref().is_some_and(|clusters| clusters.contains_key(cluster));
        if !is_known && files.open(&folder.join(MANIFEST)).is_ok() {
            // The archive was mounted after the start: what it says is read before anything is written over it.
            *clusters = None;
            let error = std::io::Error::other("it was not there at the start; it is read at the next attempt");
            return Err(ArchiveError::Disk { path: folder.join(MANIFEST), error });
        }
        let known = clusters.get_or_insert_default().entry(cluster.to_owned()).or_default();
        let mut manifest = known.manifest.clone();
        change(&mut manifest);
        // Whoever fails here may have replaced the file, though not durably.
        known.is_unsure = true;
        manifest.store(files, &folder)?;
        known.is_unsure = false;
        known.manifest = manifest;
        Ok(())
    }

    /// Writes the manifests whose writing has failed.
    pub(super) fn repair(&self, files: &dyn Disk, options: &ArchiveOptions) -> Result<(), ArchiveError> {
        let unsure = |clusters: &BTreeMap<String, Cluster>| -> Vec<String> {
            clusters.iter().filter(|(_, cluster)| cluster.is_unsure).map(|(name, _)| name.clone()).collect()
        };
        let names = self.clusters.lock().as_ref().map(unsure).unwrap_or_default();
        names.iter().try_for_each(|name| self.change(files, options, name, |_| {}))
    }

    /// The files that a checkpoint which begins now settles.
    pub(in crate::engine) fn dropped(&self) -> Vec<(String, String)> {
        let clusters = self.clusters.lock();
        let of_cluster = |(name, cluster): (&String, &Cluster)| -> Vec<(String, String)> {
            cluster.dropped.iter().map(|file| (name.clone(), file.clone())).collect()
        };
        clusters.iter().flatten().flat_map(of_cluster).collect()
    }

    /// Settles files: a whole checkpoint has been written since their rows left memory.
    pub(in crate::engine) fn settle(
        &self,
        files: &dyn Disk,
        options: &ArchiveOptions,
        dropped: &[(String, String)],
    ) -> Result<(), ArchiveError> {
        let clusters: BTreeSet<&String> = dropped.iter().map(|(cluster, _)| cluster).collect();
        for cluster in clusters {
            let is_settled = |file: &str| dropped.iter().any(|(of, name)| of == cluster && name == file);
            self.change(files, options, cluster, |manifest| {
                for entry in manifest.files.iter_mut().filter(|entry| is_settled(&entry.file)) {
                    entry.state = FileState::Settled;
                    entry.exceptions.clear();
                }
            })?;
            if let Some(known) = self.clusters.lock().as_mut().and_then(|clusters| clusters.get_mut(cluster)) {
                known.dropped.retain(|file| !is_settled(file));
            }
        }
        Ok(())
    }

    /// Whether a cluster's folder is the one that its manifest was written to, and not an empty mount point.
    pub(super) fn is_in_place(&self, files: &dyn Disk, options: &ArchiveOptions, cluster: &str) -> bool {
        let folder = cluster_folder(&options.directory, cluster);
        files.list(&folder).is_ok_and(|entries| entries.iter().any(|entry| entry.name == MANIFEST))
    }
}
