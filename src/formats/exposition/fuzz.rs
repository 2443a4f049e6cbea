//! What must hold for any bytes whatsoever, for fuzzers and property tests.

use super::{
    Escaping, ExpositionError, ExpositionOptions, ExpositionSample, ExpositionVisitor, MetadataPart, Syntax,
    TextPrinter, parse_exposition,
};
use crate::model::MetricKind;

/// Reads `data` as an exposition in both formats and panics when an invariant is broken: what was read, written and
/// read again is the same.
pub fn fuzz_exposition(data: &[u8]) {
    for syntax in [Syntax::Text, Syntax::OpenMetrics] {
        for created_is_start in [false, true] {
            let mut seen = Seen::default();
            parse_exposition(data, &ExpositionOptions { syntax, created_is_start }, &mut seen);
            let mut again = Seen::default();
            let options = ExpositionOptions { syntax: Syntax::Text, created_is_start: false };
            parse_exposition(seen.printed.as_bytes(), &options, &mut again);
            assert_eq!(again.refused, 0, "{}", seen.printed);
            assert_eq!(again.samples, seen.samples);
        }
    }
}

#[derive(Default)]
struct Seen {
    samples: Vec<String>,
    printed: String,
    refused: usize,
}

impl ExpositionVisitor for Seen {
    fn sample(&mut self, sample: ExpositionSample<'_>) {
        let labels = &sample.labels;
        assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "{labels:?}");
        assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()), "{labels:?}");
        let pairs = labels.iter().map(|(name, value)| (&**name, &**value));
        let mut printer = TextPrinter::new(&mut self.printed, Escaping::AllowUtf8);
        printer.sample(sample.metric(), pairs.clone(), sample.value, sample.time_ms);
        // Zeros lose their sign in print.
        self.samples.push(format!("{labels:?} {:?} {:?}", sample.value + 0.0, sample.time_ms));
        let mut escaped = String::new();
        for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values] {
            TextPrinter::new(&mut escaped, escaping).sample(sample.metric(), pairs.clone(), 0.0, None);
        }
    }

    fn metadata(&mut self, metric: &str, part: MetadataPart<'_>) {
        assert!(!metric.is_empty());
        let mut out = String::new();
        if let MetadataPart::Help(help) = part {
            TextPrinter::new(&mut out, Escaping::Values).family(metric, Some(help), MetricKind::Unknown);
            assert_eq!(out.lines().count(), 2);
        }
    }

    fn refused(&mut self, line: usize, error: ExpositionError) {
        assert!(line > 0 && error.to_string().len() < 1000);
        self.refused += 1;
    }
}
