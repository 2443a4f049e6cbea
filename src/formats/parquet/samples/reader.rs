//! Reads a file of stamped samples back: which series have which samples. Of histograms only that they are there.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError as LibraryError;
use parquet::file::metadata::RowGroupMetaData;

use super::super::error::{ParquetError, guarded};
use super::super::source::Source;
use super::columns::{HISTOGRAM, HOSTNAME, LABELS, TIMESTAMP_MS, VALUE};
use super::writer::FORMAT_KEY;
use crate::disk::RandomRead;
use crate::model::Labels;

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8192;

/// Samples of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleBatch {
    /// The host's name.
    pub hostname: String,
    /// All labels.
    pub labels: Labels,
    /// Milliseconds since 1970, ascending.
    pub times_ms: Vec<i64>,
    /// A value for each time; 0 where a histogram is.
    pub values: Vec<f64>,
    /// The places of histograms in `times_ms`, ascending.
    pub histograms: Vec<u32>,
}

/// Reads the samples of a file in their order, series by series; a series may come in several pieces. Ends after the
/// first error.
pub struct SamplesReader {
    reader: ParquetRecordBatchReader,
    /// Whose samples are wanted; `None`: everybody's.
    host: Option<String>,
    /// What is decoded, the next piece last.
    ready: Vec<SampleBatch>,
    is_over: bool,
}

impl SamplesReader {
    /// Reads the footer. With a host, its samples alone are read, and of the file little more than it takes.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is none of stamped samples.
    pub fn open(file: Arc<dyn RandomRead>, host: Option<&str>) -> Result<Self, ParquetError> {
        let source = Source::new(file);
        let builder = guarded("footer", || ParquetRecordBatchReaderBuilder::try_new(source))?;
        let keys = builder.metadata().file_metadata().key_value_metadata();
        if !keys.is_some_and(|keys| keys.iter().any(|pair| pair.key == FORMAT_KEY)) {
            return Err(ParquetError::NotAnArchive(format!("expected the key {FORMAT_KEY} in the footer")));
        }
        let wanted = [HOSTNAME, LABELS, TIMESTAMP_MS, VALUE];
        let mask = ProjectionMask::columns(builder.parquet_schema(), wanted.into_iter().chain(["histogram.count"]));
        let may_hold = |group: &usize| host.is_none_or(|host| may_hold(builder.metadata().row_group(*group), host));
        let groups: Vec<usize> = (0..builder.metadata().num_row_groups()).filter(may_hold).collect();
        let builder = builder.with_row_groups(groups);
        let reader = guarded("footer", || builder.with_projection(mask).with_batch_size(BATCH_ROWS).build())?;
        Ok(SamplesReader { reader, host: host.map(str::to_owned), ready: Vec::new(), is_over: false })
    }

    fn advance(&mut self) -> Result<Option<SampleBatch>, ParquetError> {
        loop {
            if let Some(next) = self.ready.pop() {
                return Ok(Some(next));
            }
            let reader = &mut self.reader;
            let batch = guarded("rows", || reader.next().transpose().map_err(LibraryError::from))?;
            let Some(batch) = batch else { return Ok(None) };
            self.ready = guarded("rows", || split(&batch))?;
            if let Some(host) = &self.host {
                self.ready.retain(|batch| batch.hostname == *host);
            }
            self.ready.reverse();
        }
    }
}

impl Iterator for SamplesReader {
    type Item = Result<SampleBatch, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.advance().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Whether a row group may have rows of a host, by its statistics.
fn may_hold(group: &RowGroupMetaData, host: &str) -> bool {
    let column = group.columns().iter().find(|column| column.column_descr().name() == HOSTNAME);
    let statistics = column.and_then(|column| column.statistics());
    let bounds = statistics.and_then(|known| Some((known.min_bytes_opt()?, known.max_bytes_opt()?)));
    // Bounds may be shorter than the names: then the lower one is lower and the upper one higher.
    bounds.is_none_or(|(min, max)| (min..=max).contains(&host.as_bytes()))
}

/// Cuts rows into those of one series each.
fn split(batch: &RecordBatch) -> Result<Vec<SampleBatch>, LibraryError> {
    let column = |name: &str| {
        batch.column_by_name(name).ok_or_else(|| LibraryError::General(format!("expected a column {name:?}")))
    };
    let other = |name: &str| LibraryError::General(format!("{name}: expected another type"));
    let hostnames = column(HOSTNAME)?.as_string_opt::<i32>().ok_or_else(|| other(HOSTNAME))?;
    let labels = column(LABELS)?.as_map_opt().ok_or_else(|| other(LABELS))?;
    let names = labels.keys().as_string_opt::<i32>().ok_or_else(|| other(LABELS))?;
    let texts = labels.values().as_string_opt::<i32>().ok_or_else(|| other(LABELS))?;
    let times = column(TIMESTAMP_MS)?.as_primitive_opt::<Int64Type>().ok_or_else(|| other(TIMESTAMP_MS))?;
    let values = column(VALUE)?.as_primitive_opt::<Float64Type>().ok_or_else(|| other(VALUE))?;
    let histograms = column(HISTOGRAM)?;
    let offsets = labels.value_offsets();
    // Their labels begin and end there.
    let entries = |row: usize| offsets[row] as usize..offsets[row + 1] as usize;
    let is_same = |a: usize, b: usize| {
        let (a, b) = (entries(a), entries(b));
        a.len() == b.len()
            && a.zip(b).all(|(a, b)| names.value(a) == names.value(b) && texts.value(a) == texts.value(b))
    };
    let mut found: Vec<SampleBatch> = Vec::new();
    for row in 0..batch.num_rows() {
        let goes_on = row > 0 && hostnames.value(row - 1) == hostnames.value(row) && is_same(row - 1, row);
        if !goes_on {
            let pairs = entries(row).map(|at| (names.value(at), texts.value(at)));
            let (hostname, labels) = (hostnames.value(row).to_owned(), Labels::from_pairs(pairs));
            let (times_ms, values, histograms) = (Vec::new(), Vec::new(), Vec::new());
            found.push(SampleBatch { hostname, labels, times_ms, values, histograms });
        }
        let Some(batch) = found.last_mut() else { continue };
        if histograms.is_valid(row) {
            batch.histograms.push(batch.times_ms.len() as u32);
        }
        batch.times_ms.push(times.value(row));
        batch.values.push(if values.is_valid(row) { values.value(row) } else { 0.0 });
    }
    Ok(found)
}
