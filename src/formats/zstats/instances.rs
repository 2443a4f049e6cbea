//! The last scrape of every target: what full blobs replace and differences are added to.
//!
//! Memory only, and bounded: whatever is not kept costs its sender one refusal, after which it sends a full blob. The
//! clock is the caller's.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::instance_name::check_instance;
use super::limits::StateLimits;
use super::refusal::{Code, Refusal};
use super::request::{Blob, Request};
use super::scrape::Scrape;
use super::undo::{Before, Undo};
use crate::model::Labels;

/// All accounts' instances.
#[derive(Debug, Default)]
pub struct Instances {
    limits: StateLimits,
    accounts: HashMap<Box<str>, HashMap<Box<str>, Kept>>,
    /// The sum of all `Kept::bytes`.
    bytes: usize,
}

/// What is kept of a target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) scrape: Scrape,
    /// Estimate of the memory that the scrape takes.
    pub(super) bytes: usize,
    /// When its last blob came, by the receiver's clock.
    pub(super) heard_ms: i64,
    /// Between the last two scrapes; 0 until there are two.
    pub(super) interval_ms: i64,
    /// Whether it was told that the target stopped.
    pub(super) has_ended: bool,
}

/// A blob that was taken.
#[derive(Debug)]
pub struct Applied<'a> {
    /// The target.
    pub instance: &'a str,
    /// The whole rebuilt scrape.
    pub scrape: &'a Scrape,
    /// Whether the blob was a full one: types and help texts may be new.
    pub is_full: bool,
    /// The series that the scrape before this one had: they ended, at this scrape's time.
    pub vanished: Vec<Labels>,
}

/// A target of which nothing was heard for a while.
#[derive(Debug)]
pub struct Ended<'a> {
    /// Whose target.
    pub account: &'a str,
    /// The target.
    pub instance: &'a str,
    /// When the scrape was due that did not come, in milliseconds since 1970.
    pub time_ms: i64,
    /// Its last scrape: all of its [`ending_labels`](Scrape::ending_labels) ended.
    pub scrape: &'a Scrape,
}

impl Instances {
    /// No instance, and how many there may be.
    pub fn new(limits: StateLimits) -> Instances {
        Instances { limits, ..Instances::default() }
    }

    /// Number of instances kept.
    pub fn len(&self) -> usize {
        self.accounts.values().map(HashMap::len).sum()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that all kept scrapes take, by estimate.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The kept scrape of a target.
    pub fn scrape(&self, account: &str, instance: &str) -> Option<&Scrape> {
        Some(&self.accounts.get(account)?.get(instance)?.scrape)
    }

    /// Sets how many bytes all kept scrapes may take from now on. What is kept stays.
    pub fn limit_bytes(&mut self, bytes_max: usize) {
        self.limits.bytes_max = bytes_max;
    }

    /// Applies the blobs of a request in order, at `now_ms` by the receiver's clock. `taken` sees each blob that was
    /// taken, by its position, and says what its sender is told; `refused` sees each that was not. Once a blob is
    /// refused, later blobs of its instance in this request are not looked at. `undo`, empty at first, can take it all
    /// back by [`undo`](Self::undo).
    pub fn apply_all(
        &mut self,
        account: &str,
        request: &Request<'_>,
        now_ms: i64,
        undo: &mut Undo,
        mut taken: impl FnMut(usize, &Applied<'_>) -> Code,
        mut refused: impl FnMut(usize, &Refusal),
    ) -> Vec<Code> {
        let mut blocked = HashSet::new();
        let mut codes = Vec::with_capacity(request.blobs.len());
        let limit = self.limits.rebuilt_max;
        let mut rebuilt_left = limit;
        for (position, blob) in request.blobs.iter().enumerate() {
            // A few bytes of differences stand for as many samples as the scrape before had.
            let rebuilt = if blob.is_incremental { usize::try_from(blob.series_count).unwrap_or(0) } else { 0 };
            let applied = if blocked.contains(blob.instance) {
                Err(Refusal::AfterRefused)
            } else if rebuilt > rebuilt_left {
                Err(Refusal::TooManyRebuilt { limit })
            } else {
                self.apply_undoable(account, blob, now_ms, undo)
            };
            if applied.is_ok() {
                rebuilt_left -= rebuilt;
            }
            codes.push(match applied {
                Ok(applied) => taken(position, &applied),
                Err(refusal) => {
                    blocked.insert(blob.instance);
                    refused(position, &refusal);
                    refusal.code()
                }
            });
        }
        codes
    }

    /// Applies one blob, at `now_ms` by the receiver's clock.
    ///
    /// # Errors
    /// A blob that is not taken. The kept scrape is what it was.
    pub fn apply<'a>(&'a mut self, account: &str, blob: &'a Blob<'_>, now_ms: i64) -> Result<Applied<'a>, Refusal> {
        self.apply_undoable(account, blob, now_ms, &mut Undo::default())
    }

    fn apply_undoable<'a>(
        &'a mut self,
        account: &str,
        blob: &'a Blob<'_>,
        now_ms: i64,
        undo: &mut Undo,
    ) -> Result<Applied<'a>, Refusal> {
        if !check_instance(blob.instance) {
            return Err(Refusal::Instance);
        }
        if !blob.is_text {
            return Err(Refusal::NotText);
        }
        if blob.is_incremental {
            self.add(account, blob, now_ms, undo)
        } else {
            self.replace(account, blob, now_ms, undo)
        }
    }

    /// Makes every target that a request touched what it was before.
    pub fn undo(&mut self, account: &str, undo: Undo) {
        let Some(instances) = self.accounts.get_mut(account) else { return };
        for (instance, before) in undo.before {
            // What was touched is there: nothing is forgotten while a request is dealt with.
            let Entry::Occupied(mut entry) = instances.entry(instance) else { continue };
            match before {
                Before::Unknown => self.bytes -= entry.remove().bytes,
                Before::Known { replaced, numbers } => {
                    let kept = entry.get_mut();
                    if let Some(replaced) = replaced {
                        self.bytes = self.bytes - kept.bytes + replaced.bytes;
                        *kept = *replaced;
                    }
                    if let Some(numbers) = numbers {
                        numbers.restore(kept);
                    }
                }
            }
        }
        if instances.is_empty() {
            self.accounts.remove(account);
        }
    }

    fn add<'a>(
        &'a mut self,
        account: &str,
        blob: &'a Blob<'_>,
        now_ms: i64,
        undo: &mut Undo,
    ) -> Result<Applied<'a>, Refusal> {
        let kept = self.accounts.get_mut(account).and_then(|instances| instances.get_mut(blob.instance));
        let kept = kept.ok_or(Refusal::UnknownInstance)?;
        let before_ms = kept.scrape.time_ms;
        kept.scrape.check(blob)?;
        undo.note_numbers(blob.instance, kept);
        kept.scrape.add(blob);
        kept.hear(before_ms, now_ms);
        Ok(Applied { instance: blob.instance, scrape: &kept.scrape, is_full: false, vanished: Vec::new() })
    }

    fn replace<'a>(
        &'a mut self,
        account: &str,
        blob: &'a Blob<'_>,
        now_ms: i64,
        undo: &mut Undo,
    ) -> Result<Applied<'a>, Refusal> {
        let found = blob.samples.len();
        let is_whole = usize::try_from(blob.series_count) == Ok(found);
        let (scrape, bytes) = if is_whole {
            Scrape::of_full(blob, &self.limits)?
        } else {
            // The instance is known from now on, without series, unless it was known before.
            (Scrape { generation: blob.generation, ..Scrape::default() }, size_of::<Scrape>())
        };
        let bytes = bytes + size_of::<Kept>() + blob.instance.len() + MAP_ENTRY_BYTES;
        let known = self.accounts.get(account);
        let before = known.and_then(|instances| instances.get(blob.instance)).map_or(0, |kept| kept.bytes);
        let incomplete = Refusal::Incomplete { sent: blob.series_count, found };
        if before != 0 && !is_whole {
            return Err(incomplete);
        }
        if before == 0 && known.is_some_and(|instances| instances.len() >= self.limits.instances_max) {
            return Err(Refusal::TooManyInstances { limit: self.limits.instances_max });
        }
        if self.bytes - before + bytes > self.limits.bytes_max {
            return Err(Refusal::TooManyBytes { limit: self.limits.bytes_max });
        }
        self.bytes = self.bytes - before + bytes;
        let instances = self.accounts.entry(account.into()).or_default();
        let mut vanished = Vec::new();
        let kept = match instances.entry(blob.instance.into()) {
            Entry::Occupied(entry) => {
                let kept = entry.into_mut();
                vanished = scrape.vanished_since(&kept.scrape);
                let Kept { heard_ms, interval_ms, has_ended, .. } = *kept;
                let before = std::mem::replace(kept, Kept { scrape, bytes, heard_ms, interval_ms, has_ended });
                kept.hear(before.scrape.time_ms, now_ms);
                undo.note_replaced(blob.instance, before);
                kept
            }
            Entry::Vacant(entry) => {
                undo.note_unknown(blob.instance);
                entry.insert(Kept { scrape, bytes, heard_ms: now_ms, interval_ms: 0, has_ended: !is_whole })
            }
        };
        if !is_whole {
            return Err(incomplete);
        }
        Ok(Applied { instance: blob.instance, scrape: &kept.scrape, is_full: true, vanished })
    }

    /// Shows every target that stopped since the last call to `ended`, once, and forgets those that are idle; gives how
    /// many were forgotten. To be called every few seconds.
    pub fn expire(&mut self, now_ms: i64, mut ended: impl FnMut(&Ended<'_>)) -> usize {
        let limits = &self.limits;
        let mut forgotten = 0;
        for (account, instances) in &mut self.accounts {
            instances.retain(|instance, kept| {
                let silent_ms = now_ms.saturating_sub(kept.heard_ms);
                let long_ms = kept.interval_ms.saturating_mul(3);
                let is_idle = silent_ms >= limits.idle_ms.max(long_ms);
                let is_silent = silent_ms >= limits.silent_ms.max(long_ms);
                if (is_idle || is_silent) && !std::mem::replace(&mut kept.has_ended, true) {
                    let time_ms = kept.scrape.time_ms.saturating_add(kept.interval_ms.max(1));
                    ended(&Ended { account, instance, time_ms, scrape: &kept.scrape });
                }
                if is_idle {
                    forgotten += 1;
                    self.bytes -= kept.bytes;
                }
                !is_idle
            });
        }
        self.accounts.retain(|_, instances| !instances.is_empty());
        forgotten
    }
}

impl Kept {
    fn hear(&mut self, before_ms: i64, now_ms: i64) {
        let interval_ms = self.scrape.time_ms.saturating_sub(before_ms);
        if (1..=INTERVAL_MS_MAX).contains(&interval_ms) {
            self.interval_ms = interval_ms;
        }
        self.heard_ms = now_ms;
        self.has_ended = false;
    }
}

/// Longer pauses between two scrapes are gaps.
const INTERVAL_MS_MAX: i64 = 3_600_000;
/// A place in the table, and what is spare in it.
const MAP_ENTRY_BYTES: usize = 64;
