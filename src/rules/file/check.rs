//! What groups and rules have to be, beyond their form.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::model::{Labels, METRIC_NAME};
use crate::promql::parse::{ParseOptions, parse_expr};

use super::super::template::Template;
use super::error::FileError;
use super::read::{GroupText, Pair, RuleText};
use super::spec::{GroupSpec, RuleKind, RuleSpec};

/// Checks all groups of a file.
pub(super) fn check(
    file: &str,
    groups: Vec<GroupText>,
    options: &ParseOptions,
) -> Result<Vec<GroupSpec>, Vec<FileError>> {
    let mut errors = Vec::new();
    let mut names = HashSet::new();
    let mut specs = Vec::new();
    for group in groups {
        let mut wrong = |place, text| errors.push(FileError { file: file.to_owned(), place: Some(place), text });
        if group.name.is_empty() {
            wrong(group.place, "Groupname must not be empty".to_owned());
        }
        if !names.insert(group.name.clone()) {
            wrong(group.place, format!("groupname: \"{}\" is repeated in the same file", group.name));
        }
        check_labels(&group.labels, &mut wrong);
        let mut rules = Vec::new();
        for (at, rule) in group.rules.iter().enumerate() {
            let name = if rule.alert.text.is_empty() { &rule.record.text } else { &rule.alert.text };
            let rule_number = at + 1;
            let mut wrong = |place, text| {
                wrong(place, format!("group {:?}, rule {rule_number}, {name:?}: {text}", group.name));
            };
            rules.extend(check_rule(rule, &group.labels, options, &mut wrong));
        }
        specs.push(GroupSpec {
            file: file.to_owned(),
            name: group.name,
            interval_ms: group.interval_ms,
            query_offset_ms: group.query_offset_ms,
            limit: group.limit,
            rules,
        });
    }
    if errors.is_empty() { Ok(specs) } else { Err(errors) }
}

/// Takes what is wrong, and where.
type Wrong<'w> = dyn FnMut((usize, usize), String) + 'w;

/// Checks a rule; answers it unless there is none in it at all.
fn check_rule(
    rule: &RuleText,
    group_labels: &[Pair],
    options: &ParseOptions,
    wrong: &mut Wrong<'_>,
) -> Option<RuleSpec> {
    let (is_record, is_alert) = (!rule.record.text.is_empty(), !rule.alert.text.is_empty());
    if is_record && is_alert {
        wrong(rule.alert.place, "only one of 'record' and 'alert' must be set".to_owned());
    }
    if !is_record && !is_alert {
        wrong(rule.place, "one of 'record' or 'alert' must be set".to_owned());
    }
    let mut expr = None;
    if rule.expr.text.is_empty() {
        wrong(rule.expr.place, "field 'expr' must be set in rule".to_owned());
    } else {
        match parse_expr(&rule.expr.text, options) {
            Ok(parsed) => expr = Some(parsed),
            Err(error) => wrong(rule.expr.place, format!("could not parse expression: {error}")),
        }
    }
    if is_record {
        check_record(rule, wrong);
    }
    check_labels(&rule.labels, wrong);
    for annotation in rule.annotations.iter().filter(|annotation| annotation.name.is_empty()) {
        wrong(annotation.place, format!("invalid annotation name: {}", annotation.name));
    }
    if is_alert {
        let labels = rule.labels.iter().map(|pair| ("label", pair));
        let annotations = rule.annotations.iter().map(|pair| ("annotation", pair));
        for (kind, pair) in labels.chain(annotations) {
            if let Err(error) = Template::new(&rule.alert.text, &pair.value) {
                wrong(pair.place, format!("{kind} {:?}: {error}", pair.name));
            }
        }
    }
    let pairs = |pairs: &[Pair]| -> BTreeMap<Arc<str>, Arc<str>> {
        pairs.iter().map(|pair| (pair.name.as_str().into(), pair.value.as_str().into())).collect()
    };
    let mut labels = pairs(group_labels);
    labels.extend(pairs(&rule.labels));
    Some(RuleSpec {
        kind: if is_alert { RuleKind::Alerting } else { RuleKind::Recording },
        name: if is_alert { rule.alert.text.clone() } else { rule.record.text.clone() },
        expr: expr?,
        hold_ms: rule.hold_ms,
        keep_firing_ms: rule.keep_firing_ms,
        labels,
        annotations: Labels::from_pairs(pairs(&rule.annotations)),
    })
}

fn check_record(rule: &RuleText, wrong: &mut Wrong<'_>) {
    let name = &rule.record.text;
    let alone = [
        ("annotations", !rule.annotations.is_empty()),
        ("for", rule.hold_ms != 0),
        ("keep_firing_for", rule.keep_firing_ms != 0),
    ];
    for (field, _) in alone.iter().filter(|(_, is_set)| *is_set) {
        wrong(rule.record.place, format!("invalid field '{field}' in recording rule"));
    }
    if name.contains(['{', '}']) {
        let text = format!("braces present in the recording rule name; should it be in expr?: {name}");
        wrong(rule.record.place, text);
    }
}

/// Label names may be any text but the empty one; the metric's name is the rule's.
fn check_labels(labels: &[Pair], wrong: &mut Wrong<'_>) {
    for label in labels.iter().filter(|label| label.name.is_empty() || label.name == METRIC_NAME) {
        wrong(label.place, format!("invalid label name: {}", label.name));
    }
}
