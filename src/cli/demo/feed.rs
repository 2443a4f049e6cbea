//! Sending what the cluster measures: the past as fast as the store takes it, then every tick when it comes.
//!
//! Invariant: a tick is sent again until all of its bodies were taken, and the ones after it wait. Samples that are
//! sent twice have the same values, so nothing is doubled.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressStyle};

use crate::time::{Clock, SystemClock};

use super::cluster::{Body, Cluster};
use super::error::DemoError;
use super::show::{grouped, say, time_of_day};
use super::target::Target;

/// The cluster on its way to the store.
#[derive(Debug)]
pub(super) struct Feed {
    cluster: Arc<Cluster>,
    target: Target,
    /// The first tick that was not sent yet.
    next_secs: i64,
    sent: u64,
}

impl Feed {
    /// A feed that begins with this tick.
    pub(super) fn new(cluster: Arc<Cluster>, target: Target, first_secs: i64) -> Self {
        Feed { cluster, target, next_secs: first_secs, sent: 0 }
    }

    /// Sends everything up to now, and shows how far it is.
    ///
    /// # Errors
    ///
    /// The first body that was not taken; none of its ticks counts as sent.
    pub(super) async fn backfill(&mut self) -> Result<(), DemoError> {
        let from_secs = self.next_secs;
        let start = Instant::now();
        let mut progress = Progress::new(self.ticks_until(SystemClock.now_secs()));
        // Time goes on meanwhile.
        while self.ticks_until(SystemClock.now_secs()) > 0 {
            let ticks = self.send_some(SystemClock.now_secs()).await?;
            progress.advance(ticks);
        }
        progress.finish();
        let secs = start.elapsed().as_secs_f64();
        let (sent, from) = (grouped(self.sent), time_of_day(from_secs));
        let rate = grouped((self.sent as f64 / secs.max(0.001)) as u64);
        say(&format!("Sent {sent} samples, from {from} UTC until now, in {secs:.1} s ({rate} a second)."));
        Ok(())
    }

    /// Sends every tick when it comes, for ever. What fails is tried again.
    pub(super) async fn live(&mut self) -> Infallible {
        let mut failing_since: Option<Instant> = None;
        let mut last_news = Instant::now();
        loop {
            let now_millis = SystemClock.now_millis();
            let due_secs = now_millis.div_euclid(1000);
            if self.next_secs > due_secs {
                let wait_millis = (self.next_secs * 1000 - now_millis).max(1).unsigned_abs();
                tokio::time::sleep(Duration::from_millis(wait_millis)).await;
                continue;
            }
            self.skip_to(due_secs - CATCH_UP_SECS_MAX);
            match self.send_some(due_secs).await {
                Ok(_) => {
                    if let Some(since) = failing_since.take() {
                        let secs = since.elapsed().as_secs();
                        say(&format!("{}  back after {secs} s, sending what was missed", time_of_day(due_secs)));
                    }
                    if last_news.elapsed() >= NEWS_TIME {
                        last_news = Instant::now();
                        say(&self.news());
                    }
                }
                Err(error) => {
                    if failing_since.is_none() || last_news.elapsed() >= NEWS_TIME {
                        last_news = Instant::now();
                        say(&format!("{}  {error}; trying again", time_of_day(due_secs)));
                    }
                    failing_since.get_or_insert_with(Instant::now);
                    // What the store will never take must not keep the rest waiting.
                    if matches!(error, DemoError::Refused { .. }) {
                        self.next_secs += self.cluster.interval_secs();
                    }
                    tokio::time::sleep(RETRY_TIME).await;
                }
            }
        }
    }

    fn news(&self) -> String {
        let (hosts, period_secs) = (self.cluster.hosts(), self.cluster.period_secs());
        let (now, sent) = (time_of_day(SystemClock.now_secs()), grouped(self.sent));
        format!("{now}  live: {hosts} hosts every {period_secs} s, {sent} samples sent so far")
    }

    /// Leaves out what is older than the store would be glad of.
    fn skip_to(&mut self, secs: i64) {
        self.next_secs = self.next_secs.max(self.cluster.tick_at(secs));
    }

    /// How many ticks were not sent yet until a time, that one included.
    fn ticks_until(&self, secs: i64) -> u64 {
        let interval_secs = self.cluster.interval_secs();
        u64::try_from((secs - self.next_secs).div_euclid(interval_secs) + 1).unwrap_or(0)
    }

    /// Sends the next ticks of all hosts, as many as one body of a host holds; tells how many ticks these were.
    async fn send_some(&mut self, until_secs: i64) -> Result<u64, DemoError> {
        let per_body = (BODY_LINES / self.cluster.lines_of_host().max(1)).max(1);
        let ticks = self.ticks_until(until_secs).min(per_body);
        let start = Instant::now();
        let sends = stream::iter(0..self.cluster.hosts()).map(|host| {
            let (cluster, target, first_secs) = (Arc::clone(&self.cluster), self.target.clone(), self.next_secs);
            // A task of its own, so that several processors make lines.
            let task = tokio::spawn(async move { send_host(&cluster, &target, host, first_secs, ticks).await });
            async move { task.await.map_err(|error| DemoError::Setup(error.to_string()))? }
        });
        let lines: u64 = sends.buffer_unordered(CONNECTIONS).try_fold(0, async |sum, lines| Ok(sum + lines)).await?;
        self.sent += lines;
        // Below 2^63 for any number of ticks that time can hold.
        self.next_secs += self.cluster.interval_secs() * ticks.cast_signed();
        if matches!(self.target, Target::Nats(_)) {
            // Nobody behind a NATS server says that it is too much.
            let least = Duration::from_secs_f64(lines as f64 / NATS_LINES_A_SECOND);
            tokio::time::sleep(least.saturating_sub(start.elapsed())).await;
        }
        Ok(ticks)
    }
}

/// Makes and sends the lines of a host for some ticks; tells how many they were.
async fn send_host(
    cluster: &Cluster,
    target: &Target,
    host: u32,
    first_secs: i64,
    ticks: u64,
) -> Result<u64, DemoError> {
    let mut body = Body::default();
    for tick in 0..ticks.cast_signed() {
        cluster.append(host, first_secs + tick * cluster.interval_secs(), &mut body);
    }
    let lines = body.lines;
    if lines == 0 {
        return Ok(0);
    }
    let mut tries = 0;
    loop {
        match target.send(body.clone()).await {
            Ok(()) => return Ok(lines),
            Err(DemoError::Busy { retry_after, .. }) if tries < BUSY_TRIES => {
                tries += 1;
                tokio::time::sleep(retry_after).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// How far the backfill is: a bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    done: u64,
    total: u64,
    last_news: Instant,
}

impl Progress {
    fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            if let Ok(style) = ProgressStyle::with_template("Backfill {bar:40} {percent:>3} %, {eta} left") {
                bar.set_style(style);
            }
            bar
        });
        Progress { bar, done: 0, total, last_news: Instant::now() }
    }

    fn advance(&mut self, ticks: u64) {
        self.done += ticks;
        self.total = self.total.max(self.done);
        match &self.bar {
            Some(bar) => {
                bar.set_length(self.total);
                bar.set_position(self.done);
            }
            None if self.last_news.elapsed() >= PROGRESS_TIME => {
                self.last_news = Instant::now();
                say(&format!("Backfill: {} % sent", self.done * 100 / self.total.max(1)));
            }
            None => {}
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Lines of a body: half a megabyte or so.
const BODY_LINES: u64 = 6_000;
/// Bodies under way at a time.
const CONNECTIONS: usize = 8;
const BUSY_TRIES: u32 = 20;
/// A tenth of what a store takes: the NATS client of a store drops what it has no room for.
const NATS_LINES_A_SECOND: f64 = 200_000.0;
const RETRY_TIME: Duration = Duration::from_secs(2);
const NEWS_TIME: Duration = Duration::from_secs(60);
const PROGRESS_TIME: Duration = Duration::from_secs(2);
/// How much of what was missed is sent when a store comes back.
const CATCH_UP_SECS_MAX: i64 = 6 * 3600;
