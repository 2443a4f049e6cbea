//! The rows of one file in the order of the archive, whoever wrote it.
//!
//! Treering's files are sorted. Those of cc-metric-store hold their hosts, and a host's checkpoints, as they came: they
//! are read host by host, and a host's rows are sorted in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, SystemDisk};
use crate::formats::parquet::{ArchiveMetadata, ArchiveReader, Batch, Batches, Filter, ParquetError, ValueType};

use super::question::Question;

/// How Treering calls itself in its files.
const OURS: &str = "treering";

/// What orders series; rows of one series go by time and parent.
pub(super) type SeriesKey<'b> = (&'b str, &'b str, &'b str, &'b str, &'b str);

/// The place of a batch's series in the order of the archive.
pub(super) fn series_key(batch: &Batch) -> SeriesKey<'_> {
    (&batch.cluster, &batch.hostname, &batch.metric, &batch.scope, &batch.scope_id)
}

/// A file that may hold what is asked for.
pub(super) struct SortedFile {
    pub(super) path: PathBuf,
    reader: ArchiveReader,
}

impl SortedFile {
    pub(super) fn open(path: &Path) -> Result<Self, ParquetError> {
        let reader = ArchiveReader::open(SystemDisk.open_random(path)?)?;
        Ok(SortedFile { path: path.to_owned(), reader })
    }

    pub(super) fn metadata(&self) -> &ArchiveMetadata {
        self.reader.metadata()
    }

    /// Whether values are kept as float32.
    pub(super) fn is_narrow(&self) -> bool {
        self.metadata().value == ValueType::Float32
    }

    /// The rows that are asked for, sorted.
    ///
    /// # Errors
    ///
    /// A file that is not known to be sorted is read once to find out, and can't be.
    pub(super) fn rows(self, question: &Question) -> Result<SortedRows, ParquetError> {
        let ArchiveMetadata { created_by, key_values, .. } = self.metadata();
        let is_ours = created_by.as_deref().is_some_and(|program| program.starts_with(OURS))
            || key_values.iter().any(|(key, _)| key.starts_with(OURS));
        let mut hosts = BTreeSet::new();
        let is_sorted = is_ours || self.look_over(question, &mut hosts)?;
        let (filters, order) = match is_sorted {
            true => (question.filters(), Order::OfTheFile),
            false => {
                let filter = |host| Filter { host: Some(host), ..question.filters().swap_remove(0) };
                (hosts.into_iter().map(filter).collect(), Order::ByHost(VecDeque::new()))
            }
        };
        let filters = filters.into_iter();
        Ok(SortedRows { reader: self.reader, question: question.clone(), filters, open: None, order })
    }

    /// Collects the hosts; answers whether the rows are sorted.
    fn look_over(&self, question: &Question, hosts: &mut BTreeSet<String>) -> Result<bool, ParquetError> {
        let mut is_sorted = true;
        for filter in question.filters() {
            let mut previous: Option<Batch> = None;
            for batch in self.reader.read(&filter) {
                let batch = batch?;
                is_sorted &= batch.timestamps.is_sorted_by(|a, b| a < b)
                    && previous.as_ref().is_none_or(|previous| is_behind(previous, &batch));
                if !hosts.contains(&batch.hostname) {
                    hosts.insert(batch.hostname.clone());
                }
                previous = Some(batch);
            }
        }
        Ok(is_sorted)
    }
}

/// Whether `batch` may follow `previous` in a sorted file.
pub(super) fn is_behind(previous: &Batch, batch: &Batch) -> bool {
    let place = |batch: &Batch, timestamp: Option<&i64>| timestamp.map(|secs| (*secs, batch.parent.clone()));
    match series_key(previous).cmp(&series_key(batch)) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => {
            place(previous, previous.timestamps.last()) < place(batch, batch.timestamps.first())
        }
        std::cmp::Ordering::Greater => false,
    }
}

/// The rows of a file, sorted; ends after the first error.
pub(super) struct SortedRows {
    reader: ArchiveReader,
    question: Question,
    filters: std::vec::IntoIter<Filter>,
    open: Option<Batches>,
    order: Order,
}

enum Order {
    /// The file is sorted.
    OfTheFile,
    /// One host after the other; what is left of the one at hand.
    ByHost(VecDeque<Batch>),
}

impl Iterator for SortedRows {
    type Item = Result<Batch, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Order::ByHost(ready) = &mut self.order
                && let Some(batch) = ready.pop_front()
            {
                return Some(Ok(batch));
            }
            let Some(open) = &mut self.open else {
                self.open = Some(self.reader.read(&self.filters.next()?));
                continue;
            };
            match &mut self.order {
                Order::OfTheFile => match open.next() {
                    Some(Ok(batch)) if !self.question.takes(&batch) => {}
                    Some(next) => return Some(next),
                    None => self.open = None,
                },
                Order::ByHost(ready) => {
                    let host = sorted(open.filter(|batch| match batch {
                        Ok(batch) => self.question.takes(batch),
                        Err(_) => true,
                    }));
                    self.open = None;
                    match host {
                        Ok(batches) => *ready = batches,
                        Err(error) => {
                            self.filters = Vec::new().into_iter();
                            return Some(Err(error));
                        }
                    }
                }
            }
        }
    }
}

/// Cluster, host, metric, scope, scope id.
type Names = [String; 5];

/// A row of a series.
#[derive(Debug, Clone, Copy)]
struct Row {
    secs: i64,
    /// The place of the parent's name among all of them.
    parent: usize,
    frequency_secs: u32,
    value: f64,
}

/// Sorts the rows of a host; of two of one series and time the later one in the file stays.
fn sorted(batches: impl Iterator<Item = Result<Batch, ParquetError>>) -> Result<VecDeque<Batch>, ParquetError> {
    let mut series: BTreeMap<Names, Vec<Row>> = BTreeMap::new();
    let mut parents: Vec<String> = Vec::new();
    for batch in batches {
        let Batch { cluster, hostname, metric, scope, scope_id, parent, frequency_secs, timestamps, values } = batch?;
        let parent = parents.iter().position(|known| *known == parent).unwrap_or_else(|| {
            parents.push(parent);
            parents.len() - 1
        });
        let rows = series.entry([cluster, hostname, metric, scope, scope_id]).or_default();
        let pairs = timestamps.into_iter().zip(values);
        rows.extend(pairs.map(|(secs, value)| Row { secs, parent, frequency_secs, value }));
    }
    let mut sorted = VecDeque::with_capacity(series.len());
    for ([cluster, hostname, metric, scope, scope_id], mut rows) in series {
        let place = |row: &Row| (row.secs, parents[row.parent].as_str());
        rows.sort_by(|a, b| place(a).cmp(&place(b)));
        // The sort is stable: the later one comes last.
        rows.dedup_by(|later, earlier| {
            let is_same = place(later) == place(earlier);
            if is_same {
                *earlier = *later;
            }
            is_same
        });
        for run in rows.chunk_by(|a, b| a.frequency_secs == b.frequency_secs && a.parent == b.parent) {
            sorted.push_back(Batch {
                cluster: cluster.clone(),
                hostname: hostname.clone(),
                metric: metric.clone(),
                scope: scope.clone(),
                scope_id: scope_id.clone(),
                parent: parents[run[0].parent].clone(),
                frequency_secs: run[0].frequency_secs,
                timestamps: run.iter().map(|row| row.secs).collect(),
                values: run.iter().map(|row| row.value).collect(),
            });
        }
    }
    Ok(sorted)
}
