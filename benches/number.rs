//! How long a number of an answer takes to print, beside the standard library.

use std::hint::black_box;
use std::io::Write as _;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use treering::query::write_data;

/// Values as collectors send them: loads, bytes, rates, ratios, and some holes.
fn values() -> Vec<f64> {
    let mut state = 1u64;
    (0..4096)
        .map(|index| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let unit = (state >> 11) as f64 / (1u64 << 53) as f64;
            match index % 8 {
                0 => f64::NAN,
                1 | 2 => (unit * 10_000.0).round() / 100.0,
                3 | 4 => unit * 128.0,
                5 => (unit * 1e12).floor(),
                6 => unit * 1e9,
                _ => -unit,
            }
        })
        .collect()
}

fn print(criterion: &mut Criterion) {
    let data = values();
    let mut out = Vec::new();
    let mut group = criterion.benchmark_group("number");
    group.throughput(Throughput::Elements(data.len() as u64));
    group.bench_function("write_data", |bencher| {
        bencher.iter(|| {
            out.clear();
            write_data(&mut out, black_box(&data));
            out.len()
        });
    });
    group.bench_function("format", |bencher| {
        bencher.iter(|| {
            out.clear();
            for value in black_box(&data) {
                let _ = write!(out, "{value:.3},");
            }
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, print);
criterion_main!(benches);
