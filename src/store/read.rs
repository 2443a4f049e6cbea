//! Reading: a metric of a level over a range of time.
//!
//! A level that holds the metric answers itself; one that does not answers by its children, recursively.

use crate::model::{Aggregation, ComponentId, EMPTY, Element, Metric, MetricId, SeriesId, is_empty};

use super::aggregate::combine;
use super::host::Host;
use super::host_data::HostData;
use super::slots::{centre_at, slot_at};
use super::view::{SeriesView, output_at};

/// Slots that one answer may have: 30 years of minutes. Data can span more when a sender's clock was far off.
const SLOTS_MAX: i64 = 16 << 20;

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

/// Reads a metric of the components that `below` selects, over `[from, to)`.
pub(super) fn read(
    host: &Host,
    below: &[Element],
    id: MetricId,
    metric: &Metric,
    from: i64,
    to: i64,
) -> Result<Answer, ReadError> {
    let frequency = i64::from(metric.frequency_secs);
    // A few slots more in front: aggregation looks at the hole in which a range begins.
    let margin = 8 * frequency;
    let children = {
        let data = host.data.read();
        let mut found = Vec::new();
        select(&data, ComponentId::HOST, below, id, &mut found);
        let found = match (metric.aggregation, found.as_slice()) {
            (Aggregation::None, [_, _, ..]) => first_device(&data, &found).ok_or(ReadError::InvalidAggregation)?,
            _ => found,
        };
        let take = |&id: &SeriesId| SeriesView::take(&data, id, from.saturating_sub(margin), to.saturating_add(margin));
        found.iter().filter_map(take).collect::<Vec<_>>()
    };
    answer(&children, metric, from, to)
}

fn answer(children: &[SeriesView], metric: &Metric, asked: i64, to: i64) -> Result<Answer, ReadError> {
    let frequency = i64::from(metric.frequency_secs);
    let first = children.iter().map(|child| child.first_secs).min().ok_or(ReadError::NotFound)?;
    let last = children.iter().map(|child| child.last_secs).max().ok_or(ReadError::NotFound)?;
    let nothing = Answer { data: Vec::new(), from_secs: asked, to_secs: asked, frequency_secs: frequency };
    // No sample lies out there, and within these bounds no sum below overflows.
    let (asked, to) = (asked.clamp(-SECS_MAX, SECS_MAX), to.clamp(-SECS_MAX, SECS_MAX));
    let from = asked.max(first);
    let Some(last) = output_at(from, metric.frequency_secs, last, metric.frequency_secs) else { return Ok(nothing) };
    if from >= to {
        return Ok(nothing);
    }
    let asked_outputs = (to - from - 1) / frequency + 1;
    let outputs = asked_outputs.min(last as i64 + 1);
    if outputs > SLOTS_MAX {
        return Err(ReadError::TooManySlots { slots: outputs });
    }
    let data = match children {
        [child] => {
            let mut data = vec![EMPTY; outputs as usize];
            child.fill(from, metric.frequency_secs, &mut data);
            data
        }
        _ => combine(children, metric.aggregation, from, metric.frequency_secs, outputs as usize),
    };
    let is_hole = data.iter().all(|&value| is_empty(value))
        && children.iter().all(|child| child.is_between_runs(from, to, metric.frequency_secs));
    if data.is_empty() || is_hole {
        return Ok(nothing);
    }
    Ok(Answer { to_secs: from + data.len() as i64 * frequency, data, from_secs: from, frequency_secs: frequency })
}

/// All slots of a series on the grid through `grid_secs`; answers the centre of the first.
pub(super) fn whole_series(
    view: &SeriesView,
    grid_secs: i64,
    frequency_secs: u32,
    slots: &mut Vec<f64>,
) -> Option<i64> {
    let start_secs = centre_at(grid_secs, frequency_secs, view.first_secs);
    let count = slot_at(start_secs, frequency_secs, view.last_secs) + 1;
    if !(1..=SLOTS_MAX).contains(&count) {
        return None;
    }
    slots.resize(count as usize, EMPTY);
    view.fill(start_secs, frequency_secs, slots);
    Some(start_secs)
}

/// Collects the series that answer for a selector below a component.
fn select(data: &HostData, at: ComponentId, below: &[Element], id: MetricId, found: &mut Vec<SeriesId>) {
    let Some((element, rest)) = below.split_first() else { return collect(data, at, id, found) };
    match element {
        Element::Name(name) => {
            if let Some(child) = data.components.child(at, name) {
                select(data, child, rest, id, found);
            }
        }
        Element::Group(names) => {
            for child in names.iter().filter_map(|name| data.components.child(at, name)) {
                select(data, child, rest, id, found);
            }
        }
        Element::Any => {
            for &child in data.components.children(at) {
                select(data, child, rest, id, found);
            }
        }
    }
}

/// The component's own series, or those of its children that hold the metric.
fn collect(data: &HostData, at: ComponentId, id: MetricId, found: &mut Vec<SeriesId>) {
    match data.series.find(at, id).filter(|&series| data.holds_visible(series)) {
        Some(series) => found.push(series),
        None => data.components.children(at).iter().for_each(|&child| collect(data, child, id, found)),
    }
}

/// The first-seen of some devices; `None` when one of the series belongs to no device.
fn first_device(data: &HostData, found: &[SeriesId]) -> Option<Vec<SeriesId>> {
    let all_devices = found.iter().all(|&series| data.components.is_device(data.series.get(series).component));
    let first = found.iter().min_by_key(|&&series| data.series.get(series).component)?;
    all_devices.then(|| vec![*first])
}
