//! What a tick of one host costs in the log: nanoseconds and bytes a sample, written and replayed.
//!
//! The host is a GPU node: 26 node metrics, 128 hardware threads × 6, 2 sockets × 5, 8 accelerators × 7: 860 series.

#![expect(clippy::expect_used, reason = "a benchmark on data of its own may fail by panicking")]

#[path = "shared/random.rs"]
mod random;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use treering::formats::native::{self, Entry, Record, SegmentReader};
use treering::model::{Sample, SeriesId};

use random::Random;

/// The kinds of values, by metric.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Constant,
    SmallInteger,
    ThreeDecimals,
    TwoDecimals,
    MostlyZero,
    Double,
}

use Kind::{Constant, Double, MostlyZero, SmallInteger, ThreeDecimals, TwoDecimals};

/// Series a metric, and its kind.
fn metrics() -> Vec<(u32, Kind)> {
    let kinds = [Constant, SmallInteger, ThreeDecimals, TwoDecimals, MostlyZero, Double];
    let mut metrics: Vec<(u32, Kind)> = (0..26).map(|metric| (1, kinds[metric % 6])).collect();
    metrics.extend([TwoDecimals, TwoDecimals, Double, Double, MostlyZero, ThreeDecimals].map(|kind| (128, kind)));
    metrics.extend([Double, ThreeDecimals, ThreeDecimals, SmallInteger, SmallInteger].map(|kind| (2, kind)));
    let accelerators = [SmallInteger, SmallInteger, ThreeDecimals, SmallInteger, SmallInteger, Constant, SmallInteger];
    metrics.extend(accelerators.map(|kind| (8, kind)));
    metrics
}

fn value(kind: Kind, random: &mut Random, tick: u32, series: u32) -> f64 {
    let base = f64::from(series % 97) + 3.0;
    let tick = f64::from(tick);
    let rounded = |value: f64, one: f64| (value * one).round() / one;
    match kind {
        Constant => f64::from(series % 5),
        SmallInteger => (base * 4.0).trunc() + (3.0 * (tick / 50.0 + base).sin()).trunc(),
        ThreeDecimals => rounded(base + 10.0 * (tick / 30.0).sin() + random.next(), 1000.0),
        TwoDecimals => rounded((100.0 * (tick / 100.0 + base).sin()).abs() * 0.5 + 50.0 * random.next(), 100.0),
        MostlyZero if !series.is_multiple_of(3) => 0.0,
        MostlyZero => base * 1e9 * (1.0 + 0.1 * random.next()),
        Double => base * (1.0 + 0.2 * random.next()),
    }
}

/// One body: every series once, in the order of creation.
fn tick(number: u32, metrics: &[(u32, Kind)], random: &mut Random) -> Vec<Sample> {
    let series = metrics.iter().flat_map(|&(count, kind)| std::iter::repeat_n(kind, count as usize));
    let secs = 1_700_000_000 + 60 * i64::from(number);
    (0..)
        .zip(series)
        .map(|(series, kind)| Sample { series: SeriesId(series), secs, value: value(kind, random, number, series) })
        .collect()
}

fn encode(out: &mut Vec<u8>, samples: &[Sample]) {
    native::append_record(out, |out| native::encode_samples(out, 3, samples[0].secs + 2, &[], samples))
        .expect("a tick is within the limits");
}

fn decode(bytes: &[u8], samples: &mut Vec<Sample>) -> usize {
    let mut count = 0;
    for entry in SegmentReader::open(bytes).expect("a segment") {
        let Entry::Record { payload, .. } = entry else { panic!("damage: {entry:?}") };
        let Ok(Record::Samples(record)) = Record::parse(payload) else { panic!("a record of samples") };
        record.read(samples).expect("samples");
        count += black_box(&*samples).len();
    }
    count
}

fn log(criterion: &mut Criterion) {
    const TICKS: u32 = 64;
    let mut shapes = vec![("mixed", metrics())];
    for kind in [Constant, SmallInteger, ThreeDecimals, TwoDecimals, MostlyZero, Double] {
        shapes.push((Box::leak(format!("{kind:?}").into_boxed_str()), vec![(860, kind)]));
    }
    for (name, metrics) in shapes {
        let mut random = Random::new(1);
        let ticks: Vec<Vec<Sample>> = (0..TICKS).map(|number| tick(number, &metrics, &mut random)).collect();
        let samples_count = ticks.iter().map(Vec::len).sum::<usize>();
        let mut segment = Vec::new();
        native::append_header(&mut segment, &native::FileHeader { shard: 0, sequence: 1, created_secs: 1_700_000_000 });
        for samples in &ticks {
            encode(&mut segment, samples);
        }
        println!("{name}: {:.2} bytes a sample", segment.len() as f64 / samples_count as f64);

        let mut group = criterion.benchmark_group(format!("log/{name}"));
        group.throughput(Throughput::Elements(samples_count as u64));
        group.bench_function("encode", |bencher| {
            let reused = || Vec::with_capacity(64 << 10);
            bencher.iter_batched_ref(
                reused,
                |out| {
                    for samples in &ticks {
                        out.clear();
                        encode(out, black_box(samples));
                    }
                },
                BatchSize::LargeInput,
            );
        });
        group.bench_function("decode", |bencher| {
            let mut samples = Vec::new();
            bencher.iter(|| decode(black_box(&segment), &mut samples));
        });
        group.finish();
    }
}

criterion_group!(benches, log);
criterion_main!(benches);
