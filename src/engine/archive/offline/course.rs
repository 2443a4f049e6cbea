//! The course of a cleanup offline: rounds, the hosts of a round in order, and the order of what becomes visible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use parking_lot::Mutex;

use super::super::super::core::Engine;
use super::super::super::log::shard_of;
use super::super::super::options::{ArchiveOptions, CleanupMode};
use super::super::super::outcome::CleanupReport;
use super::super::error::{ArchiveError, disk, parquet};
use super::super::manifest::{FILE_ENDING, FileState, SAMPLES_ENDING, cluster_folder, holds_samples};
use super::super::output::{Output, Place, Whole};
use super::super::pass::Archived;
use super::super::plan::Plan;
use super::super::samples::SamplesOutput;
use super::host::{Content, Done, Pending, Rest, Round, Task};
use super::rest::{FilesRest, Shards, publish_files};
use super::sources::{Images, Source, Sources};
use crate::disk::temporary;
use crate::formats::parquet::ArchiveReader;

/// How far a cleanup offline has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupProgress {
    /// Hosts that were read.
    pub hosts: usize,
    /// Of so many.
    pub of_hosts: usize,
    /// Rows for the archive so far.
    pub rows: u64,
}

/// What a round came to.
enum RoundEnd {
    /// Days are left for the next one, or not.
    Done { has_more: bool },
    /// A cluster's file needs a column for parents, which shows only when it was begun: once more from the start.
    NeedsParents(String),
}

impl Engine {
    /// A cleanup of the checkpoint directory of an engine that was opened and not recovered: host by host, so that
    /// memory holds a few hosts at a time. `progress` is told after each host. Blocks.
    ///
    /// # Errors
    ///
    /// When something can't be read or written, or nobody knows which hosts are in use: all data is where it was, or in
    /// the archive, and the next cleanup goes on from there.
    pub fn cleanup_offline(&self, progress: &dyn Fn(CleanupProgress)) -> Result<CleanupReport, ArchiveError> {
        let retention = i64::try_from(self.options.retention.as_secs()).unwrap_or(i64::MAX);
        let now_secs = self.clock.now_secs();
        let cutoff_secs = now_secs.saturating_sub(retention);
        let spared = self.used_nodes(cutoff_secs).map_err(ArchiveError::UsedNodes)?;
        let plan = Plan { cutoff_secs: Some(cutoff_secs), spared, only: None };
        let mut report = CleanupReport::default();
        let mut with_parents = BTreeSet::new();
        loop {
            match self.offline_round(&plan, now_secs, &with_parents, progress, &mut report)? {
                RoundEnd::Done { has_more: true } => {}
                RoundEnd::Done { has_more: false } => break,
                RoundEnd::NeedsParents(cluster) => _ = with_parents.insert(cluster),
            }
        }
        if let CleanupMode::Archive(options) = &self.options.cleanup {
            self.expire_archive(options)?;
        }
        Ok(report)
    }

    fn offline_round(
        &self,
        plan: &Plan,
        now_secs: i64,
        with_parents: &BTreeSet<String>,
        progress: &dyn Fn(CleanupProgress),
        report: &mut CleanupReport,
    ) -> Result<RoundEnd, ArchiveError> {
        let archive = match &self.options.cleanup {
            CleanupMode::Archive(options) => Some(options),
            CleanupMode::Delete => None,
        };
        let pending = match archive {
            Some(options) => self.pending_files(options)?,
            None => Vec::new(),
        };
        let sources = Sources::find(self)?;
        let days = Mutex::new(BTreeSet::new());
        let round = Round { engine: self, archive, plan, now_secs, pending: &pending, days };
        let mut course = Course {
            engine: self,
            archive,
            plan,
            with_parents,
            outputs: BTreeMap::new(),
            samples: BTreeMap::new(),
            cluster: String::new(),
            files: Vec::new(),
            shards: Shards::new(self, &sources.sequences),
            archived: Archived::default(),
            rows: 0,
            blocks: 0,
            has_more: false,
            needs_parents: None,
        };
        let outcome = course.run(&round, &sources, progress);
        if outcome.is_err() || course.needs_parents.is_some() {
            let places = course.outputs.values().map(Output::place);
            for place in places.chain(course.samples.values().map(SamplesOutput::place)) {
                _ = self.disk.remove(&temporary(&place.path));
            }
            course.shards.discard();
            outcome?;
            return Ok(RoundEnd::NeedsParents(course.needs_parents.unwrap_or_default()));
        }
        publish_files(self, &course.files)?;
        course.shards.publish()?;
        if sources.has_folders() || sources.sequences.iter().any(Option::is_some) {
            self.move_foreign_files().map_err(disk(&self.options.checkpoints))?;
        }
        if let Some(options) = archive {
            // All of them were looked for in every host, and what is left is durable.
            for pending in &pending {
                self.archive.note_dropped(&pending.cluster, &pending.entry.file);
            }
            self.archive.settle(&*self.disk, options, &self.archive.dropped())?;
        }
        report.blocks += course.blocks;
        report.files += course.archived.files;
        report.rows += course.archived.rows;
        report.bytes += course.archived.bytes;
        Ok(RoundEnd::Done { has_more: course.has_more })
    }

    /// The files of the archive that are not settled, those forgotten that were never finished.
    fn pending_files(&self, options: &ArchiveOptions) -> Result<Vec<Pending>, ArchiveError> {
        self.archive.load(&*self.disk, options, self.clock.now_secs())?;
        let mut found = Vec::new();
        for cluster in self.archive.clusters() {
            let manifest = self.archive.manifest(&cluster);
            for entry in manifest.files.into_iter().filter(|entry| entry.state == FileState::Pending) {
                let path = cluster_folder(&options.directory, &cluster).join(&entry.file);
                let Some(file) = self.open_pending(options, &cluster, &entry, &path)? else { continue };
                let content = match holds_samples(&entry.file) {
                    true => Content::Samples(file),
                    false => Content::Rows(Box::new(ArchiveReader::open(file).map_err(parquet(&path))?)),
                };
                found.push(Pending { cluster: cluster.clone(), entry, path, content });
            }
        }
        Ok(found)
    }
}

/// A round under way.
struct Course<'a> {
    engine: &'a Engine,
    archive: Option<&'a ArchiveOptions>,
    plan: &'a Plan,
    with_parents: &'a BTreeSet<String>,
    /// The files of the cluster at hand, by the first second of their ranges.
    outputs: BTreeMap<i64, Output<'a>>,
    /// As `outputs`, of stamped samples.
    samples: BTreeMap<i64, SamplesOutput<'a>>,
    cluster: String,
    files: Vec<FilesRest>,
    shards: Shards<'a>,
    archived: Archived,
    rows: u64,
    blocks: u64,
    has_more: bool,
    needs_parents: Option<String>,
}

impl Course<'_> {
    /// Reads the hosts by some threads, in order, and takes in what comes of them.
    fn run(
        &mut self,
        round: &Round<'_>,
        sources: &Sources,
        progress: &dyn Fn(CleanupProgress),
    ) -> Result<(), ArchiveError> {
        let readers = (self.engine.options.workers / 2).max(1);
        std::thread::scope(|scope| {
            // Each reader does every n-th host and has one in hand and one ready: so their number bounds the memory.
            let mut inputs = Vec::with_capacity(readers);
            let mut outputs = Vec::with_capacity(readers);
            for _ in 0..readers {
                let (input, tasks) = sync_channel::<Task>(0);
                let (done, output) = sync_channel(0);
                inputs.push(input);
                outputs.push(output);
                scope.spawn(move || read_hosts(round, &tasks, &done));
            }
            let (failed, failure) = sync_channel(1);
            scope.spawn(move || {
                if let Err(error) = feed(round.engine, sources, &inputs) {
                    _ = failed.send(error);
                }
            });
            let outcome = self.take_all(sources, &outputs, progress);
            // The readers end when nobody waits for them.
            drop(outputs);
            match failure.recv() {
                Ok(error) => Err(error),
                Err(_) => outcome,
            }
        })
    }

    fn take_all(
        &mut self,
        sources: &Sources,
        outputs: &[Receiver<Result<Done, ArchiveError>>],
        progress: &dyn Fn(CleanupProgress),
    ) -> Result<(), ArchiveError> {
        for (at, source) in sources.hosts.iter().enumerate() {
            // A reader that is gone was left by the feeder, which knows why.
            let Ok(done) = outputs[at % outputs.len()].recv() else { return Err(ArchiveError::Stopped) };
            if self.cluster != source.cluster {
                self.end_cluster()?;
                self.cluster.clone_from(&source.cluster);
            }
            self.take(done?)?;
            if self.needs_parents.is_some() {
                return Ok(());
            }
            progress(CleanupProgress { hosts: at + 1, of_hosts: sources.hosts.len(), rows: self.rows });
        }
        self.end_cluster()
    }

    fn take(&mut self, done: Done) -> Result<(), ArchiveError> {
        let Source { cluster, host, .. } = &done.source;
        for (range, departing) in &done.departing {
            let Some(options) = self.archive else { continue };
            let output = match self.outputs.entry(range.begin_secs) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let name_secs = self.plan.cutoff_secs.unwrap_or(0);
                    let place = self.engine.free_place(options, cluster, range, name_secs, FILE_ENDING)?;
                    let output = entry.insert(Output::new(self.engine, options, place));
                    output.has_parents = self.with_parents.contains(cluster);
                    output
                }
            };
            if departing.has_parents() && !output.has_parents {
                if output.rows > 0 {
                    self.needs_parents = Some(cluster.clone());
                    return Ok(());
                }
                output.has_parents = true;
            }
            let before = output.rows;
            departing.each(|rows| output.rows(host, rows))?;
            self.rows += output.rows - before;
        }
        for (range, departing) in &done.samples {
            let Some(options) = self.archive else { continue };
            let output = match self.samples.entry(range.begin_secs) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let name_secs = self.plan.cutoff_secs.unwrap_or(0);
                    let place = self.engine.free_place(options, cluster, range, name_secs, SAMPLES_ENDING)?;
                    entry.insert(SamplesOutput::new(self.engine, options, place))
                }
            };
            let before = output.rows;
            output.host(host, departing)?;
            self.rows += output.rows - before;
        }
        match done.rest {
            Rest::Unchanged => {}
            Rest::Files(files) => self.files.push(files),
            Rest::Image(image, is_changed) => self.shards.add(shard_of(cluster, host), &image, is_changed)?,
        }
        self.blocks += done.blocks;
        self.has_more |= done.has_more;
        Ok(())
    }

    /// Commits the files of the cluster at hand.
    fn end_cluster(&mut self) -> Result<(), ArchiveError> {
        let Some(options) = self.archive else { return Ok(()) };
        while let Some((_, output)) = self.outputs.pop_first() {
            let place = output.place().clone();
            let whole = output.finish().inspect_err(|_| _ = self.engine.disk.remove(&temporary(&place.path)))?;
            if let Some(whole) = whole {
                self.commit(options, &place, &whole)?;
            }
        }
        while let Some((_, output)) = self.samples.pop_first() {
            let place = output.place().clone();
            let whole = output.finish().inspect_err(|_| _ = self.engine.disk.remove(&temporary(&place.path)))?;
            if let Some(whole) = whole {
                self.commit(options, &place, &whole)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self, options: &ArchiveOptions, place: &Place, whole: &Whole) -> Result<(), ArchiveError> {
        let spared = self.plan.exceptions_of(&self.cluster);
        let entry = self.engine.entry(place, whole, self.plan.cutoff_secs, spared);
        self.engine.commit_file(options, place, &entry, &mut self.archived)?;
        self.engine.archive.note_dropped(&place.cluster, &place.file);
        tracing::info!("{}: {} rows, {} bytes", place.path.display(), entry.rows, entry.bytes);
        Ok(())
    }
}

/// Hands the hosts out in order, with their images from the shards.
fn feed(engine: &Engine, sources: &Sources, inputs: &[SyncSender<Task>]) -> Result<(), ArchiveError> {
    let mut images = Images::new(engine, &sources.sequences);
    for (at, source) in sources.hosts.iter().enumerate() {
        let image = match source.shard {
            Some(shard) => Some(Box::new(images.next(shard, source)?)),
            None => None,
        };
        if inputs[at % inputs.len()].send(Task { source: source.clone(), image }).is_err() {
            // Nobody waits any more: whoever stopped knows why.
            return Ok(());
        }
    }
    Ok(())
}

fn read_hosts(round: &Round<'_>, tasks: &Receiver<Task>, done: &SyncSender<Result<Done, ArchiveError>>) {
    while let Ok(task) = tasks.recv() {
        if done.send(round.host(task)).is_err() {
            return;
        }
    }
}
