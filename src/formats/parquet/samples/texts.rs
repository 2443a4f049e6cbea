//! A column of texts of one batch, each text once.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use hashbrown::HashMap;

/// Numbers for texts, and the rows that hold them.
#[derive(Debug, Default)]
pub(super) struct Texts {
    numbers: HashMap<Box<str>, i32>,
    all: Vec<Box<str>>,
    rows: Vec<i32>,
}

impl Texts {
    /// The number of a text.
    pub(super) fn number(&mut self, text: &str) -> i32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        // A batch has far fewer than 2^31 texts.
        let number = self.all.len() as i32;
        self.numbers.insert(text.into(), number);
        self.all.push(text.into());
        number
    }

    /// Adds a row.
    pub(super) fn push(&mut self, number: i32) {
        self.rows.push(number);
    }

    /// Adds so many rows.
    pub(super) fn push_many(&mut self, number: i32, count: usize) {
        self.rows.extend(std::iter::repeat_n(number, count));
    }

    /// The column; what was added is gone from here.
    pub(super) fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        self.numbers.clear();
        let texts = StringArray::from_iter_values(self.all.drain(..));
        let rows = Int32Array::from(std::mem::take(&mut self.rows));
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(rows, Arc::new(texts))?))
    }
}
