//! `treering inspect`: prints logs, snapshots and checkpoints, Treering's and cc-metric-store's, and checks them.
//!
//! What a file is, its content decides; its name is asked only when its first bytes are damaged. Files are only read.

mod image;
mod native;
mod reference;
mod report;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::formats::{ccms, native as native_files};

use super::command::InspectArguments;
use report::{Field, Report};

/// Items that are printed of a file when nobody says how many.
const LIMIT: u64 = 200;

/// Prints the files; the exit code is 1 if anything in them is damaged.
pub(super) fn main(arguments: &InspectArguments) -> ExitCode {
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match inspect(arguments, &mut out).and_then(|sound| out.flush().map(|()| sound)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // The reader has gone, as in `treering inspect FILE | head -1`: nobody is left to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(target: super::CRITICAL, "printing: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers whether everything was sound. Fails only when `out` does.
fn inspect(arguments: &InspectArguments, out: &mut dyn Write) -> io::Result<bool> {
    let mut sound = true;
    for path in &arguments.files {
        sound &= walk(path, true, arguments, out)?;
    }
    Ok(sound)
}

/// Prints a file, or all files below a folder in the order of their names. What was `named` by the user has to be a
/// file that is known here; in a folder, others are passed by.
fn walk(path: &Path, named: bool, arguments: &InspectArguments, out: &mut dyn Write) -> io::Result<bool> {
    if !path.is_dir() {
        let mut report = Report::new(out, path, arguments.json, arguments.limit.unwrap_or(LIMIT));
        file(path, named, &mut report)?;
        return report.finish();
    }
    let listed = std::fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = match listed {
        Ok(paths) => paths,
        Err(error) => {
            let mut report = Report::new(out, path, arguments.json, LIMIT);
            report.unreadable(&error)?;
            return report.finish();
        }
    };
    paths.sort();
    let mut sound = true;
    for path in paths {
        // A link that leads back up would be followed for ever.
        if path.is_dir() && path.is_symlink() {
            continue;
        }
        sound &= walk(&path, false, arguments, out)?;
    }
    Ok(sound)
}

/// What to read a file as.
enum Kind {
    Native(native_files::FileKind),
    Reference(ccms::FileKind),
}

fn file(path: &Path, named: bool, report: &mut Report<'_>) -> io::Result<()> {
    let (mut source, len, head) = match open(path) {
        Ok(opened) => opened,
        Err(error) => return report.unreadable(&error),
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match kind(&head, name) {
        Kind::Native(native_files::FileKind::Segment) => {
            let mut bytes = Vec::new();
            match source.read_to_end(&mut bytes) {
                Ok(_) => native::segment(&bytes, report),
                Err(error) => report.unreadable(&error),
            }
        }
        Kind::Native(native_files::FileKind::Snapshot) => native::snapshot(source, len, report),
        Kind::Reference(ccms::FileKind::Wal) => reference::log(source, len, report),
        Kind::Reference(ccms::FileKind::Bin) => reference::snapshot(source, len, ccms::SnapshotForm::Bin, report),
        Kind::Reference(ccms::FileKind::Json) => reference::snapshot(source, len, ccms::SnapshotForm::Json, report),
        Kind::Reference(ccms::FileKind::State) => image::state(source, len, report),
        Kind::Reference(ccms::FileKind::Empty) => report.begin("empty file", len, &[]),
        Kind::Reference(ccms::FileKind::Unknown) => {
            report.begin("unknown file", len, &[])?;
            if !named {
                return report
                    .item("skipped", None, || vec![("reason", Field::text("no log, snapshot or checkpoint"))]);
            }
            let shown: Vec<u8> = head.iter().copied().take(8).collect();
            let reason = format!("no log, snapshot or checkpoint: the first bytes are {shown:02x?}");
            report.damage(Some(0), len, &reason)
        }
    }
}

fn open(path: &Path) -> io::Result<(BufReader<File>, u64, Vec<u8>)> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut head = Vec::new();
    file.take(ccms::DETECT_BYTES as u64).read_to_end(&mut head)?;
    Ok((BufReader::with_capacity(1 << 18, File::open(path)?), len, head))
}

fn kind(head: &[u8], name: &str) -> Kind {
    if let Some(kind) = native_files::FileKind::detect(head) {
        return Kind::Native(kind);
    }
    let detected = ccms::detect(head);
    if detected != ccms::FileKind::Unknown {
        return Kind::Reference(detected);
    }
    match (native_files::FileName::parse(name), ccms::CheckpointFile::parse(name)) {
        (Some(native_files::FileName::Segment(_)), _) => Kind::Native(native_files::FileKind::Segment),
        (Some(native_files::FileName::Snapshot(_)), _) => Kind::Native(native_files::FileKind::Snapshot),
        (None, Some(ccms::CheckpointFile::Wal)) => Kind::Reference(ccms::FileKind::Wal),
        (None, Some(ccms::CheckpointFile::Snapshot { form, .. })) => Kind::Reference(match form {
            ccms::SnapshotForm::Bin => ccms::FileKind::Bin,
            ccms::SnapshotForm::Json => ccms::FileKind::Json,
        }),
        (None, None) => Kind::Reference(detected),
    }
}
