//! The writer of an archive file: checks the order of the rows and cuts them into row groups.
//!
//! Invariant: what reaches the file is sorted by hostname, metric, scope, scope_id and timestamp. At any time there is
//! one row group that fills and at most [`WORKERS_MAX`] that are being encoded, whatever the number of rows.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::error::ParquetError;
use super::group::{Group, ROWS_MAX, ROWS_MIN, Values};
use super::names::Names;
use super::options::WriterOptions;
use super::rows::Rows;
use super::schema;

/// Bytes that a name may have.
const NAME_BYTES_MAX: usize = 1 << 16;

/// What a finished file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Row groups.
    pub row_groups: usize,
    /// The first second of any row, if there is one.
    pub first_secs: Option<i64>,
    /// The last second of any row, if there is one.
    pub last_secs: Option<i64>,
}

/// Writes the archive of one cluster into one file.
pub struct ArchiveWriter<W: Write + Send> {
    file: ArrowWriter<W>,
    cluster: String,
    has_parents: bool,
    group: Group,
    last: Option<Last>,
    written: Written,
}

impl<W: Write + Send> ArchiveWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// When the options are none, or the target fails.
    pub fn begin(out: W, cluster: &str, options: &WriterOptions) -> Result<Self, ParquetError> {
        check_name("cluster name, bytes", cluster)?;
        let level = ZstdLevel::try_new(options.compression_level).map_err(|_| ParquetError::DoesNotFit {
            what: "compression level",
            size: options.compression_level.into(),
            expected: "1 to 22".to_owned(),
        })?;
        let parquet_schema = schema::schema(options.value, options.has_parents).map_err(ParquetError::writing)?;
        let key_values = options.metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_sorting_columns(Some(schema::sorting()))
            .set_key_value_metadata(Some(key_values.collect()))
            .build();
        let descriptor = parquet::schema::types::SchemaDescriptor::new(parquet_schema);
        let arrow = parquet::arrow::parquet_to_arrow_schema(&descriptor, None).map_err(ParquetError::writing)?;
        let file = ArrowWriter::try_new(out, Arc::new(arrow), Some(properties)).map_err(ParquetError::writing)?;
        Ok(ArchiveWriter {
            file,
            cluster: cluster.to_owned(),
            has_parents: options.has_parents,
            group: Group::new(options.value),
            last: None,
            written: Written::default(),
        })
    }

    /// Adds rows of one series. They come in the order hostname, metric, scope, scope_id, timestamp, compared by bytes;
    /// a series may come in several calls. A timestamp comes once a series; series that differ in their parent alone
    /// may share timestamps. Rows without a value (NaN) are left out.
    ///
    /// # Errors
    /// [`ParquetError::Unsorted`] before anything of these rows is taken; otherwise when the target fails.
    pub fn rows(&mut self, rows: &Rows<'_>) -> Result<(), ParquetError> {
        self.check(rows)?;
        let (Some(first), Some(last)) = (rows.timestamps.first(), rows.timestamps.last()) else { return Ok(()) };
        let is_new_host = self.last.as_ref().is_some_and(|last| last.hostname != rows.hostname);
        if is_new_host && self.group.rows() >= ROWS_MIN {
            self.flush()?;
        }
        let mut start = 0;
        while start < rows.timestamps.len() {
            if self.group.is_full() {
                self.flush()?;
            }
            let end = rows.timestamps.len().min(start + ROWS_MAX - self.group.rows());
            let part = Rows { timestamps: &rows.timestamps[start..end], values: &rows.values[start..end], ..*rows };
            self.group.push(&part, self.has_parents);
            start = end;
        }
        self.written.first_secs = Some(self.written.first_secs.map_or(*first, |known| known.min(*first)));
        self.written.last_secs = Some(self.written.last_secs.map_or(*last, |known| known.max(*last)));
        Last::set(&mut self.last, rows, *last);
        Ok(())
    }

    /// Ends the file and gives the target back. It is neither flushed nor synced.
    ///
    /// # Errors
    /// When the target fails.
    pub fn finish(mut self) -> Result<(W, Written), ParquetError> {
        self.flush()?;
        let out = self.file.into_inner().map_err(ParquetError::writing)?;
        Ok((out, self.written))
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        let rows = self.group.rows();
        if rows == 0 {
            return Ok(());
        }
        let group = &self.group;
        let names = |names: &Names, number: &dyn Fn(&super::group::Run) -> u32| -> ArrayRef {
            let all = group
                .runs
                .iter()
                .flat_map(|run| std::iter::repeat_n(names.all()[number(run) as usize].to_string(), run.rows as usize));
            Arc::new(StringArray::from_iter_values(all))
        };
        let frequencies =
            group.runs.iter().flat_map(|run| std::iter::repeat_n(i64::from(run.frequency_secs), run.rows as usize));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&self.cluster, rows))),
            names(&group.hostnames, &|run| run.hostname),
            names(&group.metrics, &|run| run.metric),
            names(&group.scopes, &|run| run.scope),
            names(&group.scope_ids, &|run| run.scope_id),
            Arc::new(Int64Array::from(group.timestamps.clone())),
            Arc::new(Int64Array::from_iter_values(frequencies)),
            match &group.values {
                Values::Float32(values) => Arc::new(Float32Array::from(values.clone())),
                Values::Float64(values) => Arc::new(Float64Array::from(values.clone())),
            },
        ];
        if self.has_parents {
            let parents = group.runs.iter().flat_map(|run| {
                let parent = run.parent.map(|number| &*group.parents.all()[number as usize]);
                std::iter::repeat_n(parent, run.rows as usize)
            });
            columns.push(Arc::new(parents.collect::<StringArray>()));
        }
        let batch =
            RecordBatch::try_new(self.file_schema()?, columns).map_err(|error| ParquetError::writing(error.into()))?;
        self.file.write(&batch).map_err(ParquetError::writing)?;
        self.file.flush().map_err(ParquetError::writing)?;
        self.written.rows += rows as u64;
        self.written.row_groups += 1;
        self.group.clear();
        Ok(())
    }

    fn file_schema(&self) -> Result<Arc<arrow::datatypes::Schema>, ParquetError> {
        let value = match self.group.values {
            Values::Float32(_) => super::options::ValueType::Float32,
            Values::Float64(_) => super::options::ValueType::Float64,
        };
        let schema = schema::schema(value, self.has_parents).map_err(ParquetError::writing)?;
        let descriptor = parquet::schema::types::SchemaDescriptor::new(schema);
        parquet::arrow::parquet_to_arrow_schema(&descriptor, None).map(Arc::new).map_err(ParquetError::writing)
    }

    fn check(&self, rows: &Rows<'_>) -> Result<(), ParquetError> {
        for (what, name) in [
            ("hostname, bytes", rows.hostname),
            ("metric name, bytes", rows.metric),
            ("scope, bytes", rows.scope),
            ("scope id, bytes", rows.scope_id),
            ("parent, bytes", rows.parent),
        ] {
            check_name(what, name)?;
        }
        if rows.timestamps.len() != rows.values.len() {
            return Err(ParquetError::DoesNotFit {
                what: "values",
                size: rows.values.len() as i64,
                expected: format!("one for each of {} timestamps", rows.timestamps.len()),
            });
        }
        let Some(first) = rows.timestamps.first() else { return Ok(()) };
        if let Some(last) = &self.last
            && !last.allows(rows, *first)
        {
            return Err(ParquetError::Unsorted { previous: last.describe(), found: describe(rows, *first) });
        }
        if let Some(pair) = rows.timestamps.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(ParquetError::Unsorted { previous: describe(rows, pair[0]), found: describe(rows, pair[1]) });
        }
        Ok(())
    }
}

/// The last row that was written.
#[derive(Debug, Default)]
struct Last {
    hostname: String,
    metric: String,
    scope: String,
    scope_id: String,
    parent: String,
    timestamp: i64,
}

impl Last {
    /// Whether `rows`, whose first timestamp this is, may follow.
    fn allows(&self, rows: &Rows<'_>, timestamp: i64) -> bool {
        let own = [&*self.hostname, &*self.metric, &*self.scope, &*self.scope_id];
        match own.cmp(&[rows.hostname, rows.metric, rows.scope, rows.scope_id]) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal if self.parent == rows.parent => self.timestamp < timestamp,
            std::cmp::Ordering::Equal => self.timestamp <= timestamp,
            std::cmp::Ordering::Greater => false,
        }
    }

    fn set(last: &mut Option<Last>, rows: &Rows<'_>, timestamp: i64) {
        let last = last.get_or_insert_default();
        for (own, name) in [
            (&mut last.hostname, rows.hostname),
            (&mut last.metric, rows.metric),
            (&mut last.scope, rows.scope),
            (&mut last.scope_id, rows.scope_id),
            (&mut last.parent, rows.parent),
        ] {
            if *own != name {
                own.clear();
                own.push_str(name);
            }
        }
        last.timestamp = timestamp;
    }

    fn describe(&self) -> String {
        describe(
            &Rows {
                hostname: &self.hostname,
                metric: &self.metric,
                scope: &self.scope,
                scope_id: &self.scope_id,
                parent: &self.parent,
                frequency_secs: 0,
                timestamps: &[],
                values: &[],
            },
            self.timestamp,
        )
    }
}

fn describe(rows: &Rows<'_>, timestamp: i64) -> String {
    format!("{:?} {:?} {:?} {:?} at {timestamp}", rows.hostname, rows.metric, rows.scope, rows.scope_id)
}

fn check_name(what: &'static str, name: &str) -> Result<(), ParquetError> {
    if name.len() > NAME_BYTES_MAX {
        let expected = format!("at most {NAME_BYTES_MAX}");
        return Err(ParquetError::DoesNotFit { what, size: name.len() as i64, expected });
    }
    Ok(())
}
