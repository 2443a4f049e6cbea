//! Taking a request: its scrapes are rebuilt, kept, written, and only then acknowledged.
//!
//! Invariant: a code 0 says that the log has the whole scrape, and the spool its files. When a request fails, the state
//! is what it was before, so the same request can come again.

use std::io;
use std::sync::Arc;

use super::super::core::Engine;
use super::super::outcome::IngestError;
use super::super::remote::ScrapeWrite;
use super::collected::Collected;
use super::options::ZstatsOptions;
use super::spool::{Kept, Spool};
use crate::formats::zstats::{Applied, Code, Refusal, Request, Undo};
use crate::telemetry::{Kind, Reason};

/// State may take this part of the memory cap at most, as other things that are remembered of senders.
const MEMORY_CAP_PART: u64 = 8;

/// What became of a request.
#[derive(Debug, Default)]
pub struct Taken {
    /// What its sender is told of each scrape, in order.
    pub codes: Vec<Code>,
    /// The scrapes that lie in the spool now.
    pub kept: Vec<TakenScrape>,
}

/// A scrape in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenScrape {
    /// Its place in the request.
    pub position: usize,
    /// When the target was scraped, in milliseconds since 1970.
    pub time_ms: i64,
    /// Where it lies.
    pub kept: Kept,
}

/// Why nothing of a request is acknowledged: it may come again as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// No such account.
    #[error("nothing is collected of account {account:?}")]
    Account {
        /// The account.
        account: String,
    },
    /// The store takes nothing now.
    #[error(transparent)]
    Store(#[from] IngestError),
    /// The spool takes nothing now.
    #[error("the spool: {0}")]
    Spool(io::Error),
}

impl Engine {
    /// Lets scrapes be collected. To be called once, before [recovery](Self::recover) is over.
    ///
    /// # Errors
    ///
    /// A spool whose place cannot be told.
    pub fn collect_scrapes(&self, options: ZstatsOptions) -> io::Result<()> {
        let shared = || (Arc::clone(&self.disk), Arc::clone(&self.clock), Arc::clone(&self.telemetry));
        let spool = options.spool.clone().map(|options| {
            let (disk, clock, telemetry) = shared();
            Spool::new(options, disk, clock, telemetry).map(Arc::new)
        });
        let bytes_max = match self.options.memory_bytes_max {
            0 => usize::MAX,
            cap => usize::try_from(cap / MEMORY_CAP_PART).unwrap_or(usize::MAX),
        };
        let collected = Collected::new(options, bytes_max, spool.transpose()?);
        match self.collected.set(collected) {
            Ok(()) => Ok(()),
            Err(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "scrapes are collected already")),
        }
    }

    /// Takes a request of an account: the log holds the scrapes that are acknowledged, and the spool their files,
    /// before this returns. Blocks on locks and on the disk.
    ///
    /// # Errors
    ///
    /// What keeps the store or the spool from taking anything. Nothing is acknowledged then, and the state is what it
    /// was.
    pub fn take_scrapes(&self, account: &str, request: &Request<'_>) -> Result<Taken, TakeError> {
        let unknown = || TakeError::Account { account: account.to_owned() };
        let collected = self.collected.get().ok_or_else(unknown)?;
        self.check_writable(false)?;
        let mut locked = collected.account(account, self).ok_or_else(unknown)?;
        let mut taking = Taking {
            engine: self,
            collected,
            account,
            // Only now: it holds a lock that others wait for while they hold an account.
            write: ScrapeWrite::new(self),
            kept: Vec::new(),
            counts: [0; 2],
            failed: None,
        };
        let mut undo = Undo::default();
        let mut refusals: Vec<(&'static str, u64)> = Vec::new();
        let refused =
            |_: usize, refusal: &Refusal| match refusals.iter_mut().find(|(known, _)| *known == refusal.reason()) {
                Some((_, count)) => *count += 1,
                None => refusals.push((refusal.reason(), 1)),
            };
        let now_ms = self.clock.now_millis();
        let taken = |position: usize, applied: &Applied<'_>| taking.take(position, applied);
        let codes = locked.instances.apply_all(account, request, now_ms, &mut undo, taken, refused);
        let counts = taking.counts;
        let (kept, written) = taking.finish();
        match written {
            Ok(()) => {
                for (kind, count) in ["full", "incremental"].into_iter().zip(counts) {
                    self.telemetry.zstats.scrapes.get_or_create(&Kind { kind }).inc_by(count);
                }
                for (reason, count) in refusals {
                    self.telemetry.zstats.scrapes_refused.get_or_create(&Reason { reason }).inc_by(count);
                }
                Ok(Taken { codes, kept })
            }
            Err(error) => {
                locked.instances.undo(account, undo);
                if let Some(spool) = &collected.spool {
                    kept.iter().for_each(|scrape| spool.discard(&scrape.kept));
                }
                Err(error)
            }
        }
    }
}

/// A request while it is taken.
struct Taking<'e, 'a> {
    engine: &'e Engine,
    collected: &'e Collected,
    account: &'a str,
    write: ScrapeWrite<'e>,
    kept: Vec<TakenScrape>,
    /// Full scrapes, and those that came as differences.
    counts: [u64; 2],
    /// Why the request cannot be taken.
    failed: Option<TakeError>,
}

impl Taking<'_, '_> {
    /// Takes a scrape that was rebuilt.
    fn take(&mut self, position: usize, applied: &Applied<'_>) -> Code {
        if self.failed.is_some() {
            return Code::Failed;
        }
        match self.try_take(position, applied) {
            Ok(code) => {
                self.counts[usize::from(!applied.is_full)] += 1;
                code
            }
            Err(error) => {
                self.failed = Some(error);
                Code::Failed
            }
        }
    }

    fn try_take(&mut self, position: usize, applied: &Applied<'_>) -> Result<Code, TakeError> {
        let Applied { instance, scrape, is_full, vanished } = applied;
        for labels in vanished {
            self.write.end(labels, scrape.time_ms)?;
        }
        self.write.scrape(scrape, *is_full)?;
        let Some(spool) = &self.collected.spool else { return Ok(Code::Taken) };
        match spool.keep(self.account, instance, scrape) {
            Ok(kept) => {
                self.kept.push(TakenScrape { position, time_ms: scrape.time_ms, kept });
                Ok(Code::Taken)
            }
            // As in the original receiver: the rebuilt scrape counts, and its sender is told that it failed.
            Err(error) if is_lasting(error.kind()) => {
                if let Some(count) = self.collected.logged.note(1) {
                    let account = self.account;
                    tracing::warn!("zstats: {account}/{instance} cannot be kept ({count} scrapes): {error}");
                }
                self.engine.telemetry.zstats.scrapes_refused.get_or_create(&Reason { reason: "spool" }).inc();
                Ok(Code::Failed)
            }
            Err(error) => Err(TakeError::Spool(error)),
        }
    }

    /// Writes what still waits; gives what the spool has, and whether all of it counts.
    fn finish(self) -> (Vec<TakenScrape>, Result<(), TakeError>) {
        let Taking { collected, account, write, kept, failed, .. } = self;
        let written = match failed {
            Some(error) => Err(error),
            None => write.finish().map_err(TakeError::from),
        };
        if let Ok(Some(complaint)) = &written
            && let Some(count) = collected.logged.note(1)
        {
            tracing::warn!("zstats: {account}: {complaint} ({count} such requests since the last one shown)");
        }
        (kept, written.map(drop))
    }
}

/// Whether the same scrape would meet the same failure for ever: its sender must not keep everything behind it back.
fn is_lasting(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory};
    matches!(kind, InvalidFilename | InvalidInput | IsADirectory | NotADirectory)
}
