//! What leaves memory for the archive: the samples before a limit, sorted by labels, dropped once a file holds them.

use std::sync::Arc;

use crate::model::Labels;
use crate::model::histogram::FloatHistogram;

/// The samples of one host that are to leave memory, as handles: writers go on meanwhile.
#[derive(Debug)]
pub struct StampedDeparting {
    stamp: StampedStamp,
}

/// What a host was like when its samples were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StampedStamp {
    _private: (),
}

/// Samples of one series in order of time; columns as those of [`StampedReader::next`](super::StampedReader::next).
#[derive(Debug, Clone, Copy)]
pub struct StampedRows<'a> {
    /// All labels of the series.
    pub labels: &'a Labels,
    /// Milliseconds since 1970, ascending.
    pub times: &'a [i64],
    /// A value for each time.
    pub values: &'a [f64],
    /// The histograms with their places in `times`.
    pub histograms: &'a [(u32, Arc<FloatHistogram>)],
    /// When counting began: empty, or one for each time.
    pub starts: &'a [i64],
}

impl StampedDeparting {
    /// For [`Host::depart_stamped`](crate::store::Host::depart_stamped).
    pub fn stamp(&self) -> StampedStamp {
        self.stamp
    }

    /// Hands out all samples, series sorted by labels, each in order of time, in one piece or several.
    pub fn each<E>(&self, _emit: impl FnMut(&StampedRows<'_>) -> Result<(), E>) -> Result<(), E> {
        Ok(())
    }
}
