//! Rows that a file of the archive holds of one host, to be looked for in memory.
//!
//! Owns when a row in memory counts as the one of a file: the same value at the same time. A time may differ by half
//! the frequency, for the reference's files hold one grid a series, so a restart can move a row onto a neighbouring
//! phase's; a row is found once at most. What differs came later, and stays.

use std::collections::BTreeMap;

use super::depart::{Key, Rows};

/// Rows of one host in a file.
#[derive(Debug)]
pub struct ArchivedRows {
    is_single: bool,
    series: BTreeMap<Joined, ArchivedSeries>,
}

/// A series by the joined name of its component. The reference's files have no other, so a restart can part kind and id
/// elsewhere than the file does.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Joined {
    metric: Box<str>,
    component: Box<str>,
    parent: Box<str>,
}

impl Joined {
    fn of(key: &Key) -> Joined {
        let component = [&*key.scope, &*key.scope_id].concat().into();
        Joined { metric: key.metric.clone(), component, parent: key.parent.clone() }
    }
}

/// Rows of one series in a file, by time.
#[derive(Debug)]
pub(super) struct ArchivedSeries {
    is_single: bool,
    rows: Vec<(i64, f64)>,
    frequency_max_secs: u32,
}

impl ArchivedRows {
    /// No rows. `is_single` says that values went through a float32, in the file or in a checkpoint.
    pub fn new(is_single: bool) -> Self {
        ArchivedRows { is_single, series: BTreeMap::new() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Adds rows of one series: its names as [`DepartingRows`](super::DepartingRows) has them, seconds and values.
    pub fn insert(&mut self, names: [&str; 4], frequency_secs: u32, secs: &[i64], values: &[f64]) {
        let [metric, scope, scope_id, parent] = names;
        let key = Joined { metric: metric.into(), component: [scope, scope_id].concat().into(), parent: parent.into() };
        let is_single = self.is_single;
        let series = self.series.entry(key).or_insert_with(|| ArchivedSeries {
            is_single,
            rows: Vec::new(),
            frequency_max_secs: 1,
        });
        series.frequency_max_secs = series.frequency_max_secs.max(frequency_secs);
        series.rows.extend(secs.iter().copied().zip(values.iter().copied()));
    }

    pub(super) fn of(&self, key: &Key) -> Option<&ArchivedSeries> {
        self.series.get(&Joined::of(key))
    }
}

impl ArchivedSeries {
    /// The first second at which a row of the file may be found.
    pub(super) fn begin_secs(&self) -> i64 {
        let first = self.rows.first().map_or(i64::MAX, |row| row.0);
        first.saturating_sub(i64::from(self.frequency_max_secs))
    }

    /// The second behind the last one.
    pub(super) fn end_secs(&self) -> i64 {
        let last = self.rows.last().map_or(i64::MIN, |row| row.0);
        last.saturating_add(i64::from(self.frequency_max_secs)).saturating_add(1)
    }

    /// The times of those rows in memory that the file holds, ascending.
    pub(super) fn found_in(&self, rows: &Rows) -> Vec<i64> {
        let mut is_found = vec![false; rows.secs.len()];
        let mut missed = Vec::new();
        for &(secs, value) in &self.rows {
            match rows.secs.binary_search(&secs) {
                // Another value came later: it is not in the file.
                Ok(at) => is_found[at] = self.is_same(rows.values[at], value),
                Err(at) => missed.push((at, secs, value)),
            }
        }
        for (at, secs, value) in missed {
            let near = [at.checked_sub(1), Some(at)].into_iter().flatten().filter(|&near| {
                near < rows.secs.len()
                    && !is_found[near]
                    && 2 * (rows.secs[near] - secs).abs() <= i64::from(rows.frequency_at(near))
                    && self.is_same(rows.values[near], value)
            });
            if let Some(near) = near.min_by_key(|&near| (rows.secs[near] - secs).abs()) {
                is_found[near] = true;
            }
        }
        rows.secs.iter().zip(is_found).filter_map(|(&secs, found)| found.then_some(secs)).collect()
    }

    fn is_same(&self, a: f64, b: f64) -> bool {
        // The reference's files have no room for infinities, so those become the largest numbers there.
        let single = |value: f64| (value as f32).clamp(f32::MIN, f32::MAX).to_bits();
        a.to_bits() == b.to_bits() || (self.is_single && single(a) == single(b))
    }
}
