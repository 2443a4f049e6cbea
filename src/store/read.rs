//! Reading: a metric of a level over a range of time.
//!
//! A level that holds the metric answers itself; one that does not answers by its children, recursively.

use crate::model::{Aggregation, ComponentId, EMPTY, Element, Metric, MetricId, SeriesId, is_empty};

use super::aggregate::{Combined, combine, cut_awaited};
use super::host::Host;
use super::host_data::HostData;
use super::recent::combine_recent;
use super::rollup::Family;
use super::rollup_keep::Taken;
use super::rollup_read::{Question, RolledRange};
use super::slots::{centre_at, slot_at};
use super::view::{SeriesView, output_at};

/// Slots that one answer may have: 30 years of minutes. Data can span more when a sender's clock was far off.
const SLOTS_MAX: i64 = 16 << 20;

/// Slots that are kept of a series that spans more than [`SLOTS_MAX`]: two years of minutes.
const SLOTS_KEPT: i64 = 1 << 20;

/// Farther from 1970 than any sample.
const SECS_MAX: i64 = i64::MAX / 4;

/// What a read answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// One value a slot; NaN (any) where there is none. Empty when no slot lies in the range.
    pub data: Vec<f64>,
    /// What slot 0 stands for, seconds since 1970.
    pub from_secs: i64,
    /// `from` + slots · frequency.
    pub to_secs: i64,
    /// Seconds between two slots.
    pub frequency_secs: i64,
}

/// Why a read has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing below the selector holds the metric. Queries leave such a result out.
    #[error("[METRICSTORE]> metric or host not found")]
    NotFound,
    /// The config doesn't name the metric.
    #[error("[METRICSTORE]> unknown metric: {0}")]
    UnknownMetric(String),
    /// `from` lies behind `to`.
    #[error("[METRICSTORE]> invalid time range")]
    InvalidRange,
    /// Several children hold the metric, and it has no aggregation.
    #[error("[METRICSTORE]> invalid aggregation")]
    InvalidAggregation,
    /// The range holds more slots than one answer may have.
    #[error("[METRICSTORE]> the range holds {slots} slots, at most {SLOTS_MAX} can be answered at once")]
    TooManySlots {
        /// How many there are.
        slots: i64,
    },
}

/// Reads a metric of the components that `below` selects, over `[from, to)`, in the room of `spare` where it can be.
pub(super) fn read(
    host: &Host,
    below: &[Element],
    id: MetricId,
    metric: &Metric,
    from: i64,
    to: i64,
    spare: Vec<f64>,
) -> Result<Answer, ReadError> {
    let data = host.data.read();
    let found = find(&data, below, id, metric)?;
    if found.len() > 1
        && let Some(answer) = combine_recent(&data, &found, metric, from, to)
    {
        return Ok(answer);
    }
    let family = if below.is_empty() { Family::Host } else { Family::Of(&found) };
    let question = Question { children: &found, family, id, metric, asked: from, to };
    let rolled = RolledRange::take(&data, &question);
    // Values are decoded and combined outside of the lock.
    drop(data);
    if let Some(answer) = rolled.and_then(|rolled| rolled.answer(host, &question)) {
        return Ok(answer);
    }
    let taken = Taken::of(&host.data.read(), &question);
    answer_noting(taken.views(), metric, from, to, spare, |from_secs, parts| {
        taken.keep(host, &question, from_secs, parts)
    })
}

/// The series that answer for a selector together.
pub(super) fn find(
    data: &HostData,
    below: &[Element],
    id: MetricId,
    metric: &Metric,
) -> Result<Vec<SeriesId>, ReadError> {
    let mut found = Vec::new();
    select(&mut Holders::of(data, id), ComponentId::HOST, below, &mut found);
    match (metric.aggregation, found.as_slice()) {
        (Aggregation::None, [_, _, ..]) => first_device(data, &found).ok_or(ReadError::InvalidAggregation),
        _ => Ok(found),
    }
}

/// The series that answer for a metric at the host's own level.
pub(super) fn children(data: &HostData, id: MetricId) -> Vec<SeriesId> {
    let mut found = Vec::new();
    collect(&mut Holders::of(data, id), ComponentId::HOST, &mut found);
    found
}

/// Takes series out of their host.
pub(super) fn views(data: &HostData, found: &[SeriesId], metric: &Metric, from: i64, to: i64) -> Vec<SeriesView> {
    // A few slots more in front: aggregation looks at the hole in which a range begins.
    let margin = 8 * i64::from(metric.frequency_secs);
    let take = |&id: &SeriesId| SeriesView::take(data, id, from.saturating_sub(margin), to.saturating_add(margin));
    found.iter().filter_map(take).collect()
}

/// What an answer's values stand for.
pub(super) struct Outputs {
    /// Of the first.
    pub(super) from_secs: i64,
    /// How many there are, awaited ones included.
    pub(super) count: usize,
}

impl Outputs {
    /// The outputs over `[asked, to)` of data between two seconds; `None` when no slot lies in the range.
    pub(super) fn of(
        first_secs: i64,
        last_secs: i64,
        frequency_secs: u32,
        asked: i64,
        to: i64,
    ) -> Result<Option<Outputs>, ReadError> {
        // No sample lies out there, and within these bounds no sum below overflows.
        let (asked, to) = (asked.clamp(-SECS_MAX, SECS_MAX), to.clamp(-SECS_MAX, SECS_MAX));
        let from_secs = asked.max(first_secs);
        let Some(last) = output_at(from_secs, frequency_secs, last_secs, frequency_secs) else { return Ok(None) };
        if from_secs >= to {
            return Ok(None);
        }
        let slots = ((to - from_secs - 1) / i64::from(frequency_secs) + 1).min(last as i64 + 1);
        match slots {
            1..=SLOTS_MAX => Ok(Some(Outputs { from_secs, count: slots as usize })),
            _ => Err(ReadError::TooManySlots { slots }),
        }
    }
}

/// Combines series that were taken out of their host.
#[cfg(test)]
pub(super) fn answer(children: &[SeriesView], metric: &Metric, asked: i64, to: i64) -> Result<Answer, ReadError> {
    answer_noting(children, metric, asked, to, Vec::new(), |_, _| {})
}

/// Combines series that were taken out of their host, one alone in the room of `spare`; `note` learns the sums of
/// several, and what the first one stands for.
fn answer_noting(
    children: &[SeriesView],
    metric: &Metric,
    asked: i64,
    to: i64,
    spare: Vec<f64>,
    note: impl FnOnce(i64, &Combined),
) -> Result<Answer, ReadError> {
    let frequency = i64::from(metric.frequency_secs);
    let first = children.iter().map(|child| child.first_secs).min().ok_or(ReadError::NotFound)?;
    let last = children.iter().map(|child| child.last_secs).max().ok_or(ReadError::NotFound)?;
    let nothing = Answer { data: Vec::new(), from_secs: asked, to_secs: asked, frequency_secs: frequency };
    let Some(Outputs { from_secs: from, count }) = Outputs::of(first, last, metric.frequency_secs, asked, to)? else {
        return Ok(nothing);
    };
    let data = match children {
        [child] => {
            let mut data = spare;
            data.clear();
            data.resize(count, EMPTY);
            child.fill(from, metric.frequency_secs, &mut data);
            data
        }
        _ => {
            let parts = combine(children, from, metric.frequency_secs, count);
            note(from, &parts);
            let mut data = parts.answer(metric.aggregation);
            cut_awaited(&mut data, children.iter().map(|child| child.last_secs), from, metric.frequency_secs);
            data
        }
    };
    let is_hole = data.iter().all(|&value| is_empty(value))
        && children.iter().all(|child| child.is_between_runs(from, to, metric.frequency_secs));
    if data.is_empty() || is_hole {
        return Ok(nothing);
    }
    Ok(Answer { to_secs: from + data.len() as i64 * frequency, data, from_secs: from, frequency_secs: frequency })
}

/// All slots of a series on the grid through `grid_secs`; answers the centre of the first, and how many older ones were
/// left out. Of a series that spans too many slots, for a sender's clock was decades off, the newest [`SLOTS_KEPT`] are
/// all.
pub(super) fn whole_series(
    view: &SeriesView,
    grid_secs: i64,
    frequency_secs: u32,
    slots: &mut Vec<f64>,
) -> Option<(i64, u64)> {
    let start_secs = centre_at(grid_secs, frequency_secs, view.first_secs);
    let count = slot_at(start_secs, frequency_secs, view.last_secs) + 1;
    let left_out = match count {
        ..1 => return None,
        count if count > SLOTS_MAX => count - SLOTS_KEPT,
        _ => 0,
    };
    let start_secs = start_secs + left_out * i64::from(frequency_secs);
    slots.resize((count - left_out) as usize, EMPTY);
    view.fill(start_secs, frequency_secs, slots);
    Some((start_secs, left_out as u64))
}

/// Finds series of one metric by component. A look at a header is a miss of the cache, and each search takes several:
/// who is to look at many components has all series of the metric laid side by side first.
struct Holders<'d> {
    data: &'d HostData,
    id: MetricId,
    /// Sorted by component, as the index is.
    all: Option<Vec<(ComponentId, SeriesId)>>,
}

/// With more components to look at, a search among all headers costs more than laying them out.
const SEARCHES_MAX: usize = 8;

impl<'d> Holders<'d> {
    fn of(data: &'d HostData, id: MetricId) -> Self {
        Holders { data, id, all: None }
    }

    /// So many searches will follow.
    fn expect(&mut self, searches: usize) {
        if searches > SEARCHES_MAX && self.all.is_none() {
            let series = &self.data.series;
            self.all = Some(series.of_metric(self.id).iter().map(|&id| (series.get(id).component, id)).collect());
        }
    }

    fn find(&self, component: ComponentId) -> Option<SeriesId> {
        match &self.all {
            Some(all) => all.binary_search_by_key(&component, |holder| holder.0).ok().map(|at| all[at].1),
            None => self.data.series.find(component, self.id),
        }
    }
}

/// Collects the series that answer for a selector below a component.
fn select(holders: &mut Holders<'_>, at: ComponentId, below: &[Element], found: &mut Vec<SeriesId>) {
    let Some((element, rest)) = below.split_first() else { return collect(holders, at, found) };
    let data = holders.data;
    let components = &data.components;
    match element {
        Element::Name(name) => {
            if let Some(child) = components.child(at, name) {
                select(holders, child, rest, found);
            }
        }
        Element::Group(names) => {
            holders.expect(names.len());
            for child in names.iter().filter_map(|name| components.child(at, name)) {
                select(holders, child, rest, found);
            }
        }
        Element::Any => {
            holders.expect(components.children(at).len());
            for &child in components.children(at) {
                select(holders, child, rest, found);
            }
        }
    }
}

/// The component's own series, or those of its children that hold the metric.
fn collect(holders: &mut Holders<'_>, at: ComponentId, found: &mut Vec<SeriesId>) {
    let data = holders.data;
    match holders.find(at).filter(|&series| data.holds_visible(series)) {
        Some(series) => found.push(series),
        None => {
            let children = data.components.children(at);
            holders.expect(children.len());
            children.iter().for_each(|&child| collect(holders, child, found));
        }
    }
}

/// The first-seen of some devices; `None` when one of the series belongs to no device.
fn first_device(data: &HostData, found: &[SeriesId]) -> Option<Vec<SeriesId>> {
    let all_devices = found.iter().all(|&series| data.components.is_device(data.series.get(series).component));
    let first = found.iter().min_by_key(|&&series| data.series.get(series).component)?;
    all_devices.then(|| vec![*first])
}
