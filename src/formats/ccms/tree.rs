//! A host as a tree of levels, on its way into a snapshot and out of one: what the binary and the JSON form share.

use crate::model::EMPTY;

/// Levels nest at most this deep in a file, the host being the first. cc-metric-store itself has no limit; what
/// cc-metric-collector sends is three deep.
pub const DEPTH_MAX: usize = 16;

/// Slots handed to [`Visitor::series`] at once, so that the length of a series bounds no reader's memory.
pub(super) const PIECE_SLOTS: usize = 8192;

/// A level to be written: a host or a component. Both forms put counts or keys before their content, so the writers
/// ask for a series at a time and hold one.
pub trait Level {
    /// How many metrics this level holds itself.
    fn metrics(&self) -> usize;
    /// The metric at `index`, below [`Level::metrics`]. Puts its slots behind each other into `slots`, which is handed
    /// over empty; [`crate::model::EMPTY`] where there is no value.
    fn metric<'a>(&'a self, index: usize, slots: &mut Vec<f64>) -> Head<'a>;
    /// How many levels hang below.
    fn children(&self) -> usize;
    /// The joined name and the level of the child at `index`, below [`Level::children`].
    fn child(&self, index: usize) -> (&str, &dyn Level);
}

/// What a series is, beside its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// The metric's name.
    pub name: &'a str,
    /// Seconds between two slots, at least 1.
    pub frequency_secs: u32,
    /// The centre of the first slot, seconds since 1970.
    pub start_secs: i64,
}

/// Takes what a snapshot holds, in the order of the file.
pub trait Visitor {
    /// Where in the file the name of the level or series that comes next begins; in JSON, what belongs to the name.
    fn at(&mut self, _offset: u64) {}
    /// A level below the current one begins.
    fn enter(&mut self, name: &str);
    /// Slots of a series of the current level; [`crate::model::EMPTY`] where there is no value. A long series comes
    /// in several pieces, in order and each with its own start, never in none: a series without slots has one empty
    /// piece. `start_secs + frequency_secs · slots.len()` does not overflow.
    fn series(&mut self, name: &str, frequency_secs: u32, start_secs: i64, slots: &[f64]);
    /// The current level ends.
    fn leave(&mut self);
}

/// The interval that a snapshot says it covers, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The time of the checkpoint before.
    pub from_secs: i64,
    /// The time of this checkpoint; 0 in files that do not know.
    pub to_secs: i64,
}

/// A value as the store keeps it: NaN is no value.
pub(super) fn slot(value: f64) -> f64 {
    if value.is_nan() { EMPTY } else { value }
}

/// A value as the binary forms hold it, and [`slot`] reads it. A number beyond float32 becomes the largest there is
/// and not infinity, for cc-metric-store leaves a request without any answer when one value of it is infinite. Every
/// NaN becomes one NaN; infinities stay.
pub fn narrow(value: f64) -> f32 {
    if value.is_nan() {
        f32::NAN
    } else if value.is_finite() {
        (value as f32).clamp(f32::MIN, f32::MAX)
    } else {
        value as f32
    }
}

/// The frequency and the start of a series from a file, or what is wrong with them for this many slots.
pub(super) fn check_head(frequency_secs: i64, start_secs: i64, slots: u64) -> Result<u32, String> {
    let frequency = match u32::try_from(frequency_secs) {
        Ok(frequency) if frequency > 0 => frequency,
        _ => return Err(format!("a frequency of {frequency_secs} s: expected 1 to {}", u32::MAX)),
    };
    let end = u64::from(frequency).checked_mul(slots).and_then(|secs| start_secs.checked_add_unsigned(secs));
    // Half the range of an i64 leaves its users room for sums.
    match end {
        Some(end) if end <= i64::MAX / 2 && start_secs >= i64::MIN / 2 => Ok(frequency),
        _ => Err(format!("a start of {start_secs} s: too far from 1970 for {slots} slots of {frequency} s")),
    }
}

/// A tree in memory, for tests.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use proptest::prelude::*;

    /// A series of a [`Tree`].
    #[derive(Debug, Clone)]
    pub struct Series {
        pub name: String,
        pub frequency_secs: u32,
        pub start_secs: i64,
        pub slots: Vec<f64>,
    }

    /// Compares slots by their bits, for [`EMPTY`] is a NaN.
    impl PartialEq for Series {
        fn eq(&self, other: &Self) -> bool {
            let bits = |slots: &[f64]| slots.iter().map(|slot| slot.to_bits()).collect::<Vec<_>>();
            (&self.name, self.frequency_secs, self.start_secs) == (&other.name, other.frequency_secs, other.start_secs)
                && bits(&self.slots) == bits(&other.slots)
        }
    }

    /// A level with all below it; a [`Visitor`] that builds itself.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Tree {
        pub series: Vec<Series>,
        pub below: Vec<(String, Tree)>,
        open: usize,
    }

    impl Tree {
        pub fn new(series: Vec<Series>, below: Vec<(String, Tree)>) -> Self {
            Tree { series, below, open: 0 }
        }

        /// Every value put through `change`.
        pub fn map(mut self, change: &dyn Fn(f64) -> f64) -> Self {
            for series in &mut self.series {
                series.slots.iter_mut().for_each(|slot| *slot = change(*slot));
            }
            self.below = self.below.into_iter().map(|(name, tree)| (name, tree.map(change))).collect();
            self
        }

        fn current(&mut self) -> &mut Tree {
            let mut tree = self;
            for _ in 0..tree.open {
                tree = &mut tree.below.last_mut().unwrap().1;
            }
            tree
        }
    }

    impl Level for Tree {
        fn metrics(&self) -> usize {
            self.series.len()
        }

        fn metric<'a>(&'a self, index: usize, slots: &mut Vec<f64>) -> Head<'a> {
            let series = &self.series[index];
            slots.extend_from_slice(&series.slots);
            Head { name: &series.name, frequency_secs: series.frequency_secs, start_secs: series.start_secs }
        }

        fn children(&self) -> usize {
            self.below.len()
        }

        fn child(&self, index: usize) -> (&str, &dyn Level) {
            (&self.below[index].0, &self.below[index].1)
        }
    }

    impl Visitor for Tree {
        fn enter(&mut self, name: &str) {
            self.current().below.push((name.to_owned(), Tree::default()));
            self.open += 1;
        }

        fn series(&mut self, name: &str, frequency_secs: u32, start_secs: i64, slots: &[f64]) {
            let level = self.current();
            if let Some(last) = level.series.last_mut()
                && last.name == name
                && last.start_secs + i64::from(frequency_secs) * last.slots.len() as i64 == start_secs
                && !last.slots.is_empty()
            {
                last.slots.extend_from_slice(slots);
                return;
            }
            level.series.push(Series { name: name.to_owned(), frequency_secs, start_secs, slots: slots.to_vec() });
        }

        fn leave(&mut self) {
            self.open -= 1;
        }
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            2 => Just(EMPTY),
            3 => -1e6f64..1e6,
            3 => any::<f64>().prop_map(slot),
            1 => any::<f32>().prop_map(|value| slot(f64::from(value))),
        ]
    }

    fn series() -> impl Strategy<Value = Series> {
        let slots = proptest::collection::vec(value(), 0..20);
        ("\\PC{0,12}", 1u32..100_000, -(1i64 << 40)..(1 << 40), slots)
            .prop_map(|(name, frequency_secs, start_secs, slots)| Series { name, frequency_secs, start_secs, slots })
    }

    /// Any small tree. Names repeat on no level, as in every file that was written by a store.
    pub fn tree() -> impl Strategy<Value = Tree> {
        let unique = |mut series: Vec<Series>| {
            series.sort_by(|a, b| a.name.cmp(&b.name));
            series.dedup_by(|a, b| a.name == b.name);
            series
        };
        let leaf =
            proptest::collection::vec(series(), 0..4).prop_map(move |series| Tree::new(unique(series), Vec::new()));
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let below = proptest::collection::vec(("\\PC{0,12}", inner), 0..4);
            (proptest::collection::vec(series(), 0..4), below)
                .prop_map(move |(series, below)| Tree::new(unique(series), below))
        })
    }

    /// A chain of this many levels, the first included.
    pub fn chain(levels: usize) -> Tree {
        (1..levels).fold(Tree::default(), |tree, _| Tree::new(Vec::new(), vec![("a".to_owned(), tree)]))
    }
}
