//! What must hold for any bytes whatsoever, for fuzzers and the test that replays what they found.

use std::sync::Arc;

use super::shape::Shape;
use super::{Column, HistogramColumn, SAMPLES_MAX, Times, Values};
use crate::block::Block;
use crate::model::histogram::FloatHistogram;

/// Reads `data` as everything that is sealed, and as the numbers of something to seal. What is read or sealed comes
/// back bit for bit when it is sealed (again) and read.
pub fn fuzz(data: &[u8]) {
    if let Ok(block) = Block::from_bytes(data.into()) {
        block.decode(0..block.len(), &mut vec![0.0; block.len()]);
    }
    if let Ok(times) = Times::from_bytes(data.into()) {
        let all = times_of(&times);
        assert_eq!((all.first(), all.last()), (Some(&times.first_ms()), Some(&times.last_ms())));
        check_times(&all);
    }
    match Values::from_bytes(data.into()) {
        Ok(Values::Floats(column)) => check_floats(&floats_of(&column)),
        Ok(Values::Histograms(column)) => check_histograms(&column),
        Err(_) => {}
    }
    let (words, _) = data.as_chunks::<8>();
    let numbers: Vec<u64> = words.iter().take(SAMPLES_MAX).map(|word| u64::from_le_bytes(*word)).collect();
    if !numbers.is_empty() {
        check_times(&numbers.iter().map(|number| *number as i64).collect::<Vec<_>>());
        check_floats(&numbers.iter().map(|number| f64::from_bits(*number)).collect::<Vec<_>>());
    }
}

fn times_of(times: &Times) -> Vec<i64> {
    let mut all = vec![0; times.len()];
    times.decode(0..all.len(), &mut all);
    all
}

fn check_times(times_ms: &[i64]) {
    let sealed = Times::seal(times_ms);
    let Ok(read) = Times::from_bytes(Arc::clone(sealed.as_bytes())) else { panic!("{sealed:?} is no times") };
    assert_eq!(times_of(&read), times_ms);
    let (from, to) = (times_ms.len() / 3, times_ms.len() / 2);
    let mut part = vec![0; to - from];
    read.decode(from..to, &mut part);
    assert_eq!(part, times_ms[from..to]);
}

fn floats_of(column: &Column) -> Vec<f64> {
    let mut all = vec![0.0; column.len()];
    column.decode(0..all.len(), &mut all);
    all
}

fn check_floats(values: &[f64]) {
    let sealed = Column::seal(values);
    let Ok(read) = Column::from_bytes(Arc::clone(sealed.as_bytes())) else { panic!("{sealed:?} is no column") };
    let bits = |values: &[f64]| -> Vec<u64> { values.iter().map(|value| value.to_bits()).collect() };
    assert_eq!(bits(&floats_of(&read)), bits(values));
    let (from, to) = (values.len() / 3, values.len() / 2);
    let mut part = vec![0.0; to - from];
    read.decode(from..to, &mut part);
    assert_eq!(bits(&part), bits(&values[from..to]));
}

fn check_histograms(column: &HistogramColumn) {
    let mut all = Vec::new();
    column.decode(0..column.len(), &mut all);
    assert_eq!(all.len(), column.len());
    let all: Vec<_> = all.into_iter().map(Arc::new).collect();
    let sealed = HistogramColumn::seal(&all);
    let Ok(read) = HistogramColumn::from_bytes(Arc::clone(sealed.as_bytes())) else { panic!("{sealed:?}") };
    let (from, to) = (all.len() / 3, all.len() / 2);
    let mut part = Vec::new();
    read.decode(from..to, &mut part);
    assert!(part.iter().zip(&all[from..to]).all(|(part, whole)| are_same(part, whole)));
}

/// Whether histograms are the same bit by bit: two NaN are not equal.
fn are_same(one: &FloatHistogram, other: &FloatHistogram) -> bool {
    let shape = Shape::of(one);
    one.counter_reset_hint == other.counter_reset_hint
        && one.sum.to_bits() == other.sum.to_bits()
        && shape.is_of(other)
        && (0..shape.counts()).all(|at| shape.count(one, at).to_bits() == shape.count(other, at).to_bits())
}
