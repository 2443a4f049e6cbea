//! What goes wrong, and when.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// What was asked of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A file was created or emptied.
    Create,
    /// A file was opened for appending.
    Append,
    /// A file was opened for reading.
    Open,
    /// Bytes were read.
    Read,
    /// Bytes were written.
    Write,
    /// A file was cut off.
    Truncate,
    /// A file was flushed.
    SyncData,
    /// A folder was flushed.
    SyncDir,
    /// The whole file system was flushed.
    SyncAll,
    /// A name was moved.
    Rename,
    /// A file was removed.
    Remove,
    /// Folders were made.
    CreateDir,
    /// A folder was removed.
    RemoveDir,
    /// A folder was listed.
    List,
}

impl Operation {
    /// Whether it changes what is on the disk, or makes a change durable.
    pub fn is_change(self) -> bool {
        !matches!(self, Operation::Open | Operation::Read | Operation::List)
    }

    /// Whether it makes changes durable.
    pub fn is_sync(self) -> bool {
        matches!(self, Operation::SyncData | Operation::SyncDir | Operation::SyncAll)
    }
}

/// For how long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// One operation.
    Once,
    /// Until [`heal`](super::FaultyDisk::heal).
    UntilHealed,
}

/// Which operations a fault is about.
pub(super) type Matches = Box<dyn Fn(Operation, &Path) -> bool + Send>;

struct Rule {
    matches: Matches,
    /// Matching operations that still succeed.
    spared: u64,
    lasts: Lasts,
    errno: Errno,
}

/// All that is wrong at the moment.
#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<Rule>,
    pub(super) capacity_bytes: Option<u64>,
    is_read_only: bool,
    away: Option<PathBuf>,
    /// Changes that still succeed before the machine stops.
    halts_after: Option<u64>,
    is_halted: bool,
}

impl Faults {
    pub(super) fn add(&mut self, matches: Matches, spared: u64, lasts: Lasts, errno: Errno) {
        self.rules.push(Rule { matches, spared, lasts, errno });
    }

    pub(super) fn set_read_only(&mut self) {
        self.is_read_only = true;
    }

    pub(super) fn take_away(&mut self, folder: &Path) {
        self.away = Some(folder.to_owned());
    }

    pub(super) fn halt_after(&mut self, changes: u64) {
        self.halts_after = Some(changes);
    }

    pub(super) fn is_halted(&self) -> bool {
        self.is_halted
    }

    /// Whether an operation may be done.
    pub(super) fn admit(&mut self, operation: Operation, path: &Path) -> io::Result<()> {
        if operation.is_change() && !self.is_halted {
            match &mut self.halts_after {
                Some(0) => self.is_halted = true,
                Some(left) => *left -= 1,
                None => {}
            }
        }
        if self.is_halted {
            return Err(Errno::ENODEV.into());
        }
        if self.away.as_ref().is_some_and(|away| path.starts_with(away)) {
            // A file that is open has lost its device; a name is not found.
            let is_open =
                matches!(operation, Operation::Read | Operation::Write | Operation::Truncate | Operation::SyncData);
            return Err(if is_open { Errno::EIO } else { Errno::ENOENT }.into());
        }
        if self.is_read_only && operation.is_change() {
            return Err(Errno::EROFS.into());
        }
        for at in 0..self.rules.len() {
            let rule = &mut self.rules[at];
            if !(rule.matches)(operation, path) {
                continue;
            }
            if rule.spared > 0 {
                rule.spared -= 1;
                continue;
            }
            let errno = rule.errno;
            if rule.lasts == Lasts::Once {
                self.rules.remove(at);
            }
            return Err(errno.into());
        }
        Ok(())
    }
}
