//! `treering import`: lines, Parquet files and checkpoints into a running server, or into a checkpoint directory.
//!
//! Everything becomes lines, the one thing that a store takes, so an import can do nothing that a collector could not.
//! To import something twice changes nothing: equal times overwrite.

mod checkpoints;
mod error;
mod importer;
mod inputs;
mod local;
mod parquet;
mod remote;
mod rows;
mod stdin;
mod summary;
mod target;
mod text;

use std::process::ExitCode;

use super::CRITICAL;
use super::command::ImportArguments;
use super::demo::TOKEN_VARIABLE;
use super::meter::Meter;
use super::stop::Stop;
use error::ImportError;
use importer::Importer;
use inputs::{Input, inputs};
use local::Local;
use remote::Remote;
use summary::Summary;
use target::Target;

/// Imports; the exit code is 1 unless everything that can be stored was.
pub(super) fn main(arguments: &ImportArguments) -> ExitCode {
    let mut summary = Summary::default();
    let outcome = import(arguments, &mut summary);
    if summary.inputs > 0 {
        super::print(&summary.to_string());
    }
    if let Err(error) = &outcome {
        for line in error.to_string().lines() {
            tracing::error!(target: CRITICAL, "{line}");
        }
    }
    if outcome.is_ok() && summary.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn import(arguments: &ImportArguments, summary: &mut Summary) -> Result<(), ImportError> {
    // The one provider of TLS; only the first call of a process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut found: Vec<Input> = Vec::new();
    for path in &arguments.paths {
        match inputs(path, arguments.format) {
            Ok(more) => found.extend(more),
            Err(error) => note_failure(summary, &error),
        }
    }
    if found.is_empty() {
        // There is nothing to open a store for.
        summary.inputs += 1;
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| ImportError::Setup(error.to_string()))?;
    let stop = Stop::on_signals(runtime.handle()).map_err(|error| ImportError::Setup(error.to_string()))?;
    let mut target = match &arguments.url {
        Some(url) => {
            let variable = || std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
            let token = arguments.token.clone().or_else(variable);
            Target::Remote(Box::new(Remote::new(url, token, &arguments.tls, runtime.handle().clone(), stop.clone())?))
        }
        None if arguments.tls.is_given() => {
            let text = "--client-cert, --client-key and --server-ca are for a server: expected --url beside them";
            return Err(ImportError::Setup(text.to_owned()));
        }
        None => Target::Local(Box::new(Local::open(&arguments.config, stop.clone())?)),
    };
    let known: Vec<u64> = found.iter().map(Input::bytes).collect();
    let total = if known.contains(&0) { 0 } else { known.iter().sum() };
    let mut importer = Importer::new(&mut target, &arguments.cluster, Meter::of_bytes(total), stop.clone());
    importer.summary = std::mem::take(summary);
    let outcome = all(&found, &mut importer, &stop);
    *summary = std::mem::take(&mut importer.summary);
    drop(importer);
    // What was stored is kept, whatever ended the import.
    let finished = target.finish().map(|reasons| summary.reasons = reasons);
    runtime.shutdown_background();
    outcome.and(finished)
}

fn all(found: &[Input], importer: &mut Importer<'_>, stop: &Stop) -> Result<(), ImportError> {
    for input in found {
        if stop.is_asked() {
            return Err(ImportError::Stopped);
        }
        match importer.input(input) {
            Ok(()) => {}
            Err(error) if error.is_of_one_input() => note_failure(&mut importer.summary, &error),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One file less; the others go on.
fn note_failure(summary: &mut Summary, error: &ImportError) {
    tracing::error!("{error}");
    summary.failed.push(error.to_string());
}
