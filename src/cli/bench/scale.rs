//! The part `scale`: how cost grows with the number of hosts.

use std::time::Duration;

use super::error::BenchError;
use super::machine::available_bytes;
use super::questions::{self, samples_there};
use super::run::Course;
use super::store::{Setting, Store};
use super::subject::Subject;
use super::workload::{LINES_OF_TICK, metrics_of_config};
use super::writer::Load;

/// What a cluster of a size costs.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(super) struct ScaleRow {
    /// Which store.
    pub store: String,
    /// Hosts, of 860 series each.
    pub hosts: u32,
    /// Ticks of each.
    pub ticks: u32,
    /// Microseconds of processor time for a line that makes a series.
    pub first_micros: f64,
    /// Microseconds of processor time for each other line.
    pub line_micros: f64,
    /// Bytes of memory that a series takes with so many ticks, beside what an empty store takes.
    pub series_bytes: f64,
    /// Microseconds of processor time for a host of the status view over the last ticks.
    pub status_host_micros: f64,
    /// Microseconds of processor time that a checkpoint takes for a series.
    pub checkpoint_series_micros: f64,
    /// Seconds from SIGTERM to the end, with a checkpoint.
    pub stop_secs: f64,
    /// Bytes of the checkpoint for a series.
    pub checkpoint_series_bytes: f64,
    /// Microseconds of processor time that a start takes for a series.
    pub restart_series_micros: f64,
    /// Seconds from the start to readiness.
    pub restart_secs: f64,
}

/// What hosts take that have all their samples.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct FullHost {
    /// Which store.
    pub store: String,
    /// Ticks of each host.
    pub ticks: u32,
    /// Bytes of memory that a host takes.
    pub host_bytes: f64,
}

/// What the part has found.
#[derive(Debug, Default)]
pub(super) struct ScaleOutcome {
    /// A row for each size.
    pub rows: Vec<ScaleRow>,
    /// A host with all of its samples.
    pub full: Option<FullHost>,
    /// Sizes that were left out, with the reason.
    pub skipped: Vec<String>,
}

/// Measures one store at every size.
///
/// # Errors
///
/// It does not start, refuses lines, or has lost some.
pub(super) fn scale(course: &Course<'_>, subject: &Subject) -> Result<ScaleOutcome, BenchError> {
    let mut outcome = ScaleOutcome::default();
    for &hosts in course.sizes.scale_hosts {
        let needed = u64::from(hosts) * LINES_OF_TICK * SERIES_BYTES_GUESSED;
        let available = available_bytes();
        if needed > available {
            let (needed, available) = (needed >> 20, available >> 20);
            outcome.skipped.push(format!(
                "scale, {hosts} hosts: may take {needed} MiB of memory, and {available} MiB are available"
            ));
            continue;
        }
        course.say(&format!("{hosts} hosts"));
        outcome.rows.push(size(course, subject, hosts)?);
    }
    course.say("a host with all samples");
    outcome.full = Some(full_host(course, subject)?);
    Ok(outcome)
}

fn size(course: &Course<'_>, subject: &Subject, hosts: u32) -> Result<ScaleRow, BenchError> {
    let ticks = course.sizes.scale_ticks;
    let setting = Setting { metrics: metrics_of_config(), retention: "48h", nats: None };
    let mut store = Store::start(subject, &setting, course.base, course.stop)?;
    let start_secs = course.start_secs(ticks);
    let empty_bytes = store.memory()?.resident_bytes;
    let load = |ticks| Load { hosts, ticks, start_secs, connections: 4 };
    let write = |store: &Store<'_>, ticks| {
        let (load, before) = (load(ticks), store.processor_time()?);
        load.post(store, None, course.stop)?;
        let used = store.processor_time()?.saturating_sub(before);
        Ok::<f64, BenchError>(used.as_secs_f64() * 1e6 / load.lines() as f64)
    };
    let first_micros = write(&store, (0, 1))?;
    let line_micros = write(&store, (1, ticks))?;
    course.settle()?;
    let series = f64::from(hosts) * LINES_OF_TICK as f64;
    let taken = store.memory()?.resident_bytes.saturating_sub(empty_bytes);
    let check = |store: &Store<'_>, when| {
        let got = samples_there(store, hosts, &["ipmi_power"], start_secs, ticks)?;
        let expected = u64::from(hosts) * u64::from(ticks);
        let missing = expected.saturating_sub(got);
        if missing > 0 {
            return Err(BenchError::Missing { store: store.name(), when, missing, expected });
        }
        Ok(())
    };
    check(&store, "after writing")?;
    let end_secs = load((0, ticks)).secs(ticks);
    let asked = questions::ask(&store, &questions::status(end_secs, STATUS_TICKS), course.sizes.asked_large)?;
    let stopped = store.terminate()?;
    let bytes = store.disk_bytes() as f64;
    let restarted = store.resume()?;
    check(&store, "after SIGTERM")?;
    let micros = |span: Duration| span.as_secs_f64() * 1e6;
    Ok(ScaleRow {
        store: subject.name.clone(),
        hosts,
        ticks,
        first_micros,
        line_micros,
        series_bytes: taken as f64 / series,
        status_host_micros: micros(asked.processor) / f64::from(hosts),
        checkpoint_series_micros: micros(stopped.processor) / series,
        stop_secs: stopped.wall.as_secs_f64(),
        checkpoint_series_bytes: bytes / series,
        restart_series_micros: micros(restarted.processor) / series,
        restart_secs: restarted.wall.as_secs_f64(),
    })
}

fn full_host(course: &Course<'_>, subject: &Subject) -> Result<FullHost, BenchError> {
    let (hosts, ticks) = (course.sizes.scale_full_hosts, course.sizes.days_ticks);
    let setting = Setting { metrics: metrics_of_config(), retention: "72h", nats: None };
    let store = Store::start(subject, &setting, course.base, course.stop)?;
    let empty_bytes = store.memory()?.resident_bytes;
    let load = Load { hosts, ticks: (0, ticks), start_secs: course.start_secs(ticks), connections: 4 };
    load.post(&store, None, course.stop)?;
    course.settle()?;
    let taken = store.memory()?.resident_bytes.saturating_sub(empty_bytes);
    Ok(FullHost { store: subject.name.clone(), ticks, host_bytes: taken as f64 / f64::from(hosts) })
}

/// Ticks that the status view asks for: fewer than there are.
const STATUS_TICKS: i64 = 2;
/// What a series with a few open rows may take: more than any store needs, so that no machine is driven into its
/// limits.
const SERIES_BYTES_GUESSED: u64 = 1200;
