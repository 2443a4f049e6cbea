//! What happens to the archive in a history: passes of every kind, hosts in use, a memory cap, faults of its own disk.

use std::path::Path;

use nix::errno::Errno;

use super::archive::{ARCHIVE, has_hidden};
use super::model::Crash;
use super::world::World;
use crate::engine::{CleanupReport, Engine, IngestReport};
use crate::model::MetricTable;
use crate::telemetry::Telemetry;
use crate::testing::{Lasts, Operation};

/// After a pass that could free nothing the memory cap waits so long.
const PAUSE_SECS: i64 = 11;

impl World {
    /// One step of a history with an archive.
    pub(super) fn step_of_archive(&mut self) -> Result<(), String> {
        match self.random.below(100) {
            0..72 => return self.step(),
            72..82 => self.clean()?,
            82..88 => self.archive_freed()?,
            88..91 => self.change_nodes(),
            91..93 => self.break_archive(),
            93..96 => {
                // In the midst of a pass.
                let changes = self.random.below(25) as u64;
                self.note(format!("halt after {changes}"));
                self.disk.halt_after(changes);
                self.clean()?;
            }
            _ => {
                let secs = self.random.within(1000..8000);
                self.clock.advance(secs);
                self.note(format!("{secs} s later"));
            }
        }
        if self.disk.is_halted() {
            let crash = *self.random.pick(&[Crash::Kill, Crash::Power]);
            self.crash(crash)?;
        }
        Ok(())
    }

    /// A regular cleanup.
    pub(super) fn clean(&mut self) -> Result<(), String> {
        let now = self.now();
        if let Some(archive) = &mut self.archive {
            archive.allow_cutoff(&self.hosts, &self.options, now);
        }
        let report = self.engine().retain();
        self.passed("retain", &report)
    }

    /// What was freed.
    fn archive_freed(&mut self) -> Result<(), String> {
        if self.random.percent(60) {
            self.free()?;
        }
        let report = self.engine().archive_wanted();
        self.passed("archive what is wanted", &report)?;
        Ok(())
    }

    /// Looks at what a pass left.
    fn passed(&mut self, what: &str, report: &CleanupReport) -> Result<(), String> {
        self.note(format!("{what}: {report:?}"));
        let is_whole = !report.is_failed && !self.disk.is_halted();
        self.is_poisoned |= !is_whole;
        self.counts.passes += 1;
        let Some(archive) = &mut self.archive else { return Ok(()) };
        match is_whole {
            // A pass that was not wanted looks at nothing.
            true if report.files > 0 || what == "retain" => archive.succeeded(&self.disk, &self.hosts),
            true => Ok(()),
            false => {
                archive.is_settled = false;
                archive.look(&self.disk, &self.hosts)
            }
        }
    }

    fn change_nodes(&mut self) {
        let Some(archive) = &self.archive else { return };
        let told = archive.change_nodes(&mut self.random, &self.hosts);
        self.note(told);
    }

    fn break_archive(&mut self) {
        self.counts.faults += 1;
        self.is_broken = true;
        let lasts = if self.random.percent(50) { Lasts::Once } else { Lasts::UntilHealed };
        let spared = self.random.below(20) as u64;
        let kind = self.random.below(6);
        self.note(format!("fault {kind} of the archive, {lasts:?} after {spared}"));
        let is_ours = |path: &Path| path.starts_with(ARCHIVE);
        match kind {
            0 => self.disk.fail(spared, lasts, Errno::EIO, move |_, path| is_ours(path)),
            1 => self.disk.fail(spared, lasts, Errno::EIO, move |what, path| what.is_change() && is_ours(path)),
            2 => self.disk.fail(spared % 3, lasts, Errno::EIO, move |what, path| what.is_sync() && is_ours(path)),
            3 => self
                .disk
                .fail(spared % 3, lasts, Errno::ENOSPC, move |what, path| what == Operation::Write && is_ours(path)),
            4 => self
                .disk
                .fail(spared % 3, lasts, Errno::EIO, move |what, path| what == Operation::Rename && is_ours(path)),
            _ => self.disk.take_away(Path::new(ARCHIVE)),
        }
    }

    /// A writer was refused for the memory cap: passes make room, by themselves.
    pub(super) fn make_room(&mut self) -> Result<(), String> {
        let cap = self.options.memory_bytes_max;
        for _ in 0..6 {
            if self.disk.is_halted() || self.engine().store().memory_bytes() < cap {
                return Ok(());
            }
            self.clock.advance(PAUSE_SECS);
            _ = self.engine().ingest("http", "alex", b"", &mut IngestReport::default());
            let report = self.engine().archive_wanted();
            self.passed("make room", &report)?;
            if report.is_failed && !self.is_broken && !self.disk.is_halted() {
                return Err("a pass that is to make room failed on a well disk".to_owned());
            }
        }
        let mut sealed = [0; 1];
        for host in self.engine().store().hosts() {
            host.bytes_by_age(0, i64::MAX / 4, &mut sealed);
        }
        let held = self.engine().store().memory_bytes();
        if sealed[0] > 0 && !self.is_broken && !self.disk.is_halted() && held >= cap {
            return Err(format!(
                "{held} of {cap} bytes are held, {} of them sealed, and no pass frees them",
                sealed[0]
            ));
        }
        Ok(())
    }

    /// Before a start: a cleanup without a server, perhaps, and another memory cap.
    pub(super) fn before_start(&mut self, crash: &mut Crash) -> Result<(), String> {
        if self.archive.is_none() {
            return Ok(());
        }
        if self.random.percent(20) {
            self.clean_offline(crash)?;
        }
        let cap = match self.random.percent(25) && self.held_bytes > 0 {
            true => self.held_bytes * self.random.within(95..140) as u64 / 100,
            false => 0,
        };
        self.options.memory_bytes_max = cap;
        if let Some(archive) = &mut self.archive {
            archive.has_cap |= cap > 0;
        }
        Ok(())
    }

    fn clean_offline(&mut self, crash: &mut Crash) -> Result<(), String> {
        let now = self.now();
        if let Some(archive) = &mut self.archive {
            archive.allow_cutoff(&self.hosts, &self.options, now);
        }
        if self.random.percent(40) {
            self.disk.halt_after(self.random.below(40) as u64);
        }
        let (disk, clock) = (std::sync::Arc::new(self.disk.clone()), std::sync::Arc::clone(&self.clock));
        let metrics = MetricTable::new(self.metrics());
        let telemetry = std::sync::Arc::new(Telemetry::default());
        let outcome = match Engine::open(self.options.clone(), metrics, disk, clock, telemetry) {
            Ok(engine) => {
                if let Some(archive) = &self.archive {
                    engine.set_node_provider(archive.provider());
                }
                engine.cleanup_offline(&|_| {}).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        self.note(format!("cleanup offline: {outcome:?}"));
        self.counts.passes += 1;
        let is_unknown = outcome.as_ref().is_err_and(|error| error.contains("no answer"));
        if self.disk.is_halted() {
            let again = *self.random.pick(&[Crash::Kill, Crash::Power]);
            self.note(format!("{again:?} in the cleanup"));
            self.stop(again);
            if again == Crash::Power {
                *crash = again;
            }
        } else if outcome.is_ok() {
            self.disk.heal();
            if let Some(archive) = &mut self.archive {
                archive.succeeded(&self.disk, &self.hosts)?;
            }
        } else if !is_unknown {
            return Err(format!("the cleanup failed on a well disk: {outcome:?}"));
        }
        self.disk.heal();
        Ok(())
    }

    /// After a start: what it found pending is settled, and what lies hidden is archived without anybody's asking.
    pub(super) fn after_start(&mut self) -> Result<(), String> {
        if self.archive.is_some() && self.random.percent(30) && has_hidden(self.engine()) {
            let report = self.engine().archive_wanted();
            self.passed("archive what was left", &report)?;
            if report.rows == 0 || has_hidden(self.engine()) {
                return Err("what lies hidden after a start waits for the next cleanup".to_owned());
            }
        }
        Ok(())
    }

    /// In the end everything is freed, and all that was ever acknowledged is in the archive.
    pub(super) fn archive_all(&mut self) -> Result<(), String> {
        for at in 0..self.hosts.len() {
            if let Some(archive) = &mut self.archive {
                archive.allow(at, &[], i64::MAX);
            }
        }
        let freed = self.engine().free(&[Vec::new()], i64::MAX);
        let report = self.engine().archive_wanted();
        self.note(format!("free all: {freed:?}"));
        self.passed("archive all", &report)?;
        if freed.is_err() || report.is_failed {
            return Err(format!("freeing everything on a well disk: {freed:?} {report:?}"));
        }
        self.compare()?;
        if has_hidden(self.engine()) {
            return Err("all is archived, and memory still holds what was freed".to_owned());
        }
        self.counts.archived += self.archive.as_ref().map_or(0, |archive| archive.rows);
        Ok(())
    }
}
