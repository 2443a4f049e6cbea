//! The simulated cluster: its hosts and the lines that they send.

use std::fmt::Write;

use crate::model::Metric;

use super::catalogue::{Signal, signal_of};
use super::jobs::Schedule;
use super::noise::{below, mix, seed_of};
use super::values::{Moment, value};

/// The cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    name: String,
    seed: u64,
    hosts: u32,
    interval_secs: i64,
    metrics: Vec<Sent>,
}

/// A metric as the cluster sends it.
#[derive(Debug)]
struct Sent {
    /// As a line spells it.
    name: String,
    seed: u64,
    frequency_secs: i64,
    signal: Signal,
}

/// Lines for one request or message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Body {
    /// The lines, each with its newline.
    pub text: String,
    /// How many there are.
    pub lines: u64,
}

impl Cluster {
    /// A cluster whose hosts send these metrics once in `interval_secs`, and those with a larger frequency once in
    /// theirs. The name must need no escape in a line.
    pub(super) fn new(name: &str, hosts: u32, interval_secs: i64, metrics: &[Metric]) -> Self {
        let metrics = metrics.iter().map(|metric| Sent {
            name: escaped(&metric.name),
            seed: seed_of(&metric.name),
            frequency_secs: i64::from(metric.frequency_secs),
            signal: signal_of(&metric.name),
        });
        Cluster { name: name.to_owned(), seed: seed_of(name), hosts, interval_secs, metrics: metrics.collect() }
    }

    /// How many hosts there are.
    pub(super) fn hosts(&self) -> u32 {
        self.hosts
    }

    /// The cluster's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Seconds between two ticks.
    pub(super) fn interval_secs(&self) -> i64 {
        self.interval_secs
    }

    /// Seconds between two ticks at which anything is due.
    pub(super) fn period_secs(&self) -> i64 {
        let finest = self.metrics.iter().map(|metric| metric.frequency_secs).min().unwrap_or(1);
        self.interval_secs.max(finest)
    }

    /// A host's name.
    pub(super) fn host_name(&self, host: u32) -> String {
        format!("{}{:03}", self.name, host + 1)
    }

    /// The lines that a host sends when every metric is due.
    pub(super) fn lines_of_host(&self) -> u64 {
        self.metrics.iter().map(|metric| metric.signal.place.tags().len() as u64).sum()
    }

    /// The last tick that is not after a time.
    pub(super) fn tick_at(&self, secs: i64) -> i64 {
        secs.div_euclid(self.interval_secs) * self.interval_secs
    }

    /// Appends what a host sends for a tick. Each host measures some seconds before the tick, always the same: no two
    /// clocks of a cluster strike together.
    pub(super) fn append(&self, host: u32, tick_secs: i64, body: &mut Body) {
        let seed = below(self.seed, i64::from(host));
        let early_secs = (mix(seed) % self.interval_secs.min(60).unsigned_abs().max(1)).cast_signed();
        let secs = tick_secs - early_secs;
        let schedule = Schedule::of_host(self.seed, host);
        let moment = Moment { seed, secs, activity: schedule.at(secs), moved: schedule.moved(secs) };
        let host_name = self.host_name(host);
        for metric in self.metrics.iter().filter(|metric| self.is_due(metric, tick_secs)) {
            for (component, tags) in metric.signal.place.tags().iter().enumerate() {
                let value = value(&metric.signal, metric.seed, component, &moment);
                let (name, cluster) = (&metric.name, &self.name);
                // Writing into a String cannot fail.
                let _ = writeln!(body.text, "{name},cluster={cluster},hostname={host_name}{tags} value={value} {secs}");
                body.lines += 1;
            }
        }
    }

    /// A metric is due at the first tick of each of its periods.
    fn is_due(&self, metric: &Sent, tick_secs: i64) -> bool {
        let period = |secs: i64| secs.div_euclid(metric.frequency_secs);
        period(tick_secs) != period(tick_secs - self.interval_secs)
    }
}

/// A metric's name as a line spells it.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        if matches!(letter, ' ' | ',') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}
