//! Laws of sealed samples: what is sealed comes back bit for bit, damaged bytes never panic, sizes are what they
//! should be, and the bytes are the documented ones.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Column, ColumnBatch, HistogramColumn, SAMPLES_MAX, Times, Values, fuzz};
use crate::block::BlockError;
use crate::model::histogram::{Buckets, CounterReset, FloatHistogram, Span};
use crate::model::{EMPTY, STALE};
use crate::testing::Random;

fn times() -> impl Strategy<Value = Vec<i64>> {
    let len = 1..=SAMPLES_MAX;
    prop_oneof![
        // Whatever.
        prop::collection::vec(any::<i64>(), len.clone()),
        prop::collection::btree_set(any::<i64>(), len.clone()).prop_map(|times| times.into_iter().collect()),
        // A grid with jitter, drift, and gaps.
        (any::<u64>(), len, 1..100_000i64, 0..300i64, 0..30usize, -5_000_000_000_000..5_000_000_000_000i64).prop_map(
            |(seed, len, step, jitter, gaps, first)| {
                let mut random = Random::new(seed);
                let mut now = first * 1024;
                let drift = random.within(0..1024);
                let mut time = || {
                    let gap = if random.below(1000) < gaps { random.within(1..100) } else { 0 };
                    now += (step * 1024 + drift) * (1 + gap);
                    now / 1024 + random.within(0..jitter + 1)
                };
                (0..len).map(|_| time()).collect()
            }
        ),
        // Start times: unknown, or the same for long.
        (any::<u64>(), 1..200usize, 1..30usize).prop_map(|(seed, len, runs)| {
            let mut random = Random::new(seed);
            let starts = [0, 0, 1_700_000_000_000, 1_700_000_123_456, -1];
            let mut start = 0;
            let mut next = |at: usize| {
                if at.is_multiple_of(runs) {
                    start = *random.pick(&starts);
                }
                start
            };
            (0..len).map(&mut next).collect()
        }),
    ]
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    let len = 1..=SAMPLES_MAX;
    let special = prop_oneof![
        4 => Just(STALE),
        1 => Just(EMPTY),
        1 => Just(f64::NAN),
        1 => Just(-0.0),
        1 => any::<u64>().prop_map(f64::from_bits),
    ];
    prop_oneof![
        prop::collection::vec(any::<u64>().prop_map(f64::from_bits), len.clone()),
        (any::<u64>(), len.clone()).prop_map(|(bits, len)| vec![f64::from_bits(bits); len]),
        (any::<u64>(), len.clone(), 0..5u32).prop_map(|(seed, len, decimals)| {
            let mut random = Random::new(seed);
            (0..len).map(|_| random.within(-5000..5000) as f64 / f64::from(10u32.pow(decimals))).collect()
        }),
        prop::collection::vec(prop_oneof![9 => (0..100i32).prop_map(f64::from), 1 => special.clone()], len.clone()),
        prop::collection::vec(prop_oneof![1 => (0..100i32).prop_map(f64::from), 4 => special], len),
    ]
}

fn histograms() -> impl Strategy<Value = Vec<Arc<FloatHistogram>>> {
    (any::<u64>(), 1..200usize, 0..30usize, any::<bool>()).prop_map(|(seed, len, changes, is_whole)| {
        let mut random = Random::new(seed);
        let mut now = any_histogram(&mut random);
        let mut next = || {
            if random.below(100) < changes {
                now = any_histogram(&mut random);
            }
            let mut grow = |number: &mut f64| *number += if is_whole { random.below(90) as f64 } else { random.unit() };
            now.positive.counts.iter_mut().chain(&mut now.negative.counts).for_each(&mut grow);
            grow(&mut now.zero_count);
            grow(&mut now.count);
            grow(&mut now.sum);
            if random.percent(2) {
                let hints = [CounterReset::Unknown, CounterReset::Reset, CounterReset::NotReset, CounterReset::Gauge];
                now.counter_reset_hint = *random.pick(&hints);
            }
            Arc::new(now.clone())
        };
        (0..len).map(|_| next()).collect()
    })
}

/// Spans and counts need not agree: what was accepted comes back as it was.
fn any_histogram(random: &mut Random) -> FloatHistogram {
    let mut side = |most: usize| {
        let spans = (0..random.below(5)).map(|_| Span { offset: random.bits() as i32, length: random.below(9) as u32 });
        let spans = spans.collect();
        Buckets::new(spans, (0..random.below(most)).map(|_| random.below(1000) as f64).collect())
    };
    let (positive, negative) = (side(40), side(9));
    FloatHistogram {
        schema: *random.pick(&[0, 3, 8, -4, -53]),
        zero_threshold: *random.pick(&[0.0, 1e-128, f64::NAN]),
        zero_count: random.below(9) as f64,
        count: *random.pick(&[5.0, 9_007_199_254_740_992.0, f64::INFINITY]),
        sum: *random.pick(&[1.5, STALE, -0.0]),
        positive,
        negative,
        custom_bounds: match random.below(3) {
            0 => None,
            length => Some((0..length * 3 - 3).map(|bound| bound as f64 / 7.0).collect()),
        },
        ..FloatHistogram::default()
    }
}

/// All bits of a histogram.
fn bits_of(histogram: &FloatHistogram) -> impl PartialEq + std::fmt::Debug + use<> {
    let numbers = [histogram.zero_threshold, histogram.zero_count, histogram.count, histogram.sum];
    let side = |side: &Buckets| (side.spans.clone(), bits(&side.counts));
    let bounds = histogram.custom_bounds.as_ref().map(|bounds| bits(bounds));
    let sides = [side(&histogram.positive), side(&histogram.negative)];
    (histogram.counter_reset_hint, histogram.schema, bits(&numbers), sides, bounds)
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn part(from: usize, to: usize, len: usize) -> std::ops::Range<usize> {
    from.min(to).min(len)..from.max(to).min(len)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_range_of_times_comes_back(times_ms in times(), from in 0..1100usize, to in 0..1100usize, at: i64) {
        let sealed = Times::seal(&times_ms);
        let times = Times::from_bytes(sealed.as_bytes().clone()).unwrap();
        prop_assert_eq!(times.len(), times_ms.len());
        prop_assert_eq!((times.first_ms(), times.last_ms()), (times_ms[0], times_ms[times_ms.len() - 1]));
        let ascends = times_ms.windows(2).all(|pair| pair[0] < pair[1]);
        prop_assert_eq!(times.is_ascending(), ascends);
        let range = part(from, to, times_ms.len());
        let mut out = vec![7; range.len()];
        times.decode(range.clone(), &mut out);
        prop_assert_eq!(&out[..], &times_ms[range]);
        if ascends {
            for at in [at, times_ms[from % times_ms.len()], times_ms[to % times_ms.len()].wrapping_add(1)] {
                prop_assert_eq!(times.count_before(at), times_ms.partition_point(|time_ms| *time_ms < at));
            }
        }
        prop_assert!(times.as_bytes().len() <= 40 + 8 * times_ms.len(), "{:?}", times);
    }

    #[test]
    fn every_range_of_values_comes_back(values in values(), from in 0..1100usize, to in 0..1100usize) {
        let mut batch = ColumnBatch::default();
        batch.seal(&values[..1]);
        batch.seal(&values);
        let sealed: Vec<Column> = batch.columns().collect();
        prop_assert_eq!(&sealed, &vec![Column::seal(&values[..1]), Column::seal(&values)]);
        let column = Column::from_bytes(sealed[1].as_bytes().clone()).unwrap();
        prop_assert_eq!(column.len(), values.len());
        let range = part(from, to, values.len());
        let mut out = vec![7.0; range.len()];
        column.decode(range.clone(), &mut out);
        prop_assert_eq!(bits(&out), bits(&values[range]));
        let at = from % values.len();
        prop_assert_eq!(column.get(at).to_bits(), values[at].to_bits());
        if let Some(constant) = column.constant() {
            prop_assert!(values.iter().all(|value| value.to_bits() == constant.to_bits()));
        }
        prop_assert!(column.as_bytes().len() <= 4 + 8 * values.len(), "{:?} is larger than raw values", column);
    }

    #[test]
    fn every_range_of_histograms_comes_back(histograms in histograms(), from in 0..300usize, to in 0..300usize) {
        let sealed = HistogramColumn::seal(&histograms);
        let column = HistogramColumn::from_bytes(sealed.as_bytes().clone()).unwrap();
        prop_assert_eq!(column.len(), histograms.len());
        let range = part(from, to, histograms.len());
        let mut out = vec![FloatHistogram::default()];
        column.decode(range.clone(), &mut out);
        prop_assert_eq!(out.len(), 1 + range.len());
        for (decoded, sealed) in out[1..].iter().zip(&histograms[range]) {
            prop_assert_eq!(bits_of(decoded), bits_of(sealed));
        }
    }

    #[test]
    fn damaged_bytes_never_panic(
        values in values(), times_ms in times(), histograms in histograms(), cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
    ) {
        let sealed = [
            Column::seal(&values).as_bytes().to_vec(),
            Times::seal(&times_ms).as_bytes().to_vec(),
            HistogramColumn::seal(&histograms).as_bytes().to_vec(),
        ];
        for mut bytes in sealed {
            for (index, byte, is_near) in &damage {
                // Half of the damage hits the heads, where it does most.
                let at = index.index(if *is_near { bytes.len().min(24) } else { bytes.len() });
                bytes[at] ^= byte;
            }
            fuzz(&bytes);
            fuzz(&bytes[..cut.index(bytes.len())]);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
        fuzz(&[&[0x80, 3][..], &bytes].concat());
    }
}

#[test]
fn the_ends_of_time_come_back() {
    let ends = [i64::MIN, -1, 0, 1, i64::MAX];
    for times_ms in [&ends[..], &ends[..1], &ends[4..], &[i64::MAX, i64::MIN], &[i64::MIN, i64::MAX]] {
        let times = Times::seal(times_ms);
        let mut out = vec![0; times_ms.len()];
        times.decode(0..times_ms.len(), &mut out);
        assert_eq!(out, times_ms);
        fuzz(times.as_bytes());
    }
    let times = Times::seal(&ends);
    assert_eq!([i64::MIN, 0, 2, i64::MAX].map(|at| times.count_before(at)), [0, 2, 4, 4]);
    assert!(times.is_ascending() && times.ptr_eq(&times.clone()) && !times.ptr_eq(&Times::seal(&ends)));
}

/// Bits a time beyond the head.
fn bits_a_time(times_ms: &[i64]) -> usize {
    (Times::seal(times_ms).as_bytes().len() - 22) * 8 / times_ms.len()
}

#[test]
fn times_of_scrapes_take_little() {
    let even: Vec<i64> = (0..1000).map(|at| 1_700_000_000_123 + at * 15_000).collect();
    assert_eq!(Times::seal(&even).as_bytes().len(), 15);
    assert_eq!(Times::seal(&even).step_ms(), Some(15_000));
    let mut random = Random::new(1);
    let jittered: Vec<i64> = even.iter().map(|time_ms| time_ms + random.within(-2..3)).collect();
    assert_eq!(Times::seal(&jittered).step_ms(), None);
    assert!(bits_a_time(&jittered) <= 3, "{}", bits_a_time(&jittered));
    // A clock that is 30 ppm off.
    let drifting: Vec<i64> = (0..1000).map(|at| 1_700_000_000_123 + at * 15_000 + at * 450 / 1000).collect();
    assert!(bits_a_time(&drifting) <= 1, "{}", bits_a_time(&drifting));
    // A target that was down twice, and 120 samples are not many to pay for it.
    let gap = |at: usize| if at > 80 { 400_000 } else { i64::from(at > 30) * 15_000 };
    let gapped: Vec<i64> = jittered[..120].iter().enumerate().map(|(at, time_ms)| time_ms + gap(at)).collect();
    assert!(bits_a_time(&gapped) <= 5, "{}", bits_a_time(&gapped));
}

#[test]
fn staleness_markers_do_not_spoil_the_codec() {
    let clean: Vec<f64> = (0..120).map(|at| f64::from(at * 37 % 100) / 100.0).collect();
    let mut ended = clean.clone();
    for at in [3, 70, 119] {
        ended[at] = STALE;
    }
    let (clean, ended) = (Column::seal(&clean), Column::seal(&ended));
    assert_eq!(ended.codec(), clean.codec());
    assert!(ended.as_bytes().len() <= clean.as_bytes().len() + 7, "{ended:?} against {clean:?}");
    // Where most are markers, they are what is left out.
    let mut gone = vec![STALE; 120];
    gone[60] = 3.25;
    assert!(Column::seal(&gone).as_bytes().len() < 32);
    assert_eq!(Column::seal(&[STALE; 9]).constant().map(f64::to_bits), Some(STALE.to_bits()));
}

#[test]
fn counts_of_histograms_are_packed_as_counters() {
    let mut random = Random::new(5);
    let mut now = FloatHistogram {
        schema: 3,
        zero_threshold: 1e-128,
        positive: Buckets::contiguous(-10, vec![1e6; 40]),
        ..FloatHistogram::default()
    };
    let mut next = || {
        for count in &mut now.positive.counts {
            let more = random.below(8) as f64;
            *count += more;
            now.count += more;
        }
        now.sum = now.count * 3.0;
        Arc::new(now.clone())
    };
    let histograms: Vec<_> = (0..120).map(|_| next()).collect();
    let column = HistogramColumn::seal(&histograms);
    // 40 counts of about three bits each, and what heads cost.
    assert!(column.as_bytes().len() < 120 * 21, "{column:?}");
}

#[test]
fn what_is_wrong_is_named() {
    let error = |bytes: &[u8]| Values::from_bytes(bytes.into()).unwrap_err().to_string();
    assert_eq!(error(&[]), "the first byte of the values at byte 0 needs 1 bytes, 0 are left");
    assert_eq!(error(&[1, 0xFF, 0x7F]), "the number of samples is 16384, expected 1 to 1024");
    assert_eq!(error(&[0x85, 0]), "the first byte of the histograms is 133, expected 128 to 132");
    assert!(matches!(Times::from_bytes([1, 0][..].into()), Err(BlockError::Field { found: 1, .. })));
    let mut times = Times::seal(&[5, 9, 100]).as_bytes().to_vec();
    times[0] ^= 8;
    let wrong = Times::from_bytes(times.into()).unwrap_err().to_string();
    assert_eq!(wrong, "the ascending is 0, expected what the times are");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_bytes_are_pinned_and_documented() {
    let decimals = [20.25, 21.5, 19.75, 20.0, 22.25, STALE, 21.0, 20.5];
    let histogram = |count: f64, hint| {
        Arc::new(FloatHistogram {
            counter_reset_hint: hint,
            schema: 1,
            zero_threshold: 0.25,
            zero_count: 1.0,
            count,
            sum: 2.5,
            positive: Buckets::new(
                vec![Span { offset: -1, length: 1 }, Span { offset: 2, length: 2 }],
                vec![count, 2.0, 0.0],
            ),
            ..FloatHistogram::default()
        })
    };
    let custom = Arc::new(FloatHistogram {
        schema: -53,
        count: 3.0,
        sum: 1.5,
        positive: Buckets::contiguous(0, vec![1.0, 2.0]),
        custom_bounds: Some([0.5].into()),
        ..FloatHistogram::default()
    });
    let (unknown, not_reset) = (CounterReset::Unknown, CounterReset::NotReset);
    let columns = [histogram(7.0, unknown), histogram(9.0, not_reset), custom];
    let golden = [
        ("even times", Times::seal(&[1_700_000_000_000, 1_700_000_015_000, 1_700_000_030_000]).as_bytes().clone()),
        ("one time", Times::seal(&[-1]).as_bytes().clone()),
        (
            "times with jitter",
            Times::seal(&[1_700_000_000_000, 1_700_000_015_002, 1_700_000_029_999, 1_700_000_045_001])
                .as_bytes()
                .clone(),
        ),
        ("start times", Times::seal(&[0, 0, 1_700_000_000_000]).as_bytes().clone()),
        ("decimals with a staleness marker", Column::seal(&decimals).as_bytes().clone()),
        ("constant", Column::seal(&[42.0; 200]).as_bytes().clone()),
        ("histograms", HistogramColumn::seal(&columns).as_bytes().clone()),
    ];
    let document = include_str!("../../../docs/formats/stamped.md");
    let mut wrong = String::new();
    for (name, bytes) in golden {
        fuzz(&bytes);
        let line = format!("{name}: `{}`", hex(&bytes));
        if !document.contains(&line) {
            wrong += &format!("- {line}\n");
        }
    }
    assert!(wrong.is_empty(), "sealed other bytes than the documented ones:\n{wrong}");
}
