//! OpenTelemetry's metrics: from a body into the store.

use super::super::core::Engine;
use super::intake::{Current, Intake};
use super::key::put_key;
use super::receiver::KeyKind;
use super::report::RemoteReport;
use super::write::RemoteError;
use crate::formats::otlp::{OtlpError, OtlpSample, OtlpVisitor, translate_json, translate_protobuf};
use crate::model::{Metadata, StampedValue};

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpForm {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

impl Engine {
    /// Stores a decompressed body: the log holds what the report counts before this returns. Blocks on locks and on the
    /// disk.
    ///
    /// # Errors
    ///
    /// A malformed body, of which nothing is stored, and what keeps the store from taking anything.
    pub fn write_otlp(&self, form: OtlpForm, body: &[u8]) -> Result<RemoteReport, RemoteError> {
        self.check_writable(false)?;
        let options = self.receiver.options();
        let intake = Intake::new(self, KeyKind::Labels, "otlp");
        let mut visitor = Visitor { intake, samples_left: options.limits.samples_max, key: Vec::new() };
        match form {
            OtlpForm::Protobuf => translate_protobuf(body, &options.otlp, &mut visitor),
            OtlpForm::Json => translate_json(body, &options.otlp, &mut visitor),
        }?;
        visitor.intake.finish()
    }
}

/// Hands what the translator shows to the intake.
struct Visitor<'e> {
    intake: Intake<'e>,
    samples_left: usize,
    /// The key of the sample at hand.
    key: Vec<u8>,
}

impl Visitor<'_> {
    /// The target of a sample's series; `None` when it was refused.
    fn current(&mut self, sample: &OtlpSample) -> Option<Current> {
        put_key(&mut self.key, sample.labels.iter().map(|label| (&*label.name, &*label.value)));
        let is_expected = self.key == self.intake.expected();
        let known = self.intake.find(&self.key, is_expected);
        let found = known.map_or_else(|| self.intake.learn(&self.key, &sample.labels), Ok);
        let is_histogram = matches!(sample.value, StampedValue::Histogram(_));
        let found = found.and_then(|current| match is_histogram && !self.intake.is_stamped(&current) {
            true => self.intake.stamp(&sample.labels),
            false => Ok(current),
        });
        found.map_err(|refused| self.intake.refuse_series(refused, 1)).ok()
    }
}

impl OtlpVisitor for Visitor<'_> {
    fn sample(&mut self, sample: OtlpSample) {
        let Some(left) = self.samples_left.checked_sub(1) else {
            return self.intake.refuse("samples_per_body", 1, || "more samples than one body may hold".to_owned());
        };
        self.samples_left = left;
        let Some(current) = self.current(&sample) else { return };
        for mut exemplar in sample.exemplars {
            if exemplar.time_ms == 0 {
                exemplar.time_ms = sample.time_ms;
            }
            self.intake.exemplar(&current, exemplar);
        }
        match sample.value {
            StampedValue::Float(value) => self.intake.float(&current, sample.time_ms, sample.start_ms, value),
            StampedValue::Histogram(histogram) => {
                self.intake.histogram(&current, sample.time_ms, sample.start_ms, histogram);
            }
        }
    }

    fn metadata(&mut self, metric: &str, metadata: Metadata) {
        self.intake.metadata(metric, metadata);
    }

    fn refused(&mut self, error: OtlpError) {
        self.intake.refuse("otlp", 1, || error.to_string());
    }

    fn warning(&mut self, text: String) {
        tracing::debug!("OTLP: {text}");
    }
}
