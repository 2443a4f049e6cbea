//! What queries answer.

use crate::model::Labels;

use super::column::{Column, Point, Steps};
use super::source::Samples;

/// The answer to a query.
#[derive(Debug, Clone)]
pub enum Value {
    /// A number at the query's time.
    Scalar {
        /// Milliseconds since 1970.
        time_ms: i64,
        /// The number.
        value: f64,
    },
    /// A text at the query's time.
    Text {
        /// Milliseconds since 1970.
        time_ms: i64,
        /// The text.
        text: String,
    },
    /// Series with one point each, all at the query's time, in the order of the answer.
    Vector {
        /// Milliseconds since 1970.
        time_ms: i64,
        /// The series.
        series: Vec<(Labels, Point)>,
    },
    /// Series with their own samples, as a range selector or a subquery answers them, sorted by labels.
    Matrix(Vec<(Labels, Samples)>),
    /// Series over common steps, as a range query answers them, sorted by labels.
    Range {
        /// The steps of all series.
        steps: Steps,
        /// The series.
        series: Vec<(Labels, Column)>,
    },
}
