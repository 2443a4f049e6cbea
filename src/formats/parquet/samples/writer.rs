//! The writer of a file of stamped samples.
//!
//! Invariant: rows are sorted by hostname, labels and time; of one series no time comes twice.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, MapArray, RecordBatch, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::super::error::ParquetError;
use super::super::writer::Written;
use super::columns::{TIMESTAMP_MS, VALUE, entries, entry_fields, schema};
use super::histograms;
use super::texts::Texts;
use crate::model::Labels;
use crate::model::histogram::FloatHistogram;

/// Rows that are gathered before they are encoded.
const BATCH_ROWS: usize = 8192;
/// Rows of a row group.
const GROUP_ROWS: usize = 1 << 17;

/// The key-value pair that tells a file of stamped samples of Treering, and the version of what this module writes.
pub(super) const FORMAT_KEY: &str = "treering.samples.version";
pub(super) const FORMAT_VERSION: &str = "1";
/// The key-value pair with the cluster.
const CLUSTER_KEY: &str = "treering.archive.cluster";

/// Samples of one series, ascending by time.
#[derive(Debug, Clone, Copy)]
pub struct SampleRows<'a> {
    /// The host's name.
    pub hostname: &'a str,
    /// All labels, the metric's name among them.
    pub labels: &'a Labels,
    /// Milliseconds since 1970.
    pub times_ms: &'a [i64],
    /// A value for each time, whatever where a histogram is.
    pub values: &'a [f64],
    /// Histograms with their places in `times_ms`, ascending.
    pub histograms: &'a [(u32, Arc<FloatHistogram>)],
    /// When counting began, in milliseconds since 1970: empty, or one for each time, 0 for unknown.
    pub starts_ms: &'a [i64],
}

/// Writes the stamped samples of one cluster into one file.
pub struct SamplesWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: Arc<Schema>,
    cluster: String,
    batch: Batch,
    /// Host, labels and time of the last row.
    last: Option<(Box<str>, Labels, i64)>,
    written: Written,
}

/// Rows that are not encoded yet.
#[derive(Debug, Default)]
struct Batch {
    clusters: Texts,
    hostnames: Texts,
    metrics: Texts,
    names: Texts,
    values_of_names: Texts,
    /// Labels of each row.
    labels: Vec<usize>,
    times: Vec<i64>,
    values: Vec<Option<f64>>,
    starts: Vec<Option<i64>>,
    histograms: Vec<(usize, Arc<FloatHistogram>)>,
}

impl<W: Write + Send> SamplesWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// When there is no such compression level, or the target fails.
    pub fn begin(out: W, cluster: &str, compression_level: i32) -> Result<Self, ParquetError> {
        let level = Some(compression_level).filter(|level| *level > 0).and_then(|level| ZstdLevel::try_new(level).ok());
        let level = level.ok_or_else(|| ParquetError::DoesNotFit {
            what: "compression level",
            size: compression_level.into(),
            expected: "1 to 22".to_owned(),
        })?;
        let own = [(FORMAT_KEY, FORMAT_VERSION), (CLUSTER_KEY, cluster)];
        let own = own.map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()));
        let properties = WriterProperties::builder()
            .set_created_by(concat!("treering version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_column_dictionary_enabled(ColumnPath::from(VALUE), false)
            .set_column_dictionary_enabled(ColumnPath::from(TIMESTAMP_MS), false)
            .set_key_value_metadata(Some(own.to_vec()))
            .build();
        // Without Arrow's own schema: that texts are gathered in dictionaries here is nobody's business.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let schema = Arc::new(schema());
        let writer = ArrowWriter::try_new_with_options(out, Arc::clone(&schema), options);
        let writer = writer.map_err(ParquetError::writing)?;
        let (batch, written) = (Batch::default(), Written::default());
        Ok(SamplesWriter { writer, schema, cluster: cluster.to_owned(), batch, last: None, written })
    }

    /// Adds samples of one series. They come in the order hostname, labels, time; a series may come in several calls.
    ///
    /// # Errors
    /// [`ParquetError::Unsorted`] before anything of these rows is taken; otherwise when the target fails.
    pub fn rows(&mut self, rows: &SampleRows<'_>) -> Result<(), ParquetError> {
        self.check(rows)?;
        let mut begin = 0;
        while begin < rows.times_ms.len() {
            let end = rows.times_ms.len().min(begin + BATCH_ROWS - self.batch.times.len());
            self.batch.push(&self.cluster, rows, begin..end);
            begin = end;
            if self.batch.times.len() >= BATCH_ROWS {
                self.flush()?;
            }
        }
        let (Some(&first), Some(&last)) = (rows.times_ms.first(), rows.times_ms.last()) else { return Ok(()) };
        let (first, last) = (first.div_euclid(1000), last.div_euclid(1000));
        let written = &mut self.written;
        written.rows += rows.times_ms.len() as u64;
        written.first_secs = Some(written.first_secs.map_or(first, |known| known.min(first)));
        written.last_secs = Some(written.last_secs.map_or(last, |known| known.max(last)));
        Ok(())
    }

    fn check(&mut self, rows: &SampleRows<'_>) -> Result<(), ParquetError> {
        let Some(&last_ms) = rows.times_ms.last() else { return Ok(()) };
        let is_ascending = rows.times_ms.is_sorted_by(|a, b| a < b);
        let place = |host: &str, labels: &Labels, time_ms: i64| format!("{host} {labels} at {time_ms} ms");
        let follows = self.last.as_ref().is_none_or(|(host, labels, time_ms)| {
            (&**host, labels, time_ms) < (rows.hostname, rows.labels, &rows.times_ms[0])
        });
        if !is_ascending || !follows {
            let previous =
                self.last.as_ref().map_or_else(String::new, |(host, labels, time)| place(host, labels, *time));
            let found = place(rows.hostname, rows.labels, rows.times_ms[0]);
            return Err(ParquetError::Unsorted { previous, found });
        }
        match &mut self.last {
            Some((host, labels, time_ms)) if **host == *rows.hostname && labels == rows.labels => *time_ms = last_ms,
            last => *last = Some((rows.hostname.into(), rows.labels.clone(), last_ms)),
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.batch.times.is_empty() {
            return Ok(());
        }
        let columns = self.batch.take().map_err(|error| ParquetError::Io(std::io::Error::other(error)))?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        let batch = batch.map_err(|error| ParquetError::Io(std::io::Error::other(error)))?;
        self.writer.write(&batch).map_err(ParquetError::writing)
    }

    /// Ends the file; gives the target back, which is for the caller to make durable.
    ///
    /// # Errors
    /// When the target fails.
    pub fn finish(mut self) -> Result<(W, Written), ParquetError> {
        self.flush()?;
        self.writer.flush().map_err(ParquetError::writing)?;
        self.written.row_groups = self.writer.flushed_row_groups().len();
        let out = self.writer.into_inner().map_err(ParquetError::writing)?;
        Ok((out, self.written))
    }
}

impl Batch {
    fn push(&mut self, cluster: &str, rows: &SampleRows<'_>, range: std::ops::Range<usize>) {
        let count = range.len();
        let texts = [
            (&mut self.clusters, cluster),
            (&mut self.hostnames, rows.hostname),
            (&mut self.metrics, rows.labels.metric_name()),
        ];
        for (column, text) in texts {
            let number = column.number(text);
            column.push_many(number, count);
        }
        let (names, values) = (&mut self.names, &mut self.values_of_names);
        let labels: Vec<(i32, i32)> =
            rows.labels.iter().map(|label| (names.number(&label.name), values.number(&label.value))).collect();
        for _ in 0..count {
            for (name, value) in &labels {
                names.push(*name);
                values.push(*value);
            }
        }
        self.labels.extend(std::iter::repeat_n(labels.len(), count));
        let first_row = self.times.len();
        self.times.extend_from_slice(&rows.times_ms[range.clone()]);
        self.values.extend(rows.values[range.clone()].iter().map(|value| Some(*value)));
        let start = |at: usize| rows.starts_ms.get(at).copied().filter(|start| *start != 0);
        self.starts.extend(range.clone().map(start));
        for (at, histogram) in rows.histograms {
            let at = *at as usize;
            if range.contains(&at) {
                let row = first_row + at - range.start;
                self.values[row] = None;
                self.histograms.push((row, Arc::clone(histogram)));
            }
        }
    }

    fn take(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let rows = self.times.len();
        let texts: Vec<ArrayRef> = vec![self.names.take()?, self.values_of_names.take()?];
        let labels = StructArray::try_new(entry_fields(), texts, None)?;
        let offsets = OffsetBuffer::from_lengths(self.labels.drain(..));
        let labels = MapArray::try_new(Arc::new(entries()), offsets, labels, None, true)?;
        let histograms = histograms::column(rows, &self.histograms)?;
        self.histograms.clear();
        Ok(vec![
            self.clusters.take()?,
            self.hostnames.take()?,
            self.metrics.take()?,
            Arc::new(labels),
            Arc::new(Int64Array::from(std::mem::take(&mut self.times))),
            Arc::new(Float64Array::from(std::mem::take(&mut self.values))),
            Arc::new(Int64Array::from(std::mem::take(&mut self.starts))),
            histograms,
        ])
    }
}
