//! A sender of remote write, small and plain: bodies of both versions, before they are compressed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::formats::protobuf::{put_bytes, put_double, put_integer, put_message, put_packed, put_text};
use crate::formats::remote::{FloatSample, put_histogram, put_sample};
use crate::model::histogram::FloatHistogram;
use crate::model::{Exemplar, Labels, Metadata, MetricKind};

/// A series as it is sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SentSeries {
    /// Names and values, in the order in which they are sent.
    pub labels: Vec<(String, String)>,
    /// Floats; 1.0 bodies leave their starts out.
    pub samples: Vec<FloatSample>,
    /// Time, start and value of histograms; 1.0 bodies leave their starts out.
    pub histograms: Vec<(i64, i64, Arc<FloatHistogram>)>,
    /// Exemplars.
    pub exemplars: Vec<Exemplar>,
    /// What the metric measures; 1.0 bodies leave it out.
    pub metadata: Option<Metadata>,
}

impl SentSeries {
    /// A series of these labels with one float.
    pub fn of_sample<N: Into<String>, V: Into<String>>(
        labels: impl IntoIterator<Item = (N, V)>,
        time_ms: i64,
        value: f64,
    ) -> SentSeries {
        SentSeries {
            labels: labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            samples: vec![FloatSample { time_ms, start_ms: 0, value }],
            ..SentSeries::default()
        }
    }
}

/// A `prometheus.WriteRequest`.
pub fn write_1(series: &[SentSeries], metadata: &[(&str, Metadata)]) -> Vec<u8> {
    let mut body = Vec::new();
    for series in series {
        put_message(&mut body, 1, |out| {
            for (name, value) in &series.labels {
                put_label(out, name, value);
            }
            for sample in &series.samples {
                put_sample(out, 2, sample.time_ms, 0, sample.value);
            }
            for exemplar in &series.exemplars {
                put_message(out, 3, |out| {
                    exemplar.labels.iter().for_each(|label| put_label(out, &label.name, &label.value));
                    put_double(out, 2, exemplar.value);
                    put_integer(out, 3, exemplar.time_ms.cast_unsigned());
                });
            }
            for (time_ms, _, histogram) in &series.histograms {
                put_histogram(out, 4, *time_ms, 0, histogram);
            }
        });
    }
    for (name, metadata) in metadata {
        put_message(&mut body, 3, |out| {
            put_integer(out, 1, kind_number(metadata.kind));
            put_text(out, 2, name);
            put_text(out, 4, &metadata.help);
            put_text(out, 5, &metadata.unit);
        });
    }
    body
}

/// An `io.prometheus.write.v2.Request`.
pub fn write_2(series: &[SentSeries]) -> Vec<u8> {
    let mut table = Symbols::default();
    table.number("");
    let mut sent = Vec::new();
    for series in series {
        put_message(&mut sent, 5, |out| {
            put_packed(
                out,
                1,
                series.labels.iter().flat_map(|(name, value)| [table.number(name), table.number(value)]),
            );
            for sample in &series.samples {
                put_sample(out, 2, sample.time_ms, sample.start_ms, sample.value);
            }
            for (time_ms, start_ms, histogram) in &series.histograms {
                put_histogram(out, 3, *time_ms, *start_ms, histogram);
            }
            for exemplar in &series.exemplars {
                put_message(out, 4, |out| {
                    put_packed(out, 1, table.numbers(&exemplar.labels));
                    put_double(out, 2, exemplar.value);
                    put_integer(out, 3, exemplar.time_ms.cast_unsigned());
                });
            }
            if let Some(metadata) = &series.metadata {
                put_message(out, 5, |out| {
                    put_integer(out, 1, kind_number(metadata.kind));
                    put_integer(out, 3, table.number(&metadata.help));
                    put_integer(out, 4, table.number(&metadata.unit));
                });
            }
        });
    }
    let mut body = Vec::new();
    for text in &table.texts {
        put_bytes(&mut body, 4, text.as_bytes());
    }
    body.extend_from_slice(&sent);
    body
}

fn put_label(out: &mut Vec<u8>, name: &str, value: &str) {
    put_message(out, 1, |out| {
        put_text(out, 1, name);
        put_text(out, 2, value);
    });
}

fn kind_number(kind: MetricKind) -> u64 {
    MetricKind::ALL.iter().position(|&other| other == kind).unwrap_or(0) as u64
}

#[derive(Default)]
struct Symbols {
    texts: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl Symbols {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.texts.len() as u64;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    fn numbers(&mut self, labels: &Labels) -> Vec<u64> {
        labels.iter().flat_map(|label| [self.number(&label.name), self.number(&label.value)]).collect()
    }
}
