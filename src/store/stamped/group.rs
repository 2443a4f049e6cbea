//! Groups: the open rows of series that come together.
//!
//! The series of one sender have their times in common, so a group is a matrix as a lane of the grid is: a row a time,
//! a column a series, filled front to back by a tick. Rows lie in order of arrival, each with its time. Invariants: no
//! time twice; all times lie behind `cut_ms`; a cell that holds [`EMPTY`] holds nothing, and a value that looks like it
//! never goes into a row.

use crate::model::EMPTY;

/// Rows that get their memory together.
const BAND: usize = 8;

/// Rows that are sealed together, the oldest ones.
pub(super) const SEALED: usize = 64;

/// Rows there may be: what comes shortly before the newest tick still finds its place.
const ROWS: usize = SEALED + BAND;

const _: () = assert!(SEALED <= u64::BITS as usize, "which rows a column fills is said by the bits of a u64");
const _: () = assert!(SEALED.is_multiple_of(BAND), "whole bands go");

/// Columns that are copied out together: as many as a line of the cache holds.
pub(super) const TILE: usize = 8;

/// Open rows of series that come together.
#[derive(Debug)]
pub(super) struct Group {
    /// The time of each row, in order of arrival.
    pub(super) times: Vec<i64>,
    /// No row has this time or an earlier one: those are sealed.
    pub(super) cut_ms: i64,
    /// The series of each column.
    pub(super) columns: Vec<u32>,
    /// `bands[row / BAND][row % BAND * stride + column]`.
    bands: Vec<Box<[f64]>>,
    /// Columns that there is room for.
    stride: usize,
}

/// Where a sample can go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    At(usize),
    /// What lies there is sealed.
    TooLate,
    /// Rows must be sealed first.
    Full,
}

impl Group {
    /// A group without rows and columns.
    pub(super) fn new() -> Self {
        Group { times: Vec::new(), cut_ms: i64::MIN, columns: Vec::new(), bands: Vec::new(), stride: 0 }
    }

    /// Adds a column for a series; its cells are empty.
    pub(super) fn add_column(&mut self, series: u32) -> u32 {
        if self.columns.len() == self.stride {
            let columns = self.columns.len();
            let kept: Vec<usize> = (0..columns).collect();
            self.lay_out(columns + (columns / 4).clamp(1, 256), &kept);
        }
        self.columns.push(series);
        (self.columns.len() - 1) as u32
    }

    /// The row of the newest tick, if it has this time.
    #[inline]
    pub(super) fn newest_row(&self, time_ms: i64) -> Option<usize> {
        (self.times.last() == Some(&time_ms)).then(|| self.times.len() - 1)
    }

    /// The row of a time.
    pub(super) fn row_of(&self, time_ms: i64) -> Option<usize> {
        self.times.iter().rposition(|&other| other == time_ms)
    }

    /// Finds or opens the row of a time.
    pub(super) fn open_row(&mut self, time_ms: i64) -> Row {
        if let Some(row) = self.row_of(time_ms) {
            return Row::At(row);
        }
        if time_ms <= self.cut_ms {
            return Row::TooLate;
        }
        let row = self.times.len();
        if row == ROWS {
            return Row::Full;
        }
        if row == self.times.capacity() {
            self.times.reserve_exact(BAND);
        }
        self.times.push(time_ms);
        if self.bands.len() <= row / BAND {
            self.bands.reserve_exact(1);
            self.bands.push(vec![EMPTY; BAND * self.stride].into());
        }
        Row::At(row)
    }

    /// The cell of a row and column.
    #[inline]
    pub(super) fn get(&self, row: usize, column: u32) -> f64 {
        self.bands[row / BAND][row % BAND * self.stride + column as usize]
    }

    /// Writes a cell, whatever it held.
    #[inline]
    pub(super) fn set(&mut self, row: usize, column: u32, value: f64) {
        self.bands[row / BAND][row % BAND * self.stride + column as usize] = value;
    }

    /// The rows in order of time.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.times.len()).collect();
        if !self.times.is_sorted() {
            order.sort_unstable_by_key(|&row| self.times[row]);
        }
        order
    }

    /// Copies up to [`TILE`] columns from `first` on, the rows in the order that is given; answers how many.
    pub(super) fn tile(&self, first: usize, order: &[usize], out: &mut [[f64; SEALED]; TILE]) -> usize {
        let count = TILE.min(self.columns.len() - first);
        for (to, &row) in order.iter().enumerate().take(SEALED) {
            let begin = row % BAND * self.stride + first;
            let cells = &self.bands[row / BAND][begin..begin + count];
            for (column, &value) in out.iter_mut().zip(cells) {
                column[to] = value;
            }
        }
        count
    }

    /// Removes rows.
    pub(super) fn remove_rows(&mut self, rows: &[usize]) {
        if rows.is_empty() {
            return;
        }
        let mut gone = [false; ROWS];
        rows.iter().for_each(|&row| gone[row] = true);
        let front = gone.iter().take_while(|&&gone| gone).count();
        if front == rows.len() && front.is_multiple_of(BAND) {
            // In order: whole bands go, and nothing moves.
            self.bands.drain(..front / BAND);
            self.times.drain(..front);
        } else {
            let kept: Vec<usize> = (0..self.times.len()).filter(|&row| !gone[row]).collect();
            for (to, &from) in kept.iter().enumerate().filter(|(to, from)| to != *from) {
                for column in 0..self.columns.len() as u32 {
                    self.set(to, column, self.get(from, column));
                }
                self.times[to] = self.times[from];
            }
            for row in kept.len()..self.times.len() {
                (0..self.columns.len() as u32).for_each(|column| self.set(row, column, EMPTY));
            }
            self.times.truncate(kept.len());
            self.bands.truncate(kept.len().div_ceil(BAND));
        }
        self.bands.shrink_to_fit();
        self.times.shrink_to(self.times.len().next_multiple_of(BAND));
    }

    /// Keeps the columns of which `keep` is true, in their order; `moved` learns each kept column's new place.
    pub(super) fn retain_columns(&mut self, keep: &[bool], mut moved: impl FnMut(u32, u32)) {
        if keep.iter().all(|&keep| keep) {
            return;
        }
        let kept: Vec<usize> = (0..self.columns.len()).filter(|&column| keep[column]).collect();
        self.lay_out(kept.len(), &kept);
        self.columns = kept.iter().map(|&from| self.columns[from]).collect();
        for (to, &series) in self.columns.iter().enumerate() {
            moved(series, to as u32);
        }
    }

    /// Bytes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Group>()
            + self.bands.len() * (BAND * self.stride * size_of::<f64>() + 8)
            + self.bands.capacity() * size_of::<Box<[f64]>>()
            + self.columns.capacity() * size_of::<u32>()
            + self.times.capacity() * size_of::<i64>()
    }

    /// Moves the cells into rows with room for `stride` columns: column `i` is the one that was `kept[i]`.
    fn lay_out(&mut self, stride: usize, kept: &[usize]) {
        for band in &mut self.bands {
            let mut cells = vec![EMPTY; BAND * stride];
            for row in 0..BAND {
                for (to, &from) in kept.iter().enumerate() {
                    cells[row * stride + to] = band[row * self.stride + from];
                }
            }
            *band = cells.into();
        }
        self.stride = stride;
    }
}
