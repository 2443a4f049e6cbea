//! What lies in a shard's folder: its snapshots and log segments, by what their headers say.
//!
//! Invariant: each number of a kind is there once, and every file belongs to the shard. A number decides what a
//! snapshot covers and in which order segments are replayed, so a copy under another name, or in another shard's
//! folder, would bring back old values over new ones: it is set aside. A name decides only where a header is damaged.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::formats::native::{FILE_HEADER_BYTES, FileHeader, FileKind, FileName, NativeError, shard_folder};

use super::core::Engine;
use super::damage;
use super::outcome::OpenError;

/// The files of a shard.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// By number, the newest last.
    pub(super) snapshots: Vec<ShardFile>,
    /// By number, the newest last.
    pub(super) segments: Vec<ShardFile>,
    /// The largest number of any file, by its name or by its header; 0 without files.
    pub(super) newest: u64,
}

/// A file of a shard.
#[derive(Debug)]
pub(super) struct ShardFile {
    pub(super) sequence: u64,
    pub(super) path: PathBuf,
    /// Bytes in it.
    pub(super) len: u64,
}

impl Inventory {
    /// Lists a shard's folder; empty when there is none.
    pub(super) fn take(engine: &Engine, shard: usize) -> Result<Inventory, OpenError> {
        let folder = engine.shard_folder(shard);
        let entries = match engine.disk.list(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Inventory::default()),
            Err(error) => {
                damage::note(&engine.telemetry, "unreadable", &folder, &error);
                // A new log in it would write over segments that nobody has read.
                return match damage::set_aside(&*engine.disk, &folder) {
                    true => Ok(Inventory::default()),
                    false => Err(OpenError::Disk { path: folder, error }),
                };
            }
        };
        let mut inventory = Inventory::default();
        let mut misnamed = Vec::new();
        for entry in entries {
            let Some(name) = FileName::parse(&entry.name) else { continue };
            let (kind, sequence) = match name {
                FileName::Snapshot(sequence) => (FileKind::Snapshot, sequence),
                FileName::Segment(sequence) => (FileKind::Segment, sequence),
            };
            inventory.newest = inventory.newest.max(sequence);
            let mut file = ShardFile { sequence, path: folder.join(&entry.name), len: entry.len };
            match header(engine, kind, &file.path)? {
                Sight::Useless(reason) => inventory.leave_out(engine, kind, &file, &reason),
                Sight::Damaged => inventory.list(kind).push(file),
                Sight::Sound(header) if header.shard as usize != shard => {
                    let home = shard_folder(header.shard);
                    inventory.leave_out(engine, kind, &file, &format!("it belongs to {home}"));
                }
                Sight::Sound(header) if header.sequence == sequence => inventory.list(kind).push(file),
                Sight::Sound(header) => {
                    file.sequence = header.sequence;
                    misnamed.push((kind, file));
                }
            }
        }
        for (kind, file) in misnamed {
            inventory.newest = inventory.newest.max(file.sequence);
            if inventory.list(kind).iter().any(|other| other.sequence == file.sequence) {
                let reason = format!("a copy of number {}, which is there under its own name", file.sequence);
                inventory.leave_out(engine, kind, &file, &reason);
            } else {
                damage::note(
                    &engine.telemetry,
                    reason_of(kind),
                    &file.path,
                    &format!("read as number {}", file.sequence),
                );
                inventory.list(kind).push(file);
            }
        }
        inventory.snapshots.sort_by_key(|file| file.sequence);
        inventory.segments.sort_by_key(|file| file.sequence);
        Ok(inventory)
    }

    fn list(&mut self, kind: FileKind) -> &mut Vec<ShardFile> {
        match kind {
            FileKind::Snapshot => &mut self.snapshots,
            FileKind::Segment => &mut self.segments,
        }
    }

    fn leave_out(&self, engine: &Engine, kind: FileKind, file: &ShardFile, reason: &str) {
        damage::note(&engine.telemetry, reason_of(kind), &file.path, &reason);
        damage::set_aside(&*engine.disk, &file.path);
    }
}

/// What a file's beginning says.
enum Sight {
    Sound(FileHeader),
    /// No sound header; what follows may be good.
    Damaged,
    /// It can't be read, or is something else.
    Useless(String),
}

fn header(engine: &Engine, kind: FileKind, path: &Path) -> Result<Sight, OpenError> {
    let mut head = Vec::with_capacity(FILE_HEADER_BYTES);
    let read = engine.disk.open(path).and_then(|source| source.take(FILE_HEADER_BYTES as u64).read_to_end(&mut head));
    if let Err(error) = read {
        return Ok(Sight::Useless(error.to_string()));
    }
    match FileHeader::decode(kind, &head) {
        Ok(Some(header)) => Ok(Sight::Sound(header)),
        Ok(None) => Ok(Sight::Damaged),
        Err(error @ NativeError::UnsupportedVersion { .. }) => {
            Err(OpenError::Newer { path: path.to_owned(), reason: error.to_string() })
        }
        Err(error) => Ok(Sight::Useless(error.to_string())),
    }
}

fn reason_of(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Snapshot => "snapshot",
        FileKind::Segment => "log",
    }
}
