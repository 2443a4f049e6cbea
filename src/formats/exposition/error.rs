//! Why a line of an exposition is refused.

use crate::model::write_quoted;

/// Why a line is refused. Holds a few dozen bytes of it at most.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpositionError {
    /// Longer than any line may be.
    #[error("line of {length} bytes, more than {limit}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The bytes it may have.
        limit: usize,
    },
    /// Not a text.
    #[error("line is not UTF-8")]
    NotUtf8,
    /// Something else stands where something belongs.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What belongs there.
        expected: &'static str,
        /// The start of what stands there.
        found: String,
    },
    /// The metric's name stands before the braces and inside of them.
    #[error("metric name already set")]
    TwoNames,
    /// No metric's name at all.
    #[error("metric name not set")]
    NoName,
    /// A label twice.
    #[error("label name {name} is not unique")]
    Duplicate {
        /// Its name, quoted.
        name: String,
    },
    /// A type that nobody knows.
    #[error("invalid metric type {found}")]
    Kind {
        /// What stands there, quoted.
        found: String,
    },
    /// OpenMetrics wants a metric's name to end with its unit.
    #[error("unit {unit} not a suffix of metric {metric}")]
    Unit {
        /// The unit, quoted.
        unit: String,
        /// The metric, quoted.
        metric: String,
    },
    /// OpenMetrics bodies say that they are whole.
    #[error("data does not end with # EOF")]
    NoEnd,
    /// Behind that, nothing may follow.
    #[error("unexpected data after # EOF")]
    AfterEnd,
}

impl ExpositionError {
    pub(super) fn expected(expected: &'static str, found: &str) -> ExpositionError {
        ExpositionError::Expected { expected, found: excerpt(found) }
    }
}

/// As much of a bad line as a message repeats, in quotes.
pub(super) fn excerpt(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(EXCERPT_BYTES_MAX)];
    let mut quoted = String::new();
    // Writing to a String cannot fail.
    let _ = write_quoted(&mut quoted, cut);
    if cut.len() < text.len() {
        quoted.insert(quoted.len() - 1, '…');
    }
    quoted
}

const EXCERPT_BYTES_MAX: usize = 48;
