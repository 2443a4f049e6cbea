//! The tree's short ways against samples kept plainly, on random hosts: answers have to be the same to the bit.

use std::collections::BTreeMap;

use crate::model::{
    Aggregation, Component, Labels, Matcher, Metric, MetricId, MetricTable, STALE, Sample, StampedSample, StampedValue,
};
use crate::promql::parse::{ParseOptions, parse_expr};
use crate::promql::{
    Cursor, Hints, Options, Samples, Selection, Series, Source, SourceError, Times, Unlimited, Value, evaluate,
};
use crate::store::{Limits, SeriesPath, Store};
use crate::testing::Random;

use super::*;

const START: i64 = 1_770_000_000;

/// All samples by series and time, in milliseconds.
#[derive(Default)]
struct Plain(BTreeMap<Labels, BTreeMap<i64, f64>>);

struct PlainSeries<'p> {
    labels: &'p Labels,
    samples: &'p BTreeMap<i64, f64>,
}

/// Plain samples in the order in which the tree hands its series out: the order of a sum decides on its rounding.
struct InOrder<'p>(&'p Plain, &'p TreeSource<'p>);

impl Source for InOrder<'_> {
    fn select(&self, matchers: &[Matcher], hints: &Hints) -> Result<Selection<'_>, SourceError> {
        let order: Vec<Labels> =
            self.1.select(matchers, hints)?.series.iter().map(|series| series.labels().clone()).collect();
        let place = |labels: &Labels| order.iter().position(|other| other == labels).unwrap_or(usize::MAX);
        let fits = |labels: &Labels| matchers.iter().all(|matcher| matcher.matches_labels(labels));
        let mut found: Vec<_> = self.0.0.iter().filter(|(labels, _)| fits(labels)).collect();
        found.sort_by_key(|(labels, _)| place(labels));
        let series = found.into_iter().map(|(labels, samples)| PlainSeries { labels, samples });
        let series = series.map(|series| Box::new(series) as Box<dyn Series + '_>).collect();
        Ok(Selection { series, ..Selection::default() })
    }
}

impl Series for PlainSeries<'_> {
    fn labels(&self) -> &Labels {
        self.labels
    }

    fn cursor(&self, start_ms: i64, end_ms: i64) -> Box<dyn Cursor + '_> {
        let inside = self.samples.range(start_ms..=end_ms.max(start_ms));
        Box::new(Once(Some(inside.map(|(&time, &value)| (time, value)).collect())))
    }
}

struct Once(Option<Vec<(i64, f64)>>);

impl Cursor for Once {
    fn next_batch(&mut self, batch: &mut Samples) -> Result<bool, SourceError> {
        let samples = self.0.take().unwrap_or_default();
        samples.iter().for_each(|(time, value)| batch.push_float(*time, *value));
        Ok(!samples.is_empty())
    }
}

/// A few hosts with cores on the grid and stamped series beside them, some of these with the labels of a core; the store,
/// what was sent, and when that ended. Every value of a calm host keeps the second it was sent with.
fn world(random: &mut Random, is_calm: bool) -> (Store, Plain, i64) {
    let metric = |name: &str| Metric { name: name.into(), frequency_secs: 60, aggregation: Aggregation::None };
    let store = Store::new(MetricTable::new([metric("load")]), Limits::default());
    let mut plain = Plain::default();
    let ticks = 20 + random.below(900) as i64;
    let mut end = START;
    for name in ["f1", "f2", "f3"] {
        let host = store.host_or_create("fritz", name).unwrap();
        let (jitter, gaps, wild) = (*random.pick(&[1, 1, 8]), *random.pick(&[0, 0, 10]), random.percent(30));
        let mut phase = random.within(0..60);
        let mut late = Vec::new();
        for tick in 0..ticks {
            if !is_calm && random.percent(1) {
                phase += random.within(0..55);
            }
            let secs = START + tick * 60 + phase + random.within(0..jitter);
            end = end.max(secs);
            for core in 0..4 {
                let value = match (wild, random.below(20)) {
                    (true, 0) => f64::NAN,
                    (true, 1) => f64::INFINITY,
                    (true, 2) => f64::MAX,
                    (true, 3) => STALE,
                    (true, 4) => -0.0,
                    _ => random.within(-1000..100_000) as f64 / 7.0,
                };
                let path = [Component::new("core", &core.to_string())];
                let path = SeriesPath { components: &path, is_device: false, metric: MetricId(0) };
                let series = host.series(&path, store.limits()).unwrap();
                let id = core.to_string();
                let pairs = [("__name__", "load"), ("cluster", "fritz"), ("hostname", name), ("type", "core")];
                let labels = Labels::from_pairs(pairs.into_iter().chain([("type_id", id.as_str())]));
                if core > 0 && random.percent(gaps) {
                    if !is_calm && random.percent(30) {
                        late.push((tick + 1 + random.within(0..100), labels, Sample { series, secs, value }));
                    }
                    continue;
                }
                host.apply(&store.metrics(), &[Sample { series, secs, value }], secs);
                plain.0.entry(labels).or_default().insert(secs * 1000, value);
            }
            for (_, labels, sample) in late.extract_if(.., |(due, ..)| *due <= tick) {
                host.apply(&store.metrics(), &[sample], secs);
                plain.0.entry(labels).or_default().insert(sample.secs * 1000, sample.value);
            }
        }
        for number in 0..random.below(3) {
            let own = [("__name__", "load"), ("cluster", "fritz"), ("hostname", name), ("type", "job")];
            let shared = [("__name__", "load"), ("cluster", "fritz"), ("hostname", name), ("type", "core")];
            let id = number.to_string();
            let pairs = if random.percent(30) { shared } else { own };
            let labels = Labels::from_pairs(pairs.into_iter().chain([("type_id", id.as_str())]));
            let series = host.stamped(&labels, store.limits()).unwrap();
            for tick in 0..ticks {
                let value = if random.percent(2) { STALE } else { random.unit() };
                let time_ms = (START + tick * 60) * 1000 + random.within(0..3000);
                let sample = StampedSample { series, time_ms, start_ms: 0, value: StampedValue::Float(value) };
                host.apply_stamped(&[sample], time_ms);
                plain.0.entry(labels.clone()).or_default().insert(time_ms, value);
            }
        }
    }
    (store, plain, end * 1000)
}

/// All samples of all series, read at once.
fn read_whole(source: &dyn Source) -> Plain {
    let hints = Hints { start_ms: 0, end_ms: i64::MAX / 8, ..Hints::default() };
    let mut plain = Plain::default();
    for series in source.select(&[], &hints).unwrap().series {
        let mut samples = Samples::default();
        let mut cursor = series.cursor(hints.start_ms, hints.end_ms);
        while cursor.next_batch(&mut samples).unwrap() {}
        plain.0.insert(series.labels().clone(), samples.times.into_iter().zip(samples.values).collect());
    }
    plain
}

fn bits_of(plain: &Plain) -> Vec<(String, Vec<(i64, u64)>)> {
    let bits = |samples: &BTreeMap<i64, f64>| samples.iter().map(|(&time, value)| (time, value.to_bits())).collect();
    plain.0.iter().map(|(labels, samples)| (labels.to_string(), bits(samples))).collect()
}

fn answer(source: &dyn Source, query: &str, times: Times, options: &Options) -> BTreeMap<String, Vec<Option<u64>>> {
    let expr = parse_expr(query, &ParseOptions::everything()).unwrap();
    let value = evaluate(source, &expr, times, options, &Unlimited).value.unwrap();
    let Value::Range { series, .. } = value else { panic!("{query} is no range") };
    // All NaNs are one: how a NaN came about says nothing.
    let bits = |value: f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    let column =
        |column: crate::promql::Column| (0..column.steps()).map(|at| column.float(at).map(bits)).collect::<Vec<_>>();
    series.into_iter().map(|(labels, values)| (labels.to_string(), column(values))).collect()
}

#[test]
fn answers_are_those_of_samples_kept_plainly() {
    let queries = [
        "sum by (hostname) (load)",
        "avg by (hostname) (load)",
        "sum without (type_id) (load)",
        "min by (hostname) (load)",
        "max(load)",
        "count by (hostname) (load)",
        "group by (type) (load)",
        "stddev by (hostname) (load)",
        "sum by (hostname) (load offset 7s)",
        "sum by (hostname) (load offset -90s)",
        "sum by (hostname) (load @ 1770003600)",
        "sum by (hostname) (load{type=\"core\"})",
        "avg by (hostname) (avg_over_time(load[10m]))",
        "sum by (hostname) (sum_over_time(load[3m1s] offset 5m))",
        "max by (hostname) (max_over_time(load[7m]))",
        "count by (hostname) (count_over_time(load[130s] @ end()))",
        "sum by (hostname) (rate(load[5m]))",
        "quantile by (hostname) (0.3, load)",
        "load",
    ];
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let is_calm = random.percent(50);
        let (store, sent, end_ms) = world(&mut random, is_calm);
        let plain = read_whole(&TreeSource::new(&store, 300_000, &Unlimited));
        if is_calm {
            assert_eq!(bits_of(&plain), bits_of(&sent), "seed {seed}");
        }
        for query in queries {
            let step_ms = *random.pick(&[60_000, 60_000, 300_000, 15_000, 61_000, 60_001, 1_800_000]);
            let start_ms = START * 1000 + random.within(-600..30_000) * *random.pick(&[1, 1000]);
            let times = Times { start_ms, end_ms: end_ms.max(start_ms) + random.within(0..900_000), step_ms };
            let lookback_ms = *random.pick(&[300_000, 300_000, 120_000, 700_001]);
            let options = Options { lookback_ms, threads: 1 + random.below(2), ..Options::default() };
            let source = TreeSource::new(&store, lookback_ms, &Unlimited);
            let found = answer(&source, query, times, &options);
            let expected = answer(&InOrder(&plain, &source), query, times, &options);
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{query}, seed {seed}");
            for (labels, column) in &found {
                let other = column.iter().zip(&expected[labels]).position(|(a, b)| a != b);
                assert_eq!(other, None, "{query}, seed {seed}: step of {labels} at {times:?}");
            }
        }
    }
}
