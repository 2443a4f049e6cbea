//! Reading the rows of a file, one row group after the other.
//!
//! Invariant: at any time one row group's page index and one record batch are in memory, and of each column the page
//! at hand and its dictionary.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_schema};
use parquet::errors::ParquetError as LibraryError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::error::{ParquetError, guarded};
use super::prune;
use super::reader::Columns;
use super::rows::{Batch, Filter};
use super::runs;
use super::source::Source;

/// Rows that are decoded at a time.
const RECORD_BATCH_ROWS: usize = 8192;

/// Rows of a file, as an iterator over runs of one series. Ends after the first error.
pub struct Batches {
    source: Source,
    footer: Arc<ParquetMetaData>,
    columns: Columns,
    filter: Filter,
    /// The row group that comes next.
    next_group: usize,
    /// The row group that is being read, and its number.
    open: Option<(usize, ParquetRecordBatchReader)>,
    /// Runs that are decoded, the next one last. The first of them may go on in the next record batch.
    ready: Vec<Batch>,
    is_over: bool,
}

impl Batches {
    pub(super) fn new(source: Source, footer: Arc<ParquetMetaData>, columns: Columns, filter: Filter) -> Self {
        Batches { source, footer, columns, filter, next_group: 0, open: None, ready: Vec::new(), is_over: false }
    }

    /// Decodes until a run is complete; `None` when there are no more rows.
    fn advance(&mut self) -> Result<Option<Batch>, ParquetError> {
        loop {
            // The last run that was decoded may go on.
            if self.ready.len() > 1 || (self.is_over && !self.ready.is_empty()) {
                return Ok(self.ready.pop());
            }
            if self.is_over {
                return Ok(None);
            }
            match self.record_batch()? {
                Some((group, batch)) => {
                    let open = self.ready.pop();
                    let place = format!("row group {group}");
                    self.ready = guarded(&place, || runs::split(&batch, &self.filter, open))?;
                    self.ready.reverse();
                }
                None => self.is_over = true,
            }
        }
    }

    fn record_batch(&mut self) -> Result<Option<(usize, RecordBatch)>, ParquetError> {
        loop {
            if let Some((group, reader)) = &mut self.open {
                let group = *group;
                let next =
                    guarded(&format!("row group {group}"), || reader.next().transpose().map_err(LibraryError::from))?;
                if let Some(batch) = next {
                    return Ok(Some((group, batch)));
                }
                self.open = None;
            }
            let group = self.next_group;
            if group >= self.footer.num_row_groups() {
                return Ok(None);
            }
            self.next_group += 1;
            let reader = guarded(&format!("row group {group}"), || self.open_group(group))?;
            self.open = reader.map(|reader| (group, reader));
        }
    }

    /// Opens a row group; `None` when the filter lets nothing of it through.
    fn open_group(&self, group: usize) -> Result<Option<ParquetRecordBatchReader>, LibraryError> {
        let row_group = self.footer.row_group(group);
        if row_group.num_rows() <= 0 || !prune::may_match(&self.source, row_group, &self.columns, &self.filter)? {
            return Ok(None);
        }
        let alone = ParquetMetaData::new(self.footer.file_metadata().clone(), vec![row_group.clone()]);
        let mut indexed =
            ParquetMetaDataReader::new_with_metadata(alone).with_page_index_policy(PageIndexPolicy::Optional);
        indexed.read_page_indexes(&self.source)?;
        let metadata = Arc::new(indexed.finish()?);
        let Some(selection) = prune::select(&metadata, &self.columns, &self.filter) else { return Ok(None) };
        let source = self.source.of_pages(self.page_starts(&metadata));
        let options = ArrowReaderOptions::new().with_schema(self.arrow_schema(&metadata)?);
        let metadata = ArrowReaderMetadata::try_new(metadata, options)?;
        let mask = ProjectionMask::leaves(metadata.parquet_schema(), self.columns.all());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(source, metadata)
            .with_projection(mask)
            .with_batch_size(RECORD_BATCH_ROWS);
        let builder = match selection {
            prune::Selection::All => builder,
            prune::Selection::Some(selection) => builder.with_row_selection(selection),
        };
        Ok(Some(builder.build()?))
    }

    /// Where pages begin in a file's only row group, as far as its page index tells.
    fn page_starts(&self, metadata: &ParquetMetaData) -> Vec<u64> {
        let mut starts = Vec::new();
        for column in self.columns.all() {
            starts.push(metadata.row_group(0).column(column).byte_range().0);
            let offsets = metadata.page_index().and_then(|index| index.offset_index(0, column));
            let pages = offsets.into_iter().flat_map(|offsets| offsets.page_locations());
            starts.extend(pages.filter_map(|page| u64::try_from(page.offset).ok()));
        }
        starts.sort_unstable();
        starts
    }

    /// The file's schema with strings as dictionaries: they repeat, and a string that is stored once must not grow to
    /// one copy a row.
    fn arrow_schema(&self, metadata: &ParquetMetaData) -> Result<Arc<Schema>, LibraryError> {
        let file = metadata.file_metadata();
        let schema = parquet_to_arrow_schema(file.schema_descr(), None)?;
        let is_text = |name: &str| self.columns.texts().any(|column| file.schema_descr().column(column).name() == name);
        let fields = schema.fields().iter().map(|field| match field.data_type() {
            DataType::Utf8 if is_text(field.name()) => {
                let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                Field::new(field.name(), text, field.is_nullable())
            }
            _ => Field::clone(field),
        });
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            // What was decoded before the damage is sound, but its run may be cut short: it is not handed out.
            self.ready.clear();
            self.open = None;
            self.is_over = true;
        }
        next.transpose()
    }
}
