//! A rebuilt scrape: what a full blob says, and what differences make of it.
//!
//! Order matters: a series is known by its position. Differences are checked as a whole before any of them is added.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::limits::StateLimits;
use super::refusal::Refusal;
use super::request::Blob;
use crate::model::{Label, Labels, METRIC_NAME, MetricKind};

/// The last scrape of a target, as far as it is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scrape {
    /// The generation of the blob that it came with.
    pub generation: i64,
    /// When the target was scraped, in milliseconds since 1970.
    pub time_ms: i64,
    /// Names of labels that are the target's, not the series'.
    pub target_labels: Vec<Box<str>>,
    /// The series, in the order of the target's page. Labels may occur twice, and there may be series without a name,
    /// which the sender's rules dropped.
    pub series: Vec<ScrapedSeries>,
}

/// A series of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct ScrapedSeries {
    /// All labels, the metric's name among them, sorted.
    pub labels: Labels,
    /// The type of the metric, as sent: `counter`, `gauge`, `histogram`, `summary`, `unknown`, and OpenMetrics' more.
    pub kind: Arc<str>,
    /// What the metric means.
    pub help: Arc<str>,
    /// Milliseconds since 1970; the scrape's time unless the page had a time of its own.
    pub time_ms: i64,
    /// The value. Every NaN is the same one.
    pub value: f64,
}

impl ScrapedSeries {
    /// The type of the metric; one that is not known counts as none.
    pub fn metric_kind(&self) -> MetricKind {
        MetricKind::ALL.into_iter().find(|kind| kind.name() == &*self.kind).unwrap_or_default()
    }
}

impl Scrape {
    /// What a full blob says, and an estimate of the memory that it takes.
    ///
    /// # Errors
    /// Labels that are none, and more series or labels than the limits allow.
    pub(super) fn of_full(blob: &Blob<'_>, limits: &StateLimits) -> Result<(Scrape, usize), Refusal> {
        let found = blob.samples.len();
        if found > limits.series_max {
            return Err(Refusal::TooManySeries { found, limit: limits.series_max });
        }
        let mut texts = Texts::default();
        let mut bytes = size_of::<Scrape>();
        let mut series = Vec::with_capacity(found);
        for (index, sample) in blob.samples.iter().enumerate() {
            let refusal = || Refusal::Labels { index, limit: limits.labels_max };
            let sent = blob.labels_of(sample);
            if sent.len() > limits.labels_max {
                return Err(refusal());
            }
            let mut labels = Vec::with_capacity(sent.len());
            for (name, value) in sent {
                let is_label = (1..=limits.name_bytes_max).contains(&name.len());
                if !is_label || value.len() > limits.value_bytes_max {
                    return Err(refusal());
                }
                labels.push(Label { name: texts.share(name), value: texts.share(value) });
            }
            if !labels.is_sorted_by(|a, b| a.name < b.name) {
                labels.sort_by(|a, b| a.name.cmp(&b.name));
                if labels.windows(2).any(|pair| pair[0].name == pair[1].name) {
                    return Err(refusal());
                }
            }
            // A label without a value is no label.
            labels.retain(|label| !label.value.is_empty());
            bytes += size_of::<ScrapedSeries>() + ARC_BYTES + labels.len() * size_of::<Label>();
            series.push(ScrapedSeries {
                labels: Labels::from_sorted(labels),
                kind: texts.share(sample.kind),
                help: texts.share(sample.help),
                time_ms: sample.time_ms,
                value: plain_nan(sample.value),
            });
        }
        bytes += texts.bytes;
        bytes += blob.target_labels.iter().map(|name| size_of::<Box<str>>() + name.len()).sum::<usize>();
        let target_labels = blob.target_labels.iter().map(|name| Box::from(*name)).collect();
        Ok((Scrape { generation: blob.generation, time_ms: blob.time_ms, target_labels, series }, bytes))
    }

    /// Checks that differences can be added.
    ///
    /// # Errors
    /// Differences from another scrape, and those that do not say what the values are.
    pub(super) fn check(&self, blob: &Blob<'_>) -> Result<(), Refusal> {
        if blob.generation != self.generation.wrapping_add(1) {
            return Err(Refusal::Generation { kept: self.generation, sent: blob.generation });
        }
        if usize::try_from(blob.series_count) != Ok(self.series.len()) {
            return Err(Refusal::SeriesCount { kept: self.series.len(), sent: blob.series_count });
        }
        let mut lowest = 0;
        for (position, sample) in blob.samples.iter().enumerate() {
            let index = usize::try_from(sample.index).ok().filter(|index| *index >= lowest);
            let Some((index, series)) = index.and_then(|index| Some((index, self.series.get(index)?))) else {
                return Err(Refusal::Index { position, index: sample.index });
            };
            if !is_certain(series.value, sample.value) {
                return Err(Refusal::Value { index });
            }
            lowest = index + 1;
        }
        Ok(())
    }

    /// Adds differences that were [checked](Self::check).
    pub(super) fn add(&mut self, blob: &Blob<'_>) {
        let mut samples = blob.samples.iter().peekable();
        for (index, series) in self.series.iter_mut().enumerate() {
            match samples.next_if(|sample| usize::try_from(sample.index) == Ok(index)) {
                Some(sample) => {
                    series.time_ms = series.time_ms.wrapping_add(sample.time_ms);
                    series.value = plain_nan(series.value + sample.value);
                }
                None => series.time_ms = blob.time_ms,
            }
        }
        self.generation = blob.generation;
        self.time_ms = blob.time_ms;
    }

    /// The labels of all series that end with this scrape when the next one lacks them: those that have a name, and no
    /// times of their own.
    pub fn ending_labels(&self) -> impl Iterator<Item = &Labels> {
        let time_ms = self.time_ms;
        let ending =
            move |series: &&ScrapedSeries| series.time_ms == time_ms && series.labels.get(METRIC_NAME).is_some();
        self.series.iter().filter(ending).map(|series| &series.labels)
    }

    /// The labels of the series that ended between `before` and this scrape, each once. None if this scrape is no
    /// newer: what came after it is not known to have ended.
    pub(super) fn vanished_since(&self, before: &Scrape) -> Vec<Labels> {
        let is_same = |(a, b): (&ScrapedSeries, &ScrapedSeries)| a.labels == b.labels;
        if self.time_ms <= before.time_ms
            || (before.series.len() <= self.series.len() && before.series.iter().zip(&self.series).all(is_same))
        {
            return Vec::new();
        }
        let mut seen: HashSet<&Labels> = self.series.iter().map(|series| &series.labels).collect();
        before.ending_labels().filter(|labels| seen.insert(labels)).cloned().collect()
    }
}

/// Whether the sum is the value that the sender had. A difference from or to what is no number is none, and neither is
/// one that is too large for a double.
pub(super) fn is_certain(kept: f64, difference: f64) -> bool {
    if difference == 0.0 {
        return true;
    }
    if !kept.is_finite() {
        return false;
    }
    if difference.is_infinite() {
        // From numbers below, no number is so far away that the difference overflows.
        return kept.abs() < OVERFLOW_MIN;
    }
    difference.is_nan() || (kept + difference).is_finite()
}

/// The one NaN that Prometheus has for values that are none: whatever other bits a sender's NaN has, they mean nothing,
/// and must not pass for a staleness marker.
fn plain_nan(value: f64) -> f64 {
    if value.is_nan() { NAN } else { value }
}

/// Texts that occur more than once are kept once.
#[derive(Default)]
struct Texts<'a> {
    known: HashMap<&'a str, Arc<str>>,
    bytes: usize,
}

impl<'a> Texts<'a> {
    fn share(&mut self, text: &'a str) -> Arc<str> {
        let shared = self.known.entry(text).or_insert_with(|| {
            self.bytes += ARC_BYTES + text.len();
            text.into()
        });
        shared.clone()
    }
}

/// Two counters and what the allocator adds.
const ARC_BYTES: usize = 32;
const NAN: f64 = f64::from_bits(0x7FF8_0000_0000_0001);
/// Half of the distance between the largest double and the one below, 2^970: the largest double's distance to numbers
/// below this is still a double.
const OVERFLOW_MIN: f64 = f64::from_bits((970 + 1023) << 52);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differences_that_say_the_value_count() {
        assert!(OVERFLOW_MIN == 2f64.powi(970));
        assert!((f64::MAX - -OVERFLOW_MIN).is_infinite() && (f64::MAX - -OVERFLOW_MIN.next_down()).is_finite());
        for (kept, difference) in [(1.0, 2.0), (1.0, f64::NAN), (1.0, f64::INFINITY), (f64::NAN, 0.0)] {
            assert!(is_certain(kept, difference), "{kept} {difference}");
        }
        assert!(is_certain(f64::INFINITY, 0.0) && is_certain(1e290, f64::NEG_INFINITY));
        for (kept, difference) in [(f64::NAN, f64::NAN), (f64::NAN, 1.0), (f64::INFINITY, f64::NEG_INFINITY)] {
            assert!(!is_certain(kept, difference), "{kept} {difference}");
        }
        assert!(!is_certain(1e308, f64::NEG_INFINITY) && !is_certain(f64::MAX, f64::MAX));
        assert!(!is_certain(f64::NEG_INFINITY, f64::NAN));
    }
}
