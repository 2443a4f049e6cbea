//! What the archive takes: handed out once, sorted, dropped when the file holds it; and metadata.

use super::{NOW_MS, assert_counted, float, histogram, host, read, store};
use crate::model::{Exemplar, Labels, Metadata, MetricKind, MetricTable, StampedId, StampedSample, StampedValue};
use crate::store::{LimitReached, Limits, StampedRows, Store};

const SECS: i64 = NOW_MS / 1000;

fn archived() -> (Store, Vec<StampedId>) {
    let store = store().keeping_departed();
    let host = host(&store);
    let ids: Vec<StampedId> = ["c", "a", "b"]
        .iter()
        .map(|name| host.stamped(&Labels::from_pairs([("__name__", *name)]), store.limits()).unwrap())
        .collect();
    for number in 0..200 {
        let time_ms = NOW_MS + number * 1000;
        let mut body: Vec<StampedSample> = ids.iter().map(|&id| float(id, time_ms, number as f64)).collect();
        body[2].value = StampedValue::Histogram(histogram(2.0 + number as f64));
        host.apply_stamped(&body, time_ms);
    }
    (store, ids)
}

type Taken = Vec<(Labels, Vec<i64>)>;

fn take(departing: &crate::store::StampedDeparting) -> Taken {
    let mut taken: Taken = Vec::new();
    departing
        .each(|rows| {
            match taken.last_mut().filter(|(labels, _)| labels == rows.labels) {
                Some((_, times)) => times.extend(rows.times),
                None => taken.push((rows.labels.clone(), rows.times.to_vec())),
            }
            assert_eq!(rows.times.len(), rows.values.len());
            Ok::<(), ()>(())
        })
        .unwrap();
    taken
}

/// A sample of a clock that stood at the beginning of time came into a chunk with those of today: every day in between
/// was to be archived, and listing them took all memory.
#[test]
fn days_are_those_of_samples() {
    let store = store().keeping_departed();
    let (host, day_ms) = (host(&store), 86_400_000);
    let id = host.stamped(&Labels::from_pairs([("__name__", "a")]), store.limits()).unwrap();
    let times = (0..600).map(|number| NOW_MS + number * 1000);
    for time_ms in [i64::MIN, -1, 0, NOW_MS - 3 * day_ms].into_iter().chain(times) {
        // As histograms, which are sealed together whatever lies between them.
        let value = StampedValue::Histogram(histogram(2.0));
        host.apply_stamped(&[StampedSample { series: id, time_ms, start_ms: 0, value }], NOW_MS);
    }
    let mut days = std::collections::BTreeSet::new();
    host.departing_days(SECS + 10_000, &mut days);
    let today = NOW_MS.div_euclid(day_ms);
    assert_eq!(days.into_iter().collect::<Vec<_>>(), [i64::MIN.div_euclid(day_ms), -1, 0, today - 3, today]);
}

#[test]
fn what_was_taken_is_dropped_and_nothing_else() {
    let (store, ids) = archived();
    let host = host(&store);
    let exemplar = |time_ms| Exemplar { labels: Labels::from_pairs([("trace_id", "1")]), value: 1.0, time_ms };
    assert_eq!(host.add_exemplars(&[(ids[0], exemplar(NOW_MS)), (ids[0], exemplar(NOW_MS + 150_000))]).stored, 2);
    host.move_horizon([], SECS + 150);
    assert_eq!(host.exemplars(&[], i64::MIN, i64::MAX).len(), 1);
    assert_eq!(host.add_exemplars(&[(ids[0], exemplar(NOW_MS))]).stored, 0, "before the horizon");
    host.move_horizon([], SECS + 151);
    assert!(host.data.read().stamped.as_ref().unwrap().exemplar_bytes == 0, "no file takes them");
    assert_eq!(read(&host, ids[0], i64::MIN, i64::MAX).len(), 49, "out of sight");
    let mut days = std::collections::BTreeSet::new();
    host.departing_days(i64::MIN, &mut days);
    assert_eq!((days.len(), host.oldest_secs(), host.has_hidden_rows()), (1, Some(SECS), true));
    let departing = host.departing_stamped(i64::MIN, SECS + 20, SECS + 100).unwrap();
    let taken = take(&departing);
    let names: Vec<&str> = taken.iter().map(|(labels, _)| labels.metric_name()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let times: Vec<i64> = (20..100).map(|number| NOW_MS + number * 1000).collect();
    assert!(taken.iter().all(|(_, of_series)| *of_series == times));
    assert!(host.depart_stamped(&departing.stamp()));
    assert_counted(&store);
    let rest = take(&host.departing_stamped(SECS + 150, i64::MIN, i64::MAX).unwrap());
    let times: Vec<i64> = (0..20).chain(100..151).map(|number| NOW_MS + number * 1000).collect();
    assert!(rest.iter().all(|(_, of_series)| *of_series == times));
    // Something comes for that time while the file is written: nothing is dropped.
    let stamp = host.departing_stamped(SECS + 190, i64::MIN, i64::MAX).unwrap().stamp();
    host.apply_stamped(&[float(ids[0], NOW_MS + 160_500, 1.0)], NOW_MS + 200_000);
    assert!(!host.depart_stamped(&stamp));
    let stamp = host.departing_stamped(SECS + 500, i64::MIN, i64::MAX).unwrap().stamp();
    assert!(host.depart_stamped(&stamp));
    assert!(host.departing_stamped(i64::MAX / 1000, i64::MIN, i64::MAX).is_none());
    assert!(!host.has_hidden_rows());
    assert_eq!((host.sweep_stamped(), host.sweep_stamped()), (0, 3));
    assert_counted(&store);
}

#[test]
fn rows_of_a_file_are_found_by_time_and_value() {
    let (store, ids) = archived();
    let host = host(&store);
    let times: Vec<i64> = (0..100).map(|number| NOW_MS + number * 1000).collect();
    let mut values: Vec<f64> = (0..100).map(f64::from).collect();
    values[7] = -1.0;
    let labels = Labels::from_pairs([("__name__", "a")]);
    let rows = StampedRows { labels: &labels, times: &times, values: &values, histograms: &[], starts: &[] };
    assert_eq!(host.remove_archived_stamped(&rows), 99, "what was corrected later stays");
    assert_eq!(read(&host, ids[1], i64::MIN, i64::MAX).len(), 101);
    let labels = Labels::from_pairs([("__name__", "b")]);
    let histograms: Vec<_> = (0..100).map(|at| (at, histogram(2.0))).collect();
    let rows = StampedRows { labels: &labels, times: &times, values: &values, histograms: &histograms, starts: &[] };
    assert_eq!(host.remove_archived_stamped(&rows), 100);
    assert_eq!(read(&host, ids[2], i64::MIN, i64::MAX).len(), 100);
    assert_counted(&store);
}

#[test]
fn metadata_are_one_entry_a_name_and_bounded() {
    let limits = Limits { metadata_max: 2, label_value_bytes_max: 20, ..Limits::default() };
    let store = Store::new(MetricTable::new([]), limits);
    let about = |help: &str| Metadata { kind: MetricKind::Counter, help: help.into(), unit: "s".into() };
    assert_eq!(store.set_metadata("b", about("one")), Ok(true));
    assert_eq!(store.set_metadata("b", about("one")), Ok(false));
    assert_eq!(store.set_metadata("b", about("two")), Ok(true));
    assert_eq!(store.set_metadata("a", about("")), Ok(true));
    assert_eq!(store.set_metadata("c", about("")), Err(LimitReached::Metadata(2)));
    assert_eq!(store.set_metadata("b", about(&"x".repeat(20))), Err(LimitReached::MetadataBytes(20)));
    assert_eq!(store.metadata_of("b"), Some(about("two")));
    let names: Vec<String> = store.metadata().into_iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_counted(&store);
}
