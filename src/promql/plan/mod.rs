//! The plan: an expression made ready for one query's times.
//!
//! Durations are numbers, `@ start()` and `@ end()` are times, functions of the query's range are constants,
//! parentheses are gone, and what is the same at every step stands under [`Kind::Invariant`], to be evaluated once.

mod build;
mod invariant;

use crate::model::Matcher;

use super::annotations::Position;
use super::ast::{AggregateOp, BinaryOp, FunctionId, RangeMode, ValueType, VectorMatching};

pub use build::build;

/// The times of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The first step, in milliseconds since 1970.
    pub start_ms: i64,
    /// The end, in milliseconds since 1970; the last step lies there or less than a step before.
    pub end_ms: i64,
    /// Milliseconds between steps; 0 for an instant query, whose start is its end.
    pub step_ms: i64,
}

/// A time within a million years of 1970: offsets and ranges, which span three centuries at most, fit in beside it.
pub fn clamp_time(time_ms: i64) -> i64 {
    time_ms.clamp(-TIME_MS_MAX, TIME_MS_MAX)
}

/// The furthest time.
const TIME_MS_MAX: i64 = 1 << 55;

/// One operation with its inputs.
#[derive(Debug)]
pub struct Node {
    /// What is done.
    pub kind: Kind,
    /// What it answers.
    pub value_type: ValueType,
    /// Where it begins in the query, for notes.
    pub position: Position,
    /// The same without parentheses around it: notes of aggregations, calls and selectors are about themselves.
    pub begins: Position,
}

/// What a node does.
#[derive(Debug)]
pub enum Kind {
    /// A number at every step.
    Number(f64),
    /// A text.
    Text(String),
    /// The latest sample of each series.
    Select(Select),
    /// The samples of each series in the time before.
    Window {
        /// Of which series.
        select: Select,
        /// How long before, in milliseconds.
        range_ms: i64,
    },
    /// The points of an expression at steps of its own.
    Subquery(Box<Subquery>),
    /// A function.
    Call {
        /// Which one.
        function: FunctionId,
        /// Its name, for errors.
        name: &'static str,
        /// With what.
        args: Vec<Node>,
    },
    /// An aggregation.
    Aggregate(Box<Aggregate>),
    /// An operator between two nodes.
    Binary(Box<Binary>),
    /// The negative of each point.
    Negate(Box<Node>),
    /// What is the same at every step.
    Invariant(Box<Node>),
}

/// Which series are read, and when.
#[derive(Debug)]
pub struct Select {
    /// What the series have to match.
    pub matchers: Vec<Matcher>,
    /// How much earlier than the step, in milliseconds.
    pub offset_ms: i64,
    /// The time that stands for every step's, in milliseconds since 1970.
    pub at_ms: Option<i64>,
    /// What happens at the edges.
    pub mode: RangeMode,
    /// Whether only counts and sums of histograms are looked at, so that resets are found before buckets are dropped.
    pub stats_only: bool,
    /// The innermost function or aggregation around; a hint to the source.
    pub function: &'static str,
    /// The labels of the aggregation directly around; a hint to the source.
    pub grouping: Vec<String>,
    /// Whether these labels stay; a hint to the source.
    pub by: bool,
}

impl Select {
    /// The time whose data a step sees.
    pub fn data_ms(&self, step_ms: i64) -> i64 {
        self.at_ms.unwrap_or(step_ms) - self.offset_ms
    }
}

/// An expression at steps of its own.
#[derive(Debug)]
pub struct Subquery {
    /// The expression.
    pub inner: Node,
    /// How long before the time, in milliseconds.
    pub range_ms: i64,
    /// Milliseconds between its steps.
    pub step_ms: i64,
    /// How much earlier than the step, in milliseconds.
    pub offset_ms: i64,
    /// The time that stands for every step's, in milliseconds since 1970.
    pub at_ms: Option<i64>,
}

/// An aggregation over groups of series.
#[derive(Debug)]
pub struct Aggregate {
    /// What is done.
    pub op: AggregateOp,
    /// Over what.
    pub inner: Node,
    /// With which parameter.
    pub param: Option<Node>,
    /// The labels that make the groups, or those that do not; sorted.
    pub grouping: Vec<String>,
    /// Whether `grouping` lists the labels that go.
    pub without: bool,
}

/// An operator between two nodes.
#[derive(Debug)]
pub struct Binary {
    /// What is done.
    pub op: BinaryOp,
    /// The left side.
    pub left: Node,
    /// The right side.
    pub right: Node,
    /// How series find each other, if both sides are vectors.
    pub matching: Option<VectorMatching>,
    /// Whether a comparison answers 0 or 1.
    pub return_bool: bool,
    /// Where the left side begins, parentheses included.
    pub position: Position,
}
