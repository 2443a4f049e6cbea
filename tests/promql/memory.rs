//! The series of a script, in memory, as a source.

use std::collections::BTreeMap;
use std::sync::Arc;

use treering::model::histogram::{ClassicHistogram, CounterReset, FloatHistogram};
use treering::model::{BUCKET_LABEL, Labels, METRIC_NAME, Matcher};
use treering::promql::{Cursor, Hints, Samples, Selection, Series, Source, SourceError};

use crate::script::Load;
use crate::sequence::{Item, STALE};

/// A sample as a script loads it.
#[derive(Debug, Clone)]
struct Sample {
    /// A histogram here has the counter reset hint of the script.
    value: Value,
    /// The histogram with the hint that the storage hands out.
    settled: Option<Arc<FloatHistogram>>,
    /// When its counting began, in milliseconds; 0 for unknown.
    start_ms: i64,
}

#[derive(Debug, Clone)]
enum Value {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// All series of a script.
#[derive(Default)]
pub struct Memory {
    series: BTreeMap<Labels, BTreeMap<i64, Sample>>,
}

impl Memory {
    /// Adds the series of a load.
    pub fn load(&mut self, load: &Load) -> Result<(), String> {
        let mut classic = Classic::default();
        for loaded in &load.series {
            let mut samples = BTreeMap::new();
            for (at, item) in loaded.items.iter().enumerate() {
                let time_ms = load.step_ms * at as i64;
                let value = match item {
                    Item::Omitted => continue,
                    Item::Float(value) => Value::Float(*value),
                    Item::Histogram(histogram, _) => {
                        histogram.validate().map_err(|error| format!("{}: {error}", loaded.labels))?;
                        Value::Histogram(Arc::clone(histogram))
                    }
                };
                let start_ms = loaded.starts.get(at).copied().flatten().map_or(0, |start| time_ms + start);
                samples.insert(time_ms, Sample { value, settled: None, start_ms });
            }
            if load.with_nhcb {
                classic.take(&loaded.labels, &samples);
            }
            self.add(loaded.labels.clone(), samples);
        }
        for (labels, histograms) in classic.0 {
            let mut samples = BTreeMap::new();
            for (time_ms, histogram) in histograms {
                let histogram = histogram.convert().map_err(|error| format!("{labels}: {error}"))?;
                let value = Value::Histogram(Arc::new(histogram));
                samples.insert(time_ms, Sample { value, settled: None, start_ms: 0 });
            }
            self.add(labels, samples);
        }
        Ok(())
    }

    fn add(&mut self, labels: Labels, samples: BTreeMap<i64, Sample>) {
        let series = self.series.entry(labels).or_default();
        series.extend(samples);
        settle_hints(series);
    }
}

/// Sets the counter reset hints as Prometheus's storage hands them out: unknown where a chunk would begin, else that
/// there was no reset.
fn settle_hints(samples: &mut BTreeMap<i64, Sample>) {
    let mut before: Option<Arc<FloatHistogram>> = None;
    for sample in samples.values_mut() {
        let Value::Histogram(histogram) = &sample.value else {
            before = None;
            continue;
        };
        let mut settled = FloatHistogram::clone(histogram);
        settled.counter_reset_hint = match &before {
            _ if histogram.counter_reset_hint == CounterReset::Gauge => CounterReset::Gauge,
            Some(before) if goes_on(before, histogram) => CounterReset::NotReset,
            _ => CounterReset::Unknown,
        };
        sample.settled = Some(Arc::new(settled));
        before = Some(Arc::clone(histogram));
    }
}

/// Whether a histogram would go into the same chunk as the one before it.
fn goes_on(before: &FloatHistogram, histogram: &FloatHistogram) -> bool {
    if histogram.counter_reset_hint == CounterReset::Reset || before.counter_reset_hint == CounterReset::Gauge {
        return false;
    }
    if before.sum.to_bits() == STALE.to_bits() {
        return histogram.sum.to_bits() == STALE.to_bits();
    }
    if before.schema != histogram.schema
        || before.zero_threshold != histogram.zero_threshold
        || before.bounds() != histogram.bounds()
    {
        return false;
    }
    let mut plain = FloatHistogram::clone(histogram);
    plain.counter_reset_hint = CounterReset::Unknown;
    !plain.detect_reset(before)
}

/// Classic histograms in the making, by the labels that their native form gets.
#[derive(Default)]
struct Classic(BTreeMap<Labels, BTreeMap<i64, ClassicHistogram>>);

impl Classic {
    /// Takes in a series, if it is part of a classic histogram.
    fn take(&mut self, labels: &Labels, samples: &BTreeMap<i64, Sample>) {
        let name = labels.metric_name();
        let parts = ["_bucket", "_sum", "_count"];
        let Some((part, base)) = parts.iter().find_map(|part| Some((*part, name.strip_suffix(part)?))) else { return };
        let bound = labels.value(BUCKET_LABEL).parse::<f64>();
        if part == "_bucket" && !bound.as_ref().is_ok_and(|bound| !bound.is_nan()) {
            return;
        }
        let mut builder = labels.edit();
        builder.set(METRIC_NAME, base).remove(BUCKET_LABEL);
        let histograms = self.0.entry(builder.build()).or_default();
        for (time_ms, sample) in samples {
            let Value::Float(value) = sample.value else { continue };
            let histogram = histograms.entry(*time_ms).or_default();
            match (part, &bound) {
                ("_bucket", Ok(bound)) => histogram.set_bucket(*bound, value),
                ("_sum", _) => histogram.set_sum(value),
                _ => histogram.set_count(value),
            }
        }
    }
}

impl Source for Memory {
    fn select(&self, matchers: &[Matcher], _: &Hints) -> Result<Selection<'_>, SourceError> {
        let fits = |labels: &Labels| matchers.iter().all(|matcher| matcher.matches_labels(labels));
        let found = self.series.iter().filter(|(labels, _)| fits(labels));
        let series = found.map(|(labels, samples)| Box::new(OneSeries { labels, samples }) as Box<dyn Series>);
        Ok(Selection { series: series.collect(), ..Selection::default() })
    }
}

struct OneSeries<'a> {
    labels: &'a Labels,
    samples: &'a BTreeMap<i64, Sample>,
}

impl Series for OneSeries<'_> {
    fn labels(&self) -> &Labels {
        self.labels
    }

    fn cursor(&self, start_ms: i64, end_ms: i64) -> Box<dyn Cursor + '_> {
        if start_ms > end_ms {
            return Box::new(Walk(None));
        }
        Box::new(Walk(Some(self.samples.range(start_ms..=end_ms))))
    }
}

/// Small batches, so that their edges are crossed.
const BATCH: usize = 7;

struct Walk<'a>(Option<std::collections::btree_map::Range<'a, i64, Sample>>);

impl Cursor for Walk<'_> {
    fn next_batch(&mut self, batch: &mut Samples) -> Result<bool, SourceError> {
        let mut any = false;
        for (time_ms, sample) in self.0.iter_mut().flatten().take(BATCH) {
            any = true;
            match (&sample.value, &sample.settled) {
                (Value::Float(value), _) => batch.push_float(*time_ms, *value),
                (_, Some(histogram)) | (Value::Histogram(histogram), None) => {
                    batch.push_histogram(*time_ms, Arc::clone(histogram));
                }
            }
            batch.set_last_start(sample.start_ms);
        }
        Ok(any)
    }
}
