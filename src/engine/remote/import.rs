//! Exposition text, Prometheus's own and OpenMetrics: from a body into the store.

use std::borrow::Cow;

use hashbrown::HashMap;

use super::super::core::Engine;
use super::intake::{Current, Intake};
use super::key::put_key;
use super::receiver::KeyKind;
use super::report::RemoteReport;
use super::write::RemoteError;
use crate::formats::exposition::{
    ExpositionError, ExpositionOptions, ExpositionSample, ExpositionVisitor, MetadataPart, Syntax, parse_exposition,
};
use crate::model::{Labels, Metadata};

/// How a text is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// Its format.
    pub syntax: Syntax,
    /// Labels that all series get, in place of their own of these names; sorted, without empty values.
    pub extra_labels: Vec<(String, String)>,
    /// The time of samples without one, in milliseconds since 1970; `None` for now.
    pub time_ms: Option<i64>,
}

impl Engine {
    /// Stores a text: the log holds what the report counts before this returns. A bad line spoils nothing but itself.
    /// Blocks on locks and on the disk.
    ///
    /// # Errors
    ///
    /// What keeps the store from taking anything.
    pub fn import_text(&self, options: &ImportOptions, body: &[u8]) -> Result<RemoteReport, RemoteError> {
        self.check_writable(false)?;
        let mut importer = Importer {
            intake: Intake::new(self, KeyKind::Labels, "import"),
            options,
            time_ms: options.time_ms.unwrap_or_else(|| self.clock.now_millis()),
            samples_left: self.receiver.options().limits.samples_max,
            metadata_left: self.store.limits().metadata_max,
            metadata: HashMap::new(),
            key: Vec::new(),
        };
        let read = ExpositionOptions { syntax: options.syntax, created_is_start: false };
        parse_exposition(body, &read, &mut importer);
        let Importer { mut intake, metadata, .. } = importer;
        for (metric, metadata) in metadata {
            intake.metadata(&metric, metadata);
        }
        intake.finish()
    }
}

struct Importer<'e, 'o> {
    intake: Intake<'e>,
    options: &'o ImportOptions,
    time_ms: i64,
    samples_left: usize,
    metadata_left: usize,
    /// What the body says about metrics, line by line.
    metadata: HashMap<String, Metadata>,
    /// The key of the sample at hand.
    key: Vec<u8>,
}

impl Importer<'_, '_> {
    /// The target of a sample's series; `None` when it was refused.
    fn current(&mut self, sample: &mut ExpositionSample<'_>) -> Option<Current> {
        for (name, value) in &self.options.extra_labels {
            let found = sample.labels.binary_search_by(|(known, _)| (**known).cmp(name.as_str()));
            match found {
                Ok(at) => sample.labels[at].1 = Cow::Owned(value.clone()),
                Err(at) => sample.labels.insert(at, (Cow::Owned(name.clone()), Cow::Owned(value.clone()))),
            }
        }
        put_key(&mut self.key, sample.labels.iter().map(|(name, value)| (&**name, &**value)));
        let is_expected = self.key == self.intake.expected();
        if let Some(current) = self.intake.find(&self.key, is_expected) {
            return Some(current);
        }
        let labels: Labels = sample.to_labels();
        match self.intake.learn(&self.key, &labels) {
            Ok(current) => Some(current),
            Err(refused) => {
                self.intake.refuse_series(refused, 1);
                None
            }
        }
    }
}

impl ExpositionVisitor for Importer<'_, '_> {
    fn sample(&mut self, mut sample: ExpositionSample<'_>) {
        let Some(left) = self.samples_left.checked_sub(1) else {
            return self.intake.refuse("samples_per_body", 1, || "more samples than one body may hold".to_owned());
        };
        self.samples_left = left;
        let Some(current) = self.current(&mut sample) else { return };
        let time_ms = sample.time_ms.unwrap_or(self.time_ms);
        self.intake.float(&current, time_ms, sample.start_ms, sample.value);
        if let Some(mut exemplar) = sample.exemplar {
            if exemplar.time_ms == 0 {
                exemplar.time_ms = time_ms;
            }
            self.intake.exemplar(&current, exemplar);
        }
    }

    fn metadata(&mut self, metric: &str, part: MetadataPart<'_>) {
        if !self.metadata.contains_key(metric) {
            let Some(left) = self.metadata_left.checked_sub(1) else { return };
            self.metadata_left = left;
        }
        let metadata = self.metadata.entry_ref(metric).or_default();
        match part {
            MetadataPart::Help(text) => metadata.help = text.into(),
            MetadataPart::Kind(kind) => metadata.kind = kind,
            MetadataPart::Unit(unit) => metadata.unit = unit.into(),
        }
    }

    fn refused(&mut self, line: usize, error: ExpositionError) {
        self.intake.refuse("bad_line", 1, || format!("line {line}: {error}"));
    }
}
