//! The columns of a file of stamped samples.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema};

pub(super) const CLUSTER: &str = "cluster";
pub(super) const HOSTNAME: &str = "hostname";
pub(super) const METRIC: &str = "metric";
pub(super) const LABELS: &str = "labels";
pub(super) const TIMESTAMP_MS: &str = "timestamp_ms";
pub(super) const VALUE: &str = "value";
pub(super) const START_TIMESTAMP_MS: &str = "start_timestamp_ms";
pub(super) const HISTOGRAM: &str = "histogram";

/// All columns in their order in the file.
pub(super) fn schema() -> Schema {
    Schema::new(vec![
        Field::new(CLUSTER, text(), false),
        Field::new(HOSTNAME, text(), false),
        Field::new(METRIC, text(), false),
        Field::new(LABELS, DataType::Map(Arc::new(entries()), true), false),
        Field::new(TIMESTAMP_MS, DataType::Int64, false),
        Field::new(VALUE, DataType::Float64, true),
        Field::new(START_TIMESTAMP_MS, DataType::Int64, true),
        Field::new(HISTOGRAM, DataType::Struct(histogram_fields()), true),
    ])
}

/// Texts, each of them once a batch.
fn text() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The entries of the map of labels.
pub(super) fn entries() -> Field {
    Field::new("key_value", DataType::Struct(entry_fields()), false)
}

/// A label.
pub(super) fn entry_fields() -> Fields {
    Fields::from(vec![Field::new("key", text(), false), Field::new("value", text(), false)])
}

/// The parts of a histogram.
pub(super) fn histogram_fields() -> Fields {
    let number = |name| Field::new(name, DataType::Float64, false);
    Fields::from(vec![
        Field::new("counter_reset", DataType::Utf8, false),
        Field::new("schema", DataType::Int32, false),
        number("zero_threshold"),
        number("zero_count"),
        number("count"),
        number("sum"),
        Field::new("positive", DataType::List(Arc::new(bucket())), false),
        Field::new("negative", DataType::List(Arc::new(bucket())), false),
        Field::new("custom_bounds", DataType::List(Arc::new(bound())), true),
    ])
}

/// A bucket of one side.
pub(super) fn bucket() -> Field {
    Field::new("element", DataType::Struct(bucket_fields()), false)
}

pub(super) fn bucket_fields() -> Fields {
    Fields::from(vec![Field::new("index", DataType::Int32, false), Field::new("count", DataType::Float64, false)])
}

/// An upper bound.
pub(super) fn bound() -> Field {
    Field::new("element", DataType::Float64, false)
}
