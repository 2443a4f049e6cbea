//! The other side: what a sender makes of a scrape, in full or as differences from the one before it.

use super::request::{Blob, BlobSample};
use super::scrape::{Scrape, is_certain};

impl Scrape {
    /// The whole scrape as a blob.
    pub fn full_blob<'a>(&'a self, instance: &'a str) -> Blob<'a> {
        let mut blob = self.blob(instance);
        blob.target_labels = self.target_labels.iter().map(|label| &**label).collect();
        for (index, series) in (0..).zip(&self.series) {
            let start = blob.labels.len();
            blob.labels.extend(series.labels.iter().map(|label| (&*label.name, &*label.value)));
            blob.samples.push(BlobSample {
                index,
                labels: start..blob.labels.len(),
                help: &series.help,
                kind: &series.kind,
                time_ms: series.time_ms,
                value: series.value,
            });
        }
        blob
    }

    /// What changed since `before`. None if only a full blob says it: its generation does not follow, a series is
    /// another one, or a value is not told by a difference.
    ///
    /// Roundings add up as long as `before` is what was on the page, and do not if it is what the receiver rebuilt.
    pub fn differences_since<'a>(&'a self, before: &Scrape, instance: &'a str) -> Option<Blob<'a>> {
        let is_next = self.generation == before.generation.wrapping_add(1);
        if !is_next || self.series.len() != before.series.len() {
            return None;
        }
        let mut blob = self.blob(instance);
        blob.is_incremental = true;
        for ((index, series), kept) in (0..).zip(&self.series).zip(&before.series) {
            if series.labels != kept.labels {
                return None;
            }
            let is_same = series.value == kept.value || (series.value.is_nan() && kept.value.is_nan());
            if is_same && series.time_ms == self.time_ms {
                continue;
            }
            let value = if is_same { 0.0 } else { series.value - kept.value };
            if !is_certain(kept.value, value) {
                return None;
            }
            let time_ms = series.time_ms.wrapping_sub(kept.time_ms);
            blob.samples.push(BlobSample { index, time_ms, value, ..BlobSample::default() });
        }
        Some(blob)
    }

    fn blob<'a>(&self, instance: &'a str) -> Blob<'a> {
        Blob {
            instance,
            series_count: i64::try_from(self.series.len()).unwrap_or(i64::MAX),
            generation: self.generation,
            time_ms: self.time_ms,
            is_text: true,
            ..Blob::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::*;
    use crate::model::Labels;

    /// A value of those that are hard to tell by differences, and of easy ones.
    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => (-1000i32..1000).prop_map(f64::from),
            1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e308, f64::MAX, 1e17]),
        ]
    }

    /// The names of the series of a page by number, each with its value and, if above zero, a time of its own.
    fn page() -> impl Strategy<Value = Vec<(u8, f64, i64)>> {
        prop::collection::vec((0u8..4, value(), -3i64..3), 0..5)
    }

    fn scrape(page: &[(u8, f64, i64)], generation: i64) -> Scrape {
        let time_ms = generation * 1000;
        let series = page.iter().map(|(name, value, own_ms)| ScrapedSeries {
            labels: Labels::from_pairs([("__name__", format!("m{name}"))]),
            kind: Arc::from("gauge"),
            help: Arc::from(""),
            time_ms: if *own_ms > 0 { *own_ms } else { time_ms },
            value: *value,
        });
        Scrape { generation, time_ms, target_labels: vec!["job".into()], series: series.collect() }
    }

    /// Equal up to the rounding of the largest values, if there were large ones, and any NaN like any other.
    fn is_close(a: f64, b: f64, is_rounded: bool) -> bool {
        a == b || (a.is_nan() && b.is_nan()) || (is_rounded && (a - b).abs() <= 1e294)
    }

    proptest! {
        /// Whatever the pages are, the receiver rebuilds them: differences where the sender can, full blobs where it
        /// cannot or where the receiver asks for them. Some requests are lost.
        #[test]
        fn pages_come_back(pages in prop::collection::vec((page(), any::<bool>(), 0u8..8), 1..20)) {
            let mut instances = Instances::new(StateLimits::default());
            let mut before: Option<Scrape> = None;
            let mut last_page = Vec::new();
            // Whether a large value came since the last full blob.
            let mut is_rounded = false;
            for (generation, (mut page, is_alike, luck)) in (1..).zip(pages) {
                if is_alike {
                    // The same series with other values: what differences are made for.
                    let values: Vec<_> = page.iter().map(|(_, value, own_ms)| (*value, *own_ms)).collect();
                    page.clone_from(&last_page);
                    page.iter_mut().zip(values).for_each(|(series, (value, own_ms))| {
                        (series.1, series.2) = (value, own_ms);
                    });
                }
                last_page.clone_from(&page);
                let now = scrape(&page, generation);
                let differences = before.as_ref().and_then(|before| now.differences_since(before, "i"));
                if luck == 0 {
                    // Lost on the way. The sender goes on from it all the same.
                    before = Some(now);
                    continue;
                }
                let is_taken = differences.is_some_and(|blob| match instances.apply("a", &blob, 0) {
                    Ok(_) => true,
                    Err(refusal) => {
                        assert_eq!(refusal.code(), Code::SendFull);
                        false
                    }
                });
                let is_large = page.iter().any(|series| series.1.is_finite() && series.1.abs() > 1e6);
                if !is_taken {
                    instances.apply("a", &now.full_blob("i"), 0).unwrap();
                    is_rounded = false;
                }
                let may_differ = is_taken && (is_rounded || is_large);
                is_rounded |= is_large;
                let rebuilt = instances.scrape("a", "i").unwrap();
                prop_assert_eq!((rebuilt.generation, rebuilt.time_ms), (now.generation, now.time_ms));
                prop_assert_eq!(&rebuilt.target_labels, &now.target_labels);
                prop_assert_eq!(rebuilt.series.len(), now.series.len());
                for (rebuilt, series) in rebuilt.series.iter().zip(&now.series) {
                    prop_assert_eq!((&rebuilt.labels, rebuilt.time_ms), (&series.labels, series.time_ms));
                    prop_assert!(is_close(rebuilt.value, series.value, may_differ), "{} {}", rebuilt.value, series.value);
                }
                before = Some(now);
            }
        }
    }
}
