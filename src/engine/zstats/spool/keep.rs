//! Making entries: data first, then the manifest, each whole or not there.

use std::io;
use std::path::{Path, PathBuf};

use super::held::Held;
use super::options::SpoolOptions;
use crate::disk::{SharedDisk, temporary};
use crate::formats::zstats::{Notification, Scrape, SpoolEntry};
use crate::telemetry::{LogLimit, Reason, SharedTelemetry};
use crate::time::SharedClock;

/// Keeps scrapes as files. Any number of threads may do so at the same time.
pub struct Spool {
    pub(super) disk: SharedDisk,
    pub(super) clock: SharedClock,
    pub(super) telemetry: SharedTelemetry,
    pub(super) options: SpoolOptions,
    pub(super) held: Held,
    /// What a pass could not do.
    pub(super) clean_failures: LogLimit,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("options", &self.options).finish_non_exhaustive()
    }
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
    /// What a reader is told of the entry of a scrape at `time_ms`, milliseconds since 1970.
    pub fn notification<'a>(&'a self, account: &'a str, instance: &'a str, time_ms: i64) -> Notification<'a> {
        let Kept { data_path, manifest_path } = self;
        Notification { account, data_path, manifest_path, instance, time_ms }
    }
}

impl Spool {
    /// A spool; nothing is touched yet.
    ///
    /// # Errors
    /// A directory whose absolute path cannot be told, or that is no UTF-8: readers are told paths as text.
    pub fn new(
        mut options: SpoolOptions,
        disk: SharedDisk,
        clock: SharedClock,
        telemetry: SharedTelemetry,
    ) -> io::Result<Spool> {
        options.directory = std::path::absolute(&options.directory)?;
        if options.directory.to_str().is_none() {
            let text = format!("{}: expected a path in UTF-8", options.directory.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (held, clean_failures) = (Held::default(), LogLimit::default());
        Ok(Spool { disk, clock, telemetry, options, held, clean_failures })
    }

    /// Keeps a scrape; when this returns, a reader finds it. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// A name that leads out of the spool, and whatever the disk says: the text names the path. Nothing is left of the
    /// entry then. Failures are counted here, and logged by who asked.
    pub fn keep(&self, account: &str, instance: &str, scrape: &Scrape) -> io::Result<Kept> {
        let telemetry = &self.telemetry.spool;
        self.try_keep(account, instance, scrape)
            .inspect(|_| _ = telemetry.written.inc())
            .inspect_err(|error| _ = telemetry.failures.get_or_create(&Reason { reason: reason(error) }).inc())
    }

    /// Takes back what was kept, as far as the disk lets: its scrape is not acknowledged, and comes again.
    pub fn discard(&self, kept: &Kept) {
        let (manifest, data) = (Path::new(&kept.manifest_path), Path::new(&kept.data_path));
        let _ = self.disk.remove(manifest);
        let _ = self.disk.remove(data);
        let _ = manifest.parent().map(|directory| self.disk.remove_dir(directory));
    }

    fn try_keep(&self, account: &str, instance: &str, scrape: &Scrape) -> io::Result<Kept> {
        for _ in 0..NAMES_TRIED {
            let now_us = self.held.next_us(self.clock.now_micros());
            let entry = SpoolEntry::of(account, instance, scrape, now_us)
                .map_err(|refusal| io::Error::new(io::ErrorKind::InvalidInput, refusal.to_string()))?;
            let directory = self.options.directory.join(&entry.directory);
            // A clock that went back while nobody looked names an entry again: that one stays.
            let mut written = match self.disk.list(&directory) {
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.write_entry(&directory, &entry),
                Err(error) => return Err(named(&directory, &error)),
            };
            for _ in 1..WRITES_TRIED {
                // Readers remove empty directories, as cleaning does; this one was empty for a moment.
                let is_gone = written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
                if !is_gone {
                    break;
                }
                written = self.write_entry(&directory, &entry);
            }
            if let Err(error) = written {
                self.forget(&directory, &entry);
                return Err(named(&directory, &error));
            }
            let bytes = (entry.data.len() + entry.manifest.len()) as u64;
            self.held.add(bytes, &self.options, &self.telemetry.spool);
            // The spool's directory is UTF-8, and so are the names in it.
            let text = |path: PathBuf| path.to_string_lossy().into_owned();
            let (data, manifest) = (directory.join(&entry.data_name), directory.join(&entry.manifest_name));
            return Ok(Kept { data_path: text(data), manifest_path: text(manifest) });
        }
        let text = format!("no free name after {NAMES_TRIED}: was the clock set back?");
        Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
    }

    fn write_entry(&self, directory: &Path, entry: &SpoolEntry) -> io::Result<()> {
        if self.options.is_synced {
            self.create_durably(directory)?;
        } else {
            self.disk.create_dir_all(directory)?;
        }
        self.write(&directory.join(&entry.data_name), &entry.data)?;
        self.write(&directory.join(&entry.manifest_name), entry.manifest.as_bytes())
    }

    /// Makes the directory and those above it, and their names durable.
    fn create_durably(&self, directory: &Path) -> io::Result<()> {
        let root = &self.options.directory;
        // Those above the spool may not be ours to read; they are looked at only if the spool is not there yet.
        let is_new = self.disk.list(root).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        self.disk.create_dir_all(directory)?;
        for above in directory.ancestors().skip(1).take_while(|path| is_new || path.starts_with(root)) {
            self.disk.sync_dir(above)?;
        }
        Ok(())
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        if self.options.is_synced {
            return self.disk.replace(path, &mut |file| file.write_all(content));
        }
        drop(self.disk.write_temporary(path, &mut |file| file.write_all(content))?);
        self.disk.rename(&temporary(path), path)
    }

    /// Removes what there is of an entry that failed, as far as the disk lets; a pass removes the rest.
    fn forget(&self, directory: &Path, entry: &SpoolEntry) {
        for name in [&entry.manifest_name, &entry.data_name] {
            let path = directory.join(name);
            let _ = self.disk.remove(&path);
            let _ = self.disk.remove(&temporary(&path));
        }
        let _ = self.disk.remove_dir(directory);
    }
}

/// The error with the path that it is about.
fn named(directory: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("spool entry {}: {error}", directory.display()))
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk_full",
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => "name",
        _ => "disk",
    }
}

/// Names that are tried until one is free.
const NAMES_TRIED: usize = 1000;
/// How often an entry is written while its directory vanishes.
const WRITES_TRIED: usize = 5;
