//! Reading by roll-ups: their slots where there are some, the general way for the rest.
//!
//! Invariant: the answer is the general way's, bit by bit, or there is none.

use std::ops::Range;

use crate::model::{ComponentId, EMPTY, Metric, MetricId, SeriesId, is_empty};

use super::aggregate::{combine, cut_awaited};
use super::host_data::HostData;
use super::read::{self, Answer, Outputs};
use super::recent::Rows;
use super::rollup::CHILDREN_MIN;
use super::view::{Extent, SeriesView};

/// Outputs between two gaps that are not worth an own look at all children.
const ISLAND: usize = 32;
/// With more gaps the general way is the better one.
const GAPS_MAX: usize = 8;

/// What was taken out of a host under its lock.
pub(super) struct Rolled {
    from_secs: i64,
    frequency_secs: u32,
    values: Vec<f64>,
    last_secs: Vec<i64>,
    /// Outputs that no roll-up answers, with all children over their time.
    gaps: Vec<(Range<usize>, Vec<SeriesView>)>,
}

impl Rolled {
    /// Takes what answers for a metric at the host's own level over `[asked, to)`; `None` when roll-ups would not help.
    pub(super) fn take(
        data: &HostData,
        children: &[SeriesId],
        id: MetricId,
        metric: &Metric,
        asked: i64,
        to: i64,
    ) -> Option<Rolled> {
        if children.len() < CHILDREN_MIN {
            return None;
        }
        let rollup = data.rollups.find(id, metric.aggregation)?;
        let extents = children.iter().filter_map(|&id| {
            let horizon_secs = data.components.horizon(data.series.get(id).component);
            Extent::of(data, id, horizon_secs)
        });
        let extents: Vec<Extent> = extents.collect();
        let first_secs = extents.iter().map(|extent| extent.first_secs).min()?;
        let last_secs = extents.iter().map(|extent| extent.last_secs).max()?;
        let frequency_secs = metric.frequency_secs;
        let Outputs { from_secs, count } = Outputs::of(first_secs, last_secs, frequency_secs, asked, to).ok()??;
        let horizon_secs = data.components.horizon(ComponentId::HOST);
        let end_secs = from_secs + count as i64 * i64::from(frequency_secs);
        if rollup.blocks.iter().any(|block| block.frequency_secs() != frequency_secs) {
            return None;
        }
        let mut values = vec![EMPTY; count];
        SeriesView::of_blocks(&rollup.blocks, horizon_secs, from_secs, end_secs).fill(
            from_secs,
            frequency_secs,
            &mut values,
        );
        let gaps = gaps(&values);
        let missing: usize = gaps.iter().map(Range::len).sum();
        if gaps.len() > GAPS_MAX || 2 * missing > count {
            return None;
        }
        let at = |output: usize| from_secs + output as i64 * i64::from(frequency_secs);
        let mut rolled = Rolled {
            from_secs,
            frequency_secs,
            values,
            last_secs: extents.iter().map(|extent| extent.last_secs).collect(),
            gaps: Vec::new(),
        };
        for gap in gaps {
            // The newest gap is that of the open rows.
            match Rows::of(data, children, metric, at(gap.start)).filter(|_| gap.end == count) {
                Some(rows) => {
                    rolled.values[gap.clone()].copy_from_slice(&rows.combine(metric.aggregation, gap.len()));
                }
                None => {
                    let views = read::views(data, children, metric, at(gap.start), at(gap.end));
                    rolled.gaps.push((gap, views));
                }
            }
        }
        Some(rolled)
    }

    /// The answer; `None` when there is nothing in the range.
    pub(super) fn answer(mut self, metric: &Metric) -> Option<Answer> {
        let frequency = i64::from(self.frequency_secs);
        for (gap, children) in self.gaps {
            let from_secs = self.from_secs + gap.start as i64 * frequency;
            let values = combine(&children, metric.aggregation, from_secs, self.frequency_secs, gap.len());
            self.values[gap].copy_from_slice(&values);
        }
        cut_awaited(&mut self.values, self.last_secs.iter().copied(), self.from_secs, self.frequency_secs);
        if self.values.iter().all(|&value| is_empty(value)) {
            // Whether this is a hole or no data at all is for the general way to say.
            return None;
        }
        let to_secs = self.from_secs + self.values.len() as i64 * frequency;
        Some(Answer { data: self.values, from_secs: self.from_secs, to_secs, frequency_secs: frequency })
    }
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
