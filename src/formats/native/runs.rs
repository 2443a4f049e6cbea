//! A column of integers as runs: series numbers, which go up by one, and seconds, which stay.
//!
//! Every token is a varint. An even one, `2·(n−1)`, stands for `n` values that each lie one step behind the value
//! before them; an odd one, `2·zigzag(d)+1`, for one value at distance `d`; [`FAR`] for one value whose distance
//! follows in eight bytes. So a tick whose series come in the usual order costs two bytes, not two thousand.

use std::ops::RangeInclusive;

use super::NativeError;
use super::bytes::{Cursor, put_varint, unzigzag, zigzag};

/// What both sides of a column agree on.
#[derive(Debug, Clone)]
pub(super) struct Runs {
    /// The value before the first.
    pub(super) before: i64,
    /// How far a value in a run lies behind the one before it.
    pub(super) step: i64,
    /// What a value may be; everything else is damage.
    pub(super) range: RangeInclusive<i64>,
}

impl Runs {
    /// Appends a column.
    pub(super) fn encode(&self, out: &mut Vec<u8>, values: impl Iterator<Item = i64>) {
        let mut previous = self.before;
        let mut run = 0u64;
        for value in values {
            if previous.checked_add(self.step) == Some(value) {
                run += 1;
            } else {
                put_run(out, run);
                run = 0;
                let distance = value.wrapping_sub(previous);
                let folded = zigzag(distance);
                if folded < FOLDED_MAX {
                    put_varint(out, folded << 1 | 1);
                } else {
                    put_varint(out, FAR);
                    out.extend_from_slice(&distance.to_le_bytes());
                }
            }
            previous = value;
        }
        put_run(out, run);
    }

    /// Reads a column of as many values as `target` has places.
    pub(super) fn decode<'t, T: 't>(
        &self,
        cursor: &mut Cursor<'_>,
        mut target: impl ExactSizeIterator<Item = &'t mut T>,
        set: impl Fn(&mut T, i64),
        expected: &'static str,
    ) -> Result<(), NativeError> {
        let mut previous = self.before;
        while target.len() > 0 {
            let token = cursor.varint(expected)?;
            if token & 1 == 0 {
                let run = (token >> 1).saturating_add(1);
                if run > target.len() as u64 {
                    return Err(cursor.malformed(expected));
                }
                // A run is shorter than 2^32 and a step at most 1, but `previous` may be any second.
                let last = self.step.checked_mul(run as i64).and_then(|way| previous.checked_add(way));
                if !last.is_some_and(|last| self.range.contains(&last)) {
                    return Err(cursor.malformed(expected));
                }
                for place in target.by_ref().take(run as usize) {
                    previous += self.step;
                    set(place, previous);
                }
            } else {
                let distance = if token == FAR { cursor.i64(expected)? } else { unzigzag(token >> 1) };
                previous = previous.wrapping_add(distance);
                if !self.range.contains(&previous) {
                    return Err(cursor.malformed(expected));
                }
                if let Some(place) = target.next() {
                    set(place, previous);
                }
            }
        }
        Ok(())
    }
}

fn put_run(out: &mut Vec<u8>, run: u64) {
    if run > 0 {
        put_varint(out, (run - 1) << 1);
    }
}

/// The token of a distance that does not fit beside the tag.
const FAR: u64 = u64::MAX;
/// Folded distances below this fit into a token.
const FOLDED_MAX: u64 = 1 << 62;
const _: () = assert!((FOLDED_MAX - 1) << 1 | 1 < FAR);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn back(runs: &Runs, bytes: &[u8], count: usize) -> Result<Vec<i64>, NativeError> {
        let mut cursor = Cursor::new(bytes);
        let mut values = vec![0i64; count];
        runs.decode(&mut cursor, values.iter_mut(), |place, value| *place = value, "a column")?;
        cursor.finish()?;
        Ok(values)
    }

    #[test]
    fn the_usual_tick_takes_two_bytes() {
        let series = Runs { before: -1, step: 1, range: 0..=i64::from(u32::MAX) };
        let mut out = Vec::new();
        series.encode(&mut out, 0..860);
        assert_eq!(out.len(), 2);
        assert_eq!(back(&series, &out, 860).unwrap(), (0..860).collect::<Vec<_>>());
    }

    #[test]
    fn a_run_that_is_too_long_or_leaves_the_range_is_refused() {
        let series = Runs { before: -1, step: 1, range: 0..=10 };
        let mut out = Vec::new();
        series.encode(&mut out, 0..12);
        assert!(back(&series, &out, 12).is_err(), "11 is out of range");
        assert!(back(&series, &out, 5).is_err(), "the run is longer than the column");
        assert!(back(&series, &[], 1).is_err(), "the column is missing");
    }

    proptest! {
        #[test]
        fn columns_come_back(
            values in prop::collection::vec(prop_oneof![0..6i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)], 0..200),
            before in any::<i64>(),
            step in 0..2i64,
        ) {
            let runs = Runs { before, step, range: i64::MIN..=i64::MAX };
            let mut out = Vec::new();
            runs.encode(&mut out, values.iter().copied());
            prop_assert_eq!(back(&runs, &out, values.len()).unwrap(), values);
        }

        #[test]
        fn garbage_is_refused_or_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            count in 0..100usize,
        ) {
            let runs = Runs { before: -1, step: 1, range: 0..=i64::from(u32::MAX) };
            if let Ok(values) = back(&runs, &bytes, count) {
                prop_assert!(values.iter().all(|value| runs.range.contains(value)));
            }
        }
    }
}
