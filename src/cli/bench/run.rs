//! The course of a bench: which parts run, in which order, and what becomes of their outcomes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::command::{BenchArguments, BenchPart};
use crate::cli::print;
use crate::cli::stop::Stop;
use crate::time::{Clock, SystemClock};

use super::days::days;
use super::error::BenchError;
use super::figures::Outcome;
use super::ingest::ingest;
use super::job::{Job, job};
use super::nats::{find_server, nats};
use super::report::Report;
use super::scale::scale;
use super::sizes::Sizes;
use super::subject::Subject;
use super::workload::STEP_SECS;

/// What all parts share.
pub(super) struct Course<'a> {
    /// How much to measure with.
    pub sizes: &'a Sizes,
    /// Where stores get their folders.
    pub base: &'a Path,
    /// Whether the user has asked to end.
    pub stop: &'a Stop,
    /// What progress is said of: the round and the store.
    at: String,
}

/// A step of a round; parts that use the same data are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Ingest,
    Nats,
    Days,
    Job,
}

/// Measures, prints the table, and says what failed.
pub(in crate::cli) fn main(arguments: &BenchArguments) -> ExitCode {
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("treering bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything went well.
fn run(arguments: &BenchArguments) -> Result<bool, BenchError> {
    let setup = |error: std::io::Error| BenchError::Argument(format!("starting: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(setup)?;
    let stop = Stop::on_signals(runtime.handle()).map_err(setup)?;
    let sizes = if arguments.quick { Sizes::QUICK } else { Sizes::FULL };
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 1 } else { ROUNDS });
    let base = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let subjects = subjects(arguments)?;
    let wanted = wanted(&arguments.parts);
    let mut report = Report::new(subjects.clone(), rounds, arguments.quick, SystemClock.now_secs());
    let mut course = Course { sizes: &sizes, base: &base, stop: &stop, at: String::new() };

    let server = find_server().filter(|_| wanted.contains(&BenchPart::Nats));
    if wanted.contains(&BenchPart::Nats) && server.is_none() {
        report.skipped.push("nats: no nats-server in PATH".to_owned());
    }
    let real = if wanted.contains(&BenchPart::Job) { real_job(arguments)? } else { None };
    if wanted.contains(&BenchPart::Job) && real.is_none() {
        report.skipped.push(format!("job: no {JOB_FILE} here; name a file with --job-file"));
    }
    let is_of_days = |part: &BenchPart| [BenchPart::Memory, BenchPart::Queries, BenchPart::Recovery].contains(part);
    let steps = [
        (wanted.contains(&BenchPart::Ingest), Step::Ingest),
        (server.is_some(), Step::Nats),
        (wanted.iter().any(is_of_days), Step::Days),
        (real.is_some(), Step::Job),
    ];
    let steps = steps.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, step)| step);

    'measuring: for step in steps {
        for round in 0..rounds {
            for (number, subject) in subjects.iter().enumerate() {
                course.at = format!("round {} of {rounds}, {}", round + 1, subject.name);
                course.say(&format!("{step:?}").to_lowercase());
                let outcome = match (step, &server, &real) {
                    (Step::Nats, Some(server), _) => nats(&course, subject, server),
                    (Step::Job, _, Some(real)) => job(&course, subject, real),
                    (Step::Days, ..) => days(&course, subject, &wanted),
                    // The other two are steps only if they are there.
                    (Step::Ingest | Step::Nats | Step::Job, ..) => ingest(&course, subject),
                };
                match outcome {
                    Ok(outcome) => report.add(number, outcome),
                    Err(_) if stop.is_asked() => break 'measuring,
                    Err(error) => report.failures.push(format!("{}: {error}", course.at)),
                }
            }
        }
    }
    if wanted.contains(&BenchPart::Scale) && !stop.is_asked() {
        for subject in &subjects {
            course.at = format!("scale, {}", subject.name);
            match scale(&course, subject) {
                Ok(outcome) => report.add_scale(outcome),
                Err(_) if stop.is_asked() => break,
                Err(error) => report.failures.push(format!("{}: {error}", course.at)),
            }
        }
    }
    if stop.is_asked() {
        return Err(BenchError::Interrupted);
    }
    print(&report.markdown());
    if let Some(path) = &arguments.json_file {
        std::fs::write(path, report.json()).map_err(BenchError::file(path))?;
    }
    for failure in &report.failures {
        eprintln!("treering bench: {failure}");
    }
    Ok(report.failures.is_empty())
}

/// The stores, the own one first.
fn subjects(arguments: &BenchArguments) -> Result<Vec<Subject>, BenchError> {
    let own = match &arguments.binary {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(BenchError::file("the own program"))?,
    };
    let mut subjects = vec![Subject::new(&own, arguments.format, true)?];
    if let Some(program) = &arguments.against {
        let mut other = Subject::new(program, arguments.against_format, false)?;
        if other.name == subjects[0].name {
            other.name.push_str(" (against)");
        }
        subjects.push(other);
    }
    Ok(subjects)
}

/// The parts that were asked for, else all that the table of goals needs.
fn wanted(parts: &[BenchPart]) -> BTreeSet<BenchPart> {
    use BenchPart::{Ingest, Job, Memory, Nats, Queries, Recovery};
    match parts {
        [] => [Ingest, Nats, Memory, Queries, Recovery, Job].into(),
        parts => parts.iter().copied().collect(),
    }
}

/// The job's file; if nobody named one, the part of a job that lies in the repository, if that is where we are.
fn real_job(arguments: &BenchArguments) -> Result<Option<Job>, BenchError> {
    match &arguments.job_file {
        Some(path) => Job::load(path).map(Some),
        None if Path::new(JOB_FILE).exists() => Job::load(Path::new(JOB_FILE)).map(Some),
        None => Ok(None),
    }
}

impl Course<'_> {
    /// Tells what is at hand.
    pub(super) fn say(&self, what: &str) {
        eprintln!("{}: {what}", self.at);
    }

    /// The time of the first of so many ticks, the last of which is at most an hour ago.
    pub(super) fn start_secs(&self, ticks: u32) -> i64 {
        last_tick_secs(SystemClock.now_secs()) - i64::from(ticks.saturating_sub(1)) * STEP_SECS
    }

    /// Leaves the store alone for a while: collectors of garbage and background work come to their end.
    ///
    /// # Errors
    ///
    /// The user has asked to end.
    pub(super) fn settle(&self) -> Result<(), BenchError> {
        let pieces = 20;
        for _ in 0..pieces {
            if self.stop.is_asked() {
                return Err(BenchError::Interrupted);
            }
            std::thread::sleep(self.sizes.settle / pieces);
        }
        Ok(())
    }

    /// Whether all samples are there. For the store of the goals it is an error if they are not; of another one it is
    /// told.
    ///
    /// # Errors
    ///
    /// The own store lacks samples.
    pub(super) fn all_there(
        &self,
        subject: &Subject,
        when: &'static str,
        got: u64,
        expected: u64,
        outcome: &mut Outcome,
    ) -> Result<bool, BenchError> {
        let missing = expected.saturating_sub(got);
        if got == expected {
            return Ok(true);
        }
        if subject.is_own {
            return Err(BenchError::Missing { store: subject.name.clone(), when, missing, expected });
        }
        outcome.notes.push(format!("{}: {missing} of {expected} samples missing {when}", self.at));
        Ok(false)
    }
}

/// The newest tick that lies in the middle of 64 others, counted from 1970. A store that seals 64 rows at a time has
/// half of them open then, as it has on average; whether all or none are open should not depend on the minute of the
/// run.
fn last_tick_secs(now_secs: i64) -> i64 {
    let tick = now_secs.div_euclid(STEP_SECS);
    (tick - (tick - MIDDLE).rem_euclid(WINDOW_TICKS)) * STEP_SECS
}

const WINDOW_TICKS: i64 = 64;
const MIDDLE: i64 = WINDOW_TICKS / 2 - 1;

/// How often everything is measured.
const ROUNDS: u32 = 3;
/// Two hours of a real job.
const JOB_FILE: &str = "tests/data/job-first-hours.lp.zst";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tick_is_past_and_in_the_middle() {
        for now_secs in (1_790_000_000..1_790_010_000).step_by(17) {
            let last = last_tick_secs(now_secs);
            assert!(last <= now_secs && last > now_secs - (WINDOW_TICKS + 1) * STEP_SECS, "{last} at {now_secs}");
            assert_eq!((last % STEP_SECS, last / STEP_SECS % 64), (0, 31));
        }
    }

    #[test]
    fn parts_that_were_not_asked_for_do_not_run() {
        assert!(wanted(&[]).contains(&BenchPart::Job) && !wanted(&[]).contains(&BenchPart::Scale));
        assert_eq!(wanted(&[BenchPart::Scale, BenchPart::Scale]), [BenchPart::Scale].into());
    }
}
