//! Largest-triangle-three-buckets: picks the points that keep a curve's shape.
//!
//! Sveinn Steinarsson, Downsampling Time Series for Visual Representation, 2013, with the bucket limits that clients of
//! ClusterCockpit know. Invariant: the areas are computed operation by operation as cc-metric-store computes them, so
//! the points are bit for bit the ones that it keeps; only the search for the largest is another, without branches
//! that depend on the data.

/// Appends `len` of the points (two at least): the first and the last point stay; each bucket between gives the point
/// that spans the largest triangle with the point chosen before and the mean of the next bucket, the first of equals. A
/// hole in either makes the area NaN, and the last such point of the bucket wins, so holes stay visible.
///
/// `data` holds two points at least.
pub(super) fn largest_triangles(data: &[f64], len: usize, picked: &mut Vec<f64>) {
    let (Some(&first), Some(&last)) = (data.first(), data.last()) else { return };
    picked.reserve(len.max(2));
    picked.push(first);
    let inner = len.saturating_sub(2);
    let bucket_len = data.len().saturating_sub(2) as f64 / inner as f64;
    // Nothing here is negative, so cutting the fraction off rounds down.
    let bound = |bucket: usize| (bucket as f64 * bucket_len) as usize + 1;

    let mut previous = 0;
    let mut start = 1;
    // Not infinite: for no inner bucket at all the loop does not run.
    let mut end = if inner == 0 { 1 } else { bound(1) };
    for bucket in 0..inner {
        let mut next_end = bound(bucket + 2);
        if next_end >= data.len() - 1 {
            next_end = data.len() - 2;
        }
        let mean = mean(data.get(end..=next_end).unwrap_or_default(), end);
        let corners = Corners::new((previous as f64, data[previous]), mean);
        previous = corners.pick(data.get(start..end).unwrap_or_default(), start).unwrap_or(0);
        picked.push(data[previous]);
        start = end;
        end = next_end;
    }
    picked.push(last);
}

/// The centre of some points, the first of them at `start`; NaN when one is, or when there is none.
fn mean(points: &[f64], start: usize) -> (f64, f64) {
    // Whole numbers far below 2^53: their sum is exact in any order.
    let indices = points.len() * (2 * start + points.len().saturating_sub(1)) / 2;
    let y = points.iter().fold(0.0, |y, &value| y + value);
    (indices as f64 / points.len() as f64, y / points.len() as f64)
}

/// Two corners of triangles, and what all areas have in common.
struct Corners {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Corners {
    fn new((x, y): (f64, f64), (mean_x, mean_y): (f64, f64)) -> Self {
        Corners { x, y, width: x - mean_x, height: mean_y - y }
    }

    /// The area with a third corner.
    #[inline(always)]
    fn area(&self, index: f64, value: f64) -> f64 {
        (((self.x - index) * self.height - self.width * (value - self.y)) * 0.5).abs()
    }

    /// The index of the point to keep, the first of these points being at `start`; `None` when there are none.
    fn pick(&self, points: &[f64], start: usize) -> Option<usize> {
        macro_rules! by_len {
            ($($len:literal)*) => {
                match points.len() {
                    $($len => self.pick_of::<$len>(points.try_into().ok()?, start),)*
                    _ => self.pick_of_many(points, start),
                }
            };
        }
        by_len!(2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    }

    /// As [`pick`](Self::pick), for a number of points that the compiler knows.
    #[inline(always)]
    fn pick_of<const LEN: usize>(&self, points: &[f64; LEN], start: usize) -> Option<usize> {
        let areas = self.areas(points, start);
        Some(start + choose(&areas).0)
    }

    fn pick_of_many(&self, points: &[f64], start: usize) -> Option<usize> {
        const CHUNK: usize = 16;
        let (mut largest, mut chosen) = (-1.0, None);
        let mut note = |at: usize, area: f64| {
            // Nothing is larger than NaN.
            if area > largest || area.is_nan() {
                (largest, chosen) = (area, Some(at));
            }
        };
        let (chunks, rest) = points.as_chunks::<CHUNK>();
        for (number, chunk) in chunks.iter().enumerate() {
            let (at, area) = choose(&self.areas(chunk, start + number * CHUNK));
            note(start + number * CHUNK + at, area);
        }
        let begin = start + chunks.len() * CHUNK;
        for (at, &value) in rest.iter().enumerate() {
            note(begin + at, self.area((begin + at) as f64, value));
        }
        chosen
    }

    #[inline(always)]
    fn areas<const LEN: usize>(&self, points: &[f64; LEN], start: usize) -> [f64; LEN] {
        let start = start as f64;
        let mut areas = [0.0; LEN];
        for (at, (area, &value)) in areas.iter_mut().zip(points).enumerate() {
            *area = self.area(start + at as f64, value);
        }
        areas
    }
}

/// The last NaN, or else the first of the largest areas, none of which is negative; with its index.
#[inline(always)]
fn choose<const LEN: usize>(areas: &[f64; LEN]) -> (usize, f64) {
    const { assert!(LEN >= 2 && LEN <= 16) };
    let is_hole = areas.iter().fold(false, |is_hole, area| is_hole | area.is_nan());
    if is_hole {
        return (areas.iter().rposition(|area| area.is_nan()).unwrap_or(0), f64::NAN);
    }
    // Halves against each other: few steps that wait for one another.
    let mut larger = *areas;
    let mut len = LEN;
    while len > 1 {
        let half = len.div_ceil(2);
        for at in 0..len / 2 {
            // Not `f64::max`: this is one instruction, and nothing is NaN here.
            larger[at] = if larger[at] > larger[at + half] { larger[at] } else { larger[at + half] };
        }
        len = half;
    }
    let mut equals = 0u32;
    for (at, &area) in areas.iter().enumerate() {
        equals |= u32::from(area == larger[0]) << at;
    }
    (equals.trailing_zeros() as usize, larger[0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The algorithm as it is written down, a point at a time.
    fn plain(data: &[f64], len: usize) -> Vec<f64> {
        let mut picked = vec![data[0]];
        let inner = len.saturating_sub(2);
        let bucket_len = data.len().saturating_sub(2) as f64 / inner as f64;
        let bound = |bucket: usize| (bucket as f64 * bucket_len).floor() as usize + 1;
        let (mut previous, mut start, mut end) = (0, 1, if inner == 0 { 1 } else { bound(1) });
        for bucket in 0..inner {
            let next_end = if bound(bucket + 2) >= data.len() - 1 { data.len() - 2 } else { bound(bucket + 2) };
            let (mut mean_x, mut mean_y) = (0.0, 0.0);
            let next = data.get(end..=next_end).unwrap_or_default();
            for (index, &value) in next.iter().enumerate() {
                mean_x += (end + index) as f64;
                mean_y += value;
            }
            (mean_x, mean_y) = (mean_x / next.len() as f64, mean_y / next.len() as f64);
            let (x, y) = (previous as f64, data[previous]);
            let (mut largest, mut chosen) = (-1.0, 0);
            for (index, &value) in data.iter().enumerate().take(end).skip(start) {
                let area = (((x - index as f64) * (mean_y - y) - (x - mean_x) * (value - y)) * 0.5).abs();
                if area > largest || area.is_nan() {
                    (largest, chosen) = (area, index);
                }
            }
            picked.push(data[chosen]);
            (previous, start, end) = (chosen, end, next_end);
        }
        picked.push(*data.last().unwrap());
        picked
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            20 => (-50..50i32).prop_map(f64::from),
            20 => -1e3..1e3f64,
            2 => Just(f64::NAN),
            1 => Just(f64::INFINITY),
            1 => Just(f64::MAX),
            1 => Just(f64::MIN_POSITIVE / 4.0),
            1 => Just(-0.0),
        ]
    }

    fn check(data: &[f64], len: usize) {
        let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        let mut found = Vec::new();
        largest_triangles(data, len, &mut found);
        assert_eq!(bits(found), bits(plain(data, len)), "{len} of {data:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn picks_what_the_plain_way_picks(
            data in prop_oneof![
                4 => prop::collection::vec(value(), 2..600),
                1 => prop::collection::vec((-2..2i32).prop_map(f64::from), 2..600),
                1 => prop::collection::vec(-1.0..1.0f64, 2..600),
            ],
            step in 1..60usize,
        ) {
            check(&data, data.len() / step);
        }
    }

    #[test]
    fn every_length_of_a_bucket_is_right() {
        let data: Vec<f64> = (0..3000).map(|at| (at as f64 * 0.37).sin() * 50.0 + (at % 7) as f64).collect();
        for len in (2..200).chain([300, 700, 1499, 1500, 2999, 3000]) {
            check(&data, len);
        }
        check(&vec![3.25; 1860], 186);
    }
}
