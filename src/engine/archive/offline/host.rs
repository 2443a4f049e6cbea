//! One host of a cleanup offline: read, relieved of what files hold already and of what is old, its rest written.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::RandomRead;
use crate::formats::parquet::{ArchiveReader, Filter};
use crate::model::HostImage;
use crate::store::{Departing, Host, StampedDeparting};

use super::super::super::adopt;
use super::super::super::core::Engine;
use super::super::super::options::{ArchiveOptions, CheckpointFormat, Partition};
use super::super::error::{ArchiveError, disk, parquet};
use super::super::manifest::FileEntry;
use super::super::output::Range;
use super::super::plan::Plan;
use super::super::samples::remove_from;
use super::super::settle::OfHost;
use super::rest::{FilesRest, write_files};
use super::sources::Source;

/// Days that one round archives: each has a file that is being written.
const DAYS_MAX: usize = 8;

/// What all hosts of a round have in common.
pub(super) struct Round<'a> {
    pub(super) engine: &'a Engine,
    /// `None` in the mode `delete`.
    pub(super) archive: Option<&'a ArchiveOptions>,
    pub(super) plan: &'a Plan,
    pub(super) now_secs: i64,
    /// Files of the archive whose rows may lie in the checkpoints.
    pub(super) pending: &'a [Pending],
    /// The days that this round archives.
    pub(super) days: Mutex<BTreeSet<i64>>,
}

/// A file of the archive that is not settled.
pub(super) struct Pending {
    pub(super) cluster: String,
    pub(super) entry: FileEntry,
    pub(super) path: PathBuf,
    pub(super) content: Content,
}

/// What a file of the archive holds.
pub(super) enum Content {
    /// Rows of the grid.
    Rows(Box<ArchiveReader>),
    /// Stamped samples.
    Samples(Arc<dyn RandomRead>),
}

/// A host that was read.
pub(super) struct Task {
    pub(super) source: Source,
    pub(super) image: Option<Box<HostImage>>,
}

/// What came of a host.
pub(super) struct Done {
    pub(super) source: Source,
    /// Its rows for the archive, by the range of their file.
    pub(super) departing: Vec<(Range, Departing)>,
    /// Its stamped samples, likewise.
    pub(super) samples: Vec<(Range, StampedDeparting)>,
    pub(super) rest: Rest,
    /// Blocks that were dropped, in the mode `delete`.
    pub(super) blocks: u64,
    /// Days were left for another round.
    pub(super) has_more: bool,
}

/// What is left of a host.
pub(super) enum Rest {
    /// Its files are as they should be.
    Unchanged,
    /// Files of its own, beside their places.
    Files(FilesRest),
    /// For the snapshot of its shard; `true` when that is not what it was.
    Image(Box<HostImage>, bool),
}

impl Round<'_> {
    /// Does a host.
    pub(super) fn host(&self, task: Task) -> Result<Done, ArchiveError> {
        let Task { source, image } = task;
        let engine = self.engine;
        let metrics = engine.store.metrics();
        let host = engine
            .store
            .host_or_create(&source.cluster, &source.host)
            .map_err(|limit| disk(&engine.options.checkpoints)(std::io::Error::other(limit)))?;
        if let Some(image) = image {
            host.restore(&image, &metrics, engine.store.limits());
        }
        if let Some(folder) = &source.folder {
            adopt::adopt_host(engine, &source.cluster, &source.host, folder)?;
        }
        let mut is_changed = self.drop_pending(&source, &host)?;
        let cutoff = self.plan.cutoff_of(&host);
        let (mut departing, mut samples) = (Vec::new(), Vec::new());
        let (mut blocks, mut has_more) = (0, false);
        match (self.archive, cutoff) {
            (Some(options), _) => {
                for range in self.ranges(options, &host, cutoff, &mut has_more) {
                    let limit = cutoff.unwrap_or(i64::MIN);
                    let taken = host.departing(&metrics, limit, range.begin_secs, range.end_secs);
                    if let Some(taken) = taken {
                        host.depart(&taken.stamp());
                        departing.push((range.clone(), taken));
                    }
                    if let Some(taken) = host.departing_stamped(limit, range.begin_secs, range.end_secs) {
                        host.depart_stamped(&taken.stamp());
                        samples.push((range, taken));
                    }
                }
                // With days left, what is before the cutoff is not all gone.
                if let Some(cutoff) = cutoff.filter(|_| !has_more && (!departing.is_empty() || !samples.is_empty())) {
                    host.move_horizon([], cutoff.min(host.newest_secs().saturating_add(1)));
                }
            }
            (None, Some(cutoff)) if host.oldest_secs().is_some_and(|oldest| oldest < cutoff) => {
                blocks = host.move_horizon([], cutoff.min(host.newest_secs().saturating_add(1)));
            }
            (None, _) => {}
        }
        is_changed |= !departing.is_empty() || !samples.is_empty() || blocks > 0;
        let rest = self.rest(&source, &host, is_changed)?;
        engine.store.forget(&host);
        Ok(Done { source, departing, samples, rest, blocks, has_more })
    }

    /// The ranges of the files that this host's rows go to.
    fn ranges(&self, options: &ArchiveOptions, host: &Host, cutoff: Option<i64>, has_more: &mut bool) -> Vec<Range> {
        if options.partition == Partition::Cleanup {
            return vec![Range::all_time()];
        }
        let mut wanted = BTreeSet::new();
        host.departing_days(cutoff.unwrap_or(i64::MIN), &mut wanted);
        let mut days = self.days.lock();
        wanted.retain(|day| {
            let is_open = days.contains(day) || (days.len() < DAYS_MAX && days.insert(*day));
            *has_more |= !is_open;
            is_open
        });
        wanted.into_iter().map(Range::of_day).collect()
    }

    /// Drops what pending files hold of the host; answers whether there was anything.
    fn drop_pending(&self, source: &Source, host: &Arc<Host>) -> Result<bool, ArchiveError> {
        let Some(options) = self.archive else { return Ok(false) };
        let mut removed = 0;
        for pending in self.pending.iter().filter(|pending| pending.cluster == source.cluster) {
            let found = match &pending.content {
                Content::Samples(file) => remove_from(host, Arc::clone(file), &pending.path)?,
                Content::Rows(reader) => {
                    let filter = Filter { host: Some(source.host.clone()), ..Filter::default() };
                    let mut of_host = OfHost::new(self.engine.is_single(options), &source.host);
                    for batch in reader.read(&filter) {
                        of_host.add(&batch.map_err(parquet(&pending.path))?);
                    }
                    of_host.remove_from(host, &self.engine.store.metrics())
                }
            };
            if let Some(cutoff) = pending.entry.cutoff_of(&source.host).filter(|_| found > 0) {
                host.move_horizon([], cutoff.min(host.newest_secs().saturating_add(1)));
            }
            removed += found;
        }
        Ok(removed > 0)
    }

    fn rest(&self, source: &Source, host: &Arc<Host>, is_changed: bool) -> Result<Rest, ArchiveError> {
        let engine = self.engine;
        if engine.options.format == CheckpointFormat::Native {
            let is_changed = is_changed || source.folder.is_some();
            return Ok(Rest::Image(Box::new(host.image(&engine.store.metrics())), is_changed));
        }
        if !is_changed && source.shard.is_none() {
            return Ok(Rest::Unchanged);
        }
        let cutoff_secs = self.plan.cutoff_secs.unwrap_or(self.now_secs);
        Ok(Rest::Files(write_files(engine, host, cutoff_secs, self.now_secs)?))
    }
}
