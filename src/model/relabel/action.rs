//! What a rule does.

use std::fmt;
use std::str::FromStr;

use super::error::RuleError;

/// What a rule does with a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// Sets a label to a text made of what the pattern found.
    #[default]
    Replace,
    /// Drops the series unless the pattern matches.
    Keep,
    /// Drops the series if the pattern matches.
    Drop,
    /// Drops the series unless its source labels equal its target label.
    KeepEqual,
    /// Drops the series if its source labels equal its target label.
    DropEqual,
    /// Sets a label to a hash of the source labels, modulo a number.
    HashMod,
    /// Copies labels whose names match to labels of other names.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Sets a label to the source labels in lower case.
    Lowercase,
    /// Sets a label to the source labels in upper case.
    Uppercase,
}

impl Action {
    /// All of them, by their names.
    pub const ALL: [Action; 11] = [
        Action::Replace,
        Action::Keep,
        Action::Drop,
        Action::KeepEqual,
        Action::DropEqual,
        Action::HashMod,
        Action::LabelMap,
        Action::LabelDrop,
        Action::LabelKeep,
        Action::Lowercase,
        Action::Uppercase,
    ];

    /// The name in rules.
    pub fn name(self) -> &'static str {
        match self {
            Action::Replace => "replace",
            Action::Keep => "keep",
            Action::Drop => "drop",
            Action::KeepEqual => "keepequal",
            Action::DropEqual => "dropequal",
            Action::HashMod => "hashmod",
            Action::LabelMap => "labelmap",
            Action::LabelDrop => "labeldrop",
            Action::LabelKeep => "labelkeep",
            Action::Lowercase => "lowercase",
            Action::Uppercase => "uppercase",
        }
    }

    /// Whether the action writes to, or compares with, the target label.
    pub(super) fn needs_target(self) -> bool {
        match self {
            Action::Replace | Action::HashMod | Action::Lowercase | Action::Uppercase => true,
            Action::KeepEqual | Action::DropEqual => true,
            Action::Keep | Action::Drop | Action::LabelMap | Action::LabelDrop | Action::LabelKeep => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = RuleError;

    /// Reads a name, in whatever case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_lowercase();
        let found = Action::ALL.into_iter().find(|action| action.name() == lower);
        found.ok_or_else(|| RuleError::UnknownAction(text.to_owned()))
    }
}
