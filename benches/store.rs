//! What a host's tick costs in memory, and what sums and pages cost to read and to print.
//!
//! The host has 128 hardware threads with two metrics, two days of them: two decimals, and arbitrary doubles.

#![expect(clippy::expect_used, reason = "a benchmark on data of its own may fail by panicking")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use treering::model::{Aggregation, Component, Element, Metric, MetricTable, Sample, Selector, SeriesId};
use treering::query::{self, Request};
use treering::store::{Limits, SeriesPath, Store};

const THREADS: usize = 128;
const TICKS: i64 = 2880;
const START_SECS: i64 = 1_700_000_040;
const END_SECS: i64 = START_SECS + 60 * TICKS;
const METRICS: [&str; 2] = ["flops_any", "ipc"];

/// A deterministic stream of numbers in `[0, 1)` (SplitMix64, Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((word ^ (word >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// An empty host and its series, one for each metric and thread.
fn host() -> (Store, Vec<SeriesId>) {
    let metric = |name: &str| Metric { name: name.into(), frequency_secs: 60, aggregation: Aggregation::Sum };
    let store = Store::new(MetricTable::new(METRICS.map(metric)), Limits::default());
    let host = store.host_or_create("alex", "a1").expect("there is room for one host");
    let mut series = Vec::new();
    for name in METRICS {
        let metric = store.metrics().find(name).expect("it is configured");
        for thread in 0..THREADS {
            let components = [Component::new("hwthread", &thread.to_string())];
            let path = SeriesPath { components: &components, is_device: false, metric };
            series.push(host.series(&path, store.limits()).expect("there is room"));
        }
    }
    (store, series)
}

fn tick(series: &[SeriesId], number: i64, random: &mut Random) -> Vec<Sample> {
    let secs = START_SECS + 60 * number;
    let sample = |(at, &series): (usize, &SeriesId)| {
        let noise = random.next();
        let value = if at < THREADS { (noise * 1e4).round() / 100.0 } else { 1.0 + 0.2 * noise };
        Sample { series, secs, value }
    };
    series.iter().enumerate().map(sample).collect()
}

fn filled() -> Store {
    let ((store, series), mut random) = (host(), Random(1));
    let (host, metrics) = (store.host("alex", "a1").expect("it was made"), store.metrics());
    for number in 0..TICKS {
        host.apply(&metrics, &tick(&series, number, &mut random), START_SECS + 60 * number);
    }
    store
}

fn apply(criterion: &mut Criterion) {
    let ((store, series), mut random) = (host(), Random(1));
    let (host, metrics) = (store.host("alex", "a1").expect("it was made"), store.metrics());
    let ticks: Vec<Vec<Sample>> = (0..512).map(|number| tick(&series, number, &mut random)).collect();
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(series.len() as u64));
    // A tick each, on and on in time: windows fill and are sealed as they do in a running store.
    let mut numbers = 0..;
    group.bench_function("apply a tick", |bencher| {
        bencher.iter_batched(
            || {
                let number = numbers.next().expect("it does not end");
                let secs = START_SECS + 60 * number;
                if number % TICKS == 0 {
                    host.move_horizon(std::iter::empty(), secs);
                }
                let mut samples = ticks[number as usize % ticks.len()].clone();
                samples.iter_mut().for_each(|sample| sample.secs = secs);
                (samples, secs)
            },
            |(samples, secs)| host.apply(&metrics, &samples, secs),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn sums(criterion: &mut Criterion) {
    let store = filled();
    let all = Selector { cluster: "alex".to_owned(), host: "a1".to_owned(), below: Vec::new() };
    let names = (0..THREADS).map(|thread| format!("hwthread{thread}")).collect();
    let named = Selector { below: vec![Element::Group(names)], ..all.clone() };
    let mut group = criterion.benchmark_group("sum");
    for (name, selector, from_secs) in [
        ("two days", &all, START_SECS),
        ("two days, threads named", &named, START_SECS),
        ("ten minutes", &all, END_SECS - 600),
    ] {
        group.throughput(Throughput::Elements((END_SECS - from_secs) as u64 / 60 * THREADS as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let answer = store.read(black_box(selector), "flops_any", from_secs, END_SECS);
                answer.expect("it is there").data.len()
            });
        });
    }
    group.finish();
}

fn pages(criterion: &mut Criterion) {
    let store = filled();
    let ids: Vec<String> = (0..THREADS).map(|thread| format!("\"{thread}\"")).collect();
    let page = |metric: &str, resolution: i64| {
        format!(
            r#"{{"cluster":"alex","from":{},"to":{END_SECS},"with-stats":true,"queries":[{{"metric":"{metric}",
               "host":"a1","type":"hwthread","type-ids":[{}],"resolution":{resolution}}}]}}"#,
            END_SECS - 31 * 3600,
            ids.join(",")
        )
    };
    let mut group = criterion.benchmark_group("page");
    for (name, metric, resolution) in
        [("two decimals", "flops_any", 0), ("doubles", "ipc", 0), ("doubles, resolution 600", "ipc", 600)]
    {
        let body = page(metric, resolution);
        group.throughput(Throughput::Elements(31 * 60 * THREADS as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let request = Request::parse(black_box(body.as_bytes())).expect("it is a request");
                query::answer(&store, &request, &mut Vec::new()).expect("nothing can fail");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, apply, sums, pages);
criterion_main!(benches);
