//! What a search answers.

use crate::model::{Labels, StampedId};

/// A series that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampedFound {
    /// The series inside its host.
    pub id: StampedId,
    /// All of its labels.
    pub labels: Labels,
}
