//! What targets were before a request, so that it can be taken back.
//!
//! Invariant: after [`Instances::undo`](super::Instances::undo) every target that the request touched is what it was.

use std::collections::HashMap;

use super::instances::Kept;

/// What the targets of one account were before a request.
#[derive(Debug, Default)]
pub struct Undo {
    pub(super) before: HashMap<Box<str>, Before>,
}

/// What a target was before the first blob of the request.
#[derive(Debug)]
pub(super) enum Before {
    /// Not known.
    Unknown,
    /// Known. Differences change numbers, full blobs replace everything.
    Known {
        /// What was there when the first full blob came.
        replaced: Option<Box<Kept>>,
        /// The numbers from before the first differences, if they came before a full blob.
        numbers: Option<Numbers>,
    },
}

/// What differences change.
#[derive(Debug)]
pub(super) struct Numbers {
    generation: i64,
    time_ms: i64,
    heard_ms: i64,
    interval_ms: i64,
    has_ended: bool,
    series: Vec<(i64, f64)>,
}

impl Undo {
    /// Notes a target before it becomes known.
    pub(super) fn note_unknown(&mut self, instance: &str) {
        if !self.before.contains_key(instance) {
            self.before.insert(instance.into(), Before::Unknown);
        }
    }

    /// Notes a target before differences are added to it.
    pub(super) fn note_numbers(&mut self, instance: &str, kept: &Kept) {
        if !self.before.contains_key(instance) {
            let numbers = Some(Numbers::of(kept));
            self.before.insert(instance.into(), Before::Known { replaced: None, numbers });
        }
    }

    /// Takes what a full blob has replaced.
    pub(super) fn note_replaced(&mut self, instance: &str, kept: Kept) {
        match self.before.get_mut(instance) {
            None => {
                let before = Before::Known { replaced: Some(Box::new(kept)), numbers: None };
                self.before.insert(instance.into(), before);
            }
            Some(Before::Known { replaced: replaced @ None, numbers: Some(_) }) => *replaced = Some(Box::new(kept)),
            Some(_) => {}
        }
    }
}

impl Numbers {
    fn of(kept: &Kept) -> Numbers {
        let series = kept.scrape.series.iter().map(|series| (series.time_ms, series.value)).collect();
        let (generation, time_ms) = (kept.scrape.generation, kept.scrape.time_ms);
        let Kept { heard_ms, interval_ms, has_ended, .. } = *kept;
        Numbers { generation, time_ms, heard_ms, interval_ms, has_ended, series }
    }

    /// Puts them back to where they came from.
    pub(super) fn restore(self, kept: &mut Kept) {
        (kept.scrape.generation, kept.scrape.time_ms) = (self.generation, self.time_ms);
        (kept.heard_ms, kept.interval_ms, kept.has_ended) = (self.heard_ms, self.interval_ms, self.has_ended);
        for (series, (time_ms, value)) in kept.scrape.series.iter_mut().zip(self.series) {
            (series.time_ms, series.value) = (time_ms, value);
        }
    }
}
