//! What is measured: every figure with its unit and its goal.

use crate::cli::command::BenchPart;

/// A figure of the table, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Figure {
    IngestProcessor,
    IngestRate,
    IngestLogBytes,
    IngestLost,
    NatsProcessor,
    NatsRate,
    DaysProcessor,
    DaysMemory,
    DaysPeak,
    JobProcessor,
    JobMemory,
    JobPeak,
    JobPage,
    JobPageProcessor,
    JobPageBytes,
    JobPageCoarse,
    JobPageCoarseProcessor,
    Sums,
    SumsProcessor,
    SumsNamed,
    SumsNamedProcessor,
    Status,
    StatusProcessor,
    ReplayTime,
    ReplayProcessor,
    ReplayMemory,
    StopTime,
    StopProcessor,
    SnapshotBytes,
    RestartTime,
    RestartProcessor,
}

/// What a figure says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Description {
    /// The part of the bench that measures it.
    pub part: BenchPart,
    /// What the store did.
    pub work: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// At most this; `None` where there is no goal.
    pub goal: Option<f64>,
    /// Digits behind the point.
    pub digits: usize,
    /// Whether more is better; it is less for most.
    pub is_more_better: bool,
}

impl Figure {
    /// All of them.
    pub(super) const ALL: [Figure; 31] = [
        Figure::IngestProcessor,
        Figure::IngestRate,
        Figure::IngestLogBytes,
        Figure::IngestLost,
        Figure::NatsProcessor,
        Figure::NatsRate,
        Figure::DaysProcessor,
        Figure::DaysMemory,
        Figure::DaysPeak,
        Figure::JobProcessor,
        Figure::JobMemory,
        Figure::JobPeak,
        Figure::JobPage,
        Figure::JobPageProcessor,
        Figure::JobPageBytes,
        Figure::JobPageCoarse,
        Figure::JobPageCoarseProcessor,
        Figure::Sums,
        Figure::SumsProcessor,
        Figure::SumsNamed,
        Figure::SumsNamedProcessor,
        Figure::Status,
        Figure::StatusProcessor,
        Figure::ReplayTime,
        Figure::ReplayProcessor,
        Figure::ReplayMemory,
        Figure::StopTime,
        Figure::StopProcessor,
        Figure::SnapshotBytes,
        Figure::RestartTime,
        Figure::RestartProcessor,
    ];

    /// What it says.
    pub(super) fn describe(self) -> Description {
        use BenchPart::{Ingest, Job, Memory, Nats, Queries, Recovery};
        let less =
            |part, work, unit, digits| Description { part, work, unit, goal: None, digits, is_more_better: false };
        let more = |part, work, unit| Description { is_more_better: true, ..less(part, work, unit, 0) };
        let goal = |most: f64, description: Description| Description { goal: Some(most), ..description };
        match self {
            Figure::IngestProcessor => goal(0.35, less(Ingest, "HTTP ingest, log on", "CPU-s / 1 M lines", 3)),
            Figure::IngestRate => more(Ingest, "the same", "lines / s"),
            Figure::IngestLogBytes => goal(12.0, less(Ingest, "the same: log on disk", "B / sample", 2)),
            Figure::IngestLost => goal(0.0, less(Ingest, "the same: acknowledged, lost by kill -9", "samples", 0)),
            Figure::NatsProcessor => goal(0.35, less(Nats, "NATS ingest, log on", "CPU-s / 1 M lines", 3)),
            Figure::NatsRate => more(Nats, "the same", "lines / s"),
            Figure::DaysProcessor => less(Memory, "two days of 16 hosts, HTTP ingest", "CPU-s / 1 M lines", 3),
            Figure::DaysMemory => goal(3.8, less(Memory, "the same: RAM at rest", "B / sample", 2)),
            Figure::DaysPeak => less(Memory, "the same: most RAM so far", "B / sample", 2),
            Figure::JobProcessor => less(Job, "a real job × 100, HTTP ingest", "CPU-s / 1 M lines", 3),
            Figure::JobMemory => goal(2.5, less(Job, "the same: RAM at rest", "B / sample", 2)),
            Figure::JobPeak => less(Job, "the same: most RAM so far", "B / sample", 2),
            Figure::JobPage => {
                goal(120.0, less(Queries, "job page: 16 hosts × (9 node + 2 × 128 hwthread metrics), 31 h", "ms", 1))
            }
            Figure::JobPageProcessor => goal(0.2, less(Queries, "the same", "CPU-s", 3)),
            Figure::JobPageBytes => less(Queries, "the same: answer", "MB", 1),
            Figure::JobPageCoarse => goal(30.0, less(Queries, "job page at `resolution` 600", "ms", 1)),
            Figure::JobPageCoarseProcessor => less(Queries, "the same", "CPU-s", 3),
            Figure::Sums => goal(3.0, less(Queries, "node sums over 128 hwthreads, 48 h", "ms", 2)),
            Figure::SumsProcessor => less(Queries, "the same", "CPU-s", 4),
            Figure::SumsNamed => goal(15.0, less(Queries, "the same, threads named one by one", "ms", 2)),
            Figure::SumsNamedProcessor => less(Queries, "the same", "CPU-s", 4),
            Figure::Status => goal(0.25, less(Queries, "status view: all nodes, 4 metrics, 10 min", "ms", 3)),
            Figure::StatusProcessor => less(Queries, "the same", "CPU-ms", 3),
            Figure::ReplayTime => goal(2.0, less(Recovery, "ready after kill -9, from the log alone", "s", 2)),
            Figure::ReplayProcessor => less(Recovery, "the same", "CPU-s", 2),
            Figure::ReplayMemory => less(Recovery, "the same: RAM when ready", "B / sample", 2),
            Figure::StopTime => less(Recovery, "SIGTERM until the end, with a checkpoint", "s", 2),
            Figure::StopProcessor => less(Recovery, "the same", "CPU-s", 2),
            Figure::SnapshotBytes => goal(3.2, less(Recovery, "snapshots on disk", "B / sample", 2)),
            Figure::RestartTime => goal(1.0, less(Recovery, "ready after a restart, from snapshots", "s", 2)),
            Figure::RestartProcessor => less(Recovery, "the same", "CPU-s", 2),
        }
    }
}

/// What a part has found.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Figures with their values.
    pub figures: Vec<(Figure, f64)>,
    /// What a reader must know to judge them.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Takes a value down.
    pub(super) fn push(&mut self, figure: Figure, value: f64) {
        self.figures.push((figure, value));
    }
}

/// The value in the middle; of an even number, the mean of the two.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length.is_multiple_of(2) => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
        _ => Some(sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_complete_and_in_order() {
        assert!(Figure::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(*Figure::ALL.last().unwrap() as usize, Figure::ALL.len() - 1);
        for figure in Figure::ALL {
            let Description { work, unit, goal, .. } = figure.describe();
            assert!(!work.is_empty() && !unit.is_empty() && goal.is_none_or(|goal| goal >= 0.0), "{figure:?}");
        }
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }
}
