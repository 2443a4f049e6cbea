//! The rules of slots as plainly as they can be said: a map from slot to value.
//!
//! It knows nothing of lanes, blocks, late samples or files. It holds for senders whose ticks lie within a sixth of
//! the frequency around one phase and who are never quiet for longer than a window: then the phase is that of the
//! first sample, every sample has a slot of its own, and the last write wins.

use std::collections::BTreeMap;

/// Slots of a hole in which a child is awaited.
const AWAITED: i64 = 5;

/// One series by the book.
#[derive(Debug, Clone)]
pub struct ModelSeries {
    frequency_secs: i64,
    /// The second of the first sample: the centre of slot 0.
    first_secs: Option<i64>,
    slots: BTreeMap<i64, f64>,
}

impl ModelSeries {
    /// A series without samples.
    pub fn new(frequency_secs: u32) -> Self {
        ModelSeries { frequency_secs: i64::from(frequency_secs), first_secs: None, slots: BTreeMap::new() }
    }

    /// The last write to a slot wins.
    pub fn write(&mut self, secs: i64, value: f64) {
        let first = *self.first_secs.get_or_insert(secs);
        self.slots.insert(self.slot(first, secs), value);
    }

    /// The centre of the first slot with a value.
    pub fn first_centre(&self) -> Option<i64> {
        Some(self.first_secs? + self.slots.first_key_value()?.0 * self.frequency_secs)
    }

    /// The centre of the last slot with a value.
    pub fn last_centre(&self) -> Option<i64> {
        Some(self.first_secs? + self.slots.last_key_value()?.0 * self.frequency_secs)
    }

    /// What an output at this second takes.
    pub fn at(&self, secs: i64) -> Option<f64> {
        let first = self.first_secs?;
        self.slots.get(&self.slot(first, secs)).copied()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A sum over children at this second: `None` while a child is awaited or when none contributes.
    pub fn sum_at(children: &[ModelSeries], secs: i64) -> Option<f64> {
        let mut sum = None;
        for child in children {
            if let Some(value) = child.at(secs) {
                *sum.get_or_insert(0.0) += value;
                continue;
            }
            let Some(first) = child.first_secs else { continue };
            let slot = child.slot(first, secs);
            let before = child.slots.range(..slot).next_back();
            match before {
                // In the first slots of a hole a child is awaited, later it is absent; so it is before its first.
                Some((&last, _)) if slot - last <= AWAITED => return None,
                _ => {}
            }
        }
        sum
    }

    fn slot(&self, first: i64, secs: i64) -> i64 {
        (secs - first + self.frequency_secs / 2).div_euclid(self.frequency_secs)
    }
}
