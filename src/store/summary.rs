//! What lies below a level, for `/api/debug` and `/api/healthcheck`: runs of slots, no values.

use crate::model::{ComponentId, MetricTable, is_empty};

use super::host::Host;
use super::host_data::HostData;
use super::series::Series;
use super::slots::WINDOW;

/// A level of the tree without its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LevelSummary {
    /// The level's own series by metric, sorted by name.
    pub metrics: Vec<(Box<str>, Vec<RunSummary>)>,
    /// The levels below, sorted by name.
    pub children: Vec<(Box<str>, LevelSummary)>,
}

/// A run of slots of one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSummary {
    /// Seconds between two slots.
    pub frequency_secs: u32,
    /// The centre of the first slot, seconds since 1970.
    pub start_secs: i64,
    /// Slots up to the last one that holds a value.
    pub len: u32,
    /// Whether the slots are sealed in a block.
    pub sealed: bool,
}

/// The summary of a host, or of what a path of names below it leads to.
pub(super) fn of_host(host: &Host, path: &[String], metrics: &MetricTable) -> Option<LevelSummary> {
    let data = host.data.read();
    let component = data.component(path.iter().map(String::as_str))?;
    let mut runs: Vec<(ComponentId, Box<str>, Vec<RunSummary>)> = data
        .series
        .iter()
        .filter(|(_, series)| data.components.is_below(series.component, component))
        .map(|(_, series)| (series.component, metrics.get(series.metric).name.clone(), runs(&data, series)))
        .filter(|(_, _, runs)| !runs.is_empty())
        .collect();
    runs.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    Some(level(&data, component, &runs))
}

fn level(data: &HostData, component: ComponentId, runs: &[(ComponentId, Box<str>, Vec<RunSummary>)]) -> LevelSummary {
    let begin = runs.partition_point(|(other, ..)| *other < component);
    let end = runs.partition_point(|(other, ..)| *other <= component);
    let metrics = runs[begin..end].iter().map(|(_, metric, runs)| (metric.clone(), runs.clone())).collect();
    let children = data.components.children(component).iter();
    let children = children.map(|&id| (data.components.node(id).name().into(), level(data, id, runs)));
    LevelSummary { metrics, children: children.collect() }
}

fn runs(data: &HostData, series: &Series) -> Vec<RunSummary> {
    let mut runs: Vec<RunSummary> = series
        .blocks
        .iter()
        .map(|block| RunSummary {
            frequency_secs: block.frequency_secs(),
            start_secs: block.start_secs(),
            len: block.len() as u32,
            sealed: true,
        })
        .collect();
    runs.extend(series.overlay().iter().map(|late| RunSummary {
        frequency_secs: late.frequency_secs,
        start_secs: late.centre_secs,
        len: 1,
        sealed: false,
    }));
    if let Some(lane) = data.lanes.get(series.lane as usize).and_then(Option::as_ref) {
        let filled = |row: &usize| !is_empty(lane.get(*row, series.column));
        if let (Some(first), Some(last)) = ((0..WINDOW).find(filled), (0..WINDOW).rfind(filled)) {
            runs.push(RunSummary {
                frequency_secs: lane.frequency_secs,
                start_secs: lane.centre(first as i64),
                len: (last - first + 1) as u32,
                sealed: false,
            });
        }
    }
    runs.sort_unstable_by_key(|run| run.start_secs);
    runs
}
