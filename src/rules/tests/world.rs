//! A small store in memory that rules read and write, and what else evaluations need.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::model::{Labels, Matcher, STALE, StampedValue, is_stale};
use crate::promql::parse::ParseOptions;
use crate::promql::{Cursor, Hints, Interrupt, Samples, Selection, Series, Source, SourceError};
use crate::rules::environment::Environment;
use crate::rules::file::{GroupSpec, read_text};
use crate::rules::group::Group;
use crate::rules::notify::{Notification, Receiver};
use crate::rules::query::{Querier, QueryOptions, Sources};
use crate::rules::restore::restore;
use crate::rules::sink::{ResultSample, ResultSink, Stored};
use crate::telemetry::Telemetry;
use crate::testing::ManualClock;

/// A second at which tests begin.
pub const BEGIN: i64 = 1_770_000_000;

/// Series by their labels, samples by their times.
#[derive(Default)]
pub struct Memory {
    series: Mutex<BTreeMap<Labels, BTreeMap<i64, StampedValue>>>,
    /// Whether nothing can be stored.
    pub is_broken: AtomicBool,
    /// Series with this name are refused.
    pub refused_name: Mutex<Option<String>>,
}

impl Memory {
    /// Writes `name{label="value",…}` at a second.
    pub fn write(&self, series: &str, secs: i64, value: f64) {
        self.series.lock().entry(labels(series)).or_default().insert(secs * 1000, StampedValue::Float(value));
    }

    /// The samples of a series as `seconds after the begin: value`, staleness markers as `stale`.
    pub fn samples(&self, series: &str) -> Vec<String> {
        let series = self.series.lock().get(&labels(series)).cloned().unwrap_or_default();
        let text = |value: &StampedValue| match value {
            StampedValue::Float(value) if is_stale(*value) => "stale".to_owned(),
            StampedValue::Float(value) => value.to_string(),
            StampedValue::Histogram(_) => "histogram".to_owned(),
        };
        let after = |time_ms: i64| (time_ms as f64 - BEGIN as f64 * 1000.0) / 1000.0;
        series.iter().map(|(time_ms, value)| format!("{}: {}", after(*time_ms), text(value))).collect()
    }

    /// The labels of all series with a name.
    pub fn names(&self, name: &str) -> Vec<String> {
        let all = self.series.lock();
        all.keys().filter(|labels| labels.metric_name() == name).map(Labels::to_string).collect()
    }
}

/// The labels of a series as PromQL writes it.
pub fn labels(series: &str) -> Labels {
    let matchers = crate::promql::parse::parse_selector(series, &ParseOptions::plain()).unwrap();
    Labels::from_pairs(matchers.iter().map(|matcher| (matcher.name(), matcher.value())))
}

impl ResultSink for Memory {
    fn store(&self, samples: &[ResultSample]) -> Result<Stored, String> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Err("the disk is full".to_owned());
        }
        let refused_name = self.refused_name.lock().clone();
        let mut refused = Vec::new();
        for (at, sample) in samples.iter().enumerate() {
            if Some(sample.labels.metric_name()) == refused_name.as_deref() {
                refused.push(at);
                continue;
            }
            let mut all = self.series.lock();
            all.entry(sample.labels.clone()).or_default().insert(sample.time_ms, sample.value.clone());
        }
        let complaint = (!refused.is_empty()).then(|| "too many series".to_owned());
        Ok(Stored { refused, complaint })
    }
}

impl Sources for Memory {
    fn source<'s>(&'s self, _: i64, interrupt: &'s dyn Interrupt) -> Box<dyn Source + 's> {
        Box::new(MemorySource(self, interrupt))
    }
}

struct MemorySource<'s>(&'s Memory, &'s dyn Interrupt);

impl Source for MemorySource<'_> {
    fn select(&self, matchers: &[Matcher], _: &Hints) -> Result<Selection<'_>, SourceError> {
        assert!(self.1.poll().is_none() || cfg!(test));
        let all = self.0.series.lock();
        let mut series: Vec<Box<dyn Series>> = Vec::new();
        for (labels, samples) in all.iter() {
            if matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
                series.push(Box::new(MemorySeries(labels.clone(), samples.clone())));
            }
        }
        Ok(Selection { series, ..Selection::default() })
    }
}

struct MemorySeries(Labels, BTreeMap<i64, StampedValue>);

impl Series for MemorySeries {
    fn labels(&self) -> &Labels {
        &self.0
    }

    fn cursor(&self, start_ms: i64, end_ms: i64) -> Box<dyn Cursor + '_> {
        Box::new(MemoryCursor(Some(self.1.range(start_ms..=end_ms))))
    }
}

struct MemoryCursor<'s>(Option<std::collections::btree_map::Range<'s, i64, StampedValue>>);

impl Cursor for MemoryCursor<'_> {
    fn next_batch(&mut self, batch: &mut Samples) -> Result<bool, SourceError> {
        let Some(samples) = self.0.take() else { return Ok(false) };
        for (time_ms, value) in samples {
            match value {
                StampedValue::Float(value) => batch.push_float(*time_ms, *value),
                StampedValue::Histogram(histogram) => batch.push_histogram(*time_ms, Arc::clone(histogram)),
            }
        }
        Ok(true)
    }
}

/// Keeps what was sent.
#[derive(Default)]
pub struct Mailbox(pub Mutex<Vec<Notification>>);

impl Receiver for Mailbox {
    fn send(&self, alerts: Vec<Notification>) {
        self.0.lock().extend(alerts);
    }
}

/// A store, a clock, and one group.
pub struct World {
    pub memory: Arc<Memory>,
    pub clock: Arc<ManualClock>,
    pub mailbox: Arc<Mailbox>,
    pub telemetry: Arc<Telemetry>,
    pub environment: Environment,
    pub group: Group,
}

/// The groups of a rule file.
pub fn specs(text: &str) -> Vec<GroupSpec> {
    read_text("r.yml", text, &ParseOptions::plain()).unwrap()
}

/// A group with these rules, that is evaluated each minute.
pub fn group_of(rules: &str) -> Group {
    let text = format!("groups:\n- name: g\n{rules}");
    Group::new(specs(&text).remove(0), 60_000, 0, false)
}

impl World {
    /// A world with a group of these lines of a rule file.
    pub fn new(rules: &str) -> World {
        World::with(Arc::default(), group_of(rules))
    }

    /// A world over a store that is there already.
    pub fn with(memory: Arc<Memory>, group: Group) -> World {
        let clock = Arc::new(ManualClock::at(BEGIN));
        let (mailbox, telemetry) = (Arc::new(Mailbox::default()), Arc::new(Telemetry::default()));
        let sources: Arc<dyn Sources> = Arc::clone(&memory) as _;
        let environment = Environment {
            querier: Arc::new(Querier::new(sources, QueryOptions::default())),
            sink: Arc::clone(&memory) as _,
            receiver: Arc::clone(&mailbox) as _,
            clock: Arc::clone(&clock) as _,
            telemetry: Arc::clone(&telemetry),
            external_labels: Labels::from_pairs([("site", "erlangen")]),
            external_url: "http://here".into(),
            resend_ms: 60_000,
            outage_tolerance_ms: 3_600_000,
            grace_ms: 600_000,
        };
        World { memory, clock, mailbox, telemetry, environment, group }
    }

    /// Evaluates the group so many seconds after the begin.
    pub fn evaluate(&self, secs: i64) {
        self.clock.set(BEGIN + secs);
        self.group.evaluate(&self.environment, (BEGIN + secs) * 1000);
    }

    /// Writes a sample so many seconds after the begin.
    pub fn write(&self, series: &str, secs: i64, value: f64) {
        self.memory.write(series, BEGIN + secs, value);
    }

    /// Ends a series so many seconds after the begin.
    pub fn end(&self, series: &str, secs: i64) {
        self.memory.write(series, BEGIN + secs, STALE);
    }

    /// Restores the alerts of the group so many seconds after the begin.
    pub fn restore(&self, secs: i64) {
        restore(&self.group, &self.environment, (BEGIN + secs) * 1000);
    }

    /// The samples of a series, as [`Memory::samples`].
    pub fn samples(&self, series: &str) -> Vec<String> {
        self.memory.samples(series)
    }

    /// State and labels of the alerts of a rule.
    pub fn alerts(&self, rule: usize) -> Vec<String> {
        let state = self.group.rules()[rule].state();
        state.alerts.values().map(|alert| format!("{} {}", alert.state.name(), alert.labels)).collect()
    }

    /// Why the last evaluation of a rule failed.
    pub fn error(&self, rule: usize) -> Option<String> {
        self.group.rules()[rule].state().last_error
    }

    /// What was sent since the last look: name, start and end, in seconds after the begin.
    pub fn sent(&self) -> Vec<(String, Option<i64>, Option<i64>)> {
        let after = |time_ms: Option<i64>| time_ms.map(|time_ms| time_ms / 1000 - BEGIN);
        let sent = std::mem::take(&mut *self.mailbox.0.lock());
        let entry = |alert: &Notification| {
            (alert.labels.value("instance").to_owned(), after(alert.starts_at_ms), after(alert.ends_at_ms))
        };
        sent.iter().map(entry).collect()
    }
}
