//! What must be there: every sample that was sent, by series and tick, with what is known of its fate.
//!
//! Samples lie within a sixth of the frequency around their tick, so whatever phase the store takes, the slot that
//! holds a tick's sample has its centre nearest to that tick. So the model needs no slots, only ticks.

use std::collections::BTreeMap;

use crate::model::Component;

/// Samples nearer to a horizon than this are not sent, and what is nearer to it is not looked at: a store that was
/// restarted knows its newest second within half a slot only.
pub(super) const BAND_SECS: i64 = 700;

/// How sure a write, or a horizon, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// No crash may take it.
    Durable,
    /// Acknowledged; a power failure may take it before this number is durable.
    AtRisk(u64),
    /// The machine stopped over it: it is there or not.
    InFlight,
    /// Refused, but the disk would not even take it back: a crash before the next checkpoint may show it.
    Doubtful { after_kill: bool },
}

/// What happens to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crash {
    Kill,
    Power,
}

#[derive(Debug, Clone, Copy)]
struct Write {
    /// `None` when it was freed.
    value: Option<f64>,
    fate: Fate,
}

/// One tick of a series.
#[derive(Debug, Default)]
pub(super) struct Cell {
    /// Oldest first.
    writes: Vec<Write>,
    /// All values that it ever had.
    had: Vec<f64>,
    /// Too near to a horizon to be told: whether it is there, and with which of its values. Of two samples of one slot
    /// a horizon may leave the older alone, and the log of a reference's form holds both.
    pub(super) is_unsure: bool,
}

impl Cell {
    pub(super) fn write(&mut self, value: Option<f64>, fate: Fate) {
        if fate == Fate::Durable {
            self.writes.clear();
        }
        if matches!(fate, Fate::Durable | Fate::AtRisk(_)) {
            self.had.extend(value);
        }
        self.writes.push(Write { value, fate });
    }

    /// What a read answers now.
    pub(super) fn now(&self) -> Option<f64> {
        let known = |write: &&Write| matches!(write.fate, Fate::Durable | Fate::AtRisk(_));
        self.writes.iter().rev().find(known).and_then(|write| write.value)
    }

    /// Whether a recovery may answer this.
    pub(super) fn allows(&self, found: Option<f64>, crash: Crash, durable: u64) -> bool {
        if self.is_unsure {
            let value_had = |value: f64| self.had.contains(&value) || self.writes.iter().any(|w| w.value == found);
            return found.is_none_or(value_had);
        }
        for write in self.writes.iter().rev() {
            let (may_be, must_be) = match (write.fate, crash) {
                (Fate::Durable, _) | (Fate::AtRisk(_), Crash::Kill) => (true, true),
                (Fate::AtRisk(number), Crash::Power) => (true, number <= durable),
                (Fate::InFlight, _) | (Fate::Doubtful { .. }, Crash::Power) => (true, false),
                (Fate::Doubtful { after_kill }, Crash::Kill) => (after_kill, false),
            };
            if may_be && write.value == found {
                return true;
            }
            if must_be {
                return false;
            }
        }
        found.is_none()
    }

    /// What was found is all there is. What was not certain before gets this fate.
    pub(super) fn settle(&mut self, found: Option<f64>, durable: u64, fate: Fate) {
        let certain = self.writes.iter().any(|write| {
            write.value == found
                && match write.fate {
                    Fate::Durable => true,
                    Fate::AtRisk(number) => number <= durable,
                    _ => false,
                }
        });
        let fate = if certain { Fate::Durable } else { fate };
        // Below what is at risk again lies what a power failure may leave in its place.
        let is_unsure = self.is_unsure;
        self.had.extend(found);
        self.writes.retain(|write| is_unsure || (write.value != found && fate != Fate::Durable));
        self.writes.push(Write { value: found, fate });
    }

    /// A checkpoint holds everything that memory held, and nothing else.
    fn forget_doubts(&mut self) {
        self.writes.retain(|write| matches!(write.fate, Fate::Durable | Fate::AtRisk(_)));
    }
}

/// What a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SeriesKind {
    /// One of the grid.
    Grid,
    /// A stamped one of numbers.
    Float,
    /// A stamped one of numbers and histograms.
    Mixed,
    /// The exemplars of a stamped one.
    Exemplar,
}

/// One series.
#[derive(Debug)]
pub(super) struct SeriesModel {
    /// The names below the host.
    pub(super) below: Vec<String>,
    pub(super) metric: &'static str,
    /// The tags of its lines, behind those of cluster and host.
    pub(super) tags: &'static str,
    pub(super) kind: SeriesKind,
    pub(super) frequency: i64,
    pub(super) phase: i64,
    pub(super) cells: BTreeMap<i64, Cell>,
}

impl SeriesModel {
    /// The components that its lines name.
    pub(super) fn components(&self) -> Vec<Component> {
        let part = |name: &String| {
            let digit = name.find(|character: char| character.is_ascii_digit());
            let at = ["network", "link"].iter().find(|kind| name.starts_with(**kind)).map(|kind| kind.len());
            let (kind, id) = name.split_at(at.or(digit).unwrap_or(name.len()));
            Component::new(kind, id)
        };
        self.below.iter().map(part).collect()
    }

    pub(super) fn tick_at(&self, secs: i64) -> i64 {
        (secs - self.phase + self.frequency / 2).div_euclid(self.frequency)
    }

    pub(super) fn secs_of(&self, tick: i64) -> i64 {
        self.phase + tick * self.frequency
    }

    /// What lies before a horizon is gone.
    fn free(&mut self, to_secs: i64, band: i64, fate: Fate) {
        for (&tick, cell) in &mut self.cells {
            let secs = self.phase + tick * self.frequency;
            if secs < to_secs - band {
                cell.write(None, fate);
            } else if secs < to_secs + band {
                cell.is_unsure = true;
            }
        }
    }
}

/// A horizon of a host or of a component.
#[derive(Debug, Clone, Copy)]
pub(super) struct Horizon {
    pub(super) to_secs: i64,
    pub(super) band: i64,
    pub(super) fate: Fate,
    /// Whether there was anything below it: a horizon over nothing may be forgotten.
    pub(super) is_needed: bool,
}

/// One host.
#[derive(Debug)]
pub(super) struct HostModel {
    pub(super) cluster: &'static str,
    pub(super) name: String,
    pub(super) series: Vec<SeriesModel>,
    /// By path, each newer than the one before.
    pub(super) horizons: BTreeMap<Vec<String>, Vec<Horizon>>,
    /// The newest second of any sample that was stored.
    pub(super) newest_secs: i64,
}

impl HostModel {
    /// Whether a second is so clearly behind (`false`) or before (`true`) the horizons over a path that every store
    /// says the same; `None` when it is not.
    pub(super) fn is_gone(&self, below: &[String], secs: i64) -> Option<bool> {
        let over = self.horizons.iter().filter(|(path, _)| below.starts_with(path)).flat_map(|(_, all)| all);
        let mut gone = false;
        for horizon in over {
            let is_doubtful = matches!(horizon.fate, Fate::Doubtful { .. });
            if is_doubtful && secs < horizon.to_secs + horizon.band + BAND_SECS {
                return None;
            }
            if (secs - horizon.to_secs).abs() <= horizon.band + BAND_SECS {
                return None;
            }
            gone |= secs < horizon.to_secs;
        }
        Some(gone)
    }

    /// Whether a second lies before a horizon that no power failure takes back.
    pub(super) fn is_gone_for_good(&self, below: &[String], secs: i64, durable: u64) -> bool {
        let mut over = self.horizons.iter().filter(|(path, _)| below.starts_with(path)).flat_map(|(_, all)| all);
        over.any(|horizon| {
            let is_certain = match horizon.fate {
                Fate::Durable => true,
                Fate::AtRisk(number) => number <= durable,
                _ => false,
            };
            is_certain && secs < horizon.to_secs
        })
    }

    /// A horizon moved.
    pub(super) fn free(&mut self, path: &[String], to: i64, fate: Fate) {
        let to_secs = to.min(self.newest_secs + 1);
        let band = if to > self.newest_secs - BAND_SECS { BAND_SECS } else { 0 };
        let mut below = self.series.iter().filter(|series| series.below.starts_with(path));
        let is_needed = below.any(|series| series.cells.values().any(|cell| !cell.is_unsure && cell.now().is_some()));
        self.horizons.entry(path.to_vec()).or_default().push(Horizon { to_secs, band, fate, is_needed });
        for series in self.series.iter_mut().filter(|series| series.below.starts_with(path)) {
            let band = band + series.frequency;
            series.free(to_secs, band, fate);
        }
    }

    /// Checks the horizons that a recovery found, and takes them over.
    pub(super) fn settle_horizons(
        &mut self,
        found: &BTreeMap<Vec<String>, i64>,
        crash: Crash,
        durable: u64,
        fate: Fate,
    ) -> Result<(), String> {
        for (path, horizons) in &mut self.horizons {
            let at = found.get(path).copied().unwrap_or(i64::MIN);
            for horizon in horizons.iter() {
                let is_certain = match horizon.fate {
                    Fate::Durable => true,
                    Fate::AtRisk(number) => crash == Crash::Kill || number <= durable,
                    _ => false,
                };
                if is_certain && horizon.is_needed && at < horizon.to_secs - horizon.band {
                    let name = &self.name;
                    return Err(format!("{name} {path:?}: the horizon {} is lost, found {at}", horizon.to_secs));
                }
            }
            *horizons = match found.get(path) {
                Some(&to_secs) => vec![Horizon { to_secs, band: 0, fate, is_needed: true }],
                None => Vec::new(),
            };
        }
        match found.iter().find(|(path, to)| **to > i64::MIN && !self.horizons.contains_key(*path)) {
            Some((path, to)) => Err(format!("{} {path:?}: nobody asked for the horizon {to}", self.name)),
            None => Ok(()),
        }
    }

    /// A checkpoint succeeded.
    pub(super) fn forget_doubts(&mut self) {
        self.series.iter_mut().flat_map(|series| series.cells.values_mut()).for_each(Cell::forget_doubts);
        let is_known = |horizon: &Horizon| matches!(horizon.fate, Fate::Durable | Fate::AtRisk(_));
        self.horizons.values_mut().for_each(|horizons| horizons.retain(is_known));
    }
}
