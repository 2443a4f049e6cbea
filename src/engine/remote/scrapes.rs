//! Scrapes that were rebuilt: from their series into the store.
//!
//! Invariant: what was handed in is in the logs when [`ScrapeWrite::finish`] has answered, and never waits in memory
//! in any number: beyond [`PENDING_MAX`] samples a part is written early.

use super::super::core::Engine;
use super::super::outcome::IngestError;
use super::intake::{Current, Intake};
use super::key::put_key;
use super::receiver::KeyKind;
use super::write::{RemoteError, family_of, hash_of};
use crate::formats::remote::MetadataRef;
use crate::formats::zstats::Scrape;
use crate::model::{Labels, METRIC_NAME, STALE};

/// Samples that wait to be written together.
const PENDING_MAX: usize = 250_000;

/// Scrapes on their way into the store.
pub(in crate::engine) struct ScrapeWrite<'e> {
    engine: &'e Engine,
    /// None while nothing waits to be written.
    intake: Option<Intake<'e>>,
    /// Samples that wait.
    pending: usize,
    /// The key of the series at hand.
    key: Vec<u8>,
    /// What was left out so far, if anything was: the first that was explained.
    complaint: Option<String>,
}

impl<'e> ScrapeWrite<'e> {
    /// Begins to write.
    pub(in crate::engine) fn new(engine: &'e Engine) -> Self {
        ScrapeWrite { engine, intake: None, pending: 0, key: Vec::new(), complaint: None }
    }

    /// Takes the samples of a scrape, but those of series without a name: their sender's rules dropped them.
    /// `has_news` says whether types and help texts may be new.
    ///
    /// # Errors
    ///
    /// What keeps the store from taking anything.
    pub(in crate::engine) fn scrape(&mut self, scrape: &Scrape, has_news: bool) -> Result<(), IngestError> {
        let mut family = "";
        for series in &scrape.series {
            let name = series.labels.metric_name();
            if name.is_empty() {
                continue;
            }
            let Some(current) = self.sample(&series.labels, series.time_ms, series.value)? else { continue };
            if !has_news {
                continue;
            }
            let kind = series.metric_kind();
            let metadata = MetadataRef { kind, help: &series.help, unit: "" };
            // Series of one metric stand side by side: most often the one before has said it all.
            let is_new = family_of(name, kind) != std::mem::replace(&mut family, family_of(name, kind));
            if let Some(intake) = &mut self.intake
                && intake.note_metadata(&current, hash_of(&metadata))
                && is_new
                && metadata != MetadataRef::default()
            {
                intake.metadata(family, metadata.to_metadata());
            }
        }
        Ok(())
    }

    /// Ends a series at this time.
    ///
    /// # Errors
    ///
    /// What keeps the store from taking anything.
    pub(in crate::engine) fn end(&mut self, labels: &Labels, time_ms: i64) -> Result<(), IngestError> {
        if labels.get(METRIC_NAME).is_some() {
            self.sample(labels, time_ms, STALE)?;
        }
        Ok(())
    }

    /// Takes a sample; gives its target unless it was refused.
    fn sample(&mut self, labels: &Labels, time_ms: i64, value: f64) -> Result<Option<Current>, IngestError> {
        if self.pending >= PENDING_MAX {
            self.write()?;
        }
        self.pending += 1;
        let intake = self.intake.get_or_insert_with(|| Intake::new(self.engine, KeyKind::Scrapes, "zstats"));
        put_key(&mut self.key, labels.iter().map(|label| (&*label.name, &*label.value)));
        let is_expected = self.key == intake.expected();
        let found = match intake.find(&self.key, is_expected) {
            Some(current) => Ok(current),
            None => intake.learn(&self.key, labels),
        };
        match found {
            Ok(current) => {
                intake.float(&current, time_ms, 0, value);
                Ok(Some(current))
            }
            Err(refused) => {
                intake.refuse_series(refused, 1);
                Ok(None)
            }
        }
    }

    /// Writes what waits.
    fn write(&mut self) -> Result<(), IngestError> {
        self.pending = 0;
        let Some(intake) = self.intake.take() else { return Ok(()) };
        let report = intake.finish().map_err(|error| match error {
            RemoteError::Store { error, .. } => error,
            // Nothing is decoded here that could be malformed.
            other => IngestError::LogFailed(other.to_string()),
        })?;
        if self.complaint.is_none() {
            self.complaint = report.complaint();
        }
        Ok(())
    }

    /// Writes what still waits. Gives what is wrong with the scrapes, if anything was left out.
    ///
    /// # Errors
    ///
    /// What keeps the store from taking anything; parts may be stored then.
    pub(in crate::engine) fn finish(mut self) -> Result<Option<String>, IngestError> {
        self.write()?;
        Ok(self.complaint)
    }
}
