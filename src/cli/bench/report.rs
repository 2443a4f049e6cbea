//! What was measured, as Markdown for people and JSON for programs.

use std::fmt::Write;

use indicatif::HumanCount;
use serde::Serialize;

use crate::cli::command::BenchPart;
use crate::time::Rfc3339;

use super::figures::{Description, Figure, Outcome, median};
use super::machine::Machine;
use super::scale::{FullHost, ScaleOutcome, ScaleRow};
use super::subject::Subject;

/// All outcomes, and what they were measured with.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    begun: String,
    command: String,
    machine: Machine,
    is_quick: bool,
    is_debug_build: bool,
    rounds: u32,
    stores: Vec<Subject>,
    figures: Vec<Row>,
    scale: Vec<ScaleRow>,
    full_hosts: Vec<FullHost>,
    /// What a reader must know to judge the figures.
    notes: Vec<String>,
    /// Parts that did not run, with the reason.
    pub skipped: Vec<String>,
    /// Parts that failed, with the reason.
    pub failures: Vec<String>,
}

/// A figure of all stores.
#[derive(Debug, Serialize)]
struct Row {
    figure: Figure,
    part: BenchPart,
    work: &'static str,
    unit: &'static str,
    goal: Option<f64>,
    /// The values of each store, in the order of the rounds.
    values: Vec<Vec<f64>>,
    /// Their medians.
    medians: Vec<Option<f64>>,
    /// Whether the first store meets the goal; `None` without a goal, or in a quick run.
    is_met: Option<bool>,
}

impl Report {
    /// An empty one.
    pub(super) fn new(stores: Vec<Subject>, rounds: u32, is_quick: bool, begun_secs: i64) -> Report {
        let count = stores.len();
        let row = |figure: Figure| {
            let Description { part, work, unit, goal, .. } = figure.describe();
            let (values, medians) = (vec![Vec::new(); count], vec![None; count]);
            Row { figure, part, work, unit, goal, values, medians, is_met: None }
        };
        let mut words: Vec<String> = std::env::args().collect();
        if let Some(program) = words.first_mut() {
            *program = "treering".to_owned();
        }
        Report {
            begun: Rfc3339(begun_secs).to_string(),
            command: words.join(" "),
            machine: Machine::this(),
            is_quick,
            is_debug_build: cfg!(debug_assertions),
            rounds,
            stores,
            figures: Figure::ALL.map(row).into(),
            scale: Vec::new(),
            full_hosts: Vec::new(),
            notes: Vec::new(),
            skipped: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Adds what a round has found about a store, by its number.
    pub(super) fn add(&mut self, store: usize, outcome: Outcome) {
        for (figure, value) in outcome.figures {
            let Some(row) = self.figures.iter_mut().find(|row| row.figure == figure) else { continue };
            let Some(values) = row.values.get_mut(store) else { continue };
            values.push(value);
            row.medians[store] = median(values);
            if store == 0 && !self.is_quick {
                row.is_met = row.goal.zip(row.medians[0]).map(|(goal, value)| value <= goal);
            }
        }
        self.notes.extend(outcome.notes);
    }

    /// Adds what was found about cost at several sizes.
    pub(super) fn add_scale(&mut self, outcome: ScaleOutcome) {
        self.scale.extend(outcome.rows);
        self.full_hosts.extend(outcome.full);
        self.skipped.extend(outcome.skipped);
    }

    /// As JSON.
    pub(super) fn json(&self) -> String {
        // All keys are texts, which is all that could fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// As Markdown. Writing to a text cannot fail.
    pub(super) fn markdown(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "- machine: {}", self.machine.describe());
        let _ = writeln!(out, "- command: `{}`, begun {}", self.command, self.begun);
        for store in &self.stores {
            let Subject { name, version, format, .. } = store;
            let version = if version.is_empty() { "which tells no version" } else { version };
            let _ = writeln!(out, "- {name}: {version}, form `{format}`");
        }
        let _ = writeln!(out, "- medians of {} rounds; the load comes from the same cores", self.rounds);
        if self.is_quick {
            out.push_str("- a quick run: far too little data, the figures mean nothing and no goal is compared\n");
        }
        if self.is_debug_build {
            out.push_str("- the bench itself is a debug build\n");
        }
        self.push_figures(&mut out);
        self.push_scale(&mut out);
        for (title, lines) in [("SKIPPED", &self.skipped), ("NOTE", &self.notes), ("FAILED", &self.failures)] {
            for (at, line) in lines.iter().enumerate() {
                let line = line.replace(char::is_control, " ");
                let _ = writeln!(out, "{}- {title} {line}", if at == 0 { "\n" } else { "" });
            }
        }
        out
    }

    fn push_figures(&self, out: &mut String) {
        let measured: Vec<&Row> = self.figures.iter().filter(|row| row.medians.iter().any(Option::is_some)).collect();
        if measured.is_empty() {
            return;
        }
        out.push_str("\n| work | unit | goal |");
        let _ = write!(out, " {} | met |", self.stores[0].name);
        if let Some(other) = self.stores.get(1) {
            let _ = write!(out, " {} | ratio |", other.name);
        }
        out.push_str("\n| --- | --- | --- | --- | --- |");
        if self.stores.len() > 1 {
            out.push_str(" --- | --- |");
        }
        out.push('\n');
        for row in measured {
            let Description { digits, is_more_better, .. } = row.figure.describe();
            let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| number(value, digits));
            let goal = row.goal.filter(|_| !self.is_quick).map_or_else(|| "–".to_owned(), |goal| format!("≤ {goal}"));
            let met = match row.is_met {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "–",
            };
            let _ = write!(out, "| {} | {} | {goal} | {} | {met} |", row.work, row.unit, shown(row.medians[0]));
            if let Some(&other) = row.medians.get(1) {
                let ratio = row.medians[0].zip(other).and_then(|(own, other)| {
                    let (most, least) = if is_more_better { (own, other) } else { (other, own) };
                    (least > 0.0).then(|| format!("{:.1}", most / least))
                });
                let _ = write!(out, " {} | {} |", shown(other), ratio.unwrap_or_else(|| "–".to_owned()));
            }
            out.push('\n');
        }
    }

    fn push_scale(&self, out: &mut String) {
        if !self.scale.is_empty() {
            out.push_str(SCALE_HEAD);
        }
        for row in &self.scale {
            let _ = writeln!(
                out,
                "| {} | {} × 860 | {} | {:.2} | {:.2} | {:.0} | {:.1} | {:.2} | {:.1} | {:.0} | {:.2} | {:.1} |",
                row.store,
                HumanCount(u64::from(row.hosts)),
                row.ticks,
                row.first_micros,
                row.line_micros,
                row.series_bytes,
                row.status_host_micros,
                row.checkpoint_series_micros,
                row.stop_secs,
                row.checkpoint_series_bytes,
                row.restart_series_micros,
                row.restart_secs,
            );
        }
        for full in &self.full_hosts {
            let hosts = (MEMORY_BYTES / full.host_bytes).floor().max(0.0) as u64;
            let _ = writeln!(
                out,
                "\n{}: a host with {} ticks takes {:.2} MB, so 24 GB hold {} hosts of 860 series for {:.0} hours.",
                full.store,
                full.ticks,
                full.host_bytes / 1e6,
                HumanCount(hosts),
                f64::from(full.ticks) / 60.0,
            );
        }
    }
}

/// A value with so many digits behind the point; large ones with commas between thousands.
fn number(value: f64, digits: usize) -> String {
    if digits == 0 && value >= 0.0 {
        return HumanCount(value.round() as u64).to_string();
    }
    format!("{value:.digits$}")
}

const SCALE_HEAD: &str = "
Processor time in µs: of a line that makes a series, of any other line, of a host in the status view, of a series in a \
checkpoint and at a start. Memory and disk in bytes a series.

| store | hosts | ticks | first line, µs | other lines, µs | RAM, B | status, µs | checkpoint, µs | until the end, s | \
checkpoint, B | start, µs | until ready, s |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
";

/// The memory that a cluster is to fit in.
const MEMORY_BYTES: f64 = 24e9;
