//! A file of an archive: what its footer says, and the choice of what to read.

use std::sync::Arc;

use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use parquet::schema::types::SchemaDescriptor;

use super::error::{ParquetError, guarded};
use super::options::ValueType;
use super::rows::Filter;
use super::scan::Batches;
use super::schema;
use super::source::Source;
use crate::disk::RandomRead;

/// What a file's footer says. Nothing of it is checked against the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ArchiveMetadata {
    /// Rows.
    pub rows: u64,
    /// The cluster of all rows, where statistics tell.
    pub cluster: Option<String>,
    /// The first second of any row, where statistics tell.
    pub first_secs: Option<i64>,
    /// The last second of any row, where statistics tell.
    pub last_secs: Option<i64>,
    /// The type of the column `value`.
    pub value: ValueType,
    /// Whether there is a column `parent`.
    pub has_parents: bool,
    /// The program that wrote the file, as it calls itself.
    pub created_by: Option<String>,
    /// The file's own key-value pairs.
    pub key_values: Vec<(String, String)>,
    /// The row groups in the order of the file.
    pub row_groups: Vec<RowGroupSummary>,
}

/// What a file's footer says of a row group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowGroupSummary {
    /// Rows.
    pub rows: u64,
    /// Bytes in the file.
    pub bytes: u64,
    /// Its first host, where statistics tell.
    pub first_host: Option<String>,
    /// Its last host, where statistics tell.
    pub last_host: Option<String>,
    /// Its first second, where statistics tell.
    pub first_secs: Option<i64>,
    /// Its last second, where statistics tell.
    pub last_secs: Option<i64>,
}

/// Where the columns of an archive stand in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) cluster: usize,
    pub(super) hostname: usize,
    pub(super) metric: usize,
    pub(super) scope: usize,
    pub(super) scope_id: usize,
    pub(super) timestamp: usize,
    pub(super) frequency: usize,
    pub(super) value: usize,
    pub(super) parent: Option<usize>,
}

impl Columns {
    /// The columns of strings.
    pub(super) fn texts(&self) -> impl Iterator<Item = usize> {
        [self.cluster, self.hostname, self.metric, self.scope, self.scope_id].into_iter().chain(self.parent)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = usize> {
        self.texts().chain([self.timestamp, self.frequency, self.value])
    }
}

/// Reads an archive file: Treering's own or one of cc-metric-store.
pub struct ArchiveReader {
    source: Source,
    footer: Arc<ParquetMetaData>,
    columns: Columns,
    metadata: ArchiveMetadata,
}

impl ArchiveReader {
    /// Reads the footer.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is a Parquet file without the columns of an archive.
    pub fn open(file: Arc<dyn RandomRead>) -> Result<Self, ParquetError> {
        let source = Source::new(file);
        // The page index is read for those row groups alone that a filter leaves over.
        let footer = guarded("footer", || {
            ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip).parse_and_finish(&source)
        })?;
        let (columns, value) = columns(footer.file_metadata().schema_descr())?;
        let metadata = guarded("footer", || Ok(summary(&footer, &columns, value)))?;
        Ok(ArchiveReader { source, footer: Arc::new(footer), columns, metadata })
    }

    /// What the footer says.
    pub fn metadata(&self) -> &ArchiveMetadata {
        &self.metadata
    }

    /// Reads the rows that the filter lets through, in the order of the file. Row groups are skipped by statistics and
    /// Bloom filters, pages by the page index. Ends after the first error.
    pub fn read(&self, filter: &Filter) -> Batches {
        Batches::new(self.source.clone(), self.footer.clone(), self.columns, filter.clone())
    }
}

/// Finds the columns, or says which is missing or of another type.
fn columns(schema: &SchemaDescriptor) -> Result<(Columns, ValueType), ParquetError> {
    let find = |name: &str| {
        schema.columns().iter().position(|column| match column.path().parts() {
            [part] => part == name && column.max_rep_level() == 0,
            _ => false,
        })
    };
    let typed = |name: &str, types: &[PhysicalType]| {
        let Some(column) = find(name) else {
            return Err(ParquetError::NotAnArchive(format!("there is no column {name:?}")));
        };
        let found = schema.column(column).physical_type();
        if !types.contains(&found) {
            let reason = format!("column {name:?} has the type {found}: expected {types:?}");
            return Err(ParquetError::NotAnArchive(reason));
        }
        Ok(column)
    };
    let text = |name| typed(name, &[PhysicalType::BYTE_ARRAY]);
    let number = |name| typed(name, &[PhysicalType::INT64]);
    let columns = Columns {
        cluster: text(schema::CLUSTER)?,
        hostname: text(schema::HOSTNAME)?,
        metric: text(schema::METRIC)?,
        scope: text(schema::SCOPE)?,
        scope_id: text(schema::SCOPE_ID)?,
        timestamp: number(schema::TIMESTAMP)?,
        frequency: number(schema::FREQUENCY)?,
        value: typed(schema::VALUE, &[PhysicalType::FLOAT, PhysicalType::DOUBLE])?,
        parent: find(schema::PARENT).map(|_| text(schema::PARENT)).transpose()?,
    };
    let value = match schema.column(columns.value).physical_type() {
        PhysicalType::FLOAT => ValueType::Float32,
        _ => ValueType::Float64,
    };
    Ok((columns, value))
}

fn summary(footer: &ParquetMetaData, columns: &Columns, value: ValueType) -> ArchiveMetadata {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let row_groups: Vec<RowGroupSummary> = footer
        .row_groups()
        .iter()
        .map(|group| {
            let hosts = text_bounds(group, columns.hostname);
            let times = time_bounds(group, columns.timestamp);
            RowGroupSummary {
                rows: group.num_rows().max(0) as u64,
                bytes: group.compressed_size().max(0) as u64,
                first_host: hosts.and_then(|(min, _)| text(min)),
                last_host: hosts.and_then(|(_, max)| text(max)),
                first_secs: times.map(|(first, _)| first),
                last_secs: times.map(|(_, last)| last),
            }
        })
        .collect();
    let file = footer.file_metadata();
    // One row group without statistics leaves it open what the whole file spans.
    let all = |secs: fn(&RowGroupSummary) -> Option<i64>| row_groups.iter().map(secs).collect::<Option<Vec<i64>>>();
    let mut clusters = footer.row_groups().iter().map(|group| match text_bounds(group, columns.cluster) {
        Some((min, max)) if min == max => text(min),
        _ => None,
    });
    let first = clusters.next().flatten();
    let cluster = first.filter(|first| clusters.all(|other| other.as_ref() == Some(first)));
    ArchiveMetadata {
        rows: file.num_rows().max(0) as u64,
        cluster,
        first_secs: all(|group| group.first_secs).and_then(|all| all.into_iter().min()),
        last_secs: all(|group| group.last_secs).and_then(|all| all.into_iter().max()),
        value,
        has_parents: columns.parent.is_some(),
        created_by: file.created_by().map(str::to_owned),
        key_values: file
            .key_value_metadata()
            .into_iter()
            .flatten()
            .map(|pair| (pair.key.clone(), pair.value.clone().unwrap_or_default()))
            .collect(),
        row_groups,
    }
}

/// The bounds of a column of strings in a row group: every value lies between them, themselves included.
pub(super) fn text_bounds(group: &RowGroupMetaData, column: usize) -> Option<(&[u8], &[u8])> {
    let found = group.columns().get(column)?.statistics()?;
    // The old fields were compared as signed bytes by some writers.
    match found {
        Statistics::ByteArray(_) if !found.is_min_max_deprecated() => {
            Some((found.min_bytes_opt()?, found.max_bytes_opt()?))
        }
        _ => None,
    }
}

/// The same of a column of whole numbers.
pub(super) fn time_bounds(group: &RowGroupMetaData, column: usize) -> Option<(i64, i64)> {
    match group.columns().get(column)?.statistics()? {
        Statistics::Int64(found) => Some((*found.min_opt()?, *found.max_opt()?)),
        _ => None,
    }
}
