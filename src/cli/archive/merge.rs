//! Many sorted files as one: rows by series, time and parent; of equal rows the one of the latest file.
//!
//! Memory: of each file the batch at hand.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::formats::parquet::{Batch, ParquetError};

use super::sorted::{SeriesKey, is_behind, series_key};

/// Rows of one series that follow each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'b> {
    /// The series, and the frequency of these rows.
    pub(super) series: &'b Batch,
    /// Seconds since 1970, ascending.
    pub(super) timestamps: &'b [i64],
    /// One value a timestamp.
    pub(super) values: &'b [f64],
    /// Whether the values were kept as float32.
    pub(super) is_narrow: bool,
}

/// A file on its way through the merge.
struct Cursor<I> {
    /// Its place among the files: the later one counts.
    rank: usize,
    is_narrow: bool,
    rows: I,
    batch: Batch,
    /// The next row of the batch, which is there.
    at: usize,
}

impl<I> Cursor<I> {
    fn place(&self) -> (SeriesKey<'_>, i64, &str) {
        (series_key(&self.batch), self.batch.timestamps[self.at], &self.batch.parent)
    }
}

/// The first row of all comes first out of a heap, and of equal ones that of the latest file.
impl<I> Ord for Cursor<I> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.place().cmp(&self.place()).then(self.rank.cmp(&other.rank))
    }
}

impl<I> PartialOrd for Cursor<I> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<I> PartialEq for Cursor<I> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<I> Eq for Cursor<I> {}

/// Why a file's rows end early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Reading(ParquetError),
    #[error("not sorted, though it says so: {0:?} {1:?} of host {2:?} come too late")]
    Unsorted(String, String, String),
}

/// Sorted files on their way into one stream.
pub(super) struct Merge<I> {
    heap: BinaryHeap<Cursor<I>>,
    /// The last row that left, so that its equals of earlier files stay behind.
    last: Option<(Batch, i64)>,
}

impl<I: Iterator<Item = Result<Batch, ParquetError>>> Merge<I> {
    pub(super) fn new() -> Self {
        Merge { heap: BinaryHeap::new(), last: None }
    }

    /// Adds a file; those of higher rank are later.
    ///
    /// # Errors
    ///
    /// Its first rows can't be read: it stays out.
    pub(super) fn add(&mut self, rank: usize, is_narrow: bool, mut rows: I) -> Result<(), Failure> {
        if let Some(batch) = next_batch(&mut rows, None)? {
            self.heap.push(Cursor { rank, is_narrow, rows, batch, at: 0 });
        }
        Ok(())
    }

    /// Hands the next rows to `take`; `false` when there are no more. What can't be read on, by its rank, goes to
    /// `fail`, and the others go on.
    ///
    /// # Errors
    ///
    /// Those of `take`.
    pub(super) fn next<E>(
        &mut self,
        take: impl FnOnce(Run<'_>) -> Result<(), E>,
        fail: &mut dyn FnMut(usize, Failure),
    ) -> Result<bool, E> {
        loop {
            let Some(mut cursor) = self.heap.pop() else { return Ok(false) };
            if let Some((series, secs)) = &self.last
                && cursor.place() == (series_key(series), *secs, &series.parent)
            {
                cursor.at += 1;
                self.put_back(cursor, fail);
                continue;
            }
            let end = match self.heap.peek() {
                Some(next) if series_key(&next.batch) == series_key(&cursor.batch) => {
                    let (_, secs, parent) = next.place();
                    let own = (&*cursor.batch.parent, std::cmp::Reverse(cursor.rank));
                    let limit = (secs, parent, std::cmp::Reverse(next.rank));
                    let rows = &cursor.batch.timestamps[cursor.at..];
                    cursor.at + rows.partition_point(|secs| (*secs, own.0, own.1) < limit)
                }
                _ => cursor.batch.timestamps.len(),
            };
            // Its first row is before everybody else's, so there is one; were there none, this would never end.
            let end = end.max(cursor.at + 1);
            let run = Run {
                series: &cursor.batch,
                timestamps: &cursor.batch.timestamps[cursor.at..end],
                values: &cursor.batch.values[cursor.at..end],
                is_narrow: cursor.is_narrow,
            };
            let taken = take(run);
            self.note_last(&cursor.batch, cursor.batch.timestamps[end - 1]);
            cursor.at = end;
            self.put_back(cursor, fail);
            return taken.map(|()| true);
        }
    }

    fn note_last(&mut self, batch: &Batch, secs: i64) {
        match &mut self.last {
            Some((series, last)) if series_key(series) == series_key(batch) && series.parent == batch.parent => {
                *last = secs;
            }
            last => {
                *last = Some((names_of(batch), secs));
            }
        }
    }

    fn put_back(&mut self, mut cursor: Cursor<I>, fail: &mut dyn FnMut(usize, Failure)) {
        if cursor.at >= cursor.batch.timestamps.len() {
            match next_batch(&mut cursor.rows, Some(&cursor.batch)) {
                Ok(Some(batch)) => {
                    cursor.batch = batch;
                    cursor.at = 0;
                }
                Ok(None) => return,
                Err(failure) => return fail(cursor.rank, failure),
            }
        }
        self.heap.push(cursor);
    }
}

/// A batch's names without its rows.
fn names_of(batch: &Batch) -> Batch {
    Batch {
        cluster: batch.cluster.clone(),
        hostname: batch.hostname.clone(),
        metric: batch.metric.clone(),
        scope: batch.scope.clone(),
        scope_id: batch.scope_id.clone(),
        parent: batch.parent.clone(),
        frequency_secs: batch.frequency_secs,
        timestamps: Vec::new(),
        values: Vec::new(),
    }
}

/// The next batch with rows, which has to lie behind the one before.
fn next_batch(
    rows: &mut impl Iterator<Item = Result<Batch, ParquetError>>,
    previous: Option<&Batch>,
) -> Result<Option<Batch>, Failure> {
    loop {
        let Some(batch) = rows.next() else { return Ok(None) };
        let batch = batch.map_err(Failure::Reading)?;
        if batch.timestamps.is_empty() || batch.timestamps.len() != batch.values.len() {
            continue;
        }
        let is_sorted =
            batch.timestamps.is_sorted_by(|a, b| a < b) && previous.is_none_or(|previous| is_behind(previous, &batch));
        return match is_sorted {
            true => Ok(Some(batch)),
            false => Err(Failure::Unsorted(batch.metric, batch.scope + &batch.scope_id, batch.hostname)),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn batch(host: &str, parent: &str, rows: &[(i64, f64)]) -> Batch {
        Batch {
            cluster: "alex".into(),
            hostname: host.into(),
            metric: "load".into(),
            scope: "core".into(),
            scope_id: "1".into(),
            parent: parent.into(),
            frequency_secs: 60,
            timestamps: rows.iter().map(|row| row.0).collect(),
            values: rows.iter().map(|row| row.1).collect(),
        }
    }

    type Flat = Vec<(String, i64, String, f64)>;

    fn merged(files: Vec<Vec<Result<Batch, ParquetError>>>) -> (Flat, Vec<(usize, String)>) {
        let mut merge = Merge::new();
        for (rank, file) in files.into_iter().enumerate() {
            merge.add(rank, false, file.into_iter()).unwrap();
        }
        let (mut rows, mut failed) = (Vec::new(), Vec::new());
        let mut fail = |rank, failure: Failure| failed.push((rank, failure.to_string()));
        while merge
            .next(
                |run| {
                    let names = (run.series.hostname.clone(), run.series.parent.clone());
                    let all = run.timestamps.iter().zip(run.values);
                    rows.extend(all.map(|(secs, value)| (names.0.clone(), *secs, names.1.clone(), *value)));
                    Ok::<(), ()>(())
                },
                &mut fail,
            )
            .unwrap()
        {}
        (rows, failed)
    }

    #[test]
    fn a_file_that_lies_about_its_order_or_breaks_off_stops_no_other() {
        let torn = ParquetError::Io(std::io::Error::other("gone"));
        let files = vec![
            vec![Ok(batch("b", "", &[(1, 1.0)])), Ok(batch("a", "", &[(1, 1.0)]))],
            vec![Ok(batch("a", "", &[(1, 2.0)])), Err(torn)],
            vec![Ok(batch("a", "", &[(2, 3.0)])), Ok(batch("c", "", &[(2, 3.0)]))],
        ];
        let (rows, failed) = merged(files);
        let names: Vec<(&str, f64)> = rows.iter().map(|row| (&*row.0, row.3)).collect();
        assert_eq!(names, [("a", 2.0), ("a", 3.0), ("b", 1.0), ("c", 3.0)]);
        assert_eq!(failed.iter().map(|failed| failed.0).collect::<Vec<_>>(), [1, 0]);
        assert!(failed[0].1.contains("gone") && failed[1].1.contains("not sorted"), "{failed:?}");
    }

    proptest! {
        /// Against a map: the later file wins, everything leaves once and in order.
        #[test]
        fn later_files_win(
            files in proptest::collection::vec(
                proptest::collection::btree_map((0u8..3, 0i64..12, 0u8..2), any::<i16>(), 0..30), 0..6),
            cut in 1usize..5,
        ) {
            let mut expected: BTreeMap<(String, i64, String), f64> = BTreeMap::new();
            let mut sources = Vec::new();
            for file in &files {
                let mut batches: Vec<Result<Batch, ParquetError>> = Vec::new();
                for (&(host, secs, parent), &value) in file {
                    let (host, parent) = (format!("h{host}"), ["", "socket1"][parent as usize]);
                    expected.insert((host.clone(), secs, parent.to_owned()), f64::from(value));
                    match batches.last_mut() {
                        Some(Ok(last)) if last.hostname == host && last.parent == parent && last.values.len() < cut => {
                            last.timestamps.push(secs);
                            last.values.push(f64::from(value));
                        }
                        _ => batches.push(Ok(batch(&host, parent, &[(secs, f64::from(value))]))),
                    }
                }
                sources.push(batches);
            }
            let (rows, failed) = merged(sources);
            prop_assert!(failed.is_empty(), "{failed:?}");
            let expected: Flat =
                expected.into_iter().map(|((host, secs, parent), value)| (host, secs, parent, value)).collect();
            prop_assert_eq!(rows, expected);
        }
    }
}
