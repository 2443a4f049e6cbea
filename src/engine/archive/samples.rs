//! Stamped samples on their way into files of their own, `<timestamp>.samples.parquet`, and out of memory.
//!
//! The order is that of rows: beside, durable, noted as pending, renamed (the commit), dropped; and what a crash or a
//! failure left pending is read back and looked for in memory.

use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{DiskFile, RandomRead, temporary};
use crate::formats::parquet::{SampleBatch, SampleRows, SamplesReader, SamplesWriter};
use crate::model::histogram::FloatHistogram;
use crate::store::{Host, StampedDeparting, StampedRows, StampedStamp};

use super::super::core::Engine;
use super::super::options::ArchiveOptions;
use super::error::{ArchiveError, disk, parquet};
use super::manifest::{FileEntry, SAMPLES_ENDING, cluster_folder};
use super::output::{Place, Range, Whole};
use super::pass::Archived;
use super::plan::Plan;

/// The hosts with samples in a file.
type Taken = Vec<(Arc<Host>, StampedStamp)>;

/// A file that is begun with its first sample.
pub(super) struct SamplesOutput<'e> {
    engine: &'e Engine,
    options: &'e ArchiveOptions,
    place: Place,
    /// Samples so far.
    pub(super) rows: u64,
    writer: Option<SamplesWriter<BufWriter<Box<dyn DiskFile>>>>,
}

impl<'e> SamplesOutput<'e> {
    /// A file to be in this place.
    pub(super) fn new(engine: &'e Engine, options: &'e ArchiveOptions, place: Place) -> Self {
        SamplesOutput { engine, options, place, rows: 0, writer: None }
    }

    /// Where it will be.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Adds all samples of a host.
    pub(super) fn host(&mut self, hostname: &str, departing: &StampedDeparting) -> Result<(), ArchiveError> {
        departing.each(|rows| self.rows(hostname, rows))
    }

    fn rows(&mut self, hostname: &str, rows: &StampedRows<'_>) -> Result<(), ArchiveError> {
        self.engine.check_stop()?;
        if self.writer.is_none() {
            let file = self.place.create_beside(self.engine, self.options)?;
            let writer = SamplesWriter::begin(file, &self.place.cluster, self.options.compression_level);
            self.writer = Some(writer.map_err(parquet(&self.place.path))?);
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        self.rows += rows.times.len() as u64;
        let rows = SampleRows {
            hostname,
            labels: rows.labels,
            times_ms: rows.times,
            values: rows.values,
            histograms: rows.histograms,
            starts_ms: rows.starts,
        };
        writer.rows(&rows).map_err(parquet(&self.place.path))
    }

    /// Ends the file and makes it durable; `None` when it was never begun.
    pub(super) fn finish(self) -> Result<Option<Whole>, ArchiveError> {
        let Some(writer) = self.writer else { return Ok(None) };
        let (out, written) = writer.finish().map_err(parquet(&self.place.path))?;
        Whole::of(out, written, &self.place).map(Some)
    }
}

impl Engine {
    /// Archives the stamped samples of these hosts that are due in a range.
    pub(super) fn archive_samples(
        &self,
        options: &ArchiveOptions,
        plan: &Plan,
        (cluster, hosts, range): (&str, &[Arc<Host>], &Range),
        name_secs: i64,
        archived: &mut Archived,
    ) -> Result<(), ArchiveError> {
        let place = self.free_place(options, cluster, range, name_secs, SAMPLES_ENDING)?;
        let written = self.write_samples_beside(options, plan, (hosts, range), &place).and_then(|written| {
            // Else a power failure could bring back what a sample of the file has replaced, as if it had come later.
            self.flush().map_err(ArchiveError::Flush).map(|()| written)
        });
        let (whole, taken) = match written {
            Ok(Some(written)) => written,
            Ok(None) => return Ok(()),
            Err(error) => {
                // A full disk must not be filled further by what is left of each attempt.
                _ = self.disk.remove(&temporary(&place.path));
                return Err(error);
            }
        };
        let exceptions = plan.exceptions(taken.iter().map(|(host, _)| &**host));
        let entry = self.entry(&place, &whole, plan.cutoff_secs, exceptions);
        self.commit_file(options, &place, &entry, archived)?;
        let hosts = taken.len();
        tracing::info!("{}: {} samples of {hosts} hosts, {} bytes", place.path.display(), entry.rows, entry.bytes);
        for (host, stamp) in &taken {
            self.check_stop()?;
            if !host.depart_stamped(stamp) {
                // Something was written to that time meanwhile.
                let file = self.disk.open_random(&place.path).map_err(disk(&place.path))?;
                remove_from(host, file, &place.path)?;
            }
            self.move_archive_horizon(host, &entry)?;
        }
        self.note_dropped(cluster, &entry);
        Ok(())
    }

    fn write_samples_beside(
        &self,
        options: &ArchiveOptions,
        plan: &Plan,
        (hosts, range): (&[Arc<Host>], &Range),
        place: &Place,
    ) -> Result<Option<(Whole, Taken)>, ArchiveError> {
        let mut output = SamplesOutput::new(self, options, place.clone());
        let mut taken = Vec::new();
        for host in hosts {
            self.check_stop()?;
            let cutoff = plan.cutoff_of(host).unwrap_or(i64::MIN);
            if let Some(departing) = host.departing_stamped(cutoff, range.begin_secs, range.end_secs) {
                output.host(host.name(), &departing)?;
                taken.push((Arc::clone(host), departing.stamp()));
            }
        }
        Ok(output.finish()?.map(|whole| (whole, taken)))
    }

    /// Drops from memory what a pending file holds.
    pub(super) fn settle_samples_file(
        &self,
        options: &ArchiveOptions,
        cluster: &str,
        entry: &FileEntry,
    ) -> Result<(), ArchiveError> {
        let path = cluster_folder(&options.directory, cluster).join(&entry.file);
        let Some(file) = self.open_pending(options, cluster, entry, &path)? else { return Ok(()) };
        let mut removed = 0;
        let mut current: Option<Arc<Host>> = None;
        for batch in SamplesReader::open(file, None).map_err(parquet(&path))? {
            let batch = batch.map_err(parquet(&path))?;
            if current.as_ref().is_none_or(|host| **host.name() != *batch.hostname) {
                self.check_stop()?;
                if let Some(host) = current.take() {
                    self.move_archive_horizon(&host, entry)?;
                }
                current = self.store.host(cluster, &batch.hostname);
            }
            removed += current.as_ref().map_or(0, |host| remove_batch(host, &batch));
        }
        if let Some(host) = current {
            self.move_archive_horizon(&host, entry)?;
        }
        let rows = entry.rows;
        tracing::info!("{}: {removed} of its {rows} samples were still in memory and are dropped", path.display());
        self.note_dropped(cluster, entry);
        Ok(())
    }
}

/// Drops what a file holds of a host; answers how many samples were there.
pub(super) fn remove_from(host: &Host, file: Arc<dyn RandomRead>, path: &Path) -> Result<u64, ArchiveError> {
    let mut removed = 0;
    for batch in SamplesReader::open(file, Some(host.name())).map_err(parquet(path))? {
        removed += remove_batch(host, &batch.map_err(parquet(path))?);
    }
    Ok(removed)
}

fn remove_batch(host: &Host, batch: &SampleBatch) -> u64 {
    // Of histograms the time alone tells.
    let any = Arc::new(FloatHistogram::default());
    let histograms: Vec<(u32, Arc<FloatHistogram>)> =
        batch.histograms.iter().map(|&at| (at, Arc::clone(&any))).collect();
    let SampleBatch { labels, times_ms, values, .. } = batch;
    host.remove_archived_stamped(&StampedRows { labels, times: times_ms, values, histograms: &histograms, starts: &[] })
}
