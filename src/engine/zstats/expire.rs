//! Targets that stopped: their series end, and what is idle is forgotten.

use std::sync::Arc;

use super::super::core::Engine;
use super::super::remote::ScrapeWrite;
use super::spool::Spool;

impl Engine {
    /// Ends the series of all targets that stopped since the last call, and forgets those that are idle. To be called
    /// every few seconds. Blocks on locks and on the disk.
    pub fn end_silent_targets(&self) {
        let Some(collected) = self.collected.get() else { return };
        // Who stopped is told once: not while nothing can be written.
        if self.check_writable(false).is_err() {
            return;
        }
        for name in collected.names() {
            let Some(mut account) = collected.account(name, self) else { continue };
            let mut write = ScrapeWrite::new(self);
            let mut outcome = Ok(());
            account.instances.expire(self.clock.now_millis(), |ended| {
                self.telemetry.zstats.targets_ended.inc();
                for labels in ended.scrape.ending_labels() {
                    if outcome.is_ok() {
                        outcome = write.end(labels, ended.time_ms);
                    }
                }
            });
            if let Err(error) = outcome.and_then(|()| write.finish().map(drop)) {
                // They end by themselves, after the time that a sample stays current.
                tracing::warn!("zstats: series of targets of {} that stopped were not ended: {error}", account.name);
            }
        }
    }

    /// Whether scrapes are collected.
    pub(in crate::engine) fn collects_scrapes(&self) -> bool {
        self.collected.get().is_some()
    }

    /// Where scrapes are kept, if they are.
    pub(in crate::engine) fn spool(&self) -> Option<&Arc<Spool>> {
        self.collected.get()?.spool.as_ref()
    }
}
