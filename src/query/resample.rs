//! Resampling: fewer points at a multiple of the data's frequency.
//!
//! Two families. Largest-triangle-three-buckets picks points that keep a curve's shape; it starts at 1000 points, for
//! fewer draw as fast as they are. The folds (average, min, max, sum, first) make one value of every whole bucket of
//! `new / old` slots counted from the answer's `from`, however few there are. Invariant of both: an answer has
//! `points / (new / old)` points, rounded down, so a last bucket that is not full is never shown as if it were; when
//! not one bucket is full, the data stay as they are.

use super::triangles::largest_triangles;
use crate::model::EMPTY;

/// How points become fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resample {
    /// Largest-triangle-three-buckets: keeps the points that shape the curve.
    #[default]
    Lttb,
    /// The mean of a bucket's values.
    Average,
    /// The smallest of a bucket's values.
    Min,
    /// The largest of a bucket's values.
    Max,
    /// The sum of a bucket's values.
    Sum,
    /// A bucket's first value.
    First,
}

impl Resample {
    /// The kind of a name; the empty name is the default.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" | "lttb" => Resample::Lttb,
            "average" => Resample::Average,
            "min" => Resample::Min,
            "max" => Resample::Max,
            "sum" => Resample::Sum,
            "first" => Resample::First,
            _ => return None,
        })
    }

    /// The names that [`Resample::parse`] knows.
    pub const NAMES: &'static str = "lttb, average, min, max, sum or first";
}

/// A resolution that the data cannot be brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("new sampling frequency ({new_secs}) must be a multiple of old frequency ({old_secs})")]
pub struct NotAMultiple {
    /// The resolution asked for, in seconds.
    pub new_secs: i64,
    /// The data's frequency, in seconds.
    pub old_secs: i64,
}

/// What to do with data of a length: known before the data are touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    kind: Resample,
    /// Slots that become one; 1 leaves the data alone.
    step: usize,
}

impl Plan {
    /// Decides whether `len` points at `old_secs` become fewer at `new_secs`; 0 and less, and what is not coarser than
    /// the data, leaves them as they are.
    pub fn new(kind: Resample, len: usize, old_secs: i64, new_secs: i64) -> Result<Self, NotAMultiple> {
        let unchanged = Plan { kind, step: 1 };
        if old_secs <= 0 || new_secs <= old_secs {
            return Ok(unchanged);
        }
        if new_secs % old_secs != 0 {
            return Err(NotAMultiple { new_secs, old_secs });
        }
        let few = kind == Resample::Lttb && len < LTTB_POINTS_MIN;
        match usize::try_from(new_secs / old_secs) {
            Ok(step) if step <= len && !few => Ok(Plan { kind, step }),
            _ => Ok(unchanged),
        }
    }

    /// Seconds between two points of the outcome.
    pub fn resolution_secs(&self, old_secs: i64) -> i64 {
        // `new` did this division without a rest, so the product is what was asked for.
        old_secs.saturating_mul(self.step as i64)
    }

    /// Where an answer of `len` points ends: a fold ends with its last whole bucket, the other keeps first and last
    /// point and so the whole range.
    pub fn end_secs(&self, len: usize, from_secs: i64, to_secs: i64, old_secs: i64) -> i64 {
        if self.step == 1 || self.kind == Resample::Lttb {
            return to_secs;
        }
        from_secs.saturating_add(self.resolution_secs(old_secs).saturating_mul((len / self.step) as i64))
    }

    /// Whether the data stay as they are.
    pub fn keeps_all(&self) -> bool {
        self.step == 1
    }

    /// Appends the data with fewer points.
    pub fn apply(&self, data: &[f64], out: &mut Vec<f64>) {
        match self.kind {
            _ if self.keeps_all() => out.extend_from_slice(data),
            Resample::Lttb => largest_triangles(data, data.len() / self.step, out),
            kind => out.extend(data.chunks_exact(self.step).map(|bucket| fold(kind, bucket))),
        }
    }
}

/// From so many points on the curve is thinned out.
const LTTB_POINTS_MIN: usize = 1000;

/// One value for a bucket, empty slots skipped; empty when all are.
fn fold(kind: Resample, bucket: &[f64]) -> f64 {
    let mut values = bucket.iter().copied().filter(|value| !value.is_nan());
    let Some(first) = values.next() else { return EMPTY };
    match kind {
        Resample::Average => {
            let (sum, count) = values.fold((first, 1u64), |(sum, count), value| (sum + value, count + 1));
            sum / count as f64
        }
        Resample::Min => values.fold(first, f64::min),
        Resample::Max => values.fold(first, f64::max),
        Resample::Sum => values.fold(first, |sum, value| sum + value),
        Resample::First | Resample::Lttb => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resampled(kind: Resample, data: &[f64], old_secs: i64, new_secs: i64) -> (Vec<f64>, i64) {
        let plan = Plan::new(kind, data.len(), old_secs, new_secs).unwrap();
        let mut found = Vec::new();
        plan.apply(data, &mut found);
        (found, plan.resolution_secs(old_secs))
    }

    /// A random walk; odd seeds have holes, every eighth infinities too.
    fn walk(seed: u64, len: usize) -> Vec<f64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 11
        };
        let mut level = 0.0;
        (0..len)
            .map(|_| {
                level += next() as f64 / (1u64 << 53) as f64 - 0.5;
                match next() % 64 {
                    0 if seed % 2 == 1 => f64::NAN,
                    1 if seed % 8 == 7 => f64::INFINITY,
                    _ => level,
                }
            })
            .collect()
    }

    fn hash(data: &[f64]) -> u64 {
        data.iter().fold(14_695_981_039_346_656_037, |hash: u64, value| {
            let bits = if value.is_nan() { 0 } else { value.to_bits() };
            (hash ^ bits).wrapping_mul(1_099_511_628_211)
        })
    }

    #[test]
    fn keeps_bit_for_bit_the_points_that_the_reference_keeps() {
        let golden = include_str!("../../tests/data/lttb/generated.txt");
        let mut cases = 0;
        for line in golden.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<_> = line.split(' ').collect();
            let number = |index: usize| fields[index].parse::<i64>().unwrap();
            let data = walk(number(0) as u64, number(1) as usize);
            let (found, resolution_secs) = resampled(Resample::Lttb, &data, 10, 10 * number(2));
            assert_eq!((resolution_secs, found.len() as i64), (number(3), number(4)), "{line}");
            assert_eq!(hash(&found), u64::from_str_radix(fields[5], 16).unwrap(), "{line}");
            cases += 1;
        }
        assert_eq!(cases, 180);
    }

    #[test]
    fn keeps_the_recorded_points() {
        let input = include_str!("../../tests/data/lttb/recorded-input.txt");
        let data: Vec<_> = input.lines().map(|line| line.parse().unwrap_or(EMPTY)).collect();
        let recorded = include_str!("../../tests/data/lttb/recorded-output.txt");
        for line in recorded.lines().filter(|line| !line.starts_with('#')) {
            let (resolution, expected) = line.split_once(": ").unwrap();
            let (found, _) = resampled(Resample::Lttb, &data, 1, resolution.parse().unwrap());
            let mut printed = Vec::new();
            crate::query::number::write_data_items(&mut printed, &found);
            assert_eq!(String::from_utf8(printed).unwrap().replace(',', " "), expected, "resolution {resolution}");
        }
    }

    #[test]
    fn a_resolution_has_to_be_a_multiple_however_few_the_points() {
        for len in [0, 3, 5000] {
            let error = Plan::new(Resample::Lttb, len, 60, 90).unwrap_err();
            assert_eq!(error.to_string(), "new sampling frequency (90) must be a multiple of old frequency (60)");
        }
    }

    #[test]
    fn what_is_not_coarser_changes_nothing() {
        let data = walk(2, 2000);
        for new_secs in [i64::MIN, -60, 0, 1, 30, 59, 60] {
            for kind in [Resample::Lttb, Resample::Average] {
                assert_eq!(resampled(kind, &data, 60, new_secs), (data.clone(), 60), "{new_secs}");
            }
        }
        assert_eq!(resampled(Resample::Sum, &data, 0, 60).0, data, "a frequency that cannot be");
        assert_eq!(resampled(Resample::Sum, &data, 1, i64::MAX), (data, 1), "coarser than the data are long");
    }

    #[test]
    fn folds_take_whole_buckets_and_skip_holes() {
        let data = [1.0, EMPTY, 4.0, EMPTY, EMPTY, EMPTY, -2.0, 6.0, 2.0, 100.0, 100.0];
        let nan_as_none = |kind| {
            let (found, resolution_secs) = resampled(kind, &data, 10, 30);
            assert_eq!(resolution_secs, 30);
            found.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect::<Vec<_>>()
        };
        assert_eq!(nan_as_none(Resample::Average), [Some(2.5), None, Some(2.0)]);
        assert_eq!(nan_as_none(Resample::Min), [Some(1.0), None, Some(-2.0)]);
        assert_eq!(nan_as_none(Resample::Max), [Some(4.0), None, Some(6.0)]);
        assert_eq!(nan_as_none(Resample::Sum), [Some(5.0), None, Some(6.0)]);
        assert_eq!(nan_as_none(Resample::First), [Some(1.0), None, Some(-2.0)]);
    }

    #[test]
    fn a_fold_ends_with_its_last_whole_bucket() {
        let fold = Plan::new(Resample::Sum, 11, 10, 30).unwrap();
        assert_eq!(fold.end_secs(11, 1000, 1110, 10), 1090);
        let thinned = Plan::new(Resample::Lttb, 1001, 10, 30).unwrap();
        assert_eq!(thinned.end_secs(1001, 1000, 11_010, 10), 11_010);
        let unchanged = Plan::new(Resample::Sum, 2, 10, 30).unwrap();
        assert_eq!(unchanged.end_secs(2, 1000, 1020, 10), 1020);
    }

    #[test]
    fn the_same_data_give_the_same_length_whatever_the_kind() {
        let data = walk(1, 1999);
        for step in [2, 3, 7, 100, 900] {
            let lens = [Resample::Lttb, Resample::Average, Resample::First]
                .map(|kind| resampled(kind, &data, 1, step).0.len());
            assert!(lens.iter().all(|&len| len == (1999 / step) as usize), "{step}: {lens:?}");
        }
    }
}
