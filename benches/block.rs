//! Speed of sealing and decoding blocks and the chunks of stamped series, by the shape of the values. Throughput counts
//! values.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use treering::block::{Block, Column, Times};

const SLOTS: usize = 512;

fn shapes() -> Vec<(&'static str, Vec<f64>)> {
    let mut state = 1u64;
    // Uniform in [0, 1), from a linear congruential generator (Knuth's constants): the same values in every run.
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut series = |value: &mut dyn FnMut(f64, f64) -> f64| -> Vec<f64> {
        (0..SLOTS).map(|slot| value(slot as f64, uniform())).collect()
    };
    vec![
        ("constant", series(&mut |_, _| 4.0)),
        ("small integers", series(&mut |slot, _| 200.0 + (3.0 * (slot / 50.0).sin()).trunc())),
        ("counter", series(&mut |slot, random| slot * 1e6 + (random * 1e5).floor())),
        ("2 decimals", series(&mut |slot, random| (5e3 * (slot / 100.0).sin().abs() + 5e3 * random).round() / 100.0)),
        ("3 decimals", series(&mut |slot, random| (5e4 + 1e4 * (slot / 30.0).sin() + 1e3 * random).round() / 1000.0)),
        ("mostly zero", series(&mut |_, random| if random < 0.9 { 0.0 } else { (random * 1e5).round() / 100.0 })),
        ("reciprocals", series(&mut |_, random| 100.0 / (40.0 + (random * 60.0).round()))),
        ("full doubles", series(&mut |_, random| 17.0 * (1.0 + 0.2 * random))),
    ]
}

fn block(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("block");
    group.throughput(Throughput::Elements(SLOTS as u64));
    for (name, slots) in shapes() {
        let Some(block) = Block::seal(0, 60, &slots) else { continue };
        group.bench_function(BenchmarkId::new("seal", name), |bencher| {
            bencher.iter(|| Block::seal(0, 60, black_box(&slots)));
        });
        let mut out = vec![0.0; SLOTS];
        group.bench_function(BenchmarkId::new("decode", name), |bencher| {
            bencher.iter(|| block.decode(0..SLOTS, black_box(&mut out)));
        });
    }
    group.finish();
}

fn column(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("column");
    group.throughput(Throughput::Elements(SLOTS as u64));
    for (name, values) in shapes() {
        let column = Column::seal(&values);
        group.bench_function(BenchmarkId::new("seal", name), |bencher| {
            bencher.iter(|| Column::seal(black_box(&values)));
        });
        let mut out = vec![0.0; SLOTS];
        group.bench_function(BenchmarkId::new("decode", name), |bencher| {
            bencher.iter(|| column.decode(0..SLOTS, black_box(&mut out)));
        });
    }
    group.finish();
}

fn times(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("times");
    group.throughput(Throughput::Elements(SLOTS as u64));
    let time = |at: usize| 1_700_000_000_000 + at as i64 * 15_000;
    // Five bits that look random.
    let jitter = |at: usize| (at as i64).wrapping_mul(0x9E37_79B9) >> 7 & 31;
    let gap = |at: usize| if at > SLOTS / 3 { 400_000 } else { 0 };
    let shapes: [(&str, &dyn Fn(usize) -> i64); 4] = [
        ("even", &time),
        ("jitter", &|at| time(at) + jitter(at)),
        ("drift", &|at| time(at) + at as i64 * 45 / 100),
        ("jitter and a gap", &|at| time(at) + jitter(at) + gap(at)),
    ];
    for (name, time_of) in shapes {
        let times_ms: Vec<i64> = (0..SLOTS).map(time_of).collect();
        let times = Times::seal(&times_ms);
        group.bench_function(BenchmarkId::new("seal", name), |bencher| {
            bencher.iter(|| Times::seal(black_box(&times_ms)));
        });
        let mut out = vec![0; SLOTS];
        group.bench_function(BenchmarkId::new("decode", name), |bencher| {
            bencher.iter(|| times.decode(0..SLOTS, black_box(&mut out)));
        });
    }
    group.finish();
}

criterion_group!(benches, block, column, times);
criterion_main!(benches);
