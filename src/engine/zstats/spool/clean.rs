//! A pass over the spool: what is too old goes, what is too much goes oldest first, and what stays is counted.
//!
//! Invariant: only files that are named as an entry's are removed, manifests before their data; of directories only
//! empty ones. A pass holds no more than the names of one directory, a line of open directories, and 32 bytes for each
//! entry up to the limit.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keep::Spool;
use crate::disk::Entry;
use crate::telemetry::Reason;

/// What a pass found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// Entries that stay.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries removed because of their age.
    pub removed_age: u64,
    /// Entries removed because all together were too large.
    pub removed_bytes: u64,
    /// Entries removed because there were too many.
    pub removed_entries: u64,
    /// Rests of entries that were never complete.
    pub removed_incomplete: u64,
    /// What could not be listed or removed.
    pub failures: u64,
}

impl Spool {
    /// Removes entries beyond the limits, and rests of a crash. What cannot be listed or removed is logged, counted,
    /// and left to the next pass; what readers have taken away meanwhile is none of it.
    pub fn clean(&self) -> Cleaned {
        let begin_us = self.held.begin_pass();
        let mut pass = Pass {
            spool: self,
            begin_us,
            now_us: self.clock.now_micros(),
            open: Vec::new(),
            found: BinaryHeap::new(),
            cleaned: Cleaned::default(),
            failure: None,
        };
        pass.run();
        let Pass { cleaned, failure, .. } = pass;
        self.held.end_pass(cleaned.entries, cleaned.bytes, &self.telemetry.spool);
        let telemetry = &self.telemetry.spool;
        let counts = [
            ("age", cleaned.removed_age),
            ("bytes", cleaned.removed_bytes),
            ("entries", cleaned.removed_entries),
            ("incomplete", cleaned.removed_incomplete),
        ];
        for (reason, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            telemetry.removed.get_or_create(&Reason { reason }).inc_by(count);
        }
        if let Some((path, error)) = failure {
            telemetry.failures.get_or_create(&Reason { reason: "clean" }).inc_by(cleaned.failures);
            if let Some(count) = self.clean_failures.note(cleaned.failures) {
                tracing::warn!("cleaning the spool failed {count} times, first with {}: {error}", path.display());
            }
        }
        cleaned
    }
}

struct Pass<'s> {
    spool: &'s Spool,
    /// Entries named after this are counted by those who write them.
    begin_us: i64,
    now_us: i64,
    /// Directories to look into: where they lie, and their names.
    open: Vec<(Arc<Path>, String)>,
    /// Entries that may stay, the oldest first.
    found: BinaryHeap<Reverse<Found>>,
    cleaned: Cleaned,
    failure: Option<(PathBuf, io::Error)>,
}

/// A complete entry.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    us: i64,
    bytes: u64,
    /// The directory that holds the entry's own.
    directory: Arc<Path>,
}

/// Why an entry goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Age,
    Bytes,
    Entries,
    Incomplete,
}

impl Pass<'_> {
    fn run(&mut self) {
        let root: Arc<Path> = Arc::from(self.spool.options.directory.as_path());
        let accounts = self.list(&root);
        self.open_all(&root, accounts);
        while let Some((parent, name)) = self.open.pop() {
            if self.spool.held.is_ending() {
                // What was not looked at counts as nothing; the next start counts anew.
                break;
            }
            self.visit(&parent, &name);
        }
        // Some room, so that the next entry does not need the next pass.
        let options = &self.spool.options;
        if self.cleaned.removed_bytes > 0 {
            self.shrink(u64::MAX, options.bytes_max - options.bytes_max / 10);
        }
        if self.cleaned.removed_entries > 0 {
            self.shrink((options.entries_max - options.entries_max / 10) as u64, u64::MAX);
        }
    }

    fn visit(&mut self, parent: &Arc<Path>, name: &str) {
        let path = parent.join(name);
        let inside = self.list(&path);
        if inside.is_empty() {
            return self.remove_empty(&path);
        }
        // An instance's name may have digits between slashes, too: what lies inside tells an entry.
        let us: Option<i64> = name.parse().ok().filter(|_| name.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(us) = us {
            self.visit_entry(parent, us, &inside);
        }
        self.open_all(&Arc::from(path), inside);
    }

    fn visit_entry(&mut self, parent: &Arc<Path>, us: i64, inside: &[Entry]) {
        let names = names(us);
        let file = |name: &String| inside.iter().find(|file| !file.is_dir && file.name == *name);
        let [manifest, data, ..] = names.each_ref().map(file);
        let files = inside.iter().filter(|file| !file.is_dir && names.contains(&file.name));
        let (mut bytes, mut is_entry) = (0, false);
        for file in files {
            bytes += file.len;
            is_entry = true;
        }
        if !is_entry || (self.begin_us < us && us <= self.spool.held.last_us()) {
            return;
        }
        let age_us = self.now_us.saturating_sub(us);
        // No file of a whole entry is empty. That a reader has taken the data alone is well.
        let is_complete = manifest.is_some_and(|file| file.len > 0) && data.is_none_or(|file| file.len > 0);
        let max_age_us = i64::try_from(self.spool.options.max_age.as_micros()).unwrap_or(i64::MAX);
        if !is_complete {
            // It may be under way.
            if age_us > INCOMPLETE_US {
                self.remove(parent, us, Why::Incomplete);
            }
        } else if max_age_us > 0 && age_us > max_age_us {
            self.remove(parent, us, Why::Age);
        } else {
            self.cleaned.entries += 1;
            self.cleaned.bytes += bytes;
            self.found.push(Reverse(Found { us, bytes, directory: Arc::clone(parent) }));
            // The oldest of those found so far is beyond the limit whatever comes: all others are newer.
            let options = &self.spool.options;
            let bytes_max = if options.bytes_max > 0 { options.bytes_max } else { u64::MAX };
            self.shrink(options.entries_max as u64, bytes_max);
        }
    }

    /// Removes the oldest until so much is left.
    fn shrink(&mut self, entries_max: u64, bytes_max: u64) {
        while self.cleaned.entries > entries_max || self.cleaned.bytes > bytes_max {
            let Some(Reverse(oldest)) = self.found.pop() else { return };
            let why = if self.cleaned.bytes > bytes_max { Why::Bytes } else { Why::Entries };
            self.cleaned.entries -= 1;
            self.cleaned.bytes -= oldest.bytes;
            self.remove(&oldest.directory, oldest.us, why);
        }
    }

    fn remove(&mut self, parent: &Path, us: i64, why: Why) {
        let directory = parent.join(us.to_string());
        for name in names(us) {
            let path = directory.join(name);
            if let Err(error) = self.spool.disk.remove(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                return self.failed(path, error);
            }
        }
        match why {
            Why::Age => self.cleaned.removed_age += 1,
            Why::Bytes => self.cleaned.removed_bytes += 1,
            Why::Entries => self.cleaned.removed_entries += 1,
            Why::Incomplete => self.cleaned.removed_incomplete += 1,
        }
        self.remove_empty(&directory);
    }

    /// Removes a directory and those above it as far as they are empty. That they are not is the usual thing, and
    /// whoever is about to put an entry there makes them again.
    fn remove_empty(&self, directory: &Path) {
        let root = &self.spool.options.directory;
        for directory in directory.ancestors().take_while(|path| *path != root) {
            if self.spool.disk.remove_dir(directory).is_err() {
                return;
            }
        }
    }

    fn open_all(&mut self, path: &Arc<Path>, inside: Vec<Entry>) {
        let directories = inside.into_iter().filter(|entry| entry.is_dir);
        self.open.extend(directories.map(|entry| (Arc::clone(path), entry.name)));
    }

    /// What lies in a directory; nothing if it is gone.
    fn list(&mut self, path: &Path) -> Vec<Entry> {
        match self.spool.disk.list(path) {
            Ok(inside) => inside,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.failed(path.to_owned(), error);
                Vec::new()
            }
        }
    }

    fn failed(&mut self, path: PathBuf, error: io::Error) {
        self.cleaned.failures += 1;
        self.failure.get_or_insert((path, error));
    }
}

/// The files that an entry may have, in the order in which they go: the manifest, the data, and rests of both.
fn names(us: i64) -> [String; 4] {
    let (manifest, data) = (format!("{us}.json"), format!("{us}.data.gz"));
    let rests = [format!("{us}.json.tmp"), format!("{us}.data.gz.tmp")];
    let [manifest_rest, data_rest] = rests;
    [manifest, data, manifest_rest, data_rest]
}

/// Entries that take longer than this to be written are not written any more.
const INCOMPLETE_US: i64 = 60_000_000;
