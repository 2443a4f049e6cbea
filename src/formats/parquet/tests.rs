//! The writer and the reader against each other, and against a file of cc-metric-store.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::disk::RandomRead;
use crate::testing::Random;

mod damage;
mod layout;
mod round_trip;
mod skip;

/// A file in memory that counts what is read of it.
#[derive(Default)]
pub(super) struct Memory {
    bytes: Vec<u8>,
    read: AtomicU64,
}

impl Memory {
    fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Memory { bytes, read: AtomicU64::new(0) })
    }

    fn read_bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl RandomRead for Memory {
    fn file_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(buffer.len()).filter(|end| *end <= self.bytes.len());
        buffer.copy_from_slice(&self.bytes[start..end.ok_or(io::ErrorKind::UnexpectedEof)?]);
        Ok(())
    }
}

/// One series to write.
#[derive(Debug, Clone, PartialEq)]
struct Series {
    hostname: String,
    metric: String,
    scope: String,
    scope_id: String,
    parent: String,
    frequency_secs: u32,
    timestamps: Vec<i64>,
    values: Vec<f64>,
}

impl Series {
    fn new(hostname: &str, metric: &str, scope_id: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        Series {
            hostname: hostname.to_owned(),
            metric: metric.to_owned(),
            scope: if scope_id.is_empty() { "node" } else { "hwthread" }.to_owned(),
            scope_id: scope_id.to_owned(),
            parent: String::new(),
            frequency_secs: 60,
            timestamps: (0..values.len() as i64).map(|slot| START + 60 * slot).collect(),
            values,
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            hostname: &self.hostname,
            metric: &self.metric,
            scope: &self.scope,
            scope_id: &self.scope_id,
            parent: &self.parent,
            frequency_secs: self.frequency_secs,
            timestamps: &self.timestamps,
            values: &self.values,
        }
    }
}

const START: i64 = 1_700_000_010;

fn write(series: &[Series], options: &WriterOptions) -> (Vec<u8>, Written) {
    let mut writer = ArchiveWriter::begin(Vec::new(), "alex", options).unwrap();
    for series in series {
        writer.rows(&series.rows()).unwrap();
    }
    writer.finish().unwrap()
}

/// Reads a file; runs of one series that were cut are put together.
fn read(file: Arc<Memory>, filter: &Filter) -> Result<Vec<Series>, ParquetError> {
    let mut all: Vec<Series> = Vec::new();
    for batch in ArchiveReader::open(file)?.read(filter) {
        let batch = batch?;
        assert!(!batch.timestamps.is_empty() && batch.timestamps.len() == batch.values.len());
        let series = Series {
            hostname: batch.hostname,
            metric: batch.metric,
            scope: batch.scope,
            scope_id: batch.scope_id,
            parent: batch.parent,
            frequency_secs: batch.frequency_secs,
            timestamps: batch.timestamps,
            values: batch.values,
        };
        match all.last_mut() {
            Some(last)
                if (&last.hostname, &last.metric, &last.scope, &last.scope_id, &last.parent)
                    == (&series.hostname, &series.metric, &series.scope, &series.scope_id, &series.parent) =>
            {
                last.timestamps.extend(series.timestamps);
                last.values.extend(series.values);
            }
            _ => all.push(series),
        }
    }
    Ok(all)
}
