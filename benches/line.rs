//! How long reading a line takes, by kind of line.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use treering::formats::line::{lines, parse_key, seconds, split};

/// One kind of line a row: its name and a line of the kind, `#` standing for a running number.
const KINDS: [(&str, &str); 6] = [
    ("short_float", "flops_any,cluster=alex,hostname=a0001,type=hwthread,type-id=12 value=0.65# 1770244800"),
    ("long_float", "cpu_user,cluster=alex,hostname=a0001,type=node,unit=Percent value=2.5001632594#7 1770244800"),
    (
        "seventeen_digits",
        "cpu_user,cluster=alex,hostname=a0001,type=node,unit=Percent value=97.501632594107#54 1770244800",
    ),
    (
        "exponent",
        "net_bytes_in,cluster=alex,hostname=a0001,type=node,stype=network,stype-id=eth0 value=1.23456#e+07 1770244800",
    ),
    ("integer", "mem_used,cluster=alex,hostname=a0001,type=node value=4711#i 1770244800000000000"),
    (
        "escaped",
        "disk_free,cluster=alex,hostname=a0001,type=node,stype=filesystem,stype-id=my\\ disk value=4711# 1770244800",
    ),
];

const LINES: usize = 1000;

fn body(line: &str) -> Vec<u8> {
    (0..LINES).flat_map(|number| (line.replace('#', &format!("{number:03}")) + "\n").into_bytes()).collect()
}

fn splitting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("split");
    group.throughput(Throughput::Elements(LINES as u64));
    for (name, line) in KINDS {
        let body = body(line);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut sum = 0.0;
                for line in lines(black_box(&body)) {
                    if let Ok(Some(split)) = split(line) {
                        sum += split.value + split.time.map_or(0, seconds) as f64 + split.key.len() as f64;
                    }
                }
                sum
            });
        });
    }
    group.finish();
}

fn keys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse_key");
    for (name, line) in KINDS {
        let Ok(Some(split)) = split(line.as_bytes().split(|&byte| byte == b'#').next().unwrap_or_default()) else {
            continue;
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| black_box(split.key), parse_key, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, splitting, keys);
criterion_main!(benches);
