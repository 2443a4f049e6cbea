//! What the paths on the command line are: by content, unless the user says it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::formats::ccms::{self, CheckpointFile};
use crate::formats::native;

use super::error::ImportError;
use crate::cli::command::ImportFormat;

/// The first bytes of Parquet files.
pub(super) const PARQUET_MAGIC: &[u8] = b"PAR1";
/// Names of files of lines in a folder.
const LINE_ENDINGS: [&str; 6] = [".lp", ".lp.gz", ".lp.zst", ".line", ".line.gz", ".line.zst"];
/// Folders below each other that are looked at.
const DEPTH_MAX: usize = 16;

/// Something to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Line protocol, compressed or not.
    Lines(PathBuf),
    /// Line protocol from standard input.
    Stdin,
    /// A Parquet file.
    Parquet(PathBuf),
    /// A checkpoint directory.
    Checkpoints(PathBuf),
}

impl Input {
    /// Bytes to be read; 0 when nobody knows.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Input::Lines(path) | Input::Parquet(path) => fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Input::Checkpoints(path) => folder_bytes(path, 0),
            Input::Stdin => 0,
        }
    }
}

/// Finds out what a path is. A folder may be many.
///
/// # Errors
///
/// It can't be read, is nothing that can be imported, or not what the user says.
pub(super) fn inputs(path: &Path, format: ImportFormat) -> Result<Vec<Input>, ImportError> {
    if path == Path::new("-") {
        return match format {
            ImportFormat::Auto | ImportFormat::Lp => Ok(vec![Input::Stdin]),
            _ => Err(ImportError::input(path, "standard input can only be line protocol")),
        };
    }
    let metadata = fs::metadata(path).map_err(|error| ImportError::input(path, error))?;
    let found = match (metadata.is_dir(), format) {
        (false, ImportFormat::Auto) => vec![detect(path)?],
        (false, ImportFormat::Lp) => vec![Input::Lines(path.to_owned())],
        (false, ImportFormat::Parquet) => vec![Input::Parquet(path.to_owned())],
        (false, ImportFormat::Checkpoints) => {
            return Err(ImportError::input(path, "a file: expected a checkpoint directory"));
        }
        (true, ImportFormat::Checkpoints) => vec![Input::Checkpoints(path.to_owned())],
        (true, ImportFormat::Auto) if is_checkpoint_directory(path) => vec![Input::Checkpoints(path.to_owned())],
        (true, _) => {
            let mut found = Vec::new();
            walk(path, format, 0, &mut found)?;
            found
        }
    };
    if found.is_empty() {
        let wanted = match format {
            ImportFormat::Lp => "no files of lines (*.lp, *.lp.gz, *.lp.zst)",
            ImportFormat::Parquet => "no Parquet files",
            _ => "neither checkpoints nor Parquet files nor files of lines (*.lp, *.lp.gz, *.lp.zst)",
        };
        return Err(ImportError::input(path, format_args!("{wanted} in this folder")));
    }
    Ok(found)
}

/// What a file is, by its first bytes.
fn detect(path: &Path) -> Result<Input, ImportError> {
    let head = head(path).map_err(|error| ImportError::input(path, error))?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_checkpoint = native::FileKind::detect(&head).is_some()
        || matches!(ccms::detect(&head), ccms::FileKind::Bin | ccms::FileKind::Wal | ccms::FileKind::State)
        || CheckpointFile::parse(name).is_some();
    match () {
        () if head.starts_with(PARQUET_MAGIC) => Ok(Input::Parquet(path.to_owned())),
        // Neither its cluster nor its host stands in such a file.
        () if is_checkpoint => {
            Err(ImportError::input(path, "a single file of checkpoints: expected the whole checkpoint directory"))
        }
        () => Ok(Input::Lines(path.to_owned())),
    }
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(ccms::DETECT_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether a folder has hosts' checkpoints two levels below, or Treering's own.
fn is_checkpoint_directory(path: &Path) -> bool {
    path.join(".treering").is_dir()
        || folders(path).iter().any(|cluster| {
            folders(cluster).iter().any(|host| {
                let names = fs::read_dir(host).into_iter().flatten().flatten();
                names
                    .into_iter()
                    .any(|entry| entry.file_name().to_str().is_some_and(|name| CheckpointFile::parse(name).is_some()))
            })
        })
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// The files below a folder, by name; those of numbers, as an archive names them, by number: what is later wins.
fn walk(folder: &Path, format: ImportFormat, depth: usize, found: &mut Vec<Input>) -> Result<(), ImportError> {
    let error = |error| ImportError::input(folder, error);
    let listed: Result<Vec<PathBuf>, _> =
        fs::read_dir(folder).map_err(error)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = listed.map_err(error)?;
    paths.sort_by_cached_key(|path| crate::cli::archive::file_order(path));
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            // A link that leads back up would be followed for ever.
            if !path.is_symlink() && depth < DEPTH_MAX {
                walk(&path, format, depth + 1, found)?;
            }
        } else if format != ImportFormat::Parquet && LINE_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            found.push(Input::Lines(path));
        } else if format != ImportFormat::Lp && name.ends_with(".parquet") && !name.ends_with(".samples.parquet") {
            found.push(Input::Parquet(path));
        }
    }
    Ok(())
}

fn folder_bytes(folder: &Path, depth: usize) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() && depth < DEPTH_MAX => folder_bytes(&entry.path(), depth + 1),
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => 0,
    });
    bytes.sum()
}
