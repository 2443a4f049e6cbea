//! Stamped series in a history: numbers, histograms and exemplars, written with grid samples in one body.
//!
//! A tick of theirs is an exact time, so what is read back must be there to the millisecond.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{HostModel, SeriesKind, SeriesModel};
use super::steps::Sent;
use super::world::World;
use crate::engine::{Engine, IngestError, StampedReport};
use crate::model::histogram::{Buckets, FloatHistogram};
use crate::model::{
    Component, Exemplar, Labels, MatchOp, Matcher, Metadata, MetricKind, Sample, StampedSample, StampedValue,
};
use crate::store::SeriesPath;
use crate::testing::Random;

/// Behind the second of a tick.
const MILLIS: i64 = 123;

/// The stamped series of a host.
pub(super) fn series(random: &mut Random) -> Vec<SeriesModel> {
    let kinds = [
        ("numbers", SeriesKind::Float),
        ("mixed", SeriesKind::Mixed),
        ("more", SeriesKind::Float),
        ("traces", SeriesKind::Exemplar),
    ];
    let kinds = kinds.into_iter().take(1 + random.below(kinds.len()));
    let series = |(metric, kind)| SeriesModel {
        below: Vec::new(),
        metric,
        tags: "",
        kind,
        frequency: 15,
        phase: super::world::NOW - 7,
        cells: BTreeMap::new(),
    };
    kinds.map(series).collect()
}

fn labels(host: &HostModel, series: &SeriesModel) -> Labels {
    Labels::from_pairs([("__name__", series.metric), ("instance", &*host.name), ("job", host.cluster)])
}

/// Writes a body.
pub(super) fn write(world: &World, sent: &[Sent]) -> (Result<(), IngestError>, u64) {
    let engine = world.engine();
    let mut write = engine.write_stamped("remote_write");
    let metrics = engine.store().metrics();
    let limits = engine.store().limits();
    for sample in sent {
        let model = &world.hosts[sample.host];
        let series = &model.series[sample.series];
        let host = write.host(model.cluster, &model.name).expect("there is room for it");
        let time_ms = sample.secs * 1000 + MILLIS;
        if series.kind == SeriesKind::Grid {
            let Some(metric) = metrics.find(series.metric) else { continue };
            let components: Vec<Component> = series.components();
            let path = SeriesPath { components: &components, is_device: series.tags.contains("type=node"), metric };
            let id = host.series(&path, limits).expect("there is room for it");
            write.grid_sample(&host, Sample { series: id, secs: sample.secs, value: sample.value });
            continue;
        }
        let id = host.stamped(&labels(model, series), limits).expect("there is room for it");
        if series.kind == SeriesKind::Exemplar {
            let labels = Labels::from_pairs([("trace_id", sample.value.to_string())]);
            write.exemplar(&host, id, Exemplar { labels, value: sample.value, time_ms });
            continue;
        }
        let is_histogram = series.kind == SeriesKind::Mixed && sample.value.fract() == 0.0;
        let value = if is_histogram { histogram(sample.value) } else { StampedValue::Float(sample.value) };
        let start_ms = if sample.tick % 3 == 0 { time_ms - 5000 } else { 0 };
        write.sample(&host, StampedSample { series: id, time_ms, start_ms, value });
    }
    if sent.len().is_multiple_of(2) {
        let help = format!("{} samples", sent.len()).into();
        write.metadata("numbers", Metadata { kind: MetricKind::Gauge, help, unit: "".into() });
    }
    let mut report = StampedReport::default();
    let outcome = write.finish(&mut report);
    (outcome, report.samples + report.histograms + report.exemplars)
}

fn histogram(sum: f64) -> StampedValue {
    let positive = Buckets::contiguous(2, vec![1.0, 0.0, 3.0]);
    StampedValue::Histogram(Arc::new(FloatHistogram { sum, count: 4.0, positive, ..FloatHistogram::default() }))
}

/// All that a read answers of a series, by tick.
pub(super) fn read(engine: &Engine, host: &HostModel, series: &SeriesModel) -> Result<BTreeMap<i64, f64>, String> {
    let Some(found) = engine.store().host(host.cluster, &host.name) else { return Ok(BTreeMap::new()) };
    let matchers = [Matcher::new("__name__", MatchOp::Equal, series.metric).map_err(|error| error.to_string())?];
    let mut all: Vec<(i64, i64, f64)> = Vec::new();
    if series.kind == SeriesKind::Exemplar {
        let exemplars = found.exemplars(&matchers, i64::MIN, i64::MAX).into_iter().flat_map(|(_, all)| all);
        for Exemplar { labels, value, time_ms } in exemplars {
            if labels.value("trace_id") != value.to_string() {
                return Err(format!("{labels} is the exemplar of {value}"));
            }
            all.push((time_ms, 0, value));
        }
    } else {
        let ids: Vec<_> = found.find_stamped(&matchers, i64::MIN, i64::MAX).into_iter().collect();
        for view in found.take_stamped(&ids.iter().map(|found| found.id).collect::<Vec<_>>(), i64::MIN, i64::MAX) {
            let mut reader = view.reader(i64::MIN, i64::MAX);
            let (mut times, mut values, mut histograms, mut starts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            while reader.next(&mut times, &mut values, &mut histograms, &mut starts) {}
            for (at, histogram) in histograms {
                if histogram.count != 4.0 || histogram.sum.fract() != 0.0 {
                    return Err(format!("{histogram} was never sent"));
                }
                values[at as usize] = histogram.sum;
            }
            let start = |at: usize| starts.get(at).copied().unwrap_or(0);
            all.extend(times.iter().zip(&values).enumerate().map(|(at, (&time, &value))| (time, start(at), value)));
        }
    }
    let mut found = BTreeMap::new();
    for (time_ms, start_ms, value) in all {
        let tick = series.tick_at(time_ms.div_euclid(1000));
        let expected_start = if tick % 3 == 0 && series.kind != SeriesKind::Exemplar { time_ms - 5000 } else { 0 };
        let is_exact = time_ms == series.secs_of(tick) * 1000 + MILLIS && start_ms == expected_start;
        if !is_exact || found.insert(tick, value).is_some() {
            return Err(format!("{} {}: {value} at {time_ms} since {start_ms}", host.name, series.metric));
        }
    }
    Ok(found)
}
