//! Record batches cut into runs of rows of one series.

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use parquet::errors::{ParquetError as LibraryError, Result as LibraryResult};

use super::rows::{Batch, Filter};
use super::schema;

/// Rows of a run at most; a longer one is cut.
const RUN_ROWS_MAX: usize = 1 << 16;

/// Cuts a record batch into runs and filters their rows. `open` is the last run of the record batch before, which may
/// go on.
pub(super) fn split(rows: &RecordBatch, filter: &Filter, open: Option<Batch>) -> LibraryResult<Vec<Batch>> {
    let texts = [schema::CLUSTER, schema::HOSTNAME, schema::METRIC, schema::SCOPE, schema::SCOPE_ID];
    let [cluster, hostname, metric, scope, scope_id] = texts.map(|name| Text::of(rows, name));
    let texts = [cluster?, hostname?, metric?, scope?, scope_id?];
    let parent = rows.column_by_name(schema::PARENT).map(|_| Text::of(rows, schema::PARENT)).transpose()?;
    let timestamps = numbers(rows, schema::TIMESTAMP)?;
    let frequencies = numbers(rows, schema::FREQUENCY)?;
    let values = column(rows, schema::VALUE)?;

    let mut runs: Vec<Batch> = open.into_iter().collect();
    let mut start = 0;
    while start < rows.num_rows() {
        let same = |row: usize| {
            texts.iter().chain(&parent).all(|text| text.key(row) == text.key(start))
                && secs(frequencies, row) == secs(frequencies, start)
        };
        let end = (start + 1..rows.num_rows()).find(|row| !same(*row)).unwrap_or(rows.num_rows());
        let [cluster, hostname, metric, scope, scope_id] = [0, 1, 2, 3, 4].map(|text| texts[text].get(start));
        let parent = parent.as_ref().map_or(Ok(""), |parent| parent.get(start));
        let (hostname, metric) = (hostname?, metric?);
        let is_wanted = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        if is_wanted(&filter.host, hostname) && is_wanted(&filter.metric, metric) {
            let mut run = Batch {
                cluster: cluster?.to_owned(),
                hostname: hostname.to_owned(),
                metric: metric.to_owned(),
                scope: scope?.to_owned(),
                scope_id: scope_id?.to_owned(),
                parent: parent?.to_owned(),
                frequency_secs: frequency(frequencies, start)?,
                timestamps: Vec::new(),
                values: Vec::new(),
            };
            fill(&mut run, start..end, filter, timestamps, values)?;
            join(&mut runs, run);
        }
        start = end;
    }
    Ok(runs)
}

/// Takes the rows of a run that lie in the filter's time. Rows without a timestamp or a value are none.
fn fill(
    run: &mut Batch,
    range: std::ops::Range<usize>,
    filter: &Filter,
    timestamps: &Int64Array,
    values: &ArrayRef,
) -> LibraryResult<()> {
    let value: &dyn Fn(usize) -> f64 = match values.data_type() {
        DataType::Float32 => &|row| f64::from(values.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => &|row| values.as_primitive::<Float64Type>().value(row),
        other => return Err(LibraryError::General(format!("values of the type {other}"))),
    };
    for row in range {
        if timestamps.is_null(row) || values.is_null(row) {
            continue;
        }
        let timestamp = timestamps.value(row);
        if (filter.from_secs..=filter.to_secs).contains(&timestamp) {
            run.timestamps.push(timestamp);
            run.values.push(value(row));
        }
    }
    Ok(())
}

/// Appends a run to the last one when it is of the same series.
fn join(runs: &mut Vec<Batch>, mut run: Batch) {
    if run.timestamps.is_empty() {
        return;
    }
    match runs.last_mut() {
        Some(last) if is_same_series(last, &run) && last.timestamps.len() + run.timestamps.len() <= RUN_ROWS_MAX => {
            last.timestamps.append(&mut run.timestamps);
            last.values.append(&mut run.values);
        }
        _ => runs.push(run),
    }
}

fn is_same_series(one: &Batch, other: &Batch) -> bool {
    one.frequency_secs == other.frequency_secs
        && one.scope_id == other.scope_id
        && one.scope == other.scope
        && one.metric == other.metric
        && one.hostname == other.hostname
        && one.parent == other.parent
        && one.cluster == other.cluster
}

fn secs(frequencies: &Int64Array, row: usize) -> Option<i64> {
    frequencies.is_valid(row).then(|| frequencies.value(row))
}

fn frequency(frequencies: &Int64Array, row: usize) -> LibraryResult<u32> {
    let found = secs(frequencies, row).unwrap_or_default();
    u32::try_from(found)
        .map_err(|_| LibraryError::General(format!("a frequency of {found} s: expected 0 to {}", u32::MAX)))
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> LibraryResult<&'a ArrayRef> {
    rows.column_by_name(name).ok_or_else(|| LibraryError::General(format!("no column {name:?}")))
}

fn numbers<'a>(rows: &'a RecordBatch, name: &str) -> LibraryResult<&'a Int64Array> {
    column(rows, name)?
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| LibraryError::General(format!("column {name:?} holds no 64-bit integers")))
}

/// A column of strings.
struct Text<'a> {
    rows: &'a DictionaryArray<Int32Type>,
    names: &'a StringArray,
}

impl<'a> Text<'a> {
    fn of(rows: &'a RecordBatch, name: &str) -> LibraryResult<Self> {
        let none = || LibraryError::General(format!("column {name:?} holds no strings"));
        let rows = column(rows, name)?.as_dictionary_opt::<Int32Type>().ok_or_else(none)?;
        let names = rows.values().as_string_opt::<i32>().ok_or_else(none)?;
        Ok(Text { rows, names })
    }

    /// Rows with the same key have the same string.
    fn key(&self, row: usize) -> Option<usize> {
        self.rows.key(row)
    }

    /// The string; null is the empty one.
    fn get(&self, row: usize) -> LibraryResult<&'a str> {
        match self.key(row) {
            None => Ok(""),
            Some(key) if key < self.names.len() => Ok(self.names.value(key)),
            Some(key) => Err(LibraryError::General(format!("string {key} of a dictionary of {}", self.names.len()))),
        }
    }
}
