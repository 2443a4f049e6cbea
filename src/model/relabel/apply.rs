//! Rules at work.

use super::action::Action;
use super::letters::{lower, upper};
use super::md5::md5;
use super::rule::Rule;
use super::working::Working;
use crate::model::Labels;

/// The labels after these rules, one after the other; `None` when one of them drops the series.
pub fn relabel(rules: &[Rule], labels: &Labels) -> Option<Labels> {
    if rules.is_empty() {
        return Some(labels.clone());
    }
    let mut working = Working::of(labels);
    for rule in rules {
        if !apply(rule, &mut working) {
            return None;
        }
    }
    Some(working.finish(labels))
}

/// Applies a rule; `false` drops the series.
fn apply(rule: &Rule, labels: &mut Working) -> bool {
    let joined = || {
        let values: Vec<&str> = rule.source_labels.iter().map(|name| labels.value(name)).collect();
        values.join(&rule.separator)
    };
    match rule.action {
        Action::Keep => return rule.regex.is_match(&joined()),
        Action::Drop => return !rule.regex.is_match(&joined()),
        Action::KeepEqual => return labels.value(&rule.target_label) == joined(),
        Action::DropEqual => return labels.value(&rule.target_label) != joined(),
        Action::Replace => {
            let source = joined();
            replace(rule, &source, labels);
        }
        Action::Lowercase => {
            let value = lower(&joined());
            labels.set(&rule.target_label, value);
        }
        Action::Uppercase => {
            let value = upper(&joined());
            labels.set(&rule.target_label, value);
        }
        Action::HashMod => {
            let [_, low] = halves(md5(joined().as_bytes()));
            // The check of the rule keeps zero out.
            labels.set(&rule.target_label, low.checked_rem(rule.modulus).unwrap_or_default().to_string());
        }
        Action::LabelMap => {
            // By the labels as they were before: what is set meanwhile is not mapped again.
            let before: Vec<_> = labels.all().cloned().collect();
            for label in before {
                if let Some(captures) = rule.regex.captures(&label.name) {
                    let name = rule.replacement.expand(&captures);
                    if !name.is_empty() {
                        labels.set(&name, label.value);
                    }
                }
            }
        }
        Action::LabelDrop => labels.retain(|label| !rule.regex.is_match(&label.name)),
        Action::LabelKeep => labels.retain(|label| rule.regex.is_match(&label.name)),
    }
    true
}

fn replace(rule: &Rule, source: &str, labels: &mut Working) {
    // Written out, though the long way gives the same: a label added to every series is the most common rule.
    if source.is_empty() && rule.takes_all && !rule.target.has_dollar && !rule.replacement.has_dollar {
        return labels.set(&rule.target_label, rule.replacement_text.as_str());
    }
    let Some(captures) = rule.regex.captures(source) else { return };
    let target = rule.target.expand(&captures);
    if !target.is_empty() {
        labels.set(&target, rule.replacement.expand(&captures));
    }
}

fn halves(digest: [u8; 16]) -> [u64; 2] {
    let number = u128::from_be_bytes(digest);
    // The casts cut on purpose.
    [(number >> 64) as u64, number as u64]
}
