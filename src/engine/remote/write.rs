//! Remote write, 1.0 and 2.0: from a decompressed body into the store.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use super::super::core::Engine;
use super::super::outcome::IngestError;
use super::intake::{Current, Intake};
use super::receiver::KeyKind;
use super::report::RemoteReport;
use crate::formats::otlp::OtlpBodyError;
use crate::formats::remote::{
    Counts, MetadataRef, Series, SeriesError, WriteError, WriteLimits, WriteVisitor, decode_write_1, decode_write_2,
};
use crate::model::{Metadata, MetricKind};

/// The message of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteVersion {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

/// Why nothing of a body is stored, or not all that could be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The body is none, or too large.
    #[error(transparent)]
    Body(#[from] WriteError),
    /// The body is none of OpenTelemetry's, or too large.
    #[error(transparent)]
    Otlp(#[from] OtlpBodyError),
    /// The store takes nothing now. Hosts before the one that failed are stored.
    #[error("{error}")]
    Store {
        /// Why.
        #[source]
        error: IngestError,
        /// What is stored all the same; the same body, sent again, does no harm to it.
        written: Box<RemoteReport>,
    },
}

impl From<IngestError> for RemoteError {
    /// Nothing of the body is stored.
    fn from(error: IngestError) -> Self {
        RemoteError::Store { error, written: Box::default() }
    }
}

impl Engine {
    /// Stores a decompressed body of remote write: the log holds what the report counts before this returns. Blocks on
    /// locks and on the disk.
    ///
    /// # Errors
    ///
    /// A malformed body, of which nothing is stored, and what keeps the store from taking anything.
    pub fn write_remote(&self, version: WriteVersion, body: &[u8]) -> Result<RemoteReport, RemoteError> {
        self.write_remote_from("remote_write", version, body)
    }

    /// As [`write_remote`](Self::write_remote), counted under this source.
    pub(in crate::engine) fn write_remote_from(
        &self,
        source: &'static str,
        version: WriteVersion,
        body: &[u8],
    ) -> Result<RemoteReport, RemoteError> {
        self.check_writable(false)?;
        let kind = match version {
            WriteVersion::V1 => KeyKind::Write1,
            WriteVersion::V2 => KeyKind::Write2,
        };
        let intake = Intake::new(self, kind, source);
        let limits = self.write_limits();
        let mut visitor = Visitor { intake };
        match version {
            WriteVersion::V1 => decode_write_1(body, &limits, &mut visitor),
            WriteVersion::V2 => decode_write_2(body, &limits, &mut visitor),
        }?;
        visitor.intake.finish()
    }

    /// The bounds of one body.
    fn write_limits(&self) -> WriteLimits {
        let (limits, options) = (self.store.limits(), self.receiver.options());
        WriteLimits {
            labels_max: limits.labels_per_series_max,
            name_bytes_max: limits.label_name_bytes_max,
            value_bytes_max: limits.label_value_bytes_max,
            samples_max: options.limits.samples_max,
            ..WriteLimits::default()
        }
    }
}

/// Hands what the decoder shows to the intake.
struct Visitor<'e> {
    intake: Intake<'e>,
}

impl Visitor<'_> {
    /// The target of a series; `None` when it was refused.
    fn current(&mut self, series: &mut Series<'_, '_>) -> Option<Current> {
        // What is cut is looked at as a whole, and refused.
        if !series.is_cut()
            && let Some(current) = self.intake.find(series.key(), series.is_expected())
        {
            return Some(current);
        }
        let learnt = match series.to_labels() {
            Ok(labels) => self.intake.learn(series.key(), &labels),
            Err(error) => {
                self.refused(error, series.counts());
                return None;
            }
        };
        learnt.map_err(|refused| self.intake.refuse_series(refused, samples_of(series.counts()))).ok()
    }

    /// What does not come with every sample: histograms and exemplars.
    fn more(&mut self, mut current: Current, series: &mut Series<'_, '_>) {
        if !series.histograms().is_empty() && !self.intake.is_stamped(&current) {
            let Ok(labels) = series.to_labels() else { return };
            match self.intake.stamp(&labels) {
                Ok(stamped) => current = stamped,
                Err(refused) => return self.intake.refuse_series(refused, series.counts().histograms),
            }
        }
        let mut newest_ms = series.samples().iter().map(|sample| sample.time_ms).max();
        newest_ms = newest_ms.max(series.histograms().iter().map(|sample| sample.time_ms).max());
        for exemplar in series.exemplars() {
            match exemplar {
                Ok(mut exemplar) => {
                    if exemplar.time_ms == 0 {
                        exemplar.time_ms = newest_ms.unwrap_or(0);
                    }
                    self.intake.exemplar(&current, exemplar);
                }
                Err(error) => self.intake.refuse("invalid_exemplar", 1, || error.to_string()),
            }
        }
        for sample in series.take_histograms() {
            match sample.histogram {
                Ok(histogram) => self.intake.histogram(&current, sample.time_ms, sample.start_ms, histogram),
                Err(error) => self.intake.refuse("invalid_histogram", 1, || error.to_string()),
            }
        }
    }

    fn series_metadata(&mut self, current: &Current, series: &mut Series<'_, '_>, metadata: MetadataRef<'_>) {
        if self.intake.note_metadata(current, hash_of(&metadata))
            && metadata != MetadataRef::default()
            && let Ok(labels) = series.to_labels()
        {
            self.intake.metadata(family_of(labels.metric_name(), metadata.kind), metadata.to_metadata());
        }
    }
}

impl WriteVisitor for Visitor<'_> {
    #[inline]
    fn expected(&self) -> &[u8] {
        self.intake.expected()
    }

    fn series(&mut self, series: &mut Series<'_, '_>) {
        let Some(current) = self.current(series) else { return };
        for sample in series.samples() {
            self.intake.float(&current, sample.time_ms, sample.start_ms, sample.value);
        }
        if let Some(metadata) = series.metadata() {
            self.series_metadata(&current, series, metadata);
        }
        let counts = series.counts();
        if counts.histograms + counts.exemplars > 0 {
            self.more(current, series);
        }
    }

    fn refused(&mut self, error: SeriesError, counts: Counts) {
        self.intake.refuse(error.reason(), samples_of(counts).max(1) as u64, || error.to_string());
    }

    fn metadata(&mut self, metric: &str, metadata: MetadataRef<'_>) {
        let MetadataRef { kind, help, unit } = metadata;
        self.intake.metadata(metric, Metadata { kind, help: help.into(), unit: unit.into() });
    }
}

fn samples_of(counts: Counts) -> usize {
    counts.samples + counts.histograms
}

/// A number for metadata, never 0. Two that share one are taken for one until the next restart: they are words for
/// people, and the chance is one in four billion.
pub(super) fn hash_of(metadata: &MetadataRef<'_>) -> u32 {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    let hash = SEED.hash_one((metadata.kind as u8, metadata.help, metadata.unit));
    // The cast cuts on purpose.
    (hash as u32).max(1)
}

/// The name under which metadata of a series are known: classic histograms and summaries are several series.
pub(super) fn family_of(name: &str, kind: MetricKind) -> &str {
    match kind {
        MetricKind::Histogram | MetricKind::GaugeHistogram | MetricKind::Summary => {
            let ends = ["_bucket", "_sum", "_count"];
            ends.into_iter().find_map(|end| name.strip_suffix(end)).filter(|name| !name.is_empty()).unwrap_or(name)
        }
        _ => name,
    }
}
