//! Histograms for tests: described ones, and random ones of a seed.

use super::buckets::{Buckets, Span};
use super::description::Described;
use super::float_histogram::FloatHistogram;
use super::reset::CounterReset;
use super::schema::SCHEMA_CUSTOM;
use crate::testing::Random;

/// The histogram of a description that is known to be right.
pub(super) fn described(text: &str) -> FloatHistogram {
    match Described::parse(text) {
        Ok((described, length)) if length == text.len() => described.histogram,
        other => panic!("{text}: {other:?}"),
    }
}

/// What may be added to each other without a count that lies on both sides of something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Any custom bounds.
    Custom,
    /// Any schema, and zero buckets that end at a bound of every schema.
    Aligned,
    /// One schema, and zero buckets that end anywhere.
    OneSchema,
}

impl Kind {
    pub(super) fn random(random: &mut Random) -> Kind {
        *random.pick(&[Kind::Custom, Kind::Aligned, Kind::OneSchema])
    }
}

/// A valid histogram with whole counts, so that sums are exact.
pub(super) fn random(random: &mut Random, kind: Kind) -> FloatHistogram {
    let mut histogram = FloatHistogram { sum: random.within(-500..500) as f64, ..FloatHistogram::default() };
    if kind == Kind::Custom {
        let bounds: Vec<f64> = (0..12).filter(|_| random.percent(60)).map(|bound| f64::from(bound) - 3.0).collect();
        let length = random.below(bounds.len() + 2);
        histogram.schema = SCHEMA_CUSTOM;
        histogram.positive = Buckets::contiguous(0, counts(random, length));
        histogram.positive.compact(None, random.below(3));
        histogram.custom_bounds = Some(bounds.into());
    } else {
        let aligned = kind == Kind::Aligned;
        histogram.schema = if aligned { random.within(-4..9) as i32 } else { 2 };
        let thresholds = if aligned { [0.0, 2f64.powi(-64), 2f64.powi(-16), 1.0] } else { [0.0, 0.001, 0.3, 1.5] };
        histogram.zero_threshold = *random.pick(&thresholds);
        histogram.zero_count = random.below(5) as f64;
        histogram.positive = side(random);
        histogram.negative = side(random);
        // What lies in the zero bucket is counted there.
        let in_zero = histogram.in_zero();
        for side in [&mut histogram.positive, &mut histogram.negative] {
            let inside = side.indexed().take_while(|&(index, _)| in_zero(index)).count();
            side.counts[..inside].fill(0.0);
        }
    }
    let all = histogram.positive.counts.iter().chain(&histogram.negative.counts);
    histogram.count = histogram.zero_count + all.sum::<f64>();
    histogram.validate().unwrap();
    histogram
}

fn counts(random: &mut Random, length: usize) -> Vec<f64> {
    (0..length).map(|_| if random.percent(30) { 0.0 } else { random.below(100) as f64 }).collect()
}

fn side(random: &mut Random) -> Buckets {
    let mut spans = Vec::new();
    for at in 0..random.below(4) {
        let offset = random.within(if at == 0 { -20..20 } else { 0..6 }) as i32;
        spans.push(Span { offset, length: random.below(6) as u32 });
    }
    let length = spans.iter().map(|span| span.length as usize).sum();
    Buckets::new(spans, counts(random, length))
}

/// Anything at all, mostly invalid.
pub(super) fn nonsense(random: &mut Random) -> FloatHistogram {
    fn number(random: &mut Random) -> f64 {
        match random.below(4) {
            0 => f64::from_bits(random.bits()),
            1 => *random.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MAX, 5e-324]),
            _ => random.within(-9..9) as f64,
        }
    }
    fn numbers(random: &mut Random) -> Vec<f64> {
        (0..random.below(6)).map(|_| number(random)).collect()
    }
    fn wild(random: &mut Random) -> Buckets {
        let offset = |random: &mut Random| match random.below(3) {
            0 => random.bits() as i32,
            _ => random.within(-3..4) as i32,
        };
        let length = |random: &mut Random| if random.percent(10) { u32::MAX } else { random.below(4) as u32 };
        let spans = (0..random.below(4)).map(|_| Span { offset: offset(random), length: length(random) }).collect();
        Buckets::new(spans, numbers(random))
    }
    let hints = [CounterReset::Unknown, CounterReset::Reset, CounterReset::NotReset, CounterReset::Gauge];
    FloatHistogram {
        counter_reset_hint: *random.pick(&hints),
        schema: *random.pick(&[0, 1, -4, 8, SCHEMA_CUSTOM, SCHEMA_CUSTOM, 9, -9, i32::MAX, i32::MIN]),
        zero_threshold: number(random),
        zero_count: number(random),
        count: number(random),
        sum: number(random),
        positive: wild(random),
        negative: wild(random),
        custom_bounds: random.percent(60).then(|| numbers(random).into()),
    }
}
