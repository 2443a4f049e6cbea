//! A shard's log, whatever its form, and its lock.
//!
//! Invariants: what [`Log::append`] answered `Ok` for is in the file; what it refused is not, for the file is cut back
//! to its last good length before anything else is appended; and memory sees samples in the order of the log, for a
//! writer holds the lock over both.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::disk::DiskFile;
use crate::model::Metadata;
use crate::store::{Host, Store};

use super::commit::Part;
use super::files::FilesLog;
use super::native::NativeLog;

/// Shards: enough that writers of different hosts seldom meet, few enough that every second each can be flushed.
pub(super) const SHARDS: usize = 16;

/// The shard of a host: FNV-1a over both names. Hosts keep their shard for ever, for files are laid out by it.
pub(super) fn shard_of(cluster: &str, host: &str) -> usize {
    let bytes = cluster.bytes().chain([0]).chain(host.bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // The low bits of FNV are its weak ones.
    ((hash >> 32) ^ hash) as usize % SHARDS
}

/// Where a shard's samples are written before they are acknowledged.
pub(super) trait Log: Send {
    /// Writes what came for one host, all of it or nothing; answers the bytes written. A part that is too large for the
    /// form is [`NativeError::TooLarge`](crate::formats::native::NativeError::TooLarge) inside the error.
    fn append(&mut self, store: &Store, host: &Arc<Host>, part: Part<'_>, received_ms: i64) -> io::Result<u64>;

    /// Writes what metrics are; answers the bytes written. The forms that have no room for it write nothing.
    fn append_metadata(&mut self, _metrics: &[(&str, &Metadata)]) -> io::Result<u64> {
        Ok(0)
    }

    /// Writes that a horizon moves: below `path` in a host nothing before `to_secs` is answered any more. The host's
    /// memory does not have it yet: what could not be written has not happened.
    fn append_horizon(&mut self, store: &Store, host: &Arc<Host>, path: &[String], to_secs: i64) -> io::Result<u64>;

    /// Handles to the files that were written since the last call, to be made durable without the lock. The form
    /// whose files are many answers none: a `syncfs` serves them all.
    fn unsynced(&mut self) -> io::Result<Vec<Box<dyn DiskFile>>>;

    /// Says that a flush failed: nothing may be appended to the files concerned any more.
    fn flush_failed(&mut self, reason: &io::Error);

    /// Closes what is open for writing: the next write looks for its place again. Answers whether anything was open.
    fn close_files(&mut self) -> bool;

    /// Whether something was lost outside of a flush: the next one has failed before it begins.
    fn has_lost(&self) -> bool {
        false
    }

    /// Bytes that a recovery would have to replay.
    fn bytes(&self) -> u64;

    /// Why writes are refused, if they are.
    fn failure(&self) -> Option<&str>;
}

/// A log of either form.
pub(super) enum ShardLog {
    /// Segments of the shard.
    Native(NativeLog),
    /// A file for each host of the shard.
    Files(FilesLog),
}

impl ShardLog {
    /// What both forms have in common.
    pub(super) fn common(&mut self) -> &mut dyn Log {
        match self {
            ShardLog::Native(log) => log,
            ShardLog::Files(log) => log,
        }
    }

    /// Bytes of the longest log of one host, where hosts have logs of their own.
    pub(super) fn longest_bytes(&self) -> u64 {
        match self {
            ShardLog::Native(_) => 0,
            ShardLog::Files(log) => log.longest_bytes(),
        }
    }
}

/// A log with its locks.
pub(super) struct Shard {
    /// A mutex, for its holder always writes; held over the log write and the apply, so both have one order.
    log: Mutex<ShardLog>,
    /// Guards flushes: those who wait for one that is under way are all served by the next one (group commit).
    flushed: Mutex<Flushed>,
    /// Writes so far; changed under the log's lock only.
    written: AtomicU64,
}

/// What became of writes, by their numbers.
#[derive(Default)]
struct Flushed {
    /// Writes up to this one are durable, but for those that were lost.
    durable: u64,
    /// Writes up to this one may be on no disk: a flush failed. Memory has them, for the next checkpoint.
    lost: u64,
}

/// What became of writes in the forms with files for each host, where one flush serves all shards.
#[derive(Default)]
pub(super) struct FilesFlushed {
    /// The sum over the shards of writes that are durable, but for those that were lost.
    pub(super) durable: u64,
    /// By shard: writes up to this one may be on no disk, as in [`Flushed`].
    pub(super) lost: [u64; SHARDS],
}

impl Shard {
    pub(super) fn new(log: ShardLog) -> Self {
        Shard { log: Mutex::new(log), flushed: Mutex::default(), written: AtomicU64::new(0) }
    }

    /// The log, for as long as the guard lives.
    pub(super) fn lock(&self) -> MutexGuard<'_, ShardLog> {
        self.log.lock()
    }

    /// Notes a write, under the log's lock; answers its number, from 1.
    pub(super) fn note_write(&self) -> u64 {
        self.written.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of the newest write.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Makes writes up to this one durable. Answers whether there was anything to do.
    pub(super) fn flush(&self, write: u64) -> io::Result<bool> {
        let mut flushed = self.flushed.lock();
        if write > 0 && flushed.lost >= write {
            return Err(io::Error::other("a flush that began after the write has failed"));
        }
        // Looked at second: later writes may be durable though this one was lost.
        if flushed.durable >= write {
            return Ok(false);
        }
        let (written, files) = {
            let mut log = self.lock();
            (self.written(), log.common().unsynced())
        };
        let synced = files.and_then(|files| files.into_iter().try_for_each(|mut file| file.sync_data()));
        if let Err(error) = synced {
            let mut log = self.lock();
            flushed.lost = self.written();
            log.common().flush_failed(&error);
            return Err(error);
        }
        flushed.durable = written;
        Ok(true)
    }

    /// Whether a flush failed after the newest write: nothing can be done for it but a checkpoint.
    pub(super) fn is_lost(&self) -> bool {
        let flushed = self.flushed.lock();
        flushed.lost >= self.written() && flushed.lost > 0
    }
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_spread_over_the_shards_and_stay_there() {
        // Files on disk are laid out by these numbers.
        assert_eq!(shard_of("fritz", "f0101"), shard_of("fritz", "f0101"));
        let mut counts = [0; SHARDS];
        for host in 0..1600 {
            counts[shard_of("alex", &format!("a{host:04}"))] += 1;
        }
        assert!(counts.iter().all(|&count| (50..200).contains(&count)), "{counts:?}");
    }

    /// A flush failed, and a later one went well, before a writer came to ask for its own write: it was told that the
    /// write was durable, though no disk had it.
    #[test]
    fn a_later_flush_does_not_bring_back_what_was_lost() {
        let disk = Arc::new(crate::disk::SystemDisk);
        let shard = Shard::new(ShardLog::Files(FilesLog::new(disk, std::path::PathBuf::new(), SHARDS)));
        *shard.flushed.lock() = Flushed { durable: 11, lost: 10 };
        assert!(shard.flush(9).is_err());
        assert!(!shard.flush(11).unwrap(), "there is nothing to do for it");
        assert!(!shard.flush(0).unwrap(), "nor for no write at all");
    }
}
