//! The distinct strings of a column in one row group, numbered by their first appearance.

use hashbrown::HashMap;

/// Distinct strings and their numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
    bytes: usize,
    /// The number of the last string asked for: rows are sorted, so mostly the next one as well.
    last: u32,
}

impl Names {
    /// The number of `name`, which is added when it is new.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if self.names.get(self.last as usize).is_some_and(|last| **last == *name) {
            return self.last;
        }
        self.last = match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                // A row group ends before it holds 2^32 of anything.
                let number = self.names.len() as u32;
                self.names.push(name.into());
                self.numbers.insert(name.into(), number);
                self.bytes += name.len();
                number
            }
        };
        self.last
    }

    /// The strings by number.
    pub(super) fn all(&self) -> &[Box<str>] {
        &self.names
    }

    /// Bytes of all strings.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.numbers.clear();
        self.bytes = 0;
        self.last = 0;
    }
}
