//! What a chunk of a stamped series holds beside its times.

use std::sync::Arc;

use super::column::{Column, HISTOGRAMS};
use super::histograms::HistogramColumn;
use crate::block::error::BlockError;

/// Sealed samples of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Numbers.
    Floats(Column),
    /// Native histograms.
    Histograms(HistogramColumn),
}

impl Values {
    /// Values from the bytes that [`Values::as_bytes`] returned once; the first byte tells the kind, all are validated.
    ///
    /// # Errors
    /// When the bytes are no values: which field is wrong, what it holds and what was expected.
    pub fn from_bytes(bytes: Arc<[u8]>) -> Result<Values, BlockError> {
        match bytes.first().is_some_and(|first| first & HISTOGRAMS != 0) {
            true => HistogramColumn::from_bytes(bytes).map(Values::Histograms),
            false => Column::from_bytes(bytes).map(Values::Floats),
        }
    }

    /// The bytes, as they go to disk.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        match self {
            Values::Floats(column) => column.as_bytes(),
            Values::Histograms(column) => column.as_bytes(),
        }
    }

    /// The number of samples: 1 to [`SAMPLES_MAX`](super::SAMPLES_MAX).
    #[expect(clippy::len_without_is_empty, reason = "values are never empty")]
    pub fn len(&self) -> usize {
        match self {
            Values::Floats(column) => column.len(),
            Values::Histograms(column) => column.len(),
        }
    }

    /// The bytes of memory behind the handle: the allocation, rounded up as glibc's allocator does.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Values::Floats(column) => column.memory_bytes(),
            Values::Histograms(column) => column.memory_bytes(),
        }
    }
}
