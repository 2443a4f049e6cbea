//! Every action with cases of its own, and every check of a rule.

use super::*;
use crate::model::Labels;

fn rule(settings: RuleSettings) -> Rule {
    Rule::new(settings).unwrap()
}

fn settings(
    action: Action,
    source: &[&str],
    regex: Option<&str>,
    target: &str,
    replacement: Option<&str>,
) -> RuleSettings {
    RuleSettings {
        source_labels: (!source.is_empty()).then(|| source.iter().map(|name| (*name).to_owned()).collect()),
        regex: regex.map(str::to_owned),
        target_label: (!target.is_empty()).then(|| target.to_owned()),
        replacement: replacement.map(str::to_owned),
        action,
        ..RuleSettings::default()
    }
}

fn series() -> Labels {
    Labels::from_pairs([("__name__", "node_load1"), ("instance", "f0201:9100"), ("job", "node"), ("rack", "R7")])
}

/// The series after one rule, as text; `dropped` without it.
fn after(settings: RuleSettings) -> String {
    relabel(&[rule(settings)], &series()).map_or("dropped".to_owned(), |labels| labels.to_string())
}

const UNCHANGED: &str = r#"{__name__="node_load1", instance="f0201:9100", job="node", rack="R7"}"#;

#[test]
fn replace_sets_a_label_to_what_the_pattern_found() {
    let host = settings(Action::Replace, &["instance"], Some(r"(.+):\d+"), "host", None);
    assert_eq!(after(host), r#"{__name__="node_load1", host="f0201", instance="f0201:9100", job="node", rack="R7"}"#);
    let pattern = Some("(n).*;(?P<x>.*)");
    let joined = settings(Action::Replace, &["job", "none", "rack"], pattern, "${1}_$x", Some("$x-$1$2_"));
    assert_eq!(
        after(joined),
        r#"{__name__="node_load1", instance="f0201:9100", job="node", n_R7="R7-n", rack="R7"}"#,
        "the separator stands beside missing labels too, and `$2_` is no group"
    );
}

#[test]
fn replace_without_a_match_changes_nothing() {
    assert_eq!(after(settings(Action::Replace, &["job"], Some("nod"), "job", Some("x"))), UNCHANGED, "anchored");
    assert_eq!(after(settings(Action::Replace, &["job"], Some("(x?)node"), "$1", Some("x"))), UNCHANGED, "no name");
}

#[test]
fn replace_adds_and_removes_plain_labels() {
    let added = settings(Action::Replace, &[], None, "cluster", Some("fritz"));
    assert!(after(added).contains(r#"cluster="fritz""#));
    let removed = settings(Action::Replace, &[], None, "rack", Some(""));
    assert!(!after(removed).contains("rack"));
    let emptied = settings(Action::Replace, &["job"], Some("node()"), "rack", None);
    assert!(!after(emptied).contains("rack"), "an empty value is no label");
    let copied = settings(Action::Replace, &["rack"], None, "place", None);
    assert!(after(copied).contains(r#"place="R7""#));
}

#[test]
fn keep_and_drop_choose_series() {
    assert_eq!(after(settings(Action::Keep, &["job", "rack"], Some("node;R.*"), "", None)), UNCHANGED);
    assert_eq!(after(settings(Action::Keep, &["job"], Some("gpu|nod"), "", None)), "dropped");
    assert_eq!(after(settings(Action::Drop, &["__name__"], Some("node_.*"), "", None)), "dropped");
    assert_eq!(after(settings(Action::Drop, &["none"], Some(".+"), "", None)), UNCHANGED, "missing is empty");
    assert_eq!(after(settings(Action::Drop, &["none"], Some(""), "", None)), "dropped");
}

#[test]
fn equal_labels_choose_series() {
    let with = |action| {
        let copy = rule(settings(Action::Replace, &["job"], None, "same", None));
        let rules = [copy, rule(settings(action, &["job"], None, "same", None))];
        relabel(&rules, &series()).is_some()
    };
    assert!(with(Action::KeepEqual) && !with(Action::DropEqual));
    assert_eq!(after(settings(Action::KeepEqual, &["job"], None, "rack", None)), "dropped");
    assert_eq!(after(settings(Action::DropEqual, &["job"], None, "rack", None)), UNCHANGED);
    assert_eq!(after(settings(Action::KeepEqual, &["none"], None, "nothing", None)), UNCHANGED, "both are missing");
}

#[test]
fn hashmod_is_the_low_half_of_md5() {
    let shard = |modulus| {
        let shard = settings(Action::HashMod, &["instance"], None, "shard", None);
        after(RuleSettings { modulus: Some(modulus), ..shard })
    };
    // md5("f0201:9100") ends in 0x47f2fe92ba8dbe47.
    assert!(shard(1000).contains(r#"shard="991""#), "{}", shard(1000));
    assert!(shard(u64::MAX).contains(r#"shard="5184486027205393991""#), "{}", shard(u64::MAX));
}

#[test]
fn labelmap_copies_by_name() {
    assert_eq!(
        after(settings(Action::LabelMap, &[], Some("(ra|jo)(.*)"), "", Some("${2}_$1"))),
        r#"{__name__="node_load1", b_jo="node", ck_ra="R7", instance="f0201:9100", job="node", rack="R7"}"#
    );
    let onto_one = settings(Action::LabelMap, &[], Some("job|rack"), "", Some("one"));
    assert!(after(onto_one).contains(r#"one="R7""#), "the last in order wins");
}

#[test]
fn labels_are_dropped_and_kept_by_name() {
    assert_eq!(
        after(settings(Action::LabelDrop, &[], Some("job|instance"), "", None)),
        r#"{__name__="node_load1", rack="R7"}"#
    );
    assert_eq!(
        after(settings(Action::LabelKeep, &[], Some("__name__|ja?ob"), "", None)),
        r#"{__name__="node_load1", job="node"}"#
    );
}

#[test]
fn letters_change_their_case() {
    assert!(after(settings(Action::Lowercase, &["rack"], None, "rack", None)).contains(r#"rack="r7""#));
    assert!(after(settings(Action::Uppercase, &["job", "rack"], None, "x", None)).contains(r#"x="NODE;R7""#));
}

#[test]
fn rules_follow_each_other() {
    let rules = [
        settings(Action::Replace, &["instance"], Some("(.*):.*"), "hostname", None),
        settings(Action::LabelDrop, &[], Some("instance"), "", None),
        settings(Action::Keep, &["hostname"], Some("f.*"), "", None),
        settings(Action::Replace, &["hostname"], Some("(f).*"), "instance", Some("$1")),
    ]
    .map(rule);
    let labels = relabel(&rules, &series()).unwrap();
    assert_eq!(labels.to_string(), r#"{__name__="node_load1", hostname="f0201", instance="f", job="node", rack="R7"}"#);
    assert_eq!(relabel(&rules, &Labels::from_pairs([("instance", "g1:1")])), None);
    assert_eq!(relabel(&[], &series()), Some(series()));
}

#[test]
fn the_separator_is_chosen() {
    let joined = settings(Action::Replace, &["job", "rack"], None, "x", None);
    let joined = RuleSettings { separator: Some("/".to_owned()), ..joined };
    assert!(after(joined).contains(r#"x="node/R7""#));
}

#[test]
fn errors_are_those_of_prometheus() {
    let error = |settings| Rule::new(settings).unwrap_err().to_string();
    let plain = |action| settings(action, &[], None, "", None);
    assert_eq!("Relabel".parse::<Action>().unwrap_err().to_string(), "unknown relabel action \"Relabel\"");
    assert_eq!("LabelMap".parse::<Action>(), Ok(Action::LabelMap));
    assert_eq!(error(plain(Action::HashMod)), "relabel configuration for hashmod requires non-zero modulus");
    for action in [Action::Replace, Action::Lowercase, Action::Uppercase, Action::KeepEqual, Action::DropEqual] {
        let text = format!("relabel configuration for {action} action requires 'target_label' value");
        assert_eq!(error(plain(action)), text);
    }
    assert_eq!(
        error(settings(Action::Lowercase, &["a"], None, "b", Some("c"))),
        "'replacement' can not be set for lowercase action"
    );
    assert_eq!(
        error(settings(Action::LabelMap, &[], None, "", Some(""))),
        "\"\" is invalid 'replacement' for labelmap action"
    );
    assert_eq!(
        error(settings(Action::KeepEqual, &["a"], Some("(.*)"), "b", None)),
        "keepequal action requires only 'source_labels' and `target_label`, and no other fields"
    );
    assert_eq!(
        error(settings(Action::LabelDrop, &["a"], Some("b"), "", None)),
        "labeldrop action requires only 'regex', and no other fields"
    );
    assert_eq!(
        error(settings(Action::Keep, &["a"], Some("("), "", None)),
        "error parsing regexp: missing closing ): `(`"
    );
}
