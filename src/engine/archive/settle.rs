//! After the commit: rows leave memory, horizons move, and the file is settled by the next whole checkpoint.
//!
//! A host to whose archived time nothing was written since drops all of it. Otherwise, and for every file that a crash
//! or a failure left pending, the file's rows are read back, and what memory has of them goes: what came later stays
//! for the next file. Either may be done twice.

use std::path::Path;
use std::sync::Arc;

use crate::disk::RandomRead;
use crate::formats::parquet::{ArchiveReader, Batch, Filter, ValueType};
use crate::model::MetricTable;
use crate::store::{ArchivedRows, Host, Stamp};

use super::super::core::Engine;
use super::super::log::SHARDS;
use super::super::options::{ArchiveOptions, CheckpointFormat};
use super::error::{ArchiveError, disk, parquet};
use super::manifest::{FileEntry, FileState, cluster_folder, holds_samples};

impl Engine {
    /// Reads the manifests and settles what the last run left pending. A failure is no reason not to start: all data is
    /// in memory, and the next pass tries again before it writes anything.
    pub(in crate::engine) fn open_archive(&self, options: &ArchiveOptions) {
        if let Err(error) = self.settle_pending(options) {
            tracing::error!("archive: {error}; nothing is archived until this is mended");
            self.telemetry.archive_failures.inc();
            self.archive.want_pass();
        }
        // The last run may have ended before the pass that was due for these.
        if self.store.hosts().iter().any(|host| host.has_hidden_rows()) {
            self.archive.want_pass();
        }
    }

    /// Drops from memory what pending files hold.
    pub(super) fn settle_pending(&self, options: &ArchiveOptions) -> Result<(), ArchiveError> {
        self.archive.load(&*self.disk, options, self.clock.now_secs())?;
        self.archive.repair(&*self.disk, options)?;
        for cluster in self.archive.clusters() {
            let manifest = self.archive.manifest(&cluster);
            let is_open = |entry: &&FileEntry| {
                entry.state == FileState::Pending && !self.archive.is_dropped(&cluster, &entry.file)
            };
            for entry in manifest.files.iter().filter(is_open) {
                match holds_samples(&entry.file) {
                    true => self.settle_samples_file(options, &cluster, entry)?,
                    false => self.settle_file(options, &cluster, entry)?,
                }
            }
        }
        Ok(())
    }

    fn settle_file(&self, options: &ArchiveOptions, cluster: &str, entry: &FileEntry) -> Result<(), ArchiveError> {
        let path = cluster_folder(&options.directory, cluster).join(&entry.file);
        let Some(file) = self.open_pending(options, cluster, entry, &path)? else { return Ok(()) };
        let reader = ArchiveReader::open(file).map_err(parquet(&path))?;
        let mut removed = 0;
        let mut current: Option<OfHost> = None;
        for batch in reader.read(&Filter::default()) {
            let batch = batch.map_err(parquet(&path))?;
            if current.as_ref().is_none_or(|current| current.hostname != batch.hostname) {
                self.check_stop()?;
                if let Some(host) = current.take() {
                    removed += self.settle_host(cluster, entry, &host)?;
                }
            }
            current.get_or_insert_with(|| OfHost::new(self.is_single(options), &batch.hostname)).add(&batch);
        }
        if let Some(host) = current {
            removed += self.settle_host(cluster, entry, &host)?;
        }
        tracing::info!("{}: {removed} of its {} rows were still in memory and are dropped", path.display(), entry.rows);
        self.note_dropped(cluster, entry);
        Ok(())
    }

    /// Opens a pending file, once its name is durable; one that was never finished is forgotten.
    pub(super) fn open_pending(
        &self,
        options: &ArchiveOptions,
        cluster: &str,
        entry: &FileEntry,
        path: &Path,
    ) -> Result<Option<Arc<dyn RandomRead>>, ArchiveError> {
        if let Some(folder) = path.parent() {
            // Whoever dropped rows before the name is durable could lose them.
            match self.disk.sync_dir(folder) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                other => other.map_err(disk(folder))?,
            }
        }
        match self.disk.open_random(path) {
            Ok(file) => Ok(Some(file)),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && self.archive.is_in_place(&*self.disk, options, cluster) =>
            {
                tracing::info!("{}: was never finished, its rows are where they were", path.display());
                self.archive.change(&*self.disk, options, cluster, |manifest| {
                    manifest.files.retain(|other| other.file != entry.file);
                })?;
                Ok(None)
            }
            Err(error) => Err(disk(path)(error)),
        }
    }

    /// Drops rows that were read back, and moves the horizon; answers how many were there.
    fn settle_host(&self, cluster: &str, entry: &FileEntry, of_host: &OfHost) -> Result<u64, ArchiveError> {
        let Some(host) = self.store.host(cluster, &of_host.hostname) else { return Ok(0) };
        let removed = host.remove_archived(&of_host.rows, &self.store.metrics());
        self.move_archive_horizon(&host, entry)?;
        Ok(removed)
    }

    /// Drops the rows of a file that was just committed.
    pub(super) fn settle_taken(
        &self,
        options: &ArchiveOptions,
        cluster: &str,
        entry: &FileEntry,
        taken: &[(Arc<Host>, Stamp)],
    ) -> Result<(), ArchiveError> {
        let path = cluster_folder(&options.directory, cluster).join(&entry.file);
        let mut reader = None;
        for (host, stamp) in taken {
            self.check_stop()?;
            if !host.depart(stamp) {
                // Something was written to that time meanwhile.
                let reader = match &mut reader {
                    Some(reader) => reader,
                    None => reader.insert(self.open_reader(&path)?),
                };
                let filter = Filter { host: Some(host.name().to_string()), ..Filter::default() };
                let mut of_host = OfHost::new(self.is_single(options), host.name());
                for batch in reader.read(&filter) {
                    of_host.add(&batch.map_err(parquet(&path))?);
                }
                host.remove_archived(&of_host.rows, &self.store.metrics());
            }
            self.move_archive_horizon(host, entry)?;
        }
        self.note_dropped(cluster, entry);
        Ok(())
    }

    fn open_reader(&self, path: &Path) -> Result<ArchiveReader, ArchiveError> {
        let file = self.disk.open_random(path).map_err(disk(path))?;
        ArchiveReader::open(file).map_err(parquet(path))
    }

    pub(super) fn move_archive_horizon(&self, host: &Arc<Host>, entry: &FileEntry) -> Result<(), ArchiveError> {
        let Some(cutoff) = entry.cutoff_of(host.name()).filter(|&cutoff| cutoff > host.horizon_secs()) else {
            return Ok(());
        };
        // It need not be durable: until a checkpoint is, a start looks for the file's rows again.
        let mut writes = [0; SHARDS];
        self.free_host(host, &[], cutoff, "retention", &mut writes).map(|_| ()).map_err(|error| ArchiveError::Horizon {
            host: format!("{}/{}", host.cluster(), host.name()),
            reason: error.to_string(),
        })
    }

    /// Only a checkpoint keeps the rows from coming back, so one is due.
    pub(super) fn note_dropped(&self, cluster: &str, entry: &FileEntry) {
        self.archive.note_dropped(cluster, &entry.file);
        self.want_checkpoint();
    }

    /// Whether values in memory may have lost what a float32 has no room for, in the archive or at a restart.
    pub(super) fn is_single(&self, options: &ArchiveOptions) -> bool {
        options.value == ValueType::Float32 || self.options.format != CheckpointFormat::Native
    }
}

/// Rows of a file that belong to one host.
pub(super) struct OfHost {
    hostname: String,
    rows: ArchivedRows,
}

impl OfHost {
    pub(super) fn new(is_single: bool, hostname: &str) -> Self {
        OfHost { hostname: hostname.to_owned(), rows: ArchivedRows::new(is_single) }
    }

    /// Drops them from a host; answers how many were there.
    pub(super) fn remove_from(&self, host: &Host, metrics: &MetricTable) -> u64 {
        host.remove_archived(&self.rows, metrics)
    }

    pub(super) fn add(&mut self, batch: &Batch) {
        let names = [&*batch.metric, &*batch.scope, &*batch.scope_id, &*batch.parent];
        self.rows.insert(names, batch.frequency_secs, &batch.timestamps, &batch.values);
    }
}
