//! Stamped series as anybody would write them down: a map of labels to a map of times.

use std::collections::BTreeMap;

use super::Row;
use crate::model::{Exemplar, Labels, StampedSample, StampedValue};

/// What a host must answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) series: BTreeMap<Labels, Series>,
    pub(super) horizon_ms: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    samples: BTreeMap<i64, Row>,
    pub(super) exemplars: Vec<Exemplar>,
}

impl Model {
    /// Takes a sample; `false` when it lies before the horizon.
    pub(super) fn write(&mut self, labels: &Labels, sample: &StampedSample) -> bool {
        if sample.time_ms < self.horizon_ms {
            return false;
        }
        let (bits, histogram) = match &sample.value {
            StampedValue::Float(value) => (value.to_bits(), None),
            StampedValue::Histogram(histogram) => (0, Some(histogram.clone())),
        };
        let row = Row { time_ms: sample.time_ms, start_ms: sample.start_ms, bits, histogram };
        self.series.entry(labels.clone()).or_default().samples.insert(sample.time_ms, row);
        true
    }

    /// Takes an exemplar; of the newest `most` are kept.
    pub(super) fn exemplify(&mut self, labels: &Labels, exemplar: &Exemplar, most: usize) {
        let all = &mut self.series.entry(labels.clone()).or_default().exemplars;
        if exemplar.time_ms < self.horizon_ms || all.contains(exemplar) {
            return;
        }
        all.push(exemplar.clone());
        all.sort_by_key(|exemplar| exemplar.time_ms);
        let over = all.len().saturating_sub(most);
        all.drain(..over);
    }

    /// Moves the horizon.
    pub(super) fn free(&mut self, to_ms: i64) {
        self.horizon_ms = self.horizon_ms.max(to_ms);
        for series in self.series.values_mut() {
            series.samples = series.samples.split_off(&self.horizon_ms);
            series.exemplars.retain(|exemplar| exemplar.time_ms >= to_ms);
        }
    }

    /// The samples with `from_ms <= time <= to_ms`.
    pub(super) fn read(&self, labels: &Labels, from_ms: i64, to_ms: i64) -> Vec<Row> {
        let Some(series) = self.series.get(labels) else { return Vec::new() };
        if from_ms > to_ms {
            return Vec::new();
        }
        series.samples.range(from_ms..=to_ms).map(|(_, row)| row.clone()).collect()
    }
}
