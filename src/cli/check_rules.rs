//! `treering check-rules`: whether rule files are good.

use std::process::ExitCode;

use crate::disk::SystemDisk;
use crate::promql::parse::ParseOptions;
use crate::rules::file::{find_files, read_file};

use super::command::CheckRulesArguments;

/// Checks files and says what was found; fails if one of them is bad.
pub(super) fn main(arguments: &CheckRulesArguments) -> ExitCode {
    let options = if arguments.experimental { ParseOptions::everything() } else { ParseOptions::plain() };
    let files = match find_files(&SystemDisk, &arguments.files) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut failed = files.is_empty();
    if failed {
        eprintln!("no file fits");
    }
    for file in files {
        match read_file(&SystemDisk, &file, &options) {
            Ok(groups) => {
                let rules: usize = groups.iter().map(|group| group.rules.len()).sum();
                super::print(&format!("Checking {file}\n  SUCCESS: {rules} rules found\n\n"));
            }
            Err(errors) => {
                failed = true;
                super::print(&format!("Checking {file}\n"));
                eprintln!("  FAILED:");
                errors.iter().for_each(|error| eprintln!("{error}"));
                eprintln!();
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
