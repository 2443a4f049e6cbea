//! Where the pages of a row group end.
//!
//! Pages of the columns that a reader filters by end at the same rows, and where they can at a change of metric, so
//! that a page index tells metrics apart.

use super::group::{Group, Run};

/// Rows from which on a page ends where the host or the metric changes.
const METRIC_ROWS: usize = 8 << 10;
/// Rows from which on a page ends where the series changes.
const SERIES_ROWS: usize = 32 << 10;
/// Rows of a page at most.
const PAGE_ROWS_MAX: usize = 64 << 10;
/// Rows from which on a page ends where another encoding begins.
const ENCODING_ROWS: usize = 1 << 10;

/// The rows behind the last one of every page. `encoding` tells the encoding that a metric's number asks for.
pub(super) fn page_ends(group: &Group, encoding: impl Fn(u32) -> bool) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut start = 0;
    let mut row = 0;
    let mut before: Option<&Run> = None;
    for run in &group.runs {
        if let Some(before) = before {
            let same_metric = before.metric == run.metric && before.hostname == run.hostname;
            let needed = if encoding(before.metric) != encoding(run.metric) {
                ENCODING_ROWS
            } else if !same_metric {
                METRIC_ROWS
            } else {
                SERIES_ROWS
            };
            if row - start >= needed {
                ends.push(row);
                start = row;
            }
        }
        row += run.rows as usize;
        while row - start > PAGE_ROWS_MAX {
            start += PAGE_ROWS_MAX;
            ends.push(start);
        }
        before = Some(run);
    }
    if row > start {
        ends.push(row);
    }
    ends
}
