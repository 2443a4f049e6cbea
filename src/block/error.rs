//! What can be wrong with the bytes of a block.

use thiserror::Error;

/// Why bytes are no block (or no ticks). Nothing of such bytes is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The bytes end too early.
    #[error("the {what} at byte {at} needs {expected} bytes, {found} are left")]
    Short {
        /// The part that is cut off.
        what: &'static str,
        /// Where the part begins.
        at: usize,
        /// The bytes that the part needs.
        expected: usize,
        /// The bytes that are there.
        found: usize,
    },
    /// Bytes are left behind the last part.
    #[error("{found} bytes are left behind the payload, which ends at byte {at}")]
    Trailing {
        /// Where the payload ends.
        at: usize,
        /// The bytes behind it.
        found: usize,
    },
    /// A field holds a value outside its range.
    #[error("the {what} is {found}, expected {expected}")]
    Field {
        /// The field.
        what: &'static str,
        /// What it holds.
        found: u64,
        /// What it may hold.
        expected: &'static str,
    },
}
