//! The part `ingest`: what a line costs over HTTP, and what of it survives a crash.

use super::error::BenchError;
use super::figures::{Figure, Outcome};
use super::questions::samples_there;
use super::run::Course;
use super::store::{Setting, Store};
use super::subject::Subject;
use super::workload::metrics_of_config;
use super::writer::Load;

/// Measures one store.
///
/// # Errors
///
/// It does not start, refuses lines, or has lost some.
pub(super) fn ingest(course: &Course<'_>, subject: &Subject) -> Result<Outcome, BenchError> {
    let mut outcome = Outcome::default();
    let setting = Setting { metrics: metrics_of_config(), retention: "48h", nats: None };
    let mut store = Store::start(subject, &setting, course.base, course.stop)?;
    let (hosts, ticks) = (course.sizes.ingest_hosts, course.sizes.ingest_ticks);
    let load = Load { hosts, ticks: (0, ticks), start_secs: course.start_secs(ticks), connections: 8 };
    let bodies = load.bodies();
    let before = store.processor_time()?;
    let took = load.post(&store, Some(&bodies), course.stop)?;
    let used = store.processor_time()?.saturating_sub(before);
    drop(bodies);
    let lines = load.lines() as f64;
    let asked = [PROBES[0]];
    let there = |store: &Store<'_>, probes: &[&str]| samples_there(store, hosts, probes, load.start_secs, ticks);
    let expected = u64::from(hosts) * u64::from(ticks);
    if course.all_there(subject, "after writing", there(&store, &asked)?, expected, &mut outcome)? {
        outcome.push(Figure::IngestProcessor, used.as_secs_f64() / lines * 1e6);
        outcome.push(Figure::IngestRate, lines / took.as_secs_f64());
    }
    // A store that does not write before it answers has done so by then.
    course.settle()?;
    outcome.push(Figure::IngestLogBytes, store.disk_bytes() as f64 / lines);
    store.kill();
    store.resume()?;
    let expected = expected * PROBES.len() as u64;
    let got = there(&store, &PROBES)?;
    course.all_there(subject, "after kill -9", got, expected, &mut outcome)?;
    outcome.push(Figure::IngestLost, expected.saturating_sub(got) as f64);
    Ok(outcome)
}

/// The first metric of a host's tick, and the last one of the node.
const PROBES: [&str; 2] = ["cpu_load", "ipmi_power"];
