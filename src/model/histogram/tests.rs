//! Histograms as a whole: what must hold for all of them, tried on random ones.

use std::collections::BTreeMap;

use super::samples::{Kind, described, nonsense, random};
use super::schema::target_index;
use super::*;
use crate::testing::Random;

const ROUNDS: u64 = 2_000;

/// Runs a test with many seeds; a failure names its seed.
fn with_seeds(test: impl Fn(&mut Random) + std::panic::RefUnwindSafe) {
    for seed in 0..ROUNDS {
        let outcome = std::panic::catch_unwind(|| test(&mut Random::new(seed)));
        if let Err(panic) = outcome {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Populated buckets of a side by index.
fn populated(side: &Buckets) -> BTreeMap<i32, f64> {
    side.indexed().filter(|&(_, count)| count != 0.0).collect()
}

fn pair(numbers: &mut Random) -> (FloatHistogram, FloatHistogram) {
    let kind = Kind::random(numbers);
    (random(numbers, kind), random(numbers, kind))
}

fn in_buckets(histogram: &FloatHistogram) -> f64 {
    histogram.all_buckets().map(|bucket| bucket.count).sum()
}

#[test]
fn buckets_ascend_and_never_overlap() {
    with_seeds(|numbers| {
        let kind = Kind::random(numbers);
        let histogram = random(numbers, kind);
        let buckets: Vec<Bucket> = histogram.all_buckets().filter(|bucket| bucket.count > 0.0).collect();
        for pair in buckets.windows(2) {
            // Two buckets inside of the zero bucket are the one exception: the zero bucket clips nothing away.
            let inside = |bucket: &Bucket| bucket.lower.abs().max(bucket.upper.abs()) <= histogram.zero_threshold;
            let clipped = pair.iter().any(|bucket| inside(bucket) || bucket.lower >= bucket.upper);
            assert!(clipped || pair[0].upper <= pair[1].lower, "{histogram}");
        }
        let mut backwards: Vec<Bucket> = histogram.all_buckets().rev().collect();
        backwards.reverse();
        assert_eq!(backwards, histogram.all_buckets().collect::<Vec<_>>());
    });
}

#[test]
fn compacting_changes_no_populated_bucket() {
    with_seeds(|numbers| {
        let histogram = random(numbers, Kind::Aligned);
        let empty_max = numbers.below(4);
        let mut compacted = histogram.clone();
        compacted.compact(empty_max);
        compacted.validate().unwrap();
        for (side, before) in [(&compacted.positive, &histogram.positive), (&compacted.negative, &histogram.negative)] {
            assert_eq!(populated(side), populated(before));
            assert!(side.spans.iter().all(|span| span.length > 0));
            assert!(side.spans.iter().skip(1).all(|span| span.offset as usize > empty_max));
            let ends = [side.counts.first(), side.counts.last()];
            assert!(ends.iter().flatten().all(|count| **count != 0.0), "no side begins or ends with an empty bucket");
            let mut run = 0;
            for count in &side.counts {
                run = if *count == 0.0 { run + 1 } else { 0 };
                assert!(run <= empty_max);
            }
        }
        let once = compacted.clone();
        compacted.compact(empty_max);
        assert_eq!((&compacted.positive, &compacted.negative), (&once.positive, &once.negative));
    });
}

#[test]
fn a_coarser_schema_is_the_sum_of_its_parts() {
    with_seeds(|numbers| {
        let histogram = random(numbers, Kind::Aligned);
        let schema = numbers.within(-4..i64::from(histogram.schema) + 1) as i32;
        let reduced = histogram.reduced_to(schema).unwrap();
        reduced.validate().unwrap();
        let mut expected = BTreeMap::new();
        for (index, count) in populated(&histogram.negative) {
            *expected.entry(target_index(index, histogram.schema, schema)).or_insert(0.0) += count;
        }
        assert_eq!(populated(&reduced.negative), expected);
        assert_eq!(in_buckets(&reduced), in_buckets(&histogram));
    });
}

#[test]
fn sums_lose_nothing_whatever_the_layouts() {
    with_seeds(|numbers| {
        let (own, other) = pair(numbers);
        let mut sum = own.clone();
        let combined = sum.add(&other).unwrap();
        sum.validate().unwrap();
        assert_eq!(combined.bounds_reconciled, own.bounds() != other.bounds());
        assert_eq!(in_buckets(&sum), in_buckets(&own) + in_buckets(&other));
        assert_eq!((sum.count, sum.sum), (own.count + other.count, own.sum + other.sum));
        let mut turned = other.clone();
        assert_eq!(turned.add(&own).unwrap(), combined);
        for histogram in [&mut sum, &mut turned] {
            histogram.compact(0);
        }
        assert_eq!(sum, turned);
        // Compensated sums of whole numbers are plain sums.
        let mut compensated = HistogramSum::new(own.clone());
        assert_eq!(compensated.add(&other).unwrap(), combined);
        let mut compensated = compensated.into_value();
        compensated.compact(0);
        assert_eq!(compensated, sum);
        // Twice the same is their mean.
        let mut mean = HistogramMean::new(own.clone());
        let _ = mean.add(&own).unwrap();
        let (mut mean, mut alone) = (mean.into_value(), own);
        mean.compact(0);
        alone.compact(0);
        assert_eq!(mean, alone);
    });
}

#[test]
fn a_difference_is_the_way_back() {
    with_seeds(|numbers| {
        let (own, other) = pair(numbers);
        let mut total = own.clone();
        let _ = total.add(&other).unwrap();
        let mut back = total.clone();
        let _ = back.sub(&other).unwrap();
        // What the sum has made coarser stays so: nothing was added to a histogram without counts of the same layout.
        let mut nothing = total.clone();
        nothing.mul(0.0);
        let mut coarse = own;
        let _ = coarse.add(&nothing).unwrap();
        for histogram in [&mut back, &mut coarse] {
            histogram.compact(0);
        }
        assert_eq!(back, coarse);
    });
}

#[test]
fn compensated_sums_keep_small_parts_across_layouts() {
    with_seeds(|numbers| {
        let (small, mut large) = pair(numbers);
        large.mul(2f64.powi(80));
        let mut sum = HistogramSum::new(small.clone());
        let mut exact = small.clone();
        let mut zero = large.clone();
        zero.mul(0.0);
        let _ = exact.add(&zero).unwrap();
        let _ = sum.add(&large).unwrap();
        large.mul(-1.0);
        let _ = sum.add(&large).unwrap();
        let mut sum = sum.into_value();
        sum.compact(0);
        exact.compact(0);
        // Where the large one moved the zero bucket into the small one's buckets, those stay there.
        if sum.zero_threshold == exact.zero_threshold {
            assert_eq!(sum, exact, "{small} and {large}");
        }
        assert_eq!(in_buckets(&sum), in_buckets(&small));
    });
}

#[test]
fn growth_is_no_reset_and_loss_is_one() {
    with_seeds(|numbers| {
        let (before, more) = pair(numbers);
        let mut after = before.clone();
        let _ = after.add(&more).unwrap();
        assert!(!after.detect_reset(&before), "{before} then {after}");
        for hint in [CounterReset::Reset, CounterReset::NotReset] {
            after.counter_reset_hint = hint;
            assert_eq!(after.detect_reset(&before), hint == CounterReset::Reset);
        }
        after.counter_reset_hint = CounterReset::Gauge;
        let mut lost = after.clone();
        let places = lost.positive.counts.iter_mut().chain(&mut lost.negative.counts);
        if let Some(count) = places.filter(|count| **count > 0.0).max_by(|a, b| a.total_cmp(b)) {
            *count -= 1.0;
            assert!(lost.detect_reset(&after), "{after} then {lost}");
            assert!(!after.detect_reset(&lost));
        }
    });
}

#[test]
fn trims_cut_a_histogram_in_two() {
    with_seeds(|numbers| {
        let kind = Kind::random(numbers);
        let histogram = random(numbers, kind);
        let at = numbers.within(-4000..4000) as f64 / 1000.0;
        let [mut below, mut above] = [histogram.clone(), histogram.clone()];
        below.trim(at, Trim::KeepBelow);
        above.trim(at, Trim::KeepAbove);
        for part in [&below, &above] {
            part.validate().unwrap();
            assert!(part.count <= histogram.count + 1e-9);
        }
        let endless = |bucket: Bucket| {
            bucket.count > 0.0 && bucket.lower < at && bucket.upper > at && (bucket.upper - bucket.lower).is_infinite()
        };
        if !histogram.all_buckets().any(endless) {
            assert!((below.count + above.count - histogram.count).abs() < 1e-9, "{histogram} at {at}");
        }
        let mut all = histogram.clone();
        all.trim(f64::INFINITY, Trim::KeepBelow);
        assert_eq!(all, histogram, "nothing is cut off");
    });
}

#[test]
fn descriptions_are_read_back() {
    with_seeds(|numbers| {
        let kind = Kind::random(numbers);
        let mut histogram = random(numbers, kind);
        let hints = [CounterReset::Unknown, CounterReset::Reset, CounterReset::NotReset, CounterReset::Gauge];
        histogram.counter_reset_hint = *numbers.pick(&hints);
        let text = histogram.describe();
        let mut back = match (kind, histogram.bounds().is_empty()) {
            // An empty list of bounds cannot be written.
            (Kind::Custom, true) => return,
            _ => described(&text),
        };
        assert_eq!(back.describe(), text);
        back.compact(0);
        histogram.compact(0);
        assert_eq!(back, histogram, "{text}");
        assert_eq!(back.counter_reset_hint, histogram.counter_reset_hint);
    });
}

#[test]
fn nonsense_is_refused_or_harmless() {
    with_seeds(|numbers| {
        let (mut own, other) = (nonsense(numbers), nonsense(numbers));
        let _ = own.validate();
        let _ = (own.to_string(), own.size_bytes(), own == other, own.detect_reset(&other), own.has_overflow());
        let _ = (own.describe().len(), own.all_buckets().rev().count(), own.reduced_to(-2));
        own.write_json(&mut Vec::new());
        let at = other.sum;
        for trim in [Trim::KeepBelow, Trim::KeepAbove] {
            own.clone().trim(at, trim);
        }
        let mut mean = HistogramMean::new(own.clone());
        let _ = (own.clone().add(&other), own.clone().sub(&other), mean.add(&other), mean.add(&own));
        let _ = mean.into_value();
        own.mul(other.sum);
        own.div(other.count);
        own.compact(3);
    });
}
