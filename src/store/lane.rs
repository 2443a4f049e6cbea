//! Lanes: the open rows of all grid series of one host that share a frequency and a phase.
//!
//! A lane is a row-major matrix, one row a slot and one column a series, so that a host's tick is written front to
//! back. Rows get their memory a few at a time, for at any moment half of the windows are half empty. Invariants: the
//! window begins where [`window_start`](super::slots::window_start) says; a row has a second as soon as one of its
//! cells was written; a column belongs to exactly one series.

use crate::model::EMPTY;

use super::slots::{WINDOW, centre_at, slot_at, window_start};

/// The second of a row that has none.
pub(super) const NO_SECOND: i32 = i32::MIN;

/// Rows that get their memory together.
const CHUNK: usize = 8;

const _: () = assert!(WINDOW.is_multiple_of(CHUNK), "a window is a whole number of chunks");

/// Columns that are copied out together: as many as a line of the cache holds.
pub(super) const TILE: usize = 8;

/// Successive ticks whose mean offset decides on a new phase.
const TICKS: usize = 8;

/// The open rows of series with one frequency and phase.
#[derive(Debug)]
pub(super) struct Lane {
    /// Seconds between two rows.
    pub(super) frequency_secs: u32,
    /// The centre of row 0.
    pub(super) start_secs: i64,
    /// Rows up to the last one with a second.
    pub(super) rows: usize,
    /// The second of each row's first sample, as an offset from the row's centre.
    pub(super) seconds: [i32; WINDOW],
    /// The series of each column.
    pub(super) columns: Vec<u32>,
    /// `chunks[row / CHUNK][row % CHUNK * stride + column]`; what is missing at the end holds nothing.
    chunks: Vec<Box<[f64]>>,
    /// Columns that there is room for.
    stride: usize,
    /// Rows up to the last one that was written, whether it still holds anything or not.
    written_rows: usize,
    /// So many leading columns are known to go on, without a change of grid, from what is sealed of their series.
    pub(super) settled: usize,
    /// Offsets of the newest ticks, oldest first.
    pub(super) recent: Vec<i32>,
    /// Rows for which the sender counts as one that sends faster than the frequency: such a sender neither displaces
    /// nor changes the phase.
    fast_rows: u8,
}

/// What became of a value that was to go into a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is in the row.
    Stored,
    /// The row belongs to another tick, and the slot on this side of it (−1 or +1 row) may take the value.
    Displaced(i64),
}

impl Lane {
    /// A lane without columns, its window around a slot's centre.
    pub(super) fn new(centre_secs: i64, frequency_secs: u32) -> Self {
        Lane {
            frequency_secs,
            start_secs: window_start(centre_secs, frequency_secs, WINDOW),
            rows: 0,
            seconds: [NO_SECOND; WINDOW],
            columns: Vec::new(),
            chunks: Vec::new(),
            stride: 0,
            written_rows: 0,
            settled: 0,
            recent: Vec::new(),
            fast_rows: 0,
        }
    }

    /// The row that covers a second; outside of `0..WINDOW` when the window does not.
    #[inline]
    pub(super) fn row_at(&self, secs: i64) -> i64 {
        slot_at(self.start_secs, self.frequency_secs, secs)
    }

    /// The centre of a row.
    pub(super) fn centre(&self, row: i64) -> i64 {
        self.start_secs + row * i64::from(self.frequency_secs)
    }

    /// The centre of the row behind the window.
    pub(super) fn end_secs(&self) -> i64 {
        self.centre(WINDOW as i64)
    }

    /// Adds a column for a series; its cells are empty.
    pub(super) fn add_column(&mut self, series: u32) -> u32 {
        if self.columns.len() == self.stride {
            self.grow();
        }
        self.columns.push(series);
        (self.columns.len() - 1) as u32
    }

    /// The cell of a row and column.
    #[inline]
    pub(super) fn get(&self, row: usize, column: u32) -> f64 {
        self.row(row).map_or(EMPTY, |cells| cells[column as usize])
    }

    /// The cells of a row, one a column; `None` when it holds nothing.
    #[inline]
    pub(super) fn row(&self, row: usize) -> Option<&[f64]> {
        let begin = row % CHUNK * self.stride;
        self.chunks.get(row / CHUNK).map(|chunk| &chunk[begin..begin + self.stride])
    }

    /// Whether a column goes on from what is sealed of its series.
    #[inline]
    pub(super) fn is_settled(&self, column: u32) -> bool {
        (column as usize) < self.settled
    }

    /// Writes a cell, whatever it held.
    #[inline]
    pub(super) fn set(&mut self, row: usize, column: u32, value: f64) {
        *self.cell(row, column) = value;
    }

    /// A cell to be written.
    #[inline]
    fn cell(&mut self, row: usize, column: u32) -> &mut f64 {
        self.written_rows = self.written_rows.max(row + 1);
        while self.chunks.len() <= row / CHUNK {
            self.chunks.push(vec![EMPTY; CHUNK * self.stride].into());
        }
        &mut self.chunks[row / CHUNK][row % CHUNK * self.stride + column as usize]
    }

    /// One column, from row 0 to the end of the window.
    pub(super) fn column(&self, column: u32) -> impl Iterator<Item = f64> + '_ {
        (0..WINDOW).map(move |row| self.get(row, column))
    }

    /// Copies up to [`TILE`] columns from `first` on, each from row 0 to the end of the window; answers how many. A
    /// line of the cache holds a row of a tile.
    pub(super) fn tile(&self, first: usize, out: &mut [[f64; WINDOW]; TILE]) -> usize {
        let count = TILE.min(self.columns.len() - first);
        for row in 0..WINDOW {
            match self.row(row) {
                Some(cells) => {
                    for (column, &value) in out.iter_mut().zip(&cells[first..first + count]) {
                        column[row] = value;
                    }
                }
                None => out.iter_mut().for_each(|column| column[row] = EMPTY),
            }
        }
        count
    }

    /// Rows up to the last one that holds anything: more than [`rows`](Self::rows) when a value came ahead of its time.
    pub(super) fn filled_rows(&self) -> usize {
        (0..self.written_rows).rfind(|&row| self.is_filled(row)).map_or(0, |last| last + 1).max(self.rows)
    }

    /// Rows up to the last one that was written, whether it still holds anything or not.
    pub(super) fn written_rows(&self) -> usize {
        self.written_rows
    }

    /// The centre of the first row that holds anything.
    pub(super) fn first_secs(&self) -> Option<i64> {
        (0..self.written_rows).find(|&row| self.is_filled(row)).map(|row| self.centre(row as i64))
    }

    /// The centre of the last row that holds anything.
    pub(super) fn last_secs(&self) -> Option<i64> {
        (0..self.written_rows).rfind(|&row| self.is_filled(row)).map(|row| self.centre(row as i64))
    }

    fn is_filled(&self, row: usize) -> bool {
        self.row(row).is_some_and(|cells| cells.iter().any(|&value| !crate::model::is_empty(value)))
    }

    /// Notes that a row received a sample of this second. `true` when the row is new and a phase decision is due.
    pub(super) fn note_tick(&mut self, row: usize, secs: i64) -> bool {
        if self.seconds[row] != NO_SECOND {
            return false;
        }
        let offset = (secs - self.centre(row as i64)) as i32;
        self.seconds[row] = offset;
        if row < self.rows {
            // A late row says nothing of where the ticks are now.
            return false;
        }
        self.rows = row + 1;
        self.fast_rows = self.fast_rows.saturating_sub(1);
        if self.recent.len() == TICKS {
            self.recent.remove(0);
        }
        self.recent.push(offset);
        self.recent.len() == TICKS
    }

    /// Notes that a row took a sample of its neighbour: its second lies outside of the row.
    pub(super) fn note_displaced(&mut self, row: usize, secs: i64) {
        if self.seconds[row] == NO_SECOND {
            self.seconds[row] = (secs - self.centre(row as i64)) as i32;
            self.rows = self.rows.max(row + 1);
        }
    }

    /// Whether a row's first sample was one of this second.
    pub(super) fn is_of_second(&self, row: usize, secs: i64) -> bool {
        self.seconds[row] != NO_SECOND && i64::from(self.seconds[row]) == secs - self.centre(row as i64)
    }

    /// How far the newest ticks lie from their centres on average, if that is far enough for a new phase: beyond 3/8
    /// of the frequency over eight ticks.
    pub(super) fn drift(&self) -> Option<i64> {
        if self.recent.len() < TICKS || self.fast_rows > 0 {
            return None;
        }
        let sum: i64 = self.recent.iter().map(|&offset| i64::from(offset)).sum();
        let beyond = sum.abs() * 8 > 3 * i64::from(self.frequency_secs) * TICKS as i64;
        beyond.then(|| (sum as f64 / TICKS as f64).round() as i64)
    }

    /// Puts a value of this second into a row that covers it.
    #[inline]
    pub(super) fn put(&mut self, row: usize, column: u32, secs: i64, value: f64) -> Put {
        if !crate::model::is_empty(self.get(row, column)) {
            let offset = secs - self.centre(row as i64);
            let apart = offset - i64::from(self.seconds[row]);
            if apart != 0 {
                if let Some(side) = self.displacement(offset, apart) {
                    return Put::Displaced(side);
                }
                self.fast_rows = TICKS as u8;
            }
        }
        self.set(row, column, value);
        Put::Stored
    }

    /// The side to which a second sample of one row may step aside: the two lie a whole tick apart, and the sender is
    /// not known to be a fast one.
    fn displacement(&self, offset: i64, apart: i64) -> Option<i64> {
        let a_tick_apart = 4 * apart.abs() >= 3 * i64::from(self.frequency_secs);
        (a_tick_apart && self.fast_rows == 0 && self.recent.len() == TICKS).then_some(if offset < 0 { -1 } else { 1 })
    }

    /// Empties the window and moves it to the one that holds this centre. The phase may change with it; then what is
    /// known of the ticks begins anew.
    pub(super) fn restart(&mut self, centre_secs: i64) {
        let start_secs = window_start(centre_secs, self.frequency_secs, WINDOW);
        if centre_at(self.start_secs, self.frequency_secs, start_secs) != start_secs {
            self.recent.clear();
        }
        self.start_secs = start_secs;
        self.rows = 0;
        self.settled = 0;
        self.seconds = [NO_SECOND; WINDOW];
        self.written_rows = 0;
        self.chunks.clear();
        self.stride = self.columns.len();
    }

    /// Keeps the columns of which `keep` is true, in their order; `moved` learns each kept column's new place.
    pub(super) fn retain_columns(&mut self, keep: &[bool], mut moved: impl FnMut(u32, u32)) {
        if keep.iter().all(|&keep| keep) {
            return;
        }
        let kept: Vec<usize> = (0..self.columns.len()).filter(|&column| keep[column]).collect();
        self.lay_out(kept.len(), &kept);
        self.columns = kept.iter().map(|&from| self.columns[from]).collect();
        self.settled = 0;
        for (to, &series) in self.columns.iter().enumerate() {
            moved(series, to as u32);
        }
    }

    /// Takes over the columns of another lane with the same window and phase. `moved` learns each column's new place.
    pub(super) fn absorb(&mut self, other: Lane, mut moved: impl FnMut(u32, u32)) {
        debug_assert_eq!((self.frequency_secs, self.start_secs), (other.frequency_secs, other.start_secs));
        for (from, &series) in other.columns.iter().enumerate() {
            let to = self.add_column(series);
            for (row, value) in other.column(from as u32).enumerate() {
                if !crate::model::is_empty(value) {
                    self.set(row, to, value);
                }
            }
            moved(series, to);
        }
        for (mine, theirs) in self.seconds.iter_mut().zip(other.seconds) {
            if *mine == NO_SECOND {
                *mine = theirs;
            }
        }
        self.rows = self.rows.max(other.rows);
        if self.recent.len() < other.recent.len() {
            self.recent = other.recent;
        }
        self.fast_rows = self.fast_rows.max(other.fast_rows);
    }

    /// Bytes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Lane>()
            + self.chunks.iter().map(|chunk| size_of_val(&**chunk)).sum::<usize>()
            + self.chunks.capacity() * size_of::<Box<[f64]>>()
            + self.columns.capacity() * size_of::<u32>()
            + self.recent.capacity() * size_of::<i32>()
    }

    /// Makes room for more columns, half as many again.
    fn grow(&mut self) {
        let columns = self.columns.len();
        let kept: Vec<usize> = (0..columns).collect();
        self.lay_out(columns + (columns / 2).clamp(1, 256), &kept);
    }

    /// Moves the cells into rows with room for `stride` columns: column `i` is the one that was `kept[i]`.
    fn lay_out(&mut self, stride: usize, kept: &[usize]) {
        for chunk in &mut self.chunks {
            let mut cells = vec![EMPTY; CHUNK * stride];
            for row in 0..CHUNK {
                for (to, &from) in kept.iter().enumerate() {
                    cells[row * stride + to] = chunk[row * self.stride + from];
                }
            }
            *chunk = cells.into();
        }
        self.stride = stride;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::is_empty;

    #[test]
    fn columns_survive_growth_and_removal() {
        let mut lane = Lane::new(600, 60);
        for series in 0..10 {
            let column = lane.add_column(series);
            lane.set(3, column, f64::from(series));
        }
        let mut places = Vec::new();
        let keep: Vec<bool> = (0..10).map(|c| c % 2 == 1).collect();
        lane.retain_columns(&keep, |series, column| places.push((series, column)));
        assert_eq!(places, [(1, 0), (3, 1), (5, 2), (7, 3), (9, 4)]);
        for (series, column) in places {
            assert_eq!(lane.get(3, column), f64::from(series));
            assert!(is_empty(lane.get(2, column)));
        }
    }

    #[test]
    fn a_sender_faster_than_the_frequency_neither_displaces_nor_drifts() {
        let mut lane = Lane::new(0, 60);
        let column = lane.add_column(0);
        for tick in 0..100 {
            let secs = tick * 30;
            let row = lane.row_at(secs);
            if row >= WINDOW as i64 {
                break;
            }
            lane.note_tick(row as usize, secs);
            assert_eq!(lane.drift(), None, "tick {tick}");
            assert_eq!(lane.put(row as usize, column, secs, 1.0), Put::Stored, "tick {tick}");
        }
    }
}
