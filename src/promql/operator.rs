//! Operators: what the parts of a plan become when an evaluation begins.
//!
//! An operator first tells its series, labels worked out once, and then hands out each series as one column over all
//! steps. Those that look at one series at a time (selectors, functions of ranges, arithmetic with a number) do their
//! work only when a column is asked for, so a sum over a million series holds one of them at a time; operators whose
//! series depend on each other hold a [`Table`]. Columns may be asked for in any order and from several threads.
//!
//! Columns span all steps rather than batches of them: a fold over series is bounded by threads times steps already, a
//! window never has to be carried over from batch to batch, and each block is still decoded once.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::model::Labels;

use super::column::Column;
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::samples::RangeSamples;
use super::source::Samples;

/// What tells a series of an operator from the others.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its labels.
    pub labels: Labels,
    /// Whether the metric's name has lost its meaning and goes at the end; only if names are removed late.
    pub drop_name: bool,
}

/// A part of a plan, ready to hand out columns.
pub trait Operator: Sync {
    /// The series; a column of theirs may turn out to be empty, which is as if the series were not there.
    fn heads(&self) -> &[Head];

    /// Fills `out` with the points of a series. `lane` is scratch memory of the calling thread.
    fn column(&self, at: usize, lane: &mut Lane, out: &mut Column) -> Result<(), QueryError>;

    /// The whole operator as a table, if it is one.
    fn take_table(&mut self) -> Option<Table> {
        None
    }
}

/// An operator that lives as long as the evaluation's plan and source.
pub type Op<'a> = Box<dyn Operator + 'a>;

/// Scratch memory of one thread.
#[derive(Debug, Default)]
pub struct Lane {
    /// Samples as the source hands them out.
    pub samples: Samples,
    /// Samples sorted out for windows.
    pub range: RangeSamples,
    /// A column below a subquery.
    pub column: Column,
    /// Anything to be sorted.
    pub values: Vec<f64>,
}

/// Series with all their columns.
#[derive(Debug, Default)]
pub struct Table {
    /// The series.
    pub heads: Vec<Head>,
    /// Their columns, as many.
    pub columns: Vec<Column>,
}

impl Table {
    /// A table of one series without labels, which is what a scalar is.
    pub fn scalar(values: Vec<f64>) -> Table {
        let head = Head { labels: Labels::empty(), drop_name: false };
        Table { heads: vec![head], columns: vec![Column::full(values)] }
    }

    /// Adds a series.
    pub fn push(&mut self, head: Head, column: Column) {
        self.heads.push(head);
        self.columns.push(column);
    }

    /// How many samples the table counts as.
    pub fn size(&self) -> u64 {
        self.columns.iter().map(Column::size).sum()
    }

    /// The table without the series that have no point.
    #[must_use]
    pub fn without_empty(self) -> Table {
        let pairs = self.heads.into_iter().zip(self.columns);
        let (heads, columns) = pairs.filter(|(_, column)| !column.is_empty()).unzip();
        Table { heads, columns }
    }
}

impl Operator for Table {
    fn heads(&self) -> &[Head] {
        &self.heads
    }

    fn column(&self, at: usize, _: &mut Lane, out: &mut Column) -> Result<(), QueryError> {
        self.columns[at].expand_into(out);
        Ok(())
    }

    fn take_table(&mut self) -> Option<Table> {
        Some(std::mem::take(self))
    }
}

/// The stack of a thread: columns of nested operators ask each other, hundreds deep. Only what is used takes memory.
const STACK_BYTES: usize = 8 << 20;
/// Columns that threads make before one visits them.
const AHEAD: usize = 512;
/// Points that these columns have in all, at most, unless one has more.
const AHEAD_POINTS: usize = 1 << 20;
/// Columns that a thread takes at once.
const CHUNK: usize = 16;
/// Points below which threads cost more than they bring.
const POINTS_MIN: usize = 1 << 16;

impl<'a> Evaluator<'a> {
    /// All columns of an operator; series without points are left out.
    pub fn collect(&self, mut op: Op<'a>, steps: usize) -> Result<Table, QueryError> {
        if let Some(table) = op.take_table() {
            return Ok(table.without_empty());
        }
        let mut columns = vec![Column::default(); op.heads().len()];
        let chunks = Mutex::new(columns.chunks_mut(CHUNK).enumerate());
        self.in_threads(op.heads().len() * steps, || {
            let mut lane = Lane::default();
            loop {
                let Some((chunk, columns)) = chunks.lock().next() else { return Ok(()) };
                for (i, column) in columns.iter_mut().enumerate() {
                    self.poll()?;
                    column.reset(steps);
                    op.column(chunk * CHUNK + i, &mut lane, column)?;
                    column.compact();
                }
            }
        })?;
        Ok(Table { heads: op.heads().to_vec(), columns }.without_empty())
    }

    /// Calls `visit` with the columns of some series, in their order; threads make the columns, this one visits.
    pub fn for_each_column(
        &self,
        op: &dyn Operator,
        series: &[usize],
        steps: usize,
        mut visit: impl FnMut(usize, &Column) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let at_once = if self.options.threads > 1 { (AHEAD_POINTS / steps.max(1)).clamp(1, AHEAD) } else { 1 };
        let mut columns = vec![Column::default(); at_once.min(series.len())];
        let mut lane = Lane::default();
        for series in series.chunks(at_once) {
            let columns = &mut columns[..series.len()];
            if let ([column], [at]) = (&mut *columns, series) {
                self.poll()?;
                column.reset(steps);
                op.column(*at, &mut lane, column)?;
                visit(*at, column)?;
                continue;
            }
            let left = Mutex::new(series.iter().zip(&mut *columns));
            self.in_threads(at_once * steps, || {
                let mut lane = Lane::default();
                loop {
                    let Some((at, column)) = left.lock().next() else { return Ok(()) };
                    self.poll()?;
                    column.reset(steps);
                    op.column(*at, &mut lane, column)?;
                }
            })?;
            for (at, column) in series.iter().zip(columns) {
                visit(*at, column)?;
            }
        }
        Ok(())
    }

    /// Does the same work in several threads, if there are enough points to be worth it; the first error wins.
    pub fn in_threads(
        &self,
        points: usize,
        work: impl Fn() -> Result<(), QueryError> + Sync,
    ) -> Result<(), QueryError> {
        let threads = if points < POINTS_MIN { 1 } else { self.options.threads.max(1) };
        if threads == 1 {
            return work();
        }
        let failed = AtomicBool::new(false);
        let run = || {
            if failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let outcome = work();
            failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
            outcome
        };
        std::thread::scope(|scope| {
            // A machine that has no thread left still has this one.
            let spawn = |_| std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run).ok();
            let others = (1..threads).filter_map(spawn);
            let others: Vec<_> = others.collect();
            let own = run();
            others.into_iter().fold(own, |outcome, thread| match thread.join() {
                Ok(other) => outcome.and(other),
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }
}
