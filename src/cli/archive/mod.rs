//! `treering archive export`: the archive's rows of a time as Parquet, CSV or line protocol.
//!
//! Files are listed (`files`), left out by their statistics (`question`), read in order (`sorted`), merged (`merge`)
//! and written (`sink`, `output`). A file that can't be read is named, and the others go on.

mod error;
mod export;
mod files;
mod merge;
mod names;
mod output;
mod question;
mod sink;
mod sorted;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use super::CRITICAL;
use super::command::ExportArguments;

pub(super) use files::file_order;
pub(super) use names::line_key;

/// Exports; the exit code is 1 unless every file could be read and every row written.
pub(super) fn main(arguments: &ExportArguments) -> ExitCode {
    match export::export(arguments) {
        Ok(export::Exported { failed_files: 0, unwritable: 0, .. }) => ExitCode::SUCCESS,
        // The log has named them.
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            for line in error.to_string().lines() {
                tracing::error!(target: CRITICAL, "{line}");
            }
            ExitCode::FAILURE
        }
    }
}
