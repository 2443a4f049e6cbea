//! What of a file need not be read: row groups by statistics and Bloom filters, pages by the page index.
//!
//! Everything here may only leave out rows that the filter does not let through; what it leaves in is filtered again,
//! row by row.

use std::ops::Range;

use parquet::arrow::arrow_reader::RowSelection;
use parquet::bloom_filter::Sbbf;
use parquet::errors::Result as LibraryResult;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use super::reader::{Columns, text_bounds, time_bounds};
use super::rows::Filter;
use super::source::Source;

/// Which rows of a row group to read.
pub(super) enum Selection {
    /// All.
    All,
    /// These.
    Some(RowSelection),
}

/// Whether a row group may hold rows that the filter lets through.
pub(super) fn may_match(
    source: &Source,
    group: &RowGroupMetaData,
    columns: &Columns,
    filter: &Filter,
) -> LibraryResult<bool> {
    if time_bounds(group, columns.timestamp)
        .is_some_and(|(first, last)| last < filter.from_secs || first > filter.to_secs)
    {
        return Ok(false);
    }
    let texts = [(columns.hostname, &filter.host), (columns.metric, &filter.metric)];
    for (column, wanted) in texts {
        let Some(wanted) = wanted else { continue };
        if text_bounds(group, column).is_some_and(|(min, max)| wanted.as_bytes() < min || wanted.as_bytes() > max) {
            return Ok(false);
        }
    }
    // Bloom filters last: they cost a read each.
    for (column, wanted) in texts {
        let (Some(wanted), Some(chunk)) = (wanted, group.columns().get(column)) else { continue };
        if let Some(bloom) = Sbbf::read_from_column_chunk(chunk, source)?
            && !bloom.check(wanted.as_str())
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The rows of a file's only row group that its page index leaves over; `None` when there are none.
pub(super) fn select(metadata: &ParquetMetaData, columns: &Columns, filter: &Filter) -> Option<Selection> {
    let rows = usize::try_from(metadata.row_group(0).num_rows()).ok()?;
    let mut selection: Option<RowSelection> = None;
    let mut narrow = |pages: Option<Vec<Range<usize>>>| {
        let Some(pages) = pages else { return };
        let pages = RowSelection::from_consecutive_ranges(pages.into_iter(), rows);
        selection = Some(match &selection {
            Some(before) => before.intersection(&pages),
            None => pages,
        });
    };
    for (column, wanted) in [(columns.hostname, &filter.host), (columns.metric, &filter.metric)] {
        let Some(wanted) = wanted else { continue };
        narrow(matching(metadata, column, rows, |index, page| match index {
            ColumnIndexMetaData::BYTE_ARRAY(index) => {
                index.min_value(page).is_none_or(|min| min <= wanted.as_bytes())
                    && index.max_value(page).is_none_or(|max| max >= wanted.as_bytes())
            }
            _ => true,
        }));
    }
    if filter.from_secs > i64::MIN || filter.to_secs < i64::MAX {
        narrow(matching(metadata, columns.timestamp, rows, |index, page| match index {
            ColumnIndexMetaData::INT64(index) => {
                index.min_value(page).is_none_or(|min| *min <= filter.to_secs)
                    && index.max_value(page).is_none_or(|max| *max >= filter.from_secs)
            }
            _ => true,
        }));
    }
    match selection {
        None => Some(Selection::All),
        Some(selection) if selection.selects_any() => Some(Selection::Some(selection)),
        Some(_) => None,
    }
}

/// The rows of the pages of a column that may match; `None` when there is no page index, or none that makes sense.
fn matching(
    metadata: &ParquetMetaData,
    column: usize,
    rows: usize,
    may_match: impl Fn(&ColumnIndexMetaData, usize) -> bool,
) -> Option<Vec<Range<usize>>> {
    let provider = metadata.page_index()?;
    let index = provider.column_index(0, column)?;
    let pages = provider.offset_index(0, column)?.page_locations();
    if index.num_pages() != pages.len() as u64 {
        return None;
    }
    let mut starts = Vec::with_capacity(pages.len() + 1);
    for page in pages {
        starts.push(usize::try_from(page.first_row_index).ok()?);
    }
    starts.push(rows);
    if starts[0] != 0 || !starts.is_sorted() {
        return None;
    }
    let ranges = starts.windows(2).enumerate();
    Some(ranges.filter(|(page, _)| may_match(index, *page)).map(|(_, pair)| pair[0]..pair[1]).collect())
}
