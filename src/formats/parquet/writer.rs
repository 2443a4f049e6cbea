//! The writer of an archive file: checks the order of the rows and cuts them into row groups.
//!
//! Invariant: what reaches the file is sorted by hostname, metric, scope, scope_id and timestamp. At any time there is
//! one row group that fills and at most [`WORKERS_MAX`] that are being encoded, whatever the number of rows.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::Result as LibraryResult;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::encode::{EncodedGroup, Encoder};
use super::error::ParquetError;
use super::group::{Group, ROWS_MAX, ROWS_MIN};
use super::options::{ValueType, WORKERS_MAX, WriterOptions};
use super::rows::Rows;
use super::schema;

/// The key-value pair that tells an archive of Treering, and the version of what this module writes.
const FORMAT_KEY: &str = "treering.archive.version";
const FORMAT_VERSION: &str = "1";
/// The key-value pair with the cluster.
const CLUSTER_KEY: &str = "treering.archive.cluster";
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
    file: SerializedFileWriter<W>,
    encoder: Encoder,
    value: ValueType,
    /// Threads that encode; none when the caller does.
    workers: usize,
    /// The row group that fills.
    group: Group,
    /// Row groups that are being encoded, in their order in the file.
    encoding: VecDeque<JoinHandle<(LibraryResult<EncodedGroup>, Group)>>,
    /// A group whose memory can be used again.
    spare: Option<Group>,
    last: Option<Last>,
    written: Written,
}

impl<W: Write + Send> ArchiveWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// When there is no such compression level, the cluster's name is too long, or the target fails.
    pub fn begin(out: W, cluster: &str, options: &WriterOptions) -> Result<Self, ParquetError> {
        check_name("cluster name, bytes", cluster)?;
        let no_level = || ParquetError::DoesNotFit {
            what: "compression level",
            size: options.compression_level.into(),
            expected: "1 to 22".to_owned(),
        };
        // The library takes 0 for its default and negative ones for speed; neither is offered.
        let level = Some(options.compression_level).filter(|level| *level > 0).ok_or_else(no_level)?;
        let level = ZstdLevel::try_new(level).map_err(|_| no_level())?;
        let parquet_schema = schema::schema(options.value, options.has_parents).map_err(ParquetError::writing)?;
        let own = [(FORMAT_KEY, FORMAT_VERSION), (CLUSTER_KEY, cluster)];
        let own = own.map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()));
        let given = options.metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let properties = WriterProperties::builder()
            .set_created_by(concat!("treering version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(level))
            .set_sorting_columns(Some(schema::sorting()))
            .set_key_value_metadata(Some(own.into_iter().chain(given).collect()))
            .build();
        let file =
            SerializedFileWriter::new(out, parquet_schema, Arc::new(properties)).map_err(ParquetError::writing)?;
        let encoder = Encoder {
            schema: file.schema_descr().clone().into(),
            cluster: cluster.to_owned(),
            level: options.compression_level,
            has_parents: options.has_parents,
        };
        Ok(ArchiveWriter {
            file,
            encoder,
            value: options.value,
            workers: if options.workers > 1 { options.workers.min(WORKERS_MAX) } else { 0 },
            group: Group::new(options.value),
            encoding: VecDeque::new(),
            spare: None,
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
        let Some(last) = rows.timestamps.last() else { return Ok(()) };
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
            self.group.push(&part, self.encoder.has_parents);
            start = end;
        }
        Last::set(&mut self.last, rows, *last);
        Ok(())
    }

    /// Ends the file and gives the target back. It is neither flushed nor synced.
    ///
    /// # Errors
    /// When the target fails.
    pub fn finish(mut self) -> Result<(W, Written), ParquetError> {
        self.flush()?;
        while let Some(oldest) = self.encoding.pop_front() {
            self.append_encoded(oldest)?;
        }
        let out = self.file.into_inner().map_err(ParquetError::writing)?;
        Ok((out, self.written))
    }

    /// Ends the row group that fills: encodes it, or has it encoded.
    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.group.rows() == 0 {
            return Ok(());
        }
        if self.workers == 0 {
            let encoded = self.encoder.encode(&self.group).map_err(ParquetError::writing)?;
            self.group.clear();
            return self.append(encoded);
        }
        if self.encoding.len() == self.workers
            && let Some(oldest) = self.encoding.pop_front()
        {
            self.append_encoded(oldest)?;
        }
        let next = self.spare.take().unwrap_or_else(|| Group::new(self.value));
        let full = std::mem::replace(&mut self.group, next);
        let encoder = self.encoder.clone();
        let name = "archive-encode".to_owned();
        let worker = thread::Builder::new().name(name).spawn(move || (encoder.encode(&full), full))?;
        self.encoding.push_back(worker);
        Ok(())
    }

    fn append_encoded(&mut self, worker: JoinHandle<(LibraryResult<EncodedGroup>, Group)>) -> Result<(), ParquetError> {
        let (encoded, mut group) = worker.join().map_err(|_| io::Error::other("a row group's encoder panicked"))?;
        group.clear();
        self.spare = Some(group);
        self.append(encoded.map_err(ParquetError::writing)?)
    }

    fn append(&mut self, encoded: EncodedGroup) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group().map_err(ParquetError::writing)?;
        for column in encoded.columns {
            group.append_column(&column.bytes, column.close).map_err(ParquetError::writing)?;
        }
        group.close().map_err(ParquetError::writing)?;
        let (first, last) = (encoded.first_secs, encoded.last_secs);
        self.written.rows += encoded.rows as u64;
        self.written.row_groups += 1;
        self.written.first_secs = Some(self.written.first_secs.map_or(first, |known| known.min(first)));
        self.written.last_secs = Some(self.written.last_secs.map_or(last, |known| known.max(last)));
        Ok(())
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
