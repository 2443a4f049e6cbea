//! An export from its arguments to its end.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use crate::cli::command::{ExportArguments, ExportFormat};
use crate::cli::meter::Meter;
use crate::cli::stop::Stop;
use crate::config::{self, Environment};
use crate::engine::CleanupMode;
use crate::formats::parquet::ValueType;
use crate::time::Rfc3339;

use super::error::ExportError;
use super::files::files;
use super::merge::Merge;
use super::output::Output;
use super::question::Question;
use super::sink::{Sink, SinkError};
use super::sorted::SortedFile;

/// What an export did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Exported {
    /// Rows written.
    pub(super) rows: u64,
    /// Rows that the form has no room for.
    pub(super) unwritable: u64,
    /// Files that could not be read, or not to their end.
    pub(super) failed_files: u64,
}

/// The files of one cluster that may hold what is asked for, earlier ones first.
struct Cluster {
    name: String,
    files: Vec<SortedFile>,
}

pub(super) fn export(arguments: &ExportArguments) -> Result<Exported, ExportError> {
    if arguments.from >= arguments.to {
        return Err(ExportError::Range(arguments.from, arguments.to));
    }
    let question = Question {
        from_secs: arguments.from,
        last_secs: arguments.to - 1,
        cluster: arguments.cluster.clone(),
        hosts: arguments.hosts.iter().cloned().collect(),
        metrics: arguments.metrics.iter().cloned().collect(),
    };
    let archive = archive_of(arguments)?;
    let mut exported = Exported::default();
    let mut held = Held::default();
    let clusters = open(&archive, &question, &mut held, &mut exported)?;
    let is_parquet = arguments.format == ExportFormat::Parquet;
    if is_parquet && clusters.len() > 1 {
        let names: Vec<&str> = clusters.iter().map(|cluster| &*cluster.name).collect();
        return Err(ExportError::Clusters(names.join(", ")));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(ExportError::Setup)?;
    let stop = Stop::on_signals(runtime.handle()).map_err(ExportError::Setup)?;
    let outcome = write(arguments, &question, clusters, &stop, &mut exported);
    runtime.shutdown_background();
    match outcome {
        Ok(()) if exported.rows == 0 && exported.unwritable == 0 && exported.failed_files == 0 => {
            Err(ExportError::Nothing { held: held.to_string() })
        }
        Ok(()) => {
            if exported.unwritable > 0 {
                tracing::error!(
                    "{} rows were left out: their names or values have no form as lines",
                    exported.unwritable
                );
            }
            if arguments.output != Path::new("-") {
                let (rows, path) = (exported.rows, arguments.output.display());
                crate::cli::print(&format!("{rows} rows written to {path}\n"));
            }
            Ok(exported)
        }
        // The reader has gone, as in `… | head -1`: nobody is left to tell.
        Err(Failed::Sink(SinkError::Io(error))) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exported),
        Err(Failed::Sink(SinkError::Io(error))) => Err(ExportError::Output { path: arguments.output.clone(), error }),
        Err(Failed::Sink(SinkError::Parquet(error))) => Err(ExportError::Parquet(error)),
        Err(Failed::Stopped) => Err(ExportError::Stopped),
    }
}

fn archive_of(arguments: &ExportArguments) -> Result<PathBuf, ExportError> {
    if let Some(archive) = &arguments.archive {
        return Ok(archive.clone());
    }
    match config::load(&arguments.config, &Environment::of_process())?.engine_options().cleanup {
        CleanupMode::Archive(options) => Ok(options.directory),
        CleanupMode::Delete => Err(ExportError::NoArchive(arguments.config.clone())),
    }
}

/// Opens the files that may hold what is asked for.
fn open(
    archive: &Path,
    question: &Question,
    held: &mut Held,
    exported: &mut Exported,
) -> Result<Vec<Cluster>, ExportError> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for file in files(archive, question.cluster.as_deref())? {
        let opened = match SortedFile::open(&file.path) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!("{}: {error}", file.path.display());
                exported.failed_files += 1;
                continue;
            }
        };
        let metadata = opened.metadata();
        held.see(metadata.first_secs, metadata.last_secs);
        if !question.may_match(metadata) {
            continue;
        }
        let name = metadata.cluster.clone().or(file.cluster).unwrap_or_default();
        match clusters.iter_mut().find(|cluster| cluster.name == name) {
            Some(cluster) => cluster.files.push(opened),
            None => clusters.push(Cluster { name, files: vec![opened] }),
        }
    }
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(clusters)
}

/// Why writing ends early.
enum Failed {
    Sink(SinkError),
    Stopped,
}

impl<E: Into<SinkError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed::Sink(error.into())
    }
}

fn write(
    arguments: &ExportArguments,
    question: &Question,
    clusters: Vec<Cluster>,
    stop: &Stop,
    exported: &mut Exported,
) -> Result<(), Failed> {
    let is_shown = arguments.output != Path::new("-") || !io::stdout().is_terminal();
    let rows = clusters.iter().flat_map(|cluster| &cluster.files).map(|file| file.metadata().rows).sum();
    let meter = if is_shown { Meter::of_rows(rows) } else { Meter::hidden() };
    // Begins with the first row: what holds nothing leaves no file.
    let mut sink: Option<Sink> = None;
    for Cluster { name, files } in clusters {
        let is_exact = files.iter().any(|file| !file.is_narrow());
        let value = if is_exact { ValueType::Float64 } else { ValueType::Float32 };
        let has_parents = files.iter().any(|file| file.metadata().has_parents);
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        let mut failed = |rank: usize, reason: String| {
            tracing::error!("{}: {reason}; rows of it are missing", paths[rank].display());
            exported.failed_files += 1;
        };
        let mut merge = Merge::new();
        for (rank, file) in files.into_iter().enumerate() {
            let is_narrow = file.is_narrow();
            let added = match file.rows(question) {
                Ok(rows) => merge.add(rank, is_narrow, rows).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(reason) = added {
                failed(rank, reason);
            }
        }
        let mut host = String::new();
        loop {
            if stop.is_asked() {
                return Err(Failed::Stopped);
            }
            let more = merge.next(
                |run| -> Result<(), Failed> {
                    if run.series.hostname != host {
                        host.clone_from(&run.series.hostname);
                        meter.say(format!("{name}/{host}"));
                    }
                    let sink = match &mut sink {
                        Some(sink) => sink,
                        none => none.insert(begin(arguments, &name, value, has_parents)?),
                    };
                    exported.rows += sink.rows(&run)?;
                    meter.advance(run.timestamps.len() as u64);
                    Ok(())
                },
                &mut |rank, failure| failed(rank, failure.to_string()),
            )?;
            if !more {
                break;
            }
        }
    }
    if let Some(sink) = sink {
        exported.unwritable += sink.finish()?;
    }
    Ok(())
}

fn begin(arguments: &ExportArguments, cluster: &str, value: ValueType, has_parents: bool) -> Result<Sink, SinkError> {
    let output = Output::open(&arguments.output)?;
    match arguments.format {
        ExportFormat::Parquet => Sink::parquet(output, cluster, value, has_parents),
        ExportFormat::Csv => Sink::csv(output),
        ExportFormat::Lp => Ok(Sink::lines(output)),
    }
}

/// The times that the archive's files hold, for those who have asked for another.
#[derive(Debug, Default)]
struct Held {
    range: Option<(i64, i64)>,
}

impl Held {
    fn see(&mut self, first_secs: Option<i64>, last_secs: Option<i64>) {
        if let (Some(first), Some(last)) = (first_secs, last_secs) {
            let (least, most) = self.range.unwrap_or((first, last));
            self.range = Some((least.min(first), most.max(last)));
        }
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.range {
            Some((first, last)) => write!(f, " holds rows from {} to {}", Rfc3339(first), Rfc3339(last)),
            None => f.write_str(" holds no rows"),
        }
    }
}
