//! What can be wrong with a rule, in Prometheus's words.

use crate::model::PatternError;

use super::action::Action;

/// Why a rule can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// There is no such action.
    #[error("unknown relabel action {0:?}")]
    UnknownAction(String),
    /// The pattern breaks the syntax.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A hash needs a number to divide by.
    #[error("relabel configuration for hashmod requires non-zero modulus")]
    NoModulus,
    /// The action needs a label to work on.
    #[error("relabel configuration for {0} action requires 'target_label' value")]
    NoTarget(Action),
    /// The action has no use for a replacement.
    #[error("'replacement' can not be set for {0} action")]
    Replacement(Action),
    /// Labels can't be called that.
    #[error("{text:?} is invalid 'replacement' for {action} action")]
    BadReplacement {
        /// What was given.
        text: String,
        /// For what.
        action: Action,
    },
    /// A comparison takes nothing else.
    #[error("{0} action requires only 'source_labels' and `target_label`, and no other fields")]
    OnlyLabels(Action),
    /// A choice of labels takes nothing else.
    #[error("{0} action requires only 'regex', and no other fields")]
    OnlyRegex(Action),
}
