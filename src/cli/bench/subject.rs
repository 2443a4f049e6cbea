//! What is measured: a program, and the form of files that it is to use.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::engine::CheckpointFormat;

use super::error::BenchError;

/// A store's program.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Subject {
    /// The name in the table.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// What it says of its version, in one line; empty if it says nothing.
    pub version: String,
    /// The form of its logs and checkpoints as the config names it.
    pub format: &'static str,
    /// Whether it is the one that the goals are for; the other one may lose samples, which is only told.
    pub is_own: bool,
}

impl Subject {
    /// Asks a program for its version.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub(super) fn new(program: &Path, format: CheckpointFormat, is_own: bool) -> Result<Subject, BenchError> {
        let failed = |error| BenchError::Program { program: program.to_owned(), error };
        // Stores run in folders of their own.
        let program = std::fs::canonicalize(program).map_err(failed)?;
        let output = Command::new(&program).arg("-version").stdin(Stdio::null()).output().map_err(failed)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let facts = text.lines().filter_map(|line| Some(line.split_once(":\t")?.1.trim()));
        let known: Vec<&str> = facts.filter(|fact| !fact.is_empty() && *fact != "unknown").collect();
        let name = program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let format = match format {
            CheckpointFormat::Native => "native",
            CheckpointFormat::Wal => "wal",
            CheckpointFormat::Json => "json",
        };
        Ok(Subject { name, version: known.join(" "), program, format, is_own })
    }
}
