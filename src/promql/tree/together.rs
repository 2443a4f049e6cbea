//! Series of a selection, each label set once.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::model::Labels;

use super::super::source::Series;
use super::merged::MergedSeries;

/// Series that come one after the other, those that count first in front.
pub(super) struct Together<'a> {
    series: Vec<Box<dyn Series + 'a>>,
    /// Where each label set stands. Filled only once sets may come twice.
    places: Option<HashMap<Labels, usize, foldhash::fast::RandomState>>,
    /// What has the labels of a series that was there before it, by the place of that one.
    others: HashMap<usize, Vec<Box<dyn Series + 'a>>, foldhash::fast::RandomState>,
}

impl<'a> Together<'a> {
    pub(super) fn new() -> Self {
        Together { series: Vec::new(), places: None, others: HashMap::default() }
    }

    /// The number of series so far, those that are merged later each for itself.
    pub(super) fn len(&self) -> usize {
        self.series.len() + self.others.values().map(Vec::len).sum::<usize>()
    }

    /// Adds series of which no two have the same labels.
    pub(super) fn add(&mut self, more: Vec<Box<dyn Series + 'a>>) {
        if self.series.is_empty() || more.is_empty() {
            self.series.extend(more);
            return;
        }
        let places = self.places.get_or_insert_default();
        // Those of the last time are not known yet, if there was nothing to compare them with.
        for (place, series) in self.series.iter().enumerate().skip(places.len()) {
            places.entry(series.labels().clone()).or_insert(place);
        }
        for series in more {
            match places.entry(series.labels().clone()) {
                Entry::Occupied(place) => self.others.entry(*place.get()).or_default().push(series),
                Entry::Vacant(place) => {
                    place.insert(self.series.len());
                    self.series.push(series);
                }
            }
        }
    }

    /// All series, in no order.
    pub(super) fn finish(mut self) -> Vec<Box<dyn Series + 'a>> {
        for (place, others) in self.others {
            let labels = self.series[place].labels().clone();
            let first = self.series.swap_remove(place);
            let parts = std::iter::once(first).chain(others).collect();
            self.series.push(Box::new(MergedSeries::new(labels, parts)));
            let last = self.series.len() - 1;
            self.series.swap(place, last);
        }
        self.series
    }
}
