//! The column of native histograms: their scalars, and their buckets as lists of index and count.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, ListArray, StringArray, StructArray, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::columns::{bound, bucket, bucket_fields, histogram_fields};
use crate::model::histogram::{Buckets, CounterReset, FloatHistogram};

/// The column of so many rows, of which these have a histogram; rows ascend.
pub(super) fn column(rows: usize, found: &[(usize, Arc<FloatHistogram>)]) -> Result<ArrayRef, ArrowError> {
    if found.is_empty() {
        return Ok(new_null_array(&DataType::Struct(histogram_fields()), rows));
    }
    let mut of_rows: Vec<Option<&FloatHistogram>> = vec![None; rows];
    for (row, histogram) in found {
        if let Some(place) = of_rows.get_mut(*row) {
            *place = Some(histogram);
        }
    }
    let number = |of: fn(&FloatHistogram) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(of_rows.iter().map(|histogram| histogram.map_or(0.0, of))))
    };
    let hints = of_rows.iter().map(|histogram| histogram.map_or("", |histogram| hint(histogram.counter_reset_hint)));
    let schemas = of_rows.iter().map(|histogram| histogram.map_or(0, |histogram| histogram.schema));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(hints)),
        Arc::new(Int32Array::from_iter_values(schemas)),
        number(|histogram| histogram.zero_threshold),
        number(|histogram| histogram.zero_count),
        number(|histogram| histogram.count),
        number(|histogram| histogram.sum),
        side(&of_rows, |histogram| &histogram.positive)?,
        side(&of_rows, |histogram| &histogram.negative)?,
        bounds(&of_rows)?,
    ];
    let is_there = NullBuffer::from_iter(of_rows.iter().map(Option::is_some));
    Ok(Arc::new(StructArray::try_new(histogram_fields(), columns, Some(is_there))?))
}

fn side(rows: &[Option<&FloatHistogram>], of: fn(&FloatHistogram) -> &Buckets) -> Result<ArrayRef, ArrowError> {
    let (mut indexes, mut counts, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(rows.len()));
    for histogram in rows {
        let before = indexes.len();
        for (index, count) in histogram.iter().flat_map(|histogram| of(histogram).indexed()) {
            indexes.push(index);
            counts.push(count);
        }
        lengths.push(indexes.len() - before);
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(indexes)), Arc::new(Float64Array::from(counts))];
    let buckets = StructArray::try_new(bucket_fields(), columns, None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::new(bucket()), offsets, Arc::new(buckets), None)?))
}

fn bounds(rows: &[Option<&FloatHistogram>]) -> Result<ArrayRef, ArrowError> {
    let of = |histogram: &Option<&FloatHistogram>| histogram.and_then(|histogram| histogram.custom_bounds.clone());
    let all: Vec<Option<Arc<[f64]>>> = rows.iter().map(of).collect();
    let values: Vec<f64> = all.iter().flatten().flat_map(|bounds| bounds.iter().copied()).collect();
    let offsets = OffsetBuffer::from_lengths(all.iter().map(|bounds| bounds.as_ref().map_or(0, |bounds| bounds.len())));
    let is_there = NullBuffer::from_iter(all.iter().map(Option::is_some));
    let values = Arc::new(Float64Array::from(values));
    Ok(Arc::new(ListArray::try_new(Arc::new(bound()), offsets, values, Some(is_there))?))
}

fn hint(hint: CounterReset) -> &'static str {
    match hint {
        CounterReset::Unknown => "unknown",
        CounterReset::Reset => "reset",
        CounterReset::NotReset => "not_reset",
        CounterReset::Gauge => "gauge",
    }
}
