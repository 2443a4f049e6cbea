//! Reading by roll-ups: their slots where there are some, the general way for the rest.
//!
//! Invariant: the answer is the general way's, bit by bit, or there is none.

use std::ops::Range;

use crate::model::{ComponentId, EMPTY, Metric, MetricId, SeriesId, is_empty};

use super::aggregate::{AWAITED, combine, cut_awaited};
use super::host::Host;
use super::host_data::HostData;
use super::read::{Answer, Outputs};
use super::recent::Rows;
use super::rolled::Rolled;
use super::rollup::{CHILDREN_MIN, Family};
use super::rollup_keep::Taken;
use super::slots::slot_at;
use super::view::{Extent, output_at};

/// Outputs between two gaps that are not worth an own look at all children.
const ISLAND: usize = 32;
/// With more gaps the general way is the better one.
const GAPS_MAX: usize = 8;

/// What is asked of several series at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'q> {
    /// The series that answer, in their order.
    pub(super) children: &'q [SeriesId],
    pub(super) family: Family<'q>,
    pub(super) id: MetricId,
    pub(super) metric: &'q Metric,
    pub(super) asked: i64,
    pub(super) to: i64,
}

/// What was taken out of a host under its lock: handles and open rows, and nothing as long as the range.
pub(super) struct RolledRange {
    from_secs: i64,
    /// Outputs, awaited ones included.
    count: usize,
    runs: Vec<Rolled>,
    horizon_secs: i64,
    /// The outputs at the end that the open rows answer.
    open: Vec<f64>,
    /// Of each series; as far as it matters for the outputs of the open rows, where those answer.
    last_secs: Vec<i64>,
    is_last_exact: bool,
    epoch: u64,
}

impl RolledRange {
    /// Takes what answers; `None` when roll-ups would not help.
    pub(super) fn take(data: &HostData, question: &Question<'_>) -> Option<RolledRange> {
        let Question { children, family, id, metric, asked, to } = *question;
        if children.len() < CHILDREN_MIN {
            return None;
        }
        let rollup = data.rollups.read(id, family)?;
        let frequency_secs = metric.frequency_secs;
        let newest = rollup.runs.last().filter(|_| rollup.frequency_secs == frequency_secs)?;
        let extents = || {
            children
                .iter()
                .filter_map(|&id| Extent::of(data, id, data.components.horizon(data.series.get(id).component)))
        };
        let first_secs = rollup.first_secs(children.len(), || extents().map(|extent| extent.first_secs).min())?;
        // What lies behind the newest run is mostly in the open rows.
        let open_secs = behind(asked.max(first_secs), frequency_secs, newest.end_secs());
        let rows = Rows::of(data, children, metric, open_secs, |secs| {
            newest.end_secs() == secs && newest.ends_with(AWAITED, children.len())
        });
        let last_of_rows = rows.as_ref().and_then(Rows::last_secs);
        let is_last_exact = last_of_rows.is_none();
        let last_secs = last_of_rows.unwrap_or_else(|| extents().map(|extent| extent.last_secs).collect());
        let newest_secs = last_secs.iter().copied().max()?;
        let Outputs { from_secs, count } = Outputs::of(first_secs, newest_secs, frequency_secs, asked, to).ok()??;
        let rolled = usize::try_from((open_secs - from_secs) / i64::from(frequency_secs)).unwrap_or(0);
        let open_outputs = count.saturating_sub(rolled);
        let open = match rows {
            Some(rows) if open_outputs > 0 => rows.combine(metric.aggregation, open_outputs),
            _ => Vec::new(),
        };
        let end_secs = from_secs + count as i64 * i64::from(frequency_secs);
        let begin = rollup.runs.partition_point(|run| run.end_secs() <= from_secs).saturating_sub(1);
        let runs = rollup.runs[begin..]
            .iter()
            .take_while(|run| run.start_secs() < end_secs + i64::from(frequency_secs))
            .cloned()
            .collect();
        let horizon_secs = data.components.horizon(ComponentId::HOST);
        let epoch = data.rollups.epoch();
        let rolled = RolledRange { from_secs, count, runs, horizon_secs, open, last_secs, is_last_exact, epoch };
        let answered: usize = rolled.pieces(frequency_secs)?.iter().map(|piece| piece.outputs.len()).sum();
        (2 * (answered + rolled.open.len()) >= count).then_some(rolled)
    }

    /// The answer; `None` when there is nothing in the range, or the host has changed meanwhile.
    pub(super) fn answer(self, host: &Host, question: &Question<'_>) -> Option<Answer> {
        let metric = question.metric;
        let frequency = i64::from(metric.frequency_secs);
        let mut values = vec![EMPTY; self.count];
        for piece in self.pieces(metric.frequency_secs)? {
            piece.run.answer(piece.slots, metric.aggregation, &mut values[piece.outputs]);
        }
        let open_from = self.count - self.open.len();
        values[open_from..].copy_from_slice(&self.open);
        let gaps = gaps(&values[..open_from]);
        let missing: usize = gaps.iter().map(Range::len).sum();
        if gaps.len() > GAPS_MAX || 2 * missing > self.count {
            return None;
        }
        for gap in gaps {
            let at = |output: usize| self.from_secs + output as i64 * frequency;
            let asked = Question { asked: at(gap.start), to: at(gap.end), ..*question };
            let taken = Taken::of(&host.data.read(), &asked);
            if taken.epoch() != self.epoch {
                return None;
            }
            let parts = combine(taken.views(), asked.asked, metric.frequency_secs, gap.len());
            taken.keep(host, &asked, asked.asked, &parts);
            values[gap].copy_from_slice(&parts.answer(metric.aggregation));
        }
        if !self.is_last_exact && self.open.is_empty() && values.last().is_some_and(|&value| is_empty(value)) {
            // Who is awaited here, only the general way can tell.
            return None;
        }
        cut_awaited(&mut values, self.last_secs.iter().copied(), self.from_secs, metric.frequency_secs);
        let is_cut_too_far = values.len() <= open_from && values.last().is_some_and(|&value| is_empty(value));
        if is_cut_too_far && !self.is_last_exact || values.iter().all(|&value| is_empty(value)) {
            // Whether this is a hole or no data at all is for the general way to say.
            return None;
        }
        let to_secs = self.from_secs + values.len() as i64 * frequency;
        Some(Answer { data: values, from_secs: self.from_secs, to_secs, frequency_secs: frequency })
    }

    /// Which outputs take which slots of the runs; `None` where two grids meet in an output.
    fn pieces(&self, frequency_secs: u32) -> Option<Vec<RunPiece<'_>>> {
        let frequency = i64::from(frequency_secs);
        let rolled = (self.count - self.open.len()) as i64;
        let mut end_before = i64::MIN;
        let mut pieces = Vec::with_capacity(self.runs.len());
        for run in &self.runs {
            // Output `i` takes slot `i + shift`.
            let shift = slot_at(run.start_secs(), frequency_secs, self.from_secs);
            if -shift < end_before {
                return None;
            }
            end_before = run.len() as i64 - shift;
            let kept = match self.horizon_secs > run.start_secs() {
                true => (self.horizon_secs - run.start_secs() + frequency - 1) / frequency,
                false => 0,
            };
            let (begin, end) = ((kept - shift).max(-shift).max(0), end_before.min(rolled));
            if begin < end {
                let slots = (begin + shift) as usize..(end + shift) as usize;
                pieces.push(RunPiece { run, slots, outputs: begin as usize..end as usize });
            }
        }
        Some(pieces)
    }
}

/// Some slots of a run and the outputs that take them.
struct RunPiece<'r> {
    run: &'r Rolled,
    slots: Range<usize>,
    outputs: Range<usize>,
}

/// What the first output at or behind `end_secs` stands for, among those that stand for `from + i · f`: the first that
/// takes no slot of a run that ends there.
fn behind(from_secs: i64, frequency_secs: u32, end_secs: i64) -> i64 {
    let output = output_at(from_secs, frequency_secs, end_secs, frequency_secs).unwrap_or(0);
    from_secs + output as i64 * i64::from(frequency_secs)
}

/// The runs of empty outputs; those with little between them as one.
fn gaps(values: &[f64]) -> Vec<Range<usize>> {
    let mut gaps: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(begin) = values[at..].iter().position(|&value| is_empty(value)) {
        let begin = at + begin;
        let len = values[begin..].iter().position(|&value| !is_empty(value));
        let end = len.map_or(values.len(), |len| begin + len);
        match gaps.last_mut() {
            Some(last) if begin - last.end < ISLAND => last.end = end,
            _ => gaps.push(begin..end),
        }
        at = end;
    }
    gaps
}
