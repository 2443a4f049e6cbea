//! The three forms of an export.

use std::io::{self, Write};

use crate::formats::line::{Unwritable, write_key, write_line, write_narrow_number, write_number};
use crate::formats::parquet::{ArchiveWriter, ParquetError, Rows, ValueType, WriterOptions};

use super::merge::Run;
use super::names::line_key;
use super::output::Output;

/// Why rows could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum SinkError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Parquet(ParquetError),
}

impl From<ParquetError> for SinkError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::Io(error) => SinkError::Io(error),
            other => SinkError::Parquet(other),
        }
    }
}

impl From<csv::Error> for SinkError {
    fn from(error: csv::Error) -> Self {
        // The kind of the system's error says whether the reader has gone.
        SinkError::Io(match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        })
    }
}

/// An export on its way out.
pub(super) enum Sink {
    Parquet(Box<ArchiveWriter<Output>>),
    Csv(Box<csv::Writer<Output>>),
    Lines(Lines),
}

impl Sink {
    /// Rows of one cluster in the archive's own form.
    pub(super) fn parquet(
        output: Output,
        cluster: &str,
        value: ValueType,
        has_parents: bool,
    ) -> Result<Self, SinkError> {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let options = WriterOptions { value, has_parents, workers, ..WriterOptions::default() };
        Ok(Sink::Parquet(Box::new(ArchiveWriter::begin(output, cluster, &options)?)))
    }

    /// Lines of values with a header.
    pub(super) fn csv(output: Output) -> Result<Self, SinkError> {
        let mut writer = csv::Writer::from_writer(output);
        writer.write_record(COLUMNS)?;
        Ok(Sink::Csv(Box::new(writer)))
    }

    /// Line protocol.
    pub(super) fn lines(output: Output) -> Self {
        Sink::Lines(Lines { output, key: Vec::new(), text: Vec::new(), unwritable: 0 })
    }

    /// Writes rows; answers how many were written.
    pub(super) fn rows(&mut self, run: &Run<'_>) -> Result<u64, SinkError> {
        let series = run.series;
        match self {
            Sink::Parquet(writer) => {
                writer.rows(&Rows {
                    hostname: &series.hostname,
                    metric: &series.metric,
                    scope: &series.scope,
                    scope_id: &series.scope_id,
                    parent: &series.parent,
                    frequency_secs: series.frequency_secs,
                    timestamps: run.timestamps,
                    values: run.values,
                })?;
                Ok(run.timestamps.len() as u64)
            }
            Sink::Csv(writer) => {
                let mut secs = itoa::Buffer::new();
                let mut frequency = itoa::Buffer::new();
                let frequency = frequency.format(series.frequency_secs);
                let names = [&series.cluster, &series.hostname, &series.metric, &series.scope, &series.scope_id];
                let mut value = Vec::new();
                for (timestamp, found) in run.timestamps.iter().zip(run.values) {
                    value.clear();
                    match run.is_narrow {
                        // Exact: it was a float32.
                        true => write_narrow_number(*found as f32, &mut value),
                        false => write_number(*found, &mut value),
                    }
                    for name in names {
                        writer.write_field(name)?;
                    }
                    writer.write_field(secs.format(*timestamp))?;
                    writer.write_field(frequency)?;
                    writer.write_field(&value)?;
                    writer.write_field(&series.parent)?;
                    writer.write_record(None::<&[u8]>)?;
                }
                Ok(run.timestamps.len() as u64)
            }
            Sink::Lines(lines) => Ok(lines.rows(run)?),
        }
    }

    /// Ends the file; answers how many rows could not be written.
    pub(super) fn finish(self) -> Result<u64, SinkError> {
        let (output, unwritable) = match self {
            Sink::Parquet(writer) => (writer.finish()?.0, 0),
            Sink::Csv(writer) => (writer.into_inner().map_err(|error| io::Error::from(error.error().kind()))?, 0),
            Sink::Lines(lines) => (lines.output, lines.unwritable),
        };
        output.commit()?;
        Ok(unwritable)
    }
}

/// Line protocol on its way out.
pub(super) struct Lines {
    output: Output,
    key: Vec<u8>,
    text: Vec<u8>,
    /// Rows that no line can hold.
    unwritable: u64,
}

impl Lines {
    fn rows(&mut self, run: &Run<'_>) -> io::Result<u64> {
        self.key.clear();
        if write_key(&line_key(run.series), &mut self.key).is_err() {
            self.unwritable += run.timestamps.len() as u64;
            return Ok(0);
        }
        let mut written = 0;
        for (secs, value) in run.timestamps.iter().zip(run.values) {
            match self.line(*secs, *value, run.is_narrow) {
                Ok(()) => written += 1,
                Err(_) => self.unwritable += 1,
            }
            if self.text.len() > TEXT_BYTES {
                self.output.write_all(&self.text)?;
                self.text.clear();
            }
        }
        self.output.write_all(&self.text)?;
        self.text.clear();
        Ok(written)
    }

    fn line(&mut self, secs: i64, value: f64, is_narrow: bool) -> Result<(), Unwritable> {
        if !is_narrow {
            return write_line(&self.key, value, secs, &mut self.text);
        }
        if !value.is_finite() {
            return Err(Unwritable::Value);
        }
        self.text.extend_from_slice(&self.key);
        self.text.extend_from_slice(b" value=");
        // Exact: it was a float32.
        write_narrow_number(value as f32, &mut self.text);
        self.text.push(b' ');
        self.text.extend_from_slice(itoa::Buffer::new().format(secs).as_bytes());
        self.text.push(b'\n');
        Ok(())
    }
}

/// Bytes of lines that are written at once.
const TEXT_BYTES: usize = 1 << 16;

/// The header of CSV: the archive's columns.
const COLUMNS: [&str; 9] =
    ["cluster", "hostname", "metric", "scope", "scope_id", "timestamp", "frequency", "value", "parent"];
