//! The parts `memory`, `queries` and `recovery`: two days of 16 hosts, held, asked, killed and started again.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cli::command::BenchPart;

use super::error::BenchError;
use super::figures::{Figure, Outcome};
use super::questions::{self, samples_there};
use super::run::Course;
use super::store::{Setting, Store};
use super::subject::Subject;
use super::workload::metrics_of_config;
use super::writer::Load;

/// Measures one store, as far as the parts are wanted.
///
/// # Errors
///
/// It does not start, refuses lines, answers with errors, or has lost samples.
pub(super) fn days(
    course: &Course<'_>,
    subject: &Subject,
    wanted: &BTreeSet<BenchPart>,
) -> Result<Outcome, BenchError> {
    let mut outcome = Outcome::default();
    let setting = Setting { metrics: metrics_of_config(), retention: "72h", nats: None };
    let mut store = Store::start(subject, &setting, course.base, course.stop)?;
    let (hosts, ticks) = (course.sizes.days_hosts, course.sizes.days_ticks);
    let load = Load { hosts, ticks: (0, ticks), start_secs: course.start_secs(ticks), connections: 4 };
    course.say("writing two days");
    let before = store.processor_time()?;
    load.post(&store, None, course.stop)?;
    let used = store.processor_time()?.saturating_sub(before);
    course.settle()?;
    let samples = load.lines() as f64;
    let memory = store.memory()?;
    let check = |store: &Store<'_>, when, outcome: &mut Outcome| {
        let got = samples_there(store, hosts, &["cpu_load"], load.start_secs, ticks)?;
        course.all_there(subject, when, got, u64::from(hosts) * u64::from(ticks), outcome)
    };
    if !check(&store, "after writing", &mut outcome)? {
        return Ok(outcome);
    }
    if wanted.contains(&BenchPart::Memory) {
        outcome.push(Figure::DaysProcessor, used.as_secs_f64() / samples * 1e6);
        outcome.push(Figure::DaysMemory, memory.resident_bytes as f64 / samples);
        outcome.push(Figure::DaysPeak, memory.peak_bytes as f64 / samples);
    }
    if wanted.contains(&BenchPart::Queries) {
        course.say("asking");
        ask_all(course, &store, &load, &mut outcome)?;
    }
    if wanted.contains(&BenchPart::Recovery) {
        course.say("kill -9, start");
        store.kill();
        let took = store.resume()?;
        let memory = store.memory()?;
        if check(&store, "after kill -9", &mut outcome)? {
            outcome.push(Figure::ReplayTime, took.wall.as_secs_f64());
            outcome.push(Figure::ReplayProcessor, took.processor.as_secs_f64());
            outcome.push(Figure::ReplayMemory, memory.resident_bytes as f64 / samples);
        }
        course.say("SIGTERM, start");
        let stopped = store.terminate()?;
        let bytes = store.disk_bytes() as f64;
        let took = store.resume()?;
        // What a checkpoint leaves out costs it nothing: only one that is complete counts.
        if check(&store, "after SIGTERM", &mut outcome)? {
            outcome.push(Figure::StopTime, stopped.wall.as_secs_f64());
            outcome.push(Figure::StopProcessor, stopped.processor.as_secs_f64());
            outcome.push(Figure::SnapshotBytes, bytes / samples);
            outcome.push(Figure::RestartTime, took.wall.as_secs_f64());
            outcome.push(Figure::RestartProcessor, took.processor.as_secs_f64());
        }
    }
    Ok(outcome)
}

fn ask_all(course: &Course<'_>, store: &Store<'_>, load: &Load, outcome: &mut Outcome) -> Result<(), BenchError> {
    let end_secs = load.secs(load.ticks.1);
    let (hosts, large, small) = (load.hosts, course.sizes.asked_large, course.sizes.asked_small);
    let millis = |span: Duration| span.as_secs_f64() * 1e3;
    let mut ask = |question: &[u8], times: u32, wall, processor, processor_unit: f64| {
        if course.stop.is_asked() {
            return Err(BenchError::Interrupted);
        }
        let asked = questions::ask(store, question, times)?;
        outcome.push(wall, millis(asked.median));
        outcome.push(processor, asked.processor.as_secs_f64() * processor_unit);
        Ok(asked.bytes)
    };
    let page = questions::job_page(hosts, end_secs, None);
    let bytes = ask(&page, large, Figure::JobPage, Figure::JobPageProcessor, 1.0)?;
    let page = questions::job_page(hosts, end_secs, Some(600));
    ask(&page, large * 4, Figure::JobPageCoarse, Figure::JobPageCoarseProcessor, 1.0)?;
    let sums = questions::node_sums(hosts, end_secs, false);
    ask(&sums, large * 4, Figure::Sums, Figure::SumsProcessor, 1.0)?;
    let sums = questions::node_sums(hosts, end_secs, true);
    ask(&sums, large * 4, Figure::SumsNamed, Figure::SumsNamedProcessor, 1.0)?;
    let status = questions::status(end_secs, 10);
    ask(&status, small, Figure::Status, Figure::StatusProcessor, 1e3)?;
    outcome.push(Figure::JobPageBytes, bytes as f64 / 1e6);
    Ok(())
}
