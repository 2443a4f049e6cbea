//! The columns of an archive file.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::errors::ParquetError as LibraryError;
use parquet::file::metadata::SortingColumn;
use parquet::schema::types::{Type, TypePtr};

use super::options::ValueType;

/// The columns in their order in the file; `parent` is there by option.
pub(super) const CLUSTER: &str = "cluster";
pub(super) const HOSTNAME: &str = "hostname";
pub(super) const METRIC: &str = "metric";
pub(super) const SCOPE: &str = "scope";
pub(super) const SCOPE_ID: &str = "scope_id";
pub(super) const TIMESTAMP: &str = "timestamp";
pub(super) const FREQUENCY: &str = "frequency";
pub(super) const VALUE: &str = "value";
pub(super) const PARENT: &str = "parent";

/// The schema of a file that is written: the columns of cc-metric-store in its order, then `parent`.
pub(super) fn schema(value: ValueType, has_parents: bool) -> Result<TypePtr, LibraryError> {
    let text = |name, repetition| {
        Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
            .with_repetition(repetition)
            .with_logical_type(Some(LogicalType::String))
            .build()
            .map(Arc::new)
    };
    let number = |name, physical| {
        Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED).build().map(Arc::new)
    };
    let mut fields = Vec::with_capacity(9);
    for name in [CLUSTER, HOSTNAME, METRIC, SCOPE, SCOPE_ID] {
        fields.push(text(name, Repetition::REQUIRED)?);
    }
    fields.push(number(TIMESTAMP, PhysicalType::INT64)?);
    fields.push(number(FREQUENCY, PhysicalType::INT64)?);
    fields.push(match value {
        ValueType::Float32 => number(VALUE, PhysicalType::FLOAT)?,
        ValueType::Float64 => number(VALUE, PhysicalType::DOUBLE)?,
    });
    if has_parents {
        fields.push(text(PARENT, Repetition::OPTIONAL)?);
    }
    Type::group_type_builder("archive").with_fields(fields).build().map(Arc::new)
}

/// The order of the rows: cluster, hostname, metric, scope, scope_id, timestamp, which are the first six columns.
pub(super) fn sorting() -> Vec<SortingColumn> {
    (0..6).map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false }).collect()
}
