//! Columns that are sealed one after the other, before any of them gets its memory.

use super::column::{self, Column};

/// Who seals the columns of many series frees what they were made of before he takes the sealed ones: they then lie
/// where that was, and not behind it.
#[derive(Debug, Default)]
pub struct ColumnBatch {
    bytes: Vec<u8>,
    /// Where each column ends.
    ends: Vec<usize>,
}

impl ColumnBatch {
    /// Seals values as [`Column::seal`] does.
    ///
    /// # Panics
    /// As [`Column::seal`].
    pub fn seal(&mut self, values: &[f64]) {
        column::seal(values, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// The columns in their order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = Column> + '_ {
        let begin = |at: usize| at.checked_sub(1).map_or(0, |before| self.ends[before]);
        (0..self.ends.len()).map(move |at| Column::of_sealed(&self.bytes[begin(at)..self.ends[at]]))
    }

    /// The bytes of all columns.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the columns, and keeps the memory for the next ones.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}
