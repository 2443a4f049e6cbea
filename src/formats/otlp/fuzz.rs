//! What must hold for any bytes whatsoever, for fuzzers and property tests.

use super::{OtlpError, OtlpOptions, OtlpSample, OtlpVisitor, TranslationStrategy, translate_json, translate_protobuf};
use crate::model::{METRIC_NAME, Metadata, StampedValue};

/// Reads `data` as a request in both forms and panics when an invariant is broken.
pub fn fuzz_otlp(data: &[u8]) {
    let plain = OtlpOptions { parts_max: 10_000, ..OtlpOptions::default() };
    let other = OtlpOptions {
        strategy: TranslationStrategy::NoUtf8EscapingWithSuffixes,
        promote_all: true,
        keep_identifying: true,
        histograms_to_custom: true,
        promote_scope: true,
        allow_delta: true,
        ..plain.clone()
    };
    for options in [plain, other] {
        let _ = translate_protobuf(data, &options, &mut Check).map_err(|error| error.to_string());
        let _ = translate_json(data, &options, &mut Check).map_err(|error| error.to_string());
    }
}

struct Check;

impl OtlpVisitor for Check {
    fn sample(&mut self, sample: OtlpSample) {
        assert!(!sample.labels.value(METRIC_NAME).is_empty(), "{}", sample.labels);
        assert!(sample.labels.iter().all(|label| !label.name.is_empty() && !label.value.is_empty()));
        if let StampedValue::Histogram(histogram) = &sample.value {
            assert_eq!(histogram.validate(), Ok(()));
        }
    }

    fn metadata(&mut self, metric: &str, _: Metadata) {
        assert!(!metric.is_empty());
    }

    fn refused(&mut self, error: OtlpError) {
        assert!(!error.to_string().is_empty());
    }

    fn warning(&mut self, text: String) {
        assert!(!text.is_empty());
    }
}
