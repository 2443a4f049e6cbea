//! Rows of one host on their way into lines, in the order of time.
//!
//! Files hold one series after the other. A store takes rows as they happened far more cheaply: a host's series share
//! their open rows. So the rows of a host are gathered, and leave sorted by time; of two rows of one series and time
//! the one that was added later leaves later, and wins.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Rows that are gathered at most: some 130 MB. Beyond, the order is less good, and all the same correct.
const ROWS_MAX: usize = 8 << 20;

/// Gathered rows.
#[derive(Debug, Default)]
pub(super) struct HostRows {
    series: Vec<Series>,
    rows: usize,
}

#[derive(Debug)]
struct Series {
    key: Vec<u8>,
    rows: Vec<(i64, f64)>,
}

impl HostRows {
    /// Adds rows of a series by its key in lines; their times must ascend.
    pub(super) fn add(&mut self, key: &[u8], rows: impl Iterator<Item = (i64, f64)>) {
        let rows: Vec<(i64, f64)> = rows.collect();
        self.rows += rows.len();
        if !rows.is_empty() {
            self.series.push(Series { key: key.to_vec(), rows });
        }
    }

    /// Whether it is time to let them leave.
    pub(super) fn is_full(&self) -> bool {
        self.rows >= ROWS_MAX
    }

    /// Lets all rows leave: key, time, value.
    ///
    /// # Errors
    ///
    /// Those of `take`, which end it.
    pub(super) fn leave<E>(&mut self, mut take: impl FnMut(&[u8], i64, f64) -> Result<(), E>) -> Result<(), E> {
        let series = std::mem::take(&mut self.series);
        self.rows = 0;
        let mut heads: BinaryHeap<Reverse<(i64, usize, usize)>> = BinaryHeap::with_capacity(series.len());
        heads.extend(series.iter().enumerate().filter_map(|(at, one)| Some(Reverse((one.rows.first()?.0, at, 0)))));
        while let Some(mut head) = heads.peek_mut() {
            let Reverse((secs, at, row)) = *head;
            let one = &series[at];
            take(&one.key, secs, one.rows[row].1)?;
            match one.rows.get(row + 1) {
                // The heap finds its order again when `head` goes.
                Some((next, _)) => *head = Reverse((*next, at, row + 1)),
                None => _ = std::collections::binary_heap::PeekMut::pop(head),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_leave_in_the_order_of_time_and_later_ones_last() {
        let mut rows = HostRows::default();
        rows.add(b"a", [(10, 1.0), (20, 2.0), (40, 3.0)].into_iter());
        rows.add(b"b", [(15, 4.0), (20, 5.0)].into_iter());
        rows.add(b"c", std::iter::empty());
        rows.add(b"a", [(20, 6.0)].into_iter());
        let mut left = Vec::new();
        rows.leave(|key, secs, value| {
            left.push((secs, key[0] as char, value));
            Ok::<(), ()>(())
        })
        .unwrap();
        let expected = [(10, 'a', 1.0), (15, 'b', 4.0), (20, 'a', 2.0), (20, 'b', 5.0), (20, 'a', 6.0), (40, 'a', 3.0)];
        assert_eq!(left, expected);
        rows.leave(|_, _, _| Err("nothing is left")).unwrap();
    }
}
