//! Stories of open rows: who shares them, who leaves, and what a wrong clock does.

use super::{NOW_MS, assert_counted, float, host, read, series, store};
use crate::model::{Labels, StampedId, StampedSample};
use crate::store::Store;

fn many(store: &Store, target: &str, count: usize) -> Vec<StampedId> {
    let of = |number: usize| series(store, &[("__name__", "m"), ("target", target), ("n", &number.to_string())]);
    (0..count).map(of).collect()
}

fn tick(store: &Store, ids: &[StampedId], time_ms: i64, now_ms: i64) {
    let body: Vec<StampedSample> = ids.iter().map(|&id| float(id, time_ms, time_ms as f64)).collect();
    assert_eq!(host(store).apply_stamped(&body, now_ms).stored, ids.len() as u64);
}

fn groups(store: &Store) -> usize {
    host(store).data.read().stamped.as_ref().unwrap().groups.iter().flatten().count()
}

fn chunks(store: &Store, id: StampedId) -> Vec<usize> {
    let host = host(store);
    let data = host.data.read();
    let series = data.stamped.as_ref().unwrap().table.get(id).unwrap();
    series.chunks.iter().map(super::super::chunk::Chunk::len).collect()
}

#[test]
fn those_who_come_together_share_rows_and_sealed_times() {
    let store = store();
    let ids = many(&store, "a", 50);
    for number in 0..1440 {
        tick(&store, &ids, NOW_MS + number * 60_000, NOW_MS + number * 60_000);
    }
    assert_eq!(groups(&store), 1);
    assert_eq!(chunks(&store, ids[7]), [1024, 256, 128]);
    {
        let host = host(&store);
        let data = host.data.read();
        let stamped = data.stamped.as_ref().unwrap();
        let of = |id: StampedId| &stamped.table.get(id).unwrap().chunks;
        assert!(of(ids[0]).iter().zip(of(ids[49])).all(|(a, b)| std::sync::Arc::ptr_eq(&a.times, &b.times)));
    }
    let rows = read(&host(&store), ids[49], i64::MIN, i64::MAX);
    assert!(rows.iter().map(|row| row.time_ms).eq((0..1440).map(|number| NOW_MS + number * 60_000)));
    assert_counted(&store);
}

#[test]
fn two_who_met_by_chance_part() {
    let store = store();
    let (a, b) = (many(&store, "a", 10), many(&store, "b", 5));
    tick(&store, &a, NOW_MS, NOW_MS);
    tick(&store, &b, NOW_MS, NOW_MS);
    assert_eq!(groups(&store), 1);
    for number in 1..200 {
        tick(&store, &a, NOW_MS + number * 60_000, NOW_MS + number * 60_000);
        tick(&store, &b, NOW_MS + number * 60_000 + 7000, NOW_MS + number * 60_000 + 7000);
    }
    assert_eq!(groups(&store), 2);
    for id in a.iter().chain(&b) {
        assert_eq!(read(&host(&store), *id, i64::MIN, i64::MAX).len(), 200);
    }
    assert_counted(&store);
}

#[test]
fn a_body_of_many_ticks_by_series_needs_no_loose_samples() {
    let store = store();
    let ids = many(&store, "a", 20);
    for first in (0..400).step_by(8) {
        let body: Vec<StampedSample> = ids
            .iter()
            .flat_map(|&id| (first..first + 8).map(move |number| float(id, NOW_MS + number * 15_000, 1.0)))
            .collect();
        host(&store).apply_stamped(&body, NOW_MS + (first + 8) * 15_000);
        let host = host(&store);
        let data = host.data.read();
        assert_eq!(data.stamped.as_ref().unwrap().loose_bytes, 0, "tick {first}");
    }
    assert_eq!(groups(&store), 1);
}

#[test]
fn a_clock_that_is_wrong_closes_no_rows_of_others() {
    let store = store();
    let (right, wrong) = (many(&store, "a", 10), many(&store, "b", 10));
    tick(&store, &[right.clone(), wrong.clone()].concat(), NOW_MS, NOW_MS);
    for number in 1..300 {
        let now_ms = NOW_MS + number * 60_000;
        tick(&store, &wrong, now_ms + 3_000_000, now_ms);
        tick(&store, &right, now_ms, now_ms);
    }
    // Not one of the right ones had to go a roundabout way: full windows, one after the other.
    assert_eq!(chunks(&store, right[3]), [256]);
    for id in right.iter().chain(&wrong) {
        assert_eq!(read(&host(&store), *id, i64::MIN, i64::MAX).len(), 300);
    }
    // A restart does not know the clock, and opens rows for what is ahead of it.
    let image = host(&store).image(&store.metrics());
    let next = super::store();
    host(&next).restore(&image, &next.metrics(), next.limits());
    let again = many(&next, "a", 10);
    for number in 300..500 {
        tick(&next, &again, NOW_MS + number * 60_000, NOW_MS + number * 60_000);
    }
    assert_eq!(chunks(&next, again[3])[0], 256);
    assert!(chunks(&next, again[3]).len() <= 4, "{:?}", chunks(&next, again[3]));
    assert_eq!(read(&host(&next), again[3], i64::MIN, i64::MAX).len(), 500);
    assert_counted(&next);
}

#[test]
fn a_flood_of_times_gets_no_rows_and_loses_nothing() {
    let store = store();
    let ids = many(&store, "a", 600);
    for number in 0..70 {
        for (at, &id) in ids.iter().enumerate() {
            tick(&store, &[id], NOW_MS + number * 60_000 + at as i64, NOW_MS + number * 60_000);
        }
    }
    assert_eq!(groups(&store), 256);
    for &id in ids.iter().step_by(99) {
        assert_eq!(read(&host(&store), id, i64::MIN, i64::MAX).len(), 70);
    }
    assert_counted(&store);
}

/// Groups that were parted grew in number without a bound, and each new series looked through all of them.
#[test]
fn parted_groups_count_among_the_others() {
    let store = store();
    let (usual, seldom) = (many(&store, "usual", 10), many(&store, "seldom", 2));
    let all = [usual.clone(), seldom.clone()].concat();
    tick(&store, &all, NOW_MS, NOW_MS);
    for (at, id) in many(&store, "flood", 300).into_iter().enumerate() {
        tick(&store, &[id], NOW_MS + 1 + at as i64, NOW_MS);
    }
    for number in 1..300 {
        let time_ms = NOW_MS + number * 60_000;
        tick(&store, if number % 3 == 0 { &all } else { &usual }, time_ms, time_ms);
    }
    assert_eq!(groups(&store), 256);
    for (id, count) in [(usual[3], 300), (seldom[1], 100)] {
        assert_eq!(read(&host(&store), id, i64::MIN, i64::MAX).len(), count);
    }
    assert_counted(&store);
}

#[test]
fn views_stay_as_they_were_taken() {
    let store = store();
    let ids = many(&store, "a", 3);
    (0..100).for_each(|number| tick(&store, &ids, NOW_MS + number * 1000, NOW_MS + number * 1000));
    let views = host(&store).take_stamped(&ids, NOW_MS + 50_000, NOW_MS + 90_000);
    host(&store).move_horizon([], NOW_MS / 1000 + 80);
    (100..1000).for_each(|number| tick(&store, &ids, NOW_MS + number * 1000, NOW_MS + number * 1000));
    for view in &views {
        assert_eq!(super::read_view(view, i64::MIN, i64::MAX).len(), 41);
        assert_eq!(super::read_view(view, NOW_MS + 60_000, NOW_MS + 69_000).len(), 10);
    }
    assert_eq!(
        host(&store).stamped_labels(ids[0]),
        Labels::from_pairs([("__name__", "m"), ("target", "a"), ("n", "0")])
    );
}
