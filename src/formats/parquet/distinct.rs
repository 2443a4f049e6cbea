//! The distinct values of a column, numbered by their first appearance.

/// Distinct bit patterns and their numbers: an open hash table of numbers into a list.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    values: Vec<u64>,
    /// One more than the number of the value that hashes here, 0 for none. Its length is a power of two, at least
    /// twice that of `values`.
    table: Vec<u32>,
}

impl Distinct {
    /// The number of `value`, which is added when it is new.
    #[inline]
    pub(super) fn number(&mut self, value: u64) -> u32 {
        if self.values.len() * 2 >= self.table.len() {
            self.grow();
        }
        let mut at = self.place(value);
        loop {
            match self.table[at] {
                0 => {
                    self.values.push(value);
                    self.table[at] = self.values.len() as u32;
                    return self.values.len() as u32 - 1;
                }
                number if self.values[number as usize - 1] == value => return number - 1,
                _ => at = (at + 1) & (self.table.len() - 1),
            }
        }
    }

    /// Forgets the values and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.values.clear();
        // A small table is emptied quickly and searched quickly; it grows again where it must.
        self.table.truncate(TABLE_MIN);
        self.table.fill(0);
    }

    /// Multiplicative hashing (Knuth, volume 3, 6.4): the upper bits of a product with 2^64 over the golden ratio.
    fn place(&self, value: u64) -> usize {
        // Patterns of decimals differ in their upper bits, too: both halves must count.
        let mixed = (value ^ (value >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize & (self.table.len() - 1)
    }

    #[cold]
    fn grow(&mut self) {
        let len = (self.table.len() * 2).max(TABLE_MIN);
        self.table.clear();
        self.table.resize(len, 0);
        for i in 0..self.values.len() {
            let mut at = self.place(self.values[i]);
            while self.table[at] != 0 {
                at = (at + 1) & (len - 1);
            }
            self.table[at] = i as u32 + 1;
        }
    }
}

const TABLE_MIN: usize = 1 << 11;
