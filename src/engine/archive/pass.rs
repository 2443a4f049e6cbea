//! A pass: a file a cluster with the rows that are to leave memory, one with its stamped samples, and then they leave.
//!
//! The order is what makes it safe: write beside, make durable, note the file in the manifest as pending, rename (the
//! commit), make the folder durable, and only then drop rows. A failure before the commit leaves everything as it was;
//! one after it leaves a pending file, whose rows the next pass or start looks for in memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::disk::temporary;
use crate::store::{Host, Stamp};

use super::super::core::Engine;
use super::super::options::{ArchiveOptions, Partition};
use super::error::ArchiveError;
use super::manifest::{FILE_ENDING, cluster_folder, remove_temporary};
use super::output::{Output, Place, Range, Whole};
use super::plan::Plan;

/// Between two lines of progress.
const PROGRESS_MILLIS: i64 = 10_000;
/// What passes have written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::engine) struct Archived {
    pub(in crate::engine) files: u64,
    pub(in crate::engine) rows: u64,
    pub(in crate::engine) bytes: u64,
}

/// The hosts with rows in a file.
type Taken = Vec<(Arc<Host>, Stamp)>;

/// One file to be: rows of one cluster and of one day, or of all time.
struct Target<'a> {
    cluster: &'a str,
    hosts: &'a [Arc<Host>],
    range: Range,
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
        remove_temporary(&*self.disk, &cluster_folder(&options.directory, cluster))?;
        let ranges = match options.partition {
            Partition::Cleanup => vec![Range::all_time()],
            Partition::Day => {
                let mut days = BTreeSet::new();
                for host in &hosts {
                    host.departing_days(plan.cutoff_of(host).unwrap_or(i64::MIN), &mut days);
                }
                days.into_iter().map(Range::of_day).collect()
            }
        };
        for range in ranges {
            let target = Target { cluster, hosts: &hosts, range };
            self.archive_range(options, plan, &target, name_secs, archived)?;
            self.archive_samples(options, plan, (cluster, &hosts, &target.range), name_secs, archived)?;
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
        let place = self.free_place(options, target.cluster, &target.range, name_secs, FILE_ENDING)?;
        let (whole, taken) = match self.write_beside(options, plan, target, &place) {
            Ok(Some(written)) => written,
            Ok(None) => return Ok(()),
            Err(error) => {
                // A full disk must not be filled further by what is left of each attempt.
                _ = self.disk.remove(&temporary(&place.path));
                return Err(error);
            }
        };
        // Else a power failure could bring back what a row of the file has replaced, as if it had come later.
        if let Err(error) = self.flush() {
            _ = self.disk.remove(&temporary(&place.path));
            return Err(ArchiveError::Flush(error));
        }
        let exceptions = plan.exceptions(taken.iter().map(|(host, _)| &**host));
        let entry = self.entry(&place, &whole, plan.cutoff_secs, exceptions);
        self.commit_file(options, &place, &entry, archived)?;
        let seconds = (self.clock.now_millis() - begun_millis) as f64 / 1000.0;
        tracing::info!(
            "{}: {} rows of {} hosts, {} bytes, archived in {seconds:.1} s",
            place.path.display(),
            entry.rows,
            taken.len(),
            entry.bytes
        );
        self.settle_taken(options, target.cluster, &entry, &taken)
    }

    /// Writes what is due of these hosts beside its place; `None` when nothing is.
    fn write_beside(
        &self,
        options: &ArchiveOptions,
        plan: &Plan,
        target: &Target<'_>,
        place: &Place,
    ) -> Result<Option<(Whole, Taken)>, ArchiveError> {
        let mut output = Output::new(self, options, place.clone());
        output.has_parents = target.hosts.iter().any(|host| host.nests());
        let metrics = self.store.metrics();
        let mut taken = Vec::new();
        let mut told_millis = self.clock.now_millis();
        for (number, host) in target.hosts.iter().enumerate() {
            self.check_stop()?;
            let cutoff = plan.cutoff_of(host).unwrap_or(i64::MIN);
            let Some(departing) = host.departing(&metrics, cutoff, target.range.begin_secs, target.range.end_secs)
            else {
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
        Ok(output.finish()?.map(|whole| (whole, taken)))
    }

    /// An error when the store is to end soon.
    pub(super) fn check_stop(&self) -> Result<(), ArchiveError> {
        if self.stopping.load(Ordering::Relaxed) { Err(ArchiveError::Stopped) } else { Ok(()) }
    }
}
