//! A file of the archive on its way to its place: written beside it, made durable, noted, renamed.
//!
//! Invariant: a file has its name only when it is whole and durable and the manifest knows it.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use crate::disk::{DiskFile, temporary};
use crate::formats::parquet::{ArchiveWriter, Rows, WriterOptions, Written};
use crate::store::DepartingRows;
use crate::time::civil;

use super::super::core::Engine;
use super::super::options::ArchiveOptions;
use super::error::{ArchiveError, disk, parquet};
use super::manifest::{DAY_PREFIX, FileEntry, FileState, cluster_folder, file_secs, holds_samples};
use super::pass::Archived;

/// Seconds of a day.
const DAY_SECS: i64 = 86_400;
/// Bytes that are gathered before they go to the disk.
const BUFFER_BYTES: usize = 1 << 18;

/// The times whose rows one file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) begin_secs: i64,
    pub(super) end_secs: i64,
    /// The folder below the cluster's; empty for none.
    below: String,
}

impl Range {
    /// Everything.
    pub(super) fn all_time() -> Range {
        Range { begin_secs: i64::MIN, end_secs: i64::MAX, below: String::new() }
    }

    /// A day since 1970.
    pub(super) fn of_day(day: i64) -> Range {
        let below = format!("{DAY_PREFIX}{}", date(day));
        Range { begin_secs: day * DAY_SECS, end_secs: (day + 1) * DAY_SECS, below }
    }
}

/// Where a file is to be.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) cluster: String,
    /// As the manifest calls it.
    pub(super) file: String,
    pub(super) path: PathBuf,
    /// The end of its range.
    end_secs: i64,
}

/// A file that lies beside its place, whole and durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    written: Written,
    bytes: u64,
}

impl Place {
    /// Begins a file beside the place, in a folder that is durable.
    pub(super) fn create_beside(
        &self,
        engine: &Engine,
        options: &ArchiveOptions,
    ) -> Result<BufWriter<Box<dyn DiskFile>>, ArchiveError> {
        let files = &*engine.disk;
        if let Some(folder) = self.path.parent() {
            files.create_dir_all(folder).map_err(disk(folder))?;
            // New folders are as durable as what lies in them.
            let root = &options.directory;
            for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(root)) {
                files.sync_dir(above).map_err(disk(above))?;
            }
            let above = root.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match files.sync_dir(above) {
                // Somebody else's folder, which need not be readable.
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
                other => other.map_err(disk(above))?,
            }
        }
        let beside = temporary(&self.path);
        let file = files.create(&beside).map_err(disk(&beside))?;
        Ok(BufWriter::with_capacity(BUFFER_BYTES, file))
    }
}

impl Whole {
    /// Makes a finished file durable.
    pub(super) fn of(
        out: BufWriter<Box<dyn DiskFile>>,
        written: Written,
        place: &Place,
    ) -> Result<Whole, ArchiveError> {
        let mut file = out.into_inner().map_err(|error| disk(&place.path)(error.into_error()))?;
        file.sync_data().map_err(disk(&place.path))?;
        let bytes = file.file_bytes().map_err(disk(&place.path))?;
        Ok(Whole { written, bytes })
    }
}

impl Engine {
    /// A place with a name that no file has or is to have, and behind those of all files that the cluster has: of two
    /// files that hold a row, the one with the later name is to be believed.
    pub(super) fn free_place(
        &self,
        options: &ArchiveOptions,
        cluster: &str,
        range: &Range,
        name_secs: i64,
        ending: &str,
    ) -> Result<Place, ArchiveError> {
        let folder = cluster_folder(&options.directory, cluster).join(&range.below);
        let entries = self.disk.list(&folder).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(Vec::new()),
            _ => Err(disk(&folder)(error)),
        })?;
        let manifest = self.archive.manifest(cluster);
        // Of two days no row is the same, nor of a file of rows and one of stamped samples.
        let may_share = |file: &&str| {
            let below = file.rsplit_once('/').map_or("", |(below, _)| below);
            let is_near = range.below.is_empty() || below.is_empty() || *below == *range.below;
            is_near && holds_samples(file) == holds_samples(ending)
        };
        let names = manifest.files.iter().map(|entry| entry.file.as_str()).filter(may_share);
        let newest =
            names.chain(entries.iter().map(|entry| entry.name.as_str()).filter(may_share)).filter_map(file_secs).max();
        let mut secs = newest.map_or(name_secs, |newest| name_secs.max(newest.saturating_add(1)));
        loop {
            let name = format!("{secs}{ending}");
            let file = if range.below.is_empty() { name.clone() } else { format!("{}/{name}", range.below) };
            let is_taken =
                entries.iter().any(|entry| entry.name == name) || manifest.files.iter().any(|entry| entry.file == file);
            if !is_taken {
                let path = folder.join(name);
                return Ok(Place { cluster: cluster.to_owned(), file, path, end_secs: range.end_secs });
            }
            secs += 1;
        }
    }

    /// What the manifest is to say of a file.
    pub(super) fn entry(
        &self,
        place: &Place,
        whole: &Whole,
        cutoff_secs: Option<i64>,
        exceptions: BTreeMap<String, Option<i64>>,
    ) -> FileEntry {
        FileEntry {
            file: place.file.clone(),
            state: FileState::Pending,
            cutoff: cutoff_secs.map(|cutoff| cutoff.min(place.end_secs)),
            rows: whole.written.rows,
            first: whole.written.first_secs.unwrap_or(0),
            last: whole.written.last_secs.unwrap_or(0),
            bytes: whole.bytes,
            created: self.clock.now_secs(),
            exceptions,
        }
    }

    /// Notes a whole file in the manifest, and gives it its name: that is the commit.
    pub(super) fn commit_file(
        &self,
        options: &ArchiveOptions,
        place: &Place,
        entry: &FileEntry,
        archived: &mut Archived,
    ) -> Result<(), ArchiveError> {
        let path = &place.path;
        let noted = self.archive.change(&*self.disk, options, &place.cluster, |manifest| {
            manifest.files.push(entry.clone());
        });
        // After a rename that failed the entry stays: whether the file has its name is seen when it is settled.
        let committed = noted.and_then(|()| self.disk.rename(&temporary(path), path).map_err(disk(path)));
        if let Err(error) = committed {
            _ = self.disk.remove(&temporary(path));
            return Err(error);
        }
        if let Some(folder) = path.parent() {
            self.disk.sync_dir(folder).map_err(disk(folder))?;
        }
        archived.files += 1;
        archived.rows += entry.rows;
        archived.bytes += entry.bytes;
        self.telemetry.archive_files.inc();
        self.telemetry.archive_rows.inc_by(entry.rows);
        self.telemetry.archive_bytes.inc_by(entry.bytes);
        Ok(())
    }
}

/// A file that is begun with its first row.
pub(super) struct Output<'e> {
    engine: &'e Engine,
    options: &'e ArchiveOptions,
    place: Place,
    /// Whether it has a column for parents; to be set before the first row.
    pub(super) has_parents: bool,
    /// Rows so far.
    pub(super) rows: u64,
    writer: Option<ArchiveWriter<BufWriter<Box<dyn DiskFile>>>>,
}

impl<'e> Output<'e> {
    /// A file to be in this place.
    pub(super) fn new(engine: &'e Engine, options: &'e ArchiveOptions, place: Place) -> Self {
        Output { engine, options, place, has_parents: false, rows: 0, writer: None }
    }

    /// Where it will be.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Adds rows of a host.
    pub(super) fn rows(&mut self, hostname: &str, rows: &DepartingRows<'_>) -> Result<(), ArchiveError> {
        self.engine.check_stop()?;
        if self.writer.is_none() {
            self.writer = Some(self.begin()?);
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        self.rows += rows.secs.len() as u64;
        let rows = Rows {
            hostname,
            metric: rows.metric,
            scope: rows.scope,
            scope_id: rows.scope_id,
            parent: rows.parent,
            frequency_secs: rows.frequency_secs,
            timestamps: rows.secs,
            values: rows.values,
        };
        writer.rows(&rows).map_err(parquet(&self.place.path))
    }

    fn begin(&self) -> Result<ArchiveWriter<BufWriter<Box<dyn DiskFile>>>, ArchiveError> {
        let file = self.place.create_beside(self.engine, self.options)?;
        let options = WriterOptions {
            compression_level: self.options.compression_level,
            value: self.options.value,
            split_bytes: self.options.split_bytes,
            has_parents: self.has_parents,
            workers: self.engine.options.workers,
            ..WriterOptions::default()
        };
        ArchiveWriter::begin(file, &self.place.cluster, &options).map_err(parquet(&self.place.path))
    }

    /// Ends the file and makes it durable; `None` when it was never begun.
    pub(super) fn finish(self) -> Result<Option<Whole>, ArchiveError> {
        let Some(writer) = self.writer else { return Ok(None) };
        let (out, written) = writer.finish().map_err(parquet(&self.place.path))?;
        Whole::of(out, written, &self.place).map(Some)
    }
}

/// A day since 1970 as `YYYY-MM-DD`.
fn date(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_have_their_dates() {
        for (day, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_488, "2026-02-04"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date(day), expected, "day {day}");
        }
    }
}
