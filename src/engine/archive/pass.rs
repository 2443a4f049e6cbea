//! A pass: one file a cluster with the rows that are to leave memory, and then they leave.
//!
//! The order is what makes it safe: write beside, make durable, note the file in the manifest as pending, rename (the
//! commit), make the folder durable, and only then drop rows. A failure before the commit leaves everything as it was;
//! one after it leaves a pending file, whose rows the next pass or start looks for in memory.

use std::collections::BTreeSet;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::disk::{DiskFile, temporary};
use crate::formats::parquet::{ArchiveWriter, Rows, WriterOptions, Written};
use crate::store::{DepartingRows, Host, Stamp};

use super::super::core::Engine;
use super::super::options::{ArchiveOptions, Partition};
use super::error::{ArchiveError, disk, parquet};
use super::manifest::{DAY_PREFIX, FILE_ENDING, FileEntry, FileState, cluster_folder};
use super::plan::Plan;

/// Seconds of a day.
const DAY_SECS: i64 = 86_400;
/// Between two lines of progress.
const PROGRESS_MILLIS: i64 = 10_000;
/// Bytes that are gathered before they go to the disk.
const BUFFER_BYTES: usize = 1 << 18;

/// What passes have written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::engine) struct Archived {
    pub(in crate::engine) files: u64,
    pub(in crate::engine) rows: u64,
    pub(in crate::engine) bytes: u64,
}

/// A file that lies beside its place, whole and durable.
struct Beside {
    written: Written,
    bytes: u64,
    /// The hosts with rows in it.
    taken: Vec<(Arc<Host>, Stamp)>,
}

/// One file to be: rows of one cluster and of one day, or of all time.
struct Target<'a> {
    cluster: &'a str,
    hosts: &'a [Arc<Host>],
    begin_secs: i64,
    end_secs: i64,
    /// The folder below the cluster's; empty for none.
    below: String,
}

impl Target<'_> {
    /// As the manifest calls a file of this name.
    fn file(&self, name: &str) -> String {
        if self.below.is_empty() { name.to_owned() } else { format!("{}/{name}", self.below) }
    }
}

impl Engine {
    /// Archives what is due, one cluster after the other; a cluster that fails keeps its data and does not stop the
    /// others. The error is the first one. Blocks.
    pub(in crate::engine) fn archive_pass(
        &self,
        options: &ArchiveOptions,
        plan: &Plan,
        name_secs: i64,
    ) -> (Archived, Result<(), ArchiveError>) {
        let _one = self.archive.pass.lock();
        let begun_millis = self.clock.now_millis();
        let mut archived = Archived::default();
        let mut outcome = self.settle_pending(options);
        if outcome.is_ok() {
            for cluster in self.store.cluster_names() {
                if let Err(error) = self.archive_cluster(options, plan, &cluster, name_secs, &mut archived) {
                    tracing::error!("archive of {cluster}: {error}; all data is kept in memory");
                    outcome = outcome.and(Err(error));
                }
            }
        }
        let outcome = outcome.and_then(|()| self.expire_archive(options));
        let seconds = (self.clock.now_millis() - begun_millis) as f64 / 1000.0;
        let telemetry = &self.telemetry;
        telemetry.archive_seconds.observe(seconds);
        match &outcome {
            Ok(()) => _ = telemetry.archive_timestamp_seconds.set(self.clock.now_secs()),
            // It was asked to stop.
            Err(ArchiveError::Stopped) => {}
            Err(_) => _ = telemetry.archive_failures.inc(),
        }
        (archived, outcome)
    }

    fn archive_cluster(
        &self,
        options: &ArchiveOptions,
        plan: &Plan,
        cluster: &str,
        name_secs: i64,
        archived: &mut Archived,
    ) -> Result<(), ArchiveError> {
        let names = self.store.host_names(cluster);
        let hosts: Vec<Arc<Host>> = names.iter().filter_map(|name| self.store.host(cluster, name)).collect();
        let all_time = (i64::MIN, i64::MAX, String::new());
        let ranges = match options.partition {
            Partition::Cleanup => vec![all_time],
            Partition::Day => {
                let mut days = BTreeSet::new();
                for host in &hosts {
                    host.departing_days(plan.cutoff_of(host).unwrap_or(i64::MIN), &mut days);
                }
                let range = |day: i64| (day * DAY_SECS, (day + 1) * DAY_SECS, format!("{DAY_PREFIX}{}", date(day)));
                days.into_iter().map(range).collect()
            }
        };
        for (begin_secs, end_secs, below) in ranges {
            self.archive_range(
                options,
                plan,
                &Target { cluster, hosts: &hosts, begin_secs, end_secs, below },
                name_secs,
                archived,
            )?;
        }
        Ok(())
    }

    fn archive_range(
        &self,
        options: &ArchiveOptions,
        plan: &Plan,
        target: &Target<'_>,
        name_secs: i64,
        archived: &mut Archived,
    ) -> Result<(), ArchiveError> {
        let begun_millis = self.clock.now_millis();
        let folder = cluster_folder(&options.directory, target.cluster).join(&target.below);
        let name = self.free_name(target, &folder, name_secs)?;
        let path = folder.join(&name);
        let beside = self.write_beside(options, plan, target, &path);
        let beside = match beside {
            Ok(Some(beside)) => beside,
            Ok(None) => return Ok(()),
            Err(error) => {
                // A full disk must not be filled further by what is left of each attempt.
                _ = self.disk.remove(&temporary(&path));
                return Err(error);
            }
        };
        let file = target.file(&name);
        let entry = FileEntry {
            file: file.clone(),
            state: FileState::Pending,
            cutoff: plan.cutoff_secs.map(|cutoff| cutoff.min(target.end_secs)),
            rows: beside.written.rows,
            first: beside.written.first_secs.unwrap_or(0),
            last: beside.written.last_secs.unwrap_or(0),
            bytes: beside.bytes,
            created: self.clock.now_secs(),
            exceptions: plan.exceptions(beside.taken.iter().map(|(host, _)| &**host)),
        };
        let noted = self.archive.change(&*self.disk, options, target.cluster, |manifest| {
            manifest.files.push(entry.clone());
        });
        // After a rename that failed the entry stays: whether the file has its name is seen when it is settled.
        let committed = noted.and_then(|()| self.disk.rename(&temporary(&path), &path).map_err(disk(&path)));
        if let Err(error) = committed {
            _ = self.disk.remove(&temporary(&path));
            return Err(error);
        }
        self.disk.sync_dir(&folder).map_err(disk(&folder))?;
        archived.files += 1;
        archived.rows += beside.written.rows;
        archived.bytes += beside.bytes;
        self.telemetry.archive_files.inc();
        self.telemetry.archive_rows.inc_by(beside.written.rows);
        self.telemetry.archive_bytes.inc_by(beside.bytes);
        let seconds = (self.clock.now_millis() - begun_millis) as f64 / 1000.0;
        tracing::info!(
            "{}: {} rows of {} hosts, {} bytes, archived in {seconds:.1} s",
            path.display(),
            beside.written.rows,
            beside.taken.len(),
            beside.bytes
        );
        self.settle_taken(options, target.cluster, &entry, &beside.taken)
    }

    /// A name that no file has or is to have.
    fn free_name(&self, target: &Target<'_>, folder: &Path, name_secs: i64) -> Result<String, ArchiveError> {
        let entries = self.disk.list(folder).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(Vec::new()),
            _ => Err(disk(folder)(error)),
        })?;
        let manifest = self.archive.manifest(target.cluster);
        let is_taken = |name: &str| {
            let file = target.file(name);
            entries.iter().any(|entry| entry.name == name) || manifest.files.iter().any(|entry| entry.file == file)
        };
        let mut secs = name_secs;
        while is_taken(&format!("{secs}{FILE_ENDING}")) {
            secs += 1;
        }
        Ok(format!("{secs}{FILE_ENDING}"))
    }

    /// Writes what is due of these hosts beside its place; `None` when nothing is.
    fn write_beside(
        &self,
        options: &ArchiveOptions,
        plan: &Plan,
        target: &Target<'_>,
        path: &Path,
    ) -> Result<Option<Beside>, ArchiveError> {
        let mut output = Output::new(self, options, target.cluster, path);
        output.has_parents = target.hosts.iter().any(|host| host.nests());
        let metrics = self.store.metrics();
        let mut taken = Vec::new();
        let mut told_millis = self.clock.now_millis();
        for (number, host) in target.hosts.iter().enumerate() {
            self.check_stop()?;
            let cutoff = plan.cutoff_of(host).unwrap_or(i64::MIN);
            let Some(departing) = host.departing(&metrics, cutoff, target.begin_secs, target.end_secs) else {
                continue;
            };
            if departing.has_parents() && !output.has_parents {
                // Its first nested component came a moment ago: the next file has a column for it.
                continue;
            }
            let rows_before = output.rows;
            departing.each(|rows| output.rows(host.name(), rows))?;
            if output.rows > rows_before {
                taken.push((Arc::clone(host), departing.stamp()));
            }
            let now_millis = self.clock.now_millis();
            if now_millis - told_millis >= PROGRESS_MILLIS {
                told_millis = now_millis;
                let hosts = target.hosts.len();
                tracing::info!("archive of {}: {} of {hosts} hosts, {} rows", target.cluster, number + 1, output.rows);
            }
        }
        let Some((written, bytes)) = output.finish()? else { return Ok(None) };
        Ok(Some(Beside { written, bytes, taken }))
    }

    /// An error when the store is to end soon.
    pub(super) fn check_stop(&self) -> Result<(), ArchiveError> {
        if self.stopping.load(Ordering::Relaxed) { Err(ArchiveError::Stopped) } else { Ok(()) }
    }
}

/// A file that is begun with its first row.
struct Output<'e> {
    engine: &'e Engine,
    options: &'e ArchiveOptions,
    cluster: &'e str,
    path: PathBuf,
    has_parents: bool,
    rows: u64,
    writer: Option<ArchiveWriter<BufWriter<Box<dyn DiskFile>>>>,
}

impl<'e> Output<'e> {
    fn new(engine: &'e Engine, options: &'e ArchiveOptions, cluster: &'e str, path: &Path) -> Self {
        Output { engine, options, cluster, path: path.to_owned(), has_parents: false, rows: 0, writer: None }
    }

    fn rows(&mut self, hostname: &str, rows: &DepartingRows<'_>) -> Result<(), ArchiveError> {
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
        writer.rows(&rows).map_err(parquet(&self.path))
    }

    fn begin(&self) -> Result<ArchiveWriter<BufWriter<Box<dyn DiskFile>>>, ArchiveError> {
        let files = &*self.engine.disk;
        if let Some(folder) = self.path.parent() {
            files.create_dir_all(folder).map_err(disk(folder))?;
            // New folders are as durable as what lies in them.
            for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(&self.options.directory)) {
                files.sync_dir(above).map_err(disk(above))?;
            }
        }
        let beside = temporary(&self.path);
        let file = files.create(&beside).map_err(disk(&beside))?;
        let options = WriterOptions {
            compression_level: self.options.compression_level,
            value: self.options.value,
            has_parents: self.has_parents,
            workers: self.engine.options.workers,
            ..WriterOptions::default()
        };
        ArchiveWriter::begin(BufWriter::with_capacity(BUFFER_BYTES, file), self.cluster, &options)
            .map_err(parquet(&self.path))
    }

    /// Ends the file and makes it durable; `None` when it was never begun.
    fn finish(self) -> Result<Option<(Written, u64)>, ArchiveError> {
        let Some(writer) = self.writer else { return Ok(None) };
        let (out, written) = writer.finish().map_err(parquet(&self.path))?;
        let mut file = out.into_inner().map_err(|error| disk(&self.path)(error.into_error()))?;
        file.sync_data().map_err(disk(&self.path))?;
        let bytes = file.file_bytes().map_err(disk(&self.path))?;
        Ok(Some((written, bytes)))
    }
}

/// A day since 1970 as `YYYY-MM-DD`, after Howard Hinnant's `civil_from_days`.
fn date(day: i64) -> String {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{of_month:02}")
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
