//! `treering convert`: a checkpoint directory's content into another directory in another form, offline.
//!
//! Two engines and what is between them: one recovers from the source over a disk that only reads, so it reads
//! whatever the server reads; one gets the hosts and writes a checkpoint. A third reads that back, and each value is
//! compared. Invariant: nothing in the source changes.

mod compare;
mod error;
mod gaps;
mod progress;
mod read_only;
mod scan;
mod stamped;
mod summary;
#[cfg(test)]
mod tests;
mod values;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::config::{self, Environment};
use crate::disk::{SharedDisk, SystemDisk};
use crate::engine::{CheckpointFormat, Engine, Options};
use crate::model::{Metric, MetricTable};
use crate::store::Limits;
use crate::telemetry::Telemetry;
use crate::time::SystemClock;

use super::CRITICAL;
use super::command::ConvertArguments;
use compare::Comparison;
use read_only::ReadOnlyDisk;
use summary::Summary;

pub(super) use error::ConvertError;
pub(super) use progress::Progress;
pub(super) use values::values;

/// Converts; the exit code is 1 when the target does not hold what the source does.
pub(super) fn main(arguments: &ConvertArguments) -> ExitCode {
    let outcome = configured_metrics(arguments.config.as_deref()).and_then(|configured| {
        let progress = Progress::on_terminal();
        convert(arguments, &configured, &progress)
    });
    match outcome {
        Ok(summary) => {
            super::print(&summary.to_string());
            if summary.comparison.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            for line in error.to_string().lines() {
                tracing::error!(target: CRITICAL, "{line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn configured_metrics(config: Option<&Path>) -> Result<Vec<Metric>, ConvertError> {
    match config {
        Some(path) => Ok(config::load(path, &Environment::of_process())?.metrics().to_vec()),
        None => Ok(Vec::new()),
    }
}

fn convert(arguments: &ConvertArguments, configured: &[Metric], progress: &Progress) -> Result<Summary, ConvertError> {
    let ConvertArguments { source, target, to, .. } = arguments;
    check_paths(source, target)?;
    let workers = workers();
    let Content { found, forms, metrics, guessed, engine: read } =
        read(source, configured, arguments.from, workers, progress)?;
    let damages = damages(read.telemetry());

    progress.stage("writing the target");
    let written = open(target, *to, &metrics, Arc::new(SystemDisk), workers)?;
    for host in read.store().hosts() {
        let image = host.image(&read.store().metrics());
        let copy = written.store().host_or_create(host.cluster(), host.name())?;
        copy.restore(&image, &written.store().metrics(), written.store().limits());
    }
    for (name, metadata) in read.store().metadata() {
        // What the source has room for the target has room for.
        _ = written.store().set_metadata(&name, metadata);
    }
    let report = written.checkpoint();
    if report.failed > 0 {
        return Err(ConvertError::Write { failed: report.failed, target: target.clone() });
    }
    drop(written);

    progress.stage("reading the target back");
    let back = open(target, *to, &metrics, Arc::new(ReadOnlyDisk), workers)?;
    let comparison = Comparison::of(read.store(), back.store(), *to, progress);
    progress.done();
    Ok(Summary {
        source: source.clone(),
        from: names(&forms),
        files: found.files,
        target: target.clone(),
        to: name(*to),
        damages,
        guessed: guessed.len(),
        comparison,
    })
}

/// What lies in a checkpoint directory.
pub(super) struct Content {
    found: scan::Found,
    forms: Vec<CheckpointFormat>,
    metrics: MetricTable,
    guessed: Vec<(String, u32)>,
    /// The engine that holds it.
    pub(super) engine: Engine,
}

/// Reads whatever a server reads from a directory; nothing in it changes.
pub(super) fn read(
    source: &Path,
    configured: &[Metric],
    expected: Option<CheckpointFormat>,
    workers: usize,
    progress: &Progress,
) -> Result<Content, ConvertError> {
    let found = scan::scan(source, workers, progress)?;
    let forms = found.forms();
    if forms.is_empty() {
        return Err(ConvertError::Nothing(source.to_owned()));
    }
    if let Some(expected) = expected
        && forms != [expected]
    {
        return Err(ConvertError::OtherForm {
            path: source.to_owned(),
            found: names(&forms),
            expected: name(expected),
        });
    }
    let (metrics, guessed) = found.metrics(configured);
    for (metric, frequency_secs) in &guessed {
        tracing::warn!(
            "{metric} lies in logs alone: taking its frequency for {frequency_secs} s; --config FILE says it"
        );
    }
    progress.stage("reading the source");
    let engine = open(source, CheckpointFormat::Native, &metrics, Arc::new(ReadOnlyDisk), workers)?;
    Ok(Content { found, forms, metrics, guessed, engine })
}

/// The processors.
pub(super) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// An engine that has recovered what lies in a directory.
fn open(
    checkpoints: &Path,
    format: CheckpointFormat,
    metrics: &MetricTable,
    disk: SharedDisk,
    workers: usize,
) -> Result<Engine, ConvertError> {
    let options = Options {
        format,
        workers,
        future_tolerance: std::time::Duration::MAX,
        limits: LIMITS,
        ..Options::new(checkpoints)
    };
    let engine = Engine::open(options, metrics.clone(), disk, Arc::new(SystemClock), Arc::new(Telemetry::default()))?;
    engine.recover()?;
    Ok(engine)
}

/// As wide as the files: what a server took, whatever its config allowed, must come through.
const LIMITS: Limits = Limits {
    hosts_max: 10_000_000,
    components_per_host_max: 1 << 16,
    series_per_host_max: 1 << 20,
    name_bytes_max: u16::MAX as usize,
    stamped_per_host_max: 10_000_000,
    stamped_max: 1_000_000_000,
    labels_per_series_max: u16::MAX as usize,
    label_name_bytes_max: u16::MAX as usize,
    label_value_bytes_max: u16::MAX as usize,
    exemplars_per_series_max: 1000,
    metadata_max: 10_000_000,
};

/// How many parts of files recovery could not use, as it counts them for `/metrics`.
fn damages(telemetry: &Telemetry) -> u64 {
    let text = telemetry.encode();
    let counts = text.lines().filter(|line| line.starts_with("treering_recovery_damage_total"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// The target must be empty or missing, and neither directory may lie in the other.
fn check_paths(source: &Path, target: &Path) -> Result<(), ConvertError> {
    let disk_error = |path: &Path| {
        let path = path.to_owned();
        move |error| ConvertError::Disk { path, error }
    };
    std::fs::read_dir(source).map_err(disk_error(source))?;
    match std::fs::read_dir(target).map(|mut entries| entries.next().is_some()) {
        Ok(false) => {}
        Ok(true) => return Err(ConvertError::NotEmpty(target.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(disk_error(target)(error)),
    }
    let (from, to) = (resolved(source).map_err(disk_error(source))?, resolved(target).map_err(disk_error(target))?);
    if to.starts_with(&from) || from.starts_with(&to) {
        return Err(ConvertError::Nested(source.to_owned(), target.to_owned()));
    }
    Ok(())
}

/// An absolute path without links, of which the last parts may be missing.
fn resolved(path: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let existing = absolute.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    Ok(match existing {
        Some((ancestor, canonical)) => canonical.join(absolute.strip_prefix(ancestor).unwrap_or(Path::new(""))),
        None => absolute,
    })
}

fn name(format: CheckpointFormat) -> &'static str {
    match format {
        CheckpointFormat::Native => "native",
        CheckpointFormat::Wal => "wal",
        CheckpointFormat::Json => "json",
    }
}

fn names(formats: &[CheckpointFormat]) -> String {
    formats.iter().map(|&format| name(format)).collect::<Vec<_>>().join(" and ")
}
