//! A rule: what it was set to, and what it became after its checks.

use regex::Regex;

use super::action::Action;
use super::error::RuleError;
use super::template::Template;
use crate::model::compile_anchored;

/// The pattern of rules that name none: everything.
const REGEX_DEFAULT: &str = "(.*)";
/// The replacement of rules that name none: all that was found.
const REPLACEMENT_DEFAULT: &str = "$1";
/// What stands between source labels when nothing else is named.
const SEPARATOR_DEFAULT: &str = ";";

/// A rule as it is written; what is `None` has Prometheus's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSettings {
    /// The labels whose values are joined.
    pub source_labels: Option<Vec<String>>,
    /// What stands between them: `;` by default.
    pub separator: Option<String>,
    /// The pattern, over the whole of the joined values or of a label's name: `(.*)` by default.
    pub regex: Option<String>,
    /// What a hash is divided by.
    pub modulus: Option<u64>,
    /// The label to set or to compare with; with groups of the pattern for [`Action::Replace`].
    pub target_label: Option<String>,
    /// The value or name to set, with groups of the pattern: `$1` by default.
    pub replacement: Option<String>,
    /// What to do.
    pub action: Action,
}

/// A rule that was checked.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(super) source_labels: Vec<String>,
    pub(super) separator: String,
    pub(super) regex: Regex,
    /// Whether the pattern is the default one: all that is empty matches it.
    pub(super) takes_all: bool,
    pub(super) modulus: u64,
    pub(super) target_label: String,
    pub(super) target: Template,
    pub(super) replacement_text: String,
    pub(super) replacement: Template,
    pub(super) action: Action,
}

impl Rule {
    /// Checks a rule.
    ///
    /// # Errors
    ///
    /// The first of Prometheus's checks that it breaks.
    pub fn new(settings: RuleSettings) -> Result<Rule, RuleError> {
        let regex = compile_anchored(settings.regex.as_deref().unwrap_or(REGEX_DEFAULT))?;
        check(&settings)?;
        let target_label = settings.target_label.unwrap_or_default();
        let replacement_text = settings.replacement.unwrap_or_else(|| REPLACEMENT_DEFAULT.to_owned());
        Ok(Rule {
            source_labels: settings.source_labels.unwrap_or_default(),
            separator: settings.separator.unwrap_or_else(|| SEPARATOR_DEFAULT.to_owned()),
            takes_all: settings.regex.is_none(),
            modulus: settings.modulus.unwrap_or_default(),
            target: Template::new(&target_label, &regex),
            target_label,
            replacement: Template::new(&replacement_text, &regex),
            replacement_text,
            action: settings.action,
            regex,
        })
    }
}

fn check(settings: &RuleSettings) -> Result<(), RuleError> {
    let action = settings.action;
    let has_modulus = settings.modulus.is_some_and(|modulus| modulus != 0);
    let has_target = settings.target_label.as_deref().is_some_and(|target| !target.is_empty());
    let replacement = settings.replacement.as_deref().unwrap_or(REPLACEMENT_DEFAULT);
    let has_replacement = replacement != REPLACEMENT_DEFAULT;
    let has_separator = settings.separator.as_deref().is_some_and(|separator| separator != SEPARATOR_DEFAULT);
    if action == Action::HashMod && !has_modulus {
        return Err(RuleError::NoModulus);
    }
    if action.needs_target() && !has_target {
        return Err(RuleError::NoTarget(action));
    }
    let is_comparison = matches!(action, Action::KeepEqual | Action::DropEqual);
    if (is_comparison || matches!(action, Action::Lowercase | Action::Uppercase)) && has_replacement {
        return Err(RuleError::Replacement(action));
    }
    // Every text that is not empty names a label; what the pattern's groups make of it shows later.
    if action == Action::LabelMap && replacement.is_empty() {
        return Err(RuleError::BadReplacement { text: replacement.to_owned(), action });
    }
    if is_comparison && (settings.regex.is_some() || has_modulus || has_separator) {
        return Err(RuleError::OnlyLabels(action));
    }
    let has_others = settings.source_labels.is_some() || has_target || has_modulus || has_separator || has_replacement;
    if matches!(action, Action::LabelDrop | Action::LabelKeep) && has_others {
        return Err(RuleError::OnlyRegex(action));
    }
    Ok(())
}
