//! What happens in a history: writes of every kind, what the engine does by itself, faults, crashes.

use std::fmt::Write as _;
use std::path::Path;

use nix::errno::Errno;

use super::model::{BAND_SECS, Crash, Fate, SeriesKind};
use super::stamped;
use super::world::{CHECKPOINTS, EXTRA, World, horizons};
use crate::engine::files::host_folder;
use crate::engine::{CheckpointFormat, IngestError, IngestReport, WalSync};
use crate::formats::ccms::WAL_FILE;
use crate::telemetry::Kind;
use crate::testing::{Lasts, Operation};

/// A sample of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) host: usize,
    pub(super) series: usize,
    pub(super) tick: i64,
    pub(super) secs: i64,
    pub(super) value: f64,
}

impl World {
    /// One step of a history.
    pub(super) fn step(&mut self) -> Result<(), String> {
        match self.random.below(100) {
            0..46 => self.ingest()?,
            46..52 => self.compare()?,
            52..62 => self.flush(),
            62..70 => self.checkpoint(),
            70..73 => self.retain()?,
            73..77 => self.free()?,
            77..85 => self.advance(),
            85..87 => self.reload(),
            87..91 => self.break_disk(),
            91..93 => self.heal()?,
            93..97 => {
                let changes = self.random.below(30) as u64;
                self.note(format!("halt after {changes}"));
                self.disk.halt_after(changes);
            }
            97..99 => {
                let crash = *self.random.pick(&[Crash::Kill, Crash::Power]);
                self.crash(crash)?;
            }
            _ => self.end()?,
        }
        if self.disk.is_halted() {
            let crash = *self.random.pick(&[Crash::Kill, Crash::Power]);
            self.crash(crash)?;
        }
        Ok(())
    }

    fn advance(&mut self) {
        let secs = match self.random.below(12) {
            // Longer than a window of the slowest metric but one: a new phase may begin.
            0 => self.random.within(4000..15_000),
            1..4 => self.random.within(1..10),
            _ => self.random.within(10..400),
        };
        self.clock.advance(secs);
        self.note(format!("{secs} s later"));
    }

    fn reload(&mut self) {
        self.has_extra = !self.has_extra;
        self.note(format!("reload, extra: {}", self.has_extra));
        self.engine().reload_metrics(self.metrics());
    }

    fn flush(&mut self) {
        let outcome = self.engine().flush();
        self.note(format!("flush: {outcome:?}"));
        match outcome {
            Ok(()) if !self.is_poisoned => self.durable = self.number,
            Ok(()) => {}
            Err(_) => self.is_poisoned = true,
        }
    }

    fn checkpoint(&mut self) {
        let report = self.engine().checkpoint();
        self.counts.checkpoints += 1;
        self.note(format!("checkpoint: {report:?}"));
        if report.failed == 0 && !self.disk.is_halted() {
            self.checkpointed();
        } else if self.options.format != CheckpointFormat::Native {
            // Its flushes are those of the whole file system.
            self.is_poisoned = true;
        }
        if !self.has_extra {
            // It failed for one host or shard, and may have covered the logs of all others.
            self.doubt_extra();
        }
    }

    fn retain(&mut self) -> Result<(), String> {
        if self.archive.is_some() {
            return self.clean();
        }
        let retention = i64::try_from(self.options.retention.as_secs()).map_err(|error| error.to_string())?;
        let to = self.now() - retention;
        let is_old = |world: &World, at: usize| {
            let host = &world.hosts[at];
            let found = world.engine().store().host(host.cluster, &host.name);
            found.and_then(|host| host.oldest_secs()).is_some_and(|oldest| oldest < to)
        };
        let old: Vec<usize> = (0..self.hosts.len()).filter(|&at| is_old(self, at)).collect();
        let before: Vec<_> = old.iter().map(|&at| horizons(self.engine(), &self.hosts[at])).collect();
        self.engine().retain();
        self.note(format!("retain before {to} of hosts {old:?}"));
        for (at, before) in old.into_iter().zip(before) {
            let has_moved = horizons(self.engine(), &self.hosts[at]) != before;
            // A cleanup answers nobody: whether its last flush failed is in the log only.
            self.moved(at, &[], to, has_moved, !self.is_broken);
        }
        Ok(())
    }

    pub(super) fn now(&self) -> i64 {
        crate::time::Clock::now_secs(&*self.clock)
    }

    pub(super) fn free(&mut self) -> Result<(), String> {
        let at = self.random.below(self.hosts.len());
        let to = match self.random.below(4) {
            0 => i64::MAX,
            _ => self.now() - self.random.within(0..8000),
        };
        let host = &self.hosts[at];
        let path: Vec<String> = match host.series.is_empty() || self.random.percent(50) {
            true => Vec::new(),
            false => host.series[self.random.below(host.series.len())].below.clone(),
        };
        let host = &self.hosts[at];
        let (whole, selector): (Vec<usize>, Vec<String>) = match self.random.below(8) {
            0 => ((0..self.hosts.len()).collect(), Vec::new()),
            1 => {
                let of_cluster = (0..self.hosts.len()).filter(|&other| self.hosts[other].cluster == host.cluster);
                (of_cluster.collect(), vec![host.cluster.to_owned()])
            }
            _ => {
                let names = [host.cluster.to_owned(), host.name.clone()];
                (vec![at], names.into_iter().chain(path.iter().cloned()).collect())
            }
        };
        let path = if selector.len() > 2 { path } else { Vec::new() };
        let whole: Vec<usize> = whole
            .into_iter()
            .filter(|&at| self.engine().store().host(self.hosts[at].cluster, &self.hosts[at].name).is_some())
            .collect();
        let before: Vec<_> = whole.iter().map(|&at| horizons(self.engine(), &self.hosts[at])).collect();
        let outcome = self.engine().free(std::slice::from_ref(&selector), to);
        self.note(format!("free {selector:?} before {to}: {outcome:?}"));
        let is_single = whole.len() == 1;
        for (at, before) in whole.into_iter().zip(before) {
            let has_moved = horizons(self.engine(), &self.hosts[at]) != before;
            let must_not_move = is_single && outcome.is_err() && self.options.wal_sync != WalSync::Always;
            if has_moved && must_not_move && !self.disk.is_halted() {
                return Err(format!("{}: freed {path:?}, though the answer was {outcome:?}", self.hosts[at].name));
            }
            self.moved(at, &path, to, has_moved, outcome.is_ok());
        }
        Ok(())
    }

    /// Notes a horizon that moved, or may have.
    fn moved(&mut self, at: usize, path: &[String], to: i64, has_moved: bool, is_acknowledged: bool) {
        if let Some(archive) = &mut self.archive {
            // Nothing goes by it but into the archive.
            archive.allow(at, path, to);
            self.is_poisoned |= !is_acknowledged;
            return;
        }
        let fate = match (self.disk.is_halted(), has_moved, is_acknowledged) {
            (true, ..) => Fate::InFlight,
            (false, true, true) if self.options.wal_sync == WalSync::Always => Fate::Durable,
            (false, true, _) => self.at_risk(),
            // A state file may have been replaced, though not durably.
            (false, false, false) if self.options.format != CheckpointFormat::Native => {
                Fate::Doubtful { after_kill: true }
            }
            (false, false, _) => return,
        };
        if !is_acknowledged {
            self.is_poisoned = true;
        }
        self.hosts[at].free(path, to, fate);
    }

    fn ingest(&mut self) -> Result<(), String> {
        let mut sent = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            self.gather(&mut sent);
        }
        if self.has_stamped && self.random.percent(60) {
            let (outcome, stored) = stamped::write(self, &sent);
            self.note_body(&sent, &outcome, stored);
            return self.judge(&sent, &outcome, stored);
        }
        sent.retain(|sample| self.hosts[sample.host].series[sample.series].kind == SeriesKind::Grid);
        let mut body = String::new();
        let mut bad = 0;
        for sample in &sent {
            let host = &self.hosts[sample.host];
            let series = &host.series[sample.series];
            let Sent { secs, value, .. } = sample;
            let cluster = if self.random.percent(80) || host.cluster != "alex" {
                format!(",cluster={}", host.cluster)
            } else {
                String::new()
            };
            writeln!(body, "{}{cluster},hostname={}{} value={value} {secs}", series.metric, host.name, series.tags)
                .map_err(|error| error.to_string())?;
            if self.random.percent(3) {
                bad += 1;
                let lines = ["load,hostname=a value=x 1\n", "load,hostname=a\n", "load value\n"];
                let line = lines[self.random.below(lines.len())];
                body.push_str(line);
            }
            if self.random.percent(3) {
                // Skipped: a clock far ahead, a metric that nobody configured.
                let late = self.now() + 7200;
                let (cluster, name) = (host.cluster, &host.name);
                _ = writeln!(
                    body,
                    "load,cluster={cluster},hostname={name} value=1 {late}\nnothing,hostname=a value=1 1"
                );
            }
        }
        let mut report = IngestReport::default();
        let outcome = self.engine().ingest("http", "alex", body.as_bytes(), &mut report);
        self.note_body(&sent, &outcome, report.stored);
        let is_full = matches!(outcome, Err(IngestError::Busy(_)));
        if report.bad != bad && !is_full {
            return Err(format!("{} bad lines were sent and {} found", bad, report.bad));
        }
        self.judge(&sent, &outcome, report.stored)?;
        if is_full && self.random.percent(50) { self.make_room() } else { Ok(()) }
    }

    fn note_body(&mut self, sent: &[Sent], outcome: &Result<(), IngestError>, stored: u64) {
        let list: Vec<String> =
            sent.iter().map(|s| format!("{}.{}@{}={}", s.host, s.series, s.tick, s.value)).collect();
        self.note(format!("{} samples: {outcome:?}, {stored} stored of {}", sent.len(), list.join(" ")));
    }

    /// Puts down what became of the samples of a body.
    fn judge(&mut self, sent: &[Sent], outcome: &Result<(), IngestError>, stored: u64) -> Result<(), String> {
        let is_known = |world: &World, sample: &Sent| {
            world.has_extra || world.hosts[sample.host].series[sample.series].metric != EXTRA
        };
        let mut order: Vec<usize> = Vec::new();
        // A line of a metric that is not configured is left out before anybody looks whose it is.
        sent.iter().filter(|sample| is_known(self, sample)).for_each(|sample| {
            if !order.contains(&sample.host) {
                order.push(sample.host);
            }
        });
        let is_kept = |world: &World, sample: &Sent| {
            let host = &world.hosts[sample.host];
            let series = &host.series[sample.series];
            is_known(world, sample) && host.is_gone(&series.below, sample.secs) == Some(false)
        };
        let kept: Vec<Sent> = sent.iter().filter(|sample| is_kept(self, sample)).copied().collect();
        // Hosts are written one after the other: what is stored are whole hosts, the first ones.
        let mut left = stored;
        let mut is_stored = vec![false; self.hosts.len()];
        for &host in &order {
            let of_host = kept.iter().filter(|sample| sample.host == host).count() as u64;
            is_stored[host] = of_host <= left;
            if of_host > left {
                break;
            }
            left -= of_host;
        }
        if left > 0 || (outcome.is_ok() && order.iter().any(|&host| !is_stored[host])) {
            return Err(format!("{stored} samples are said to be stored, that is no whole number of hosts"));
        }
        let fate = match outcome {
            Ok(()) if self.options.wal_sync == WalSync::Always => Fate::Durable,
            _ => self.at_risk(),
        };
        let is_full = matches!(outcome, Err(IngestError::Busy(_)));
        if outcome.is_err() && !is_full && self.options.wal_sync == WalSync::Always {
            // Perhaps a flush failed. Then what is at risk from earlier is not helped by the next one.
            self.is_poisoned = true;
        }
        for sample in sent {
            let host = &mut self.hosts[sample.host];
            let below = host.series[sample.series].below.clone();
            let is_dropped = host.is_gone(&below, sample.secs) == Some(true);
            if is_dropped && !host.is_gone_for_good(&below, sample.secs, self.durable) {
                // The log has it, behind a horizon that a power failure may take back.
                let cell = host.series[sample.series].cells.entry(sample.tick).or_default();
                cell.write(Some(sample.value), Fate::Doubtful { after_kill: false });
            }
        }
        for sample in kept {
            let is_stored = is_stored[sample.host];
            let fate = match (is_stored, self.disk.is_halted()) {
                (true, _) => fate,
                (false, true) => Fate::InFlight,
                (false, false) => match self.doubt(sample.host, sample.value) {
                    Some(fate) => fate,
                    None => {
                        self.counts.refused += 1;
                        // The tick is looked at from now on: the value must not show.
                        self.hosts[sample.host].series[sample.series].cells.entry(sample.tick).or_default();
                        continue;
                    }
                },
            };
            let host = &mut self.hosts[sample.host];
            if is_stored {
                if host.series[sample.series].kind != SeriesKind::Exemplar {
                    host.newest_secs = host.newest_secs.max(sample.secs);
                }
                self.counts.acknowledged += u64::from(outcome.is_ok());
            }
            host.series[sample.series].cells.entry(sample.tick).or_default().write(Some(sample.value), fate);
        }
        Ok(())
    }

    /// Whether lines of a refused body may show after a crash: a log of the reference's form takes no other cut than
    /// that of the file, and a disk that is broken may refuse that too.
    fn doubt(&self, host: usize, value: f64) -> Option<Fate> {
        if self.options.format == CheckpointFormat::Native {
            return None;
        }
        let (bytes, is_durable) = self.disk.peek(&self.log_path(host))?;
        // No two samples of a history have one value.
        let after_kill = memchr::memmem::find(&bytes, &(value as f32).to_le_bytes()).is_some();
        (after_kill || !is_durable).then_some(Fate::Doubtful { after_kill })
    }

    fn log_path(&self, at: usize) -> std::path::PathBuf {
        let host = &self.hosts[at];
        host_folder(Path::new(CHECKPOINTS), host.cluster, &host.name).join(WAL_FILE)
    }

    /// Adds samples of one kind to a body.
    fn gather(&mut self, sent: &mut Vec<Sent>) {
        let host = self.random.below(self.hosts.len());
        let count = self.hosts[host].series.len();
        if count == 0 {
            return;
        }
        let one = self.random.below(count);
        let now = self.now();
        let newest = |world: &World, series: usize| world.hosts[host].series[series].tick_at(now) - 1;
        match self.random.below(20) {
            0..11 => {
                // A tick of the host.
                for series in 0..count {
                    if self.random.percent(90) {
                        self.sample(sent, host, series, newest(self, series));
                    }
                }
            }
            11..14 => {
                // A sender that was away sends what it has kept.
                let most = if self.random.percent(20) { 150 } else { 20 };
                let ticks = self.random.within(1..most);
                for back in (0..ticks).rev() {
                    self.sample(sent, host, one, newest(self, one) - back);
                }
            }
            14..17 => {
                for _ in 0..1 + self.random.below(5) {
                    let back = self.random.within(0..100);
                    self.sample(sent, host, one, newest(self, one) - back);
                }
            }
            17..19 => {
                // The same tick again.
                let known: Vec<i64> = self.hosts[host].series[one].cells.keys().rev().take(40).copied().collect();
                if !known.is_empty() {
                    let tick = *self.random.pick(&known);
                    self.sample(sent, host, one, tick);
                    self.sample(sent, host, one, tick);
                }
            }
            _ => {
                let ahead = self.random.within(1..8);
                self.sample(sent, host, one, newest(self, one) + ahead);
            }
        }
    }

    fn sample(&mut self, sent: &mut Vec<Sent>, host: usize, series: usize, tick: i64) {
        let model = &self.hosts[host].series[series];
        let is_exact = model.kind != SeriesKind::Grid;
        if model.kind == SeriesKind::Exemplar {
            // One for each time, and only newer ones.
            let newest = sent.iter().filter(|sent| (sent.host, sent.series) == (host, series)).map(|sent| sent.tick);
            let newest = newest.chain(model.cells.keys().last().copied()).max();
            if newest.is_some_and(|newest| tick <= newest) {
                return;
            }
        }
        let most = if is_exact || self.random.percent(50) { 0 } else { model.frequency / 6 };
        let secs = model.secs_of(tick) + if most > 0 { self.random.within(-most..most + 1) } else { 0 };
        // Nobody can tell on which side of a horizon it will fall.
        if self.hosts[host].is_gone(&model.below, secs).is_none() || secs > self.now() + 3600 - BAND_SECS {
            return;
        }
        self.next_value += 1;
        let value = f64::from(self.next_value) * 0.25;
        if let Some(archive) = &mut self.archive {
            archive.send(host, series, tick, value);
        }
        sent.push(Sent { host, series, tick, secs, value });
    }

    fn break_disk(&mut self) {
        self.counts.faults += 1;
        self.is_broken = true;
        let lasts = if self.random.percent(50) { Lasts::Once } else { Lasts::UntilHealed };
        let spared = self.random.below(12) as u64;
        let kind = self.random.below(8);
        self.note(format!("fault {kind}, {lasts:?} after {spared}"));
        match kind {
            0 | 1 => self.disk.fail(spared, lasts, Errno::EIO, |operation, _| operation.is_change()),
            2 => self.disk.fail(spared, lasts, Errno::EIO, |operation, _| operation.is_sync()),
            3 => self.disk.fail(spared, lasts, Errno::EIO, |operation, _| operation == Operation::Write),
            4 => self.disk.fail(spared, lasts, Errno::EIO, |_, _| true),
            5 => self.disk.run_full(self.random.below(3000) as u64),
            6 => self.disk.set_read_only(),
            _ => self.disk.take_away(Path::new(CHECKPOINTS)),
        }
    }

    /// The disk is well again: so is the engine, by itself.
    fn heal(&mut self) -> Result<(), String> {
        self.disk.heal();
        self.is_broken = false;
        self.note("heal");
        let mut sent = Vec::new();
        for host in 0..self.hosts.len() {
            let of_grid = self.hosts[host].series.iter().filter(|series| series.kind == SeriesKind::Grid).count();
            for series in 0..of_grid.min(2) {
                let tick = self.hosts[host].series[series].tick_at(self.now());
                self.sample(&mut sent, host, series, tick);
            }
        }
        if self.engine().wants_checkpoint.load(std::sync::atomic::Ordering::Relaxed) || self.random.percent(50) {
            self.checkpoint();
            if self.is_poisoned && !self.disk.is_halted() {
                return Err("a checkpoint on a well disk failed".to_owned());
            }
        }
        for sample in sent {
            let host = &self.hosts[sample.host];
            let series = &host.series[sample.series];
            let line = format!(
                "{},cluster={},hostname={}{} value={} {}\n",
                series.metric, host.cluster, host.name, series.tags, sample.value, sample.secs
            );
            let mut report = IngestReport::default();
            let outcome = self.engine().ingest("http", "alex", line.as_bytes(), &mut report);
            self.note(format!("after healing {sample:?}: {outcome:?}"));
            let is_full = matches!(outcome, Err(IngestError::Busy(_)));
            if is_full {
                self.make_room()?;
            } else if outcome.is_err() && !self.disk.is_halted() {
                return Err(format!("the disk is well, and writes are refused: {outcome:?}"));
            }
            self.judge(&[sample], &outcome, report.stored)?;
        }
        self.compare()
    }

    /// A clean end, and the next start.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.disk.heal();
        self.is_broken = false;
        self.note("close");
        let failed = || self.engine().telemetry().checkpoints.get_or_create(&Kind { kind: "failed" }).get();
        let before = failed();
        self.engine().close();
        if failed() > before {
            return Err("the last checkpoint failed on a well disk".to_owned());
        }
        self.checkpointed();
        self.engine = None;
        self.reopen(Crash::Power)
    }
}
