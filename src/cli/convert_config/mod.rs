//! `treering convert-config`: the zstats server's own configuration as the section `zstats` of ours.
//!
//! Invariant: what the original would refuse is refused with everything that is wrong, each by file, key and what was
//! expected; whatever has no counterpart is told, and nothing is dropped in silence.

mod original;
mod section;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::original::Original;
use self::section::{Converted, convert};
use super::command::ConvertConfigArguments;
use crate::disk::{Disk, SystemDisk};

/// Where the original's own variable names its file.
const FILE_VARIABLE: &str = "ZEBRIUM_STATS_CONFIG_FILE_LOC";
/// Where it looks if the variable is not set.
const FILE_DEFAULT: &str = "/data/zebrium/etc/config/stats.json.txt";
/// The variable that names its certificate and key.
const PEM_VARIABLE: &str = "PEMFILE";
/// Nobody writes such a config.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Prints the section, and on standard error what it does not say.
pub(super) fn main(arguments: &ConvertConfigArguments) -> ExitCode {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let file = arguments.file.clone().or_else(|| variable(FILE_VARIABLE)).unwrap_or_else(|| FILE_DEFAULT.into());
    match read(&file).and_then(|text| converted(&text, variable(PEM_VARIABLE).as_deref())) {
        Ok(converted) => {
            for remark in &converted.remarks {
                eprintln!("{}: {remark}", file.display());
            }
            super::print(&converted.text);
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in problems {
                eprintln!("treering convert-config: {}: {problem}", file.display());
            }
            ExitCode::FAILURE
        }
    }
}

/// What a config says in our words; everything that is wrong with it otherwise.
fn converted(text: &str, pem_file: Option<&Path>) -> Result<Converted, Vec<String>> {
    let original = Original::read(text)?;
    convert(&original, pem_file)
}

fn read(file: &Path) -> Result<String, Vec<String>> {
    let mut text = String::new();
    let read = SystemDisk.open(file).and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 <= FILE_BYTES_MAX => Ok(text),
        Ok(_) => Err(vec![format!("found more than {FILE_BYTES_MAX} bytes, expected a config")]),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text =
                format!("{error}: expected the zstats server's config, as FILE or in the variable {FILE_VARIABLE}");
            Err(vec![text])
        }
        Err(error) => Err(vec![error.to_string()]),
    }
}
