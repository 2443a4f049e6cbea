//! Making entries: data first, then the manifest, each whole or not there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use super::options::SpoolOptions;
use crate::disk::{SharedDisk, temporary};
use crate::formats::zstats::{Notification, Scrape, SpoolEntry};
use crate::telemetry::SharedTelemetry;
use crate::time::SharedClock;

/// Keeps scrapes as files. Any number of threads may do so at the same time.
pub struct Spool {
    pub(super) disk: SharedDisk,
    pub(super) clock: SharedClock,
    #[expect(dead_code)]
    pub(super) telemetry: SharedTelemetry,
    pub(super) options: SpoolOptions,
    /// Microseconds that the newest entry is named by: no two entries share them.
    last_us: AtomicI64,
}

/// Where an entry lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The absolute path of the zipped text.
    pub data_path: String,
    /// The absolute path of the JSON file.
    pub manifest_path: String,
}

impl Kept {
    /// What a reader is told of the entry.
    pub fn notification<'a>(&'a self, account: &'a str, instance: &'a str, time_ms: i64) -> Notification<'a> {
        let Kept { data_path, manifest_path } = self;
        Notification { account, data_path, manifest_path, instance, time_ms }
    }
}

impl Spool {
    /// A spool; nothing is touched yet.
    ///
    /// # Errors
    /// A directory whose absolute path cannot be told.
    pub fn new(
        mut options: SpoolOptions,
        disk: SharedDisk,
        clock: SharedClock,
        telemetry: SharedTelemetry,
    ) -> io::Result<Spool> {
        options.directory = std::path::absolute(&options.directory)?;
        Ok(Spool { disk, clock, telemetry, options, last_us: AtomicI64::new(0) })
    }

    /// Keeps a scrape; when this returns, a reader finds it. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// A name that leads out of the spool, and whatever the disk says: the path stands in the text.
    pub fn keep(&self, account: &str, instance: &str, scrape: &Scrape) -> io::Result<Kept> {
        let entry = SpoolEntry::of(account, instance, scrape, self.next_us())
            .map_err(|refusal| io::Error::new(io::ErrorKind::InvalidInput, refusal.to_string()))?;
        let directory = self.options.directory.join(&entry.directory);
        let (data, manifest) = (directory.join(&entry.data_name), directory.join(&entry.manifest_name));
        self.disk.create_dir_all(&directory)?;
        self.write(&data, &entry.data)?;
        self.write(&manifest, entry.manifest.as_bytes())?;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        Ok(Kept { data_path: text(data), manifest_path: text(manifest) })
    }

    /// A name that no other entry has: the clock's microseconds, or the next ones that are free.
    fn next_us(&self) -> i64 {
        let now_us = self.clock.now_millis().saturating_mul(1000);
        let next = |last: i64| now_us.max(last.saturating_add(1));
        let last = self.last_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        last.map_or(now_us, next)
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        if self.options.is_synced {
            return self.disk.replace(path, &mut |file| file.write_all(content));
        }
        drop(self.disk.write_temporary(path, &mut |file| file.write_all(content))?);
        self.disk.rename(&temporary(path), path)
    }
}
