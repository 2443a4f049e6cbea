//! The rows of one row group, gathered before they are encoded.
//!
//! Invariant: `timestamps` and `values` are as long as the sum of the runs' rows, and a group never holds more than
//! [`ROWS_MAX`] rows, [`RUNS_MAX`] runs and about [`NAMES_BYTES_MAX`] of strings, so its memory is bounded.

use super::names::Names;
use super::options::ValueType;
use super::rows::Rows;

/// Rows of a row group at most.
pub(super) const ROWS_MAX: usize = 1 << 20;
/// Rows from which on a row group ends where a host ends.
pub(super) const ROWS_MIN: usize = 1 << 19;
/// Runs of rows of one series in a row group at most.
pub(super) const RUNS_MAX: usize = 1 << 17;
/// Bytes of distinct strings from which on a row group ends.
pub(super) const NAMES_BYTES_MAX: usize = 4 << 20;

/// Rows of one series that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) rows: u32,
    pub(super) hostname: u32,
    pub(super) metric: u32,
    pub(super) scope: u32,
    pub(super) scope_id: u32,
    /// `None` is null.
    pub(super) parent: Option<u32>,
    pub(super) frequency_secs: u32,
}

/// Values in the type of the file.
#[derive(Debug)]
pub(super) enum Values {
    Float32(Vec<f32>),
    Float64(Vec<f64>),
}

/// The rows of one row group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) runs: Vec<Run>,
    pub(super) hostnames: Names,
    pub(super) metrics: Names,
    pub(super) scopes: Names,
    pub(super) scope_ids: Names,
    pub(super) parents: Names,
    pub(super) timestamps: Vec<i64>,
    pub(super) values: Values,
}

impl Group {
    /// No rows.
    pub(super) fn new(value: ValueType) -> Self {
        Group {
            runs: Vec::new(),
            hostnames: Names::default(),
            metrics: Names::default(),
            scopes: Names::default(),
            scope_ids: Names::default(),
            parents: Names::default(),
            timestamps: Vec::new(),
            values: match value {
                ValueType::Float32 => Values::Float32(Vec::new()),
                ValueType::Float64 => Values::Float64(Vec::new()),
            },
        }
    }

    /// Forgets the rows and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        for names in [&mut self.hostnames, &mut self.metrics, &mut self.scopes, &mut self.scope_ids, &mut self.parents]
        {
            names.clear();
        }
        self.timestamps.clear();
        match &mut self.values {
            Values::Float32(values) => values.clear(),
            Values::Float64(values) => values.clear(),
        }
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether the group must end here.
    pub(super) fn is_full(&self) -> bool {
        let names = self.hostnames.bytes() + self.metrics.bytes() + self.scopes.bytes() + self.scope_ids.bytes();
        self.rows() >= ROWS_MAX || self.runs.len() >= RUNS_MAX || names + self.parents.bytes() >= NAMES_BYTES_MAX
    }

    /// Takes rows; those without a value are left out. The caller sees to it that they fit.
    pub(super) fn push(&mut self, rows: &Rows<'_>, has_parents: bool) {
        let before = self.rows();
        if rows.values.iter().any(|value| value.is_nan()) {
            for (timestamp, value) in rows.timestamps.iter().zip(rows.values) {
                if !value.is_nan() {
                    self.timestamps.push(*timestamp);
                    self.values.extend(std::slice::from_ref(value));
                }
            }
        } else {
            self.timestamps.extend_from_slice(rows.timestamps);
            self.values.extend(rows.values);
        }
        let added = (self.rows() - before) as u32;
        if added == 0 {
            return;
        }
        let run = Run {
            rows: added,
            hostname: self.hostnames.number(rows.hostname),
            metric: self.metrics.number(rows.metric),
            scope: self.scopes.number(rows.scope),
            scope_id: self.scope_ids.number(rows.scope_id),
            parent: (has_parents && !rows.parent.is_empty()).then(|| self.parents.number(rows.parent)),
            frequency_secs: rows.frequency_secs,
        };
        match self.runs.last_mut() {
            Some(last) if (Run { rows: added, ..*last }) == run => last.rows += added,
            _ => self.runs.push(run),
        }
    }
}

impl Values {
    fn extend(&mut self, values: &[f64]) {
        match self {
            Values::Float32(narrow) => narrow.extend(values.iter().map(|value| narrowed(*value))),
            Values::Float64(exact) => exact.extend_from_slice(values),
        }
    }
}

/// A value as float32, as checkpoints hold it: beyond its range it becomes the largest there is, for one infinity costs
/// the readers of cc-metric-store's answers a whole answer. An infinity that came as one stays.
fn narrowed(value: f64) -> f32 {
    if value.is_finite() { (value as f32).clamp(f32::MIN, f32::MAX) } else { value as f32 }
}
