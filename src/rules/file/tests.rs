//! Rule files, good and bad.

use proptest::prelude::*;

use super::*;
use crate::promql::parse::ParseOptions;

fn read(text: &str) -> Result<Vec<GroupSpec>, Vec<String>> {
    let errors = |errors: Vec<FileError>| errors.iter().map(FileError::to_string).collect();
    read_text("r.yml", text, &ParseOptions::plain()).map_err(errors)
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    assert_eq!(read(text).unwrap_err(), expected);
}

#[test]
fn a_file_with_everything_is_read() {
    let groups = read(
        "groups:
- name: cluster
  interval: 1m30s
  query_offset: 5s
  limit: 10
  labels: {team: hpc, zone: a}
  rules:
  - record: host:flops:sum
    expr: |
      sum by (hostname) (flops_any{type=\"hwthread\"})
    labels:
      zone: 1.0
  - alert: NodeDown
    expr: absent_over_time(cpu_load[5m])
    for: 2m
    keep_firing_for: 1d
    labels: {severity: yes, empty: }
    annotations:
      summary: \"{{ $labels.hostname }} is down\"
- name: empty
",
    )
    .unwrap();
    assert_eq!(groups.len(), 2);
    let group = &groups[0];
    assert_eq!((group.interval_ms, group.query_offset_ms, group.limit), (Some(90_000), Some(5000), 10));
    let [record, alert] = &group.rules[..] else { panic!("{group:?}") };
    assert_eq!((record.kind, record.name.as_str()), (RuleKind::Recording, "host:flops:sum"));
    assert_eq!(record.expr.to_string(), "sum by (hostname) (flops_any{type=\"hwthread\"})");
    let text = |rule: &RuleSpec| rule.labels.iter().map(|(name, value)| format!("{name}={value} ")).collect::<String>();
    assert_eq!(text(record), "team=hpc zone=1.0 ", "the rule's own labels win, digit by digit");
    assert_eq!((alert.kind, alert.hold_ms, alert.keep_firing_ms), (RuleKind::Alerting, 120_000, 86_400_000));
    assert_eq!(text(alert), "empty= severity=yes team=hpc zone=a ");
    assert_eq!(alert.annotations.get("summary"), Some("{{ $labels.hostname }} is down"));
    assert_eq!((groups[1].rules.len(), groups[1].interval_ms), (0, None));
    for text in ["", "groups:", "groups: []", "---\ngroups: []\n---\nother: document"] {
        assert_eq!(read(text).unwrap(), [], "{text:?}");
    }
}

#[test]
fn forms_that_are_none_are_told_with_their_places() {
    refused("groups: 5", &["r.yml: 1:9: cannot unmarshal !!str `5` into a list"]);
    refused("- a", &["r.yml: 1:1: cannot unmarshal !!seq into rulefmt.RuleGroups"]);
    refused("groups:\n  - nme: a\n", &["r.yml: 2:5: field nme not found in type rulefmt.RuleGroup"]);
    refused(
        "groups:\n- name: a\n  rules:\n  - record: b\n    expr: [1]\n    fore: 5m\n",
        &["r.yml: 6:5: field fore not found in type rulefmt.Rule", "r.yml: 5:11: cannot unmarshal !!seq into string"],
    );
    refused("groups:\n- name: a\n  interval: 5x\n", &["r.yml: 3:13: unknown unit \"x\" in duration \"5x\""]);
    refused("groups:\n- name: a\n  interval: \"\"\n", &["r.yml: 3:13: empty duration string"]);
    refused("groups:\n- name: a\n  limit: ten\n", &["r.yml: 3:10: cannot unmarshal !!str `ten` into int"]);
    let twice = read("groups:\n- name: a\n  name: b\n").unwrap_err();
    assert!(twice[0].starts_with("r.yml: 3:3: yaml: found the key \"name\" twice"), "{twice:?}");
    let broken = read("groups:\n- name: [\n").unwrap_err();
    assert!(broken[0].starts_with("r.yml: ") && broken[0].contains("yaml: "), "{broken:?}");
}

#[test]
fn rules_that_make_no_sense_are_told_with_their_places() {
    refused("groups:\n- rules: []\n", &["r.yml: 2:3: Groupname must not be empty"]);
    refused("groups:\n- name: a\n- name: a\n", &["r.yml: 3:3: groupname: \"a\" is repeated in the same file"]);
    refused(
        "groups:\n- name: g\n  labels: {__name__: x}\n  rules:\n  - record: a\n    alert: b\n    expr: 1\n  - expr: 1\n",
        &[
            "r.yml: 3:22: invalid label name: __name__",
            "r.yml: 6:12: group \"g\", rule 1, \"b\": only one of 'record' and 'alert' must be set",
            "r.yml: 8:5: group \"g\", rule 2, \"\": one of 'record' or 'alert' must be set",
        ],
    );
    refused(
        "groups:\n- name: g\n  rules:\n  - record: a{b=\"c\"}\n    expr: sum(\n    for: 5m\n    keep_firing_for: 1m\n    annotations: {a: b}\n  - alert: x\n",
        &[
            "r.yml: 5:11: group \"g\", rule 1, \"a{b=\\\"c\\\"}\": could not parse expression: 1:5: parse error: unclosed left parenthesis",
            "r.yml: 4:13: group \"g\", rule 1, \"a{b=\\\"c\\\"}\": invalid field 'annotations' in recording rule",
            "r.yml: 4:13: group \"g\", rule 1, \"a{b=\\\"c\\\"}\": invalid field 'for' in recording rule",
            "r.yml: 4:13: group \"g\", rule 1, \"a{b=\\\"c\\\"}\": invalid field 'keep_firing_for' in recording rule",
            "r.yml: 4:13: group \"g\", rule 1, \"a{b=\\\"c\\\"}\": braces present in the recording rule name; should it be in expr?: a{b=\"c\"}",
            "r.yml: 9:5: group \"g\", rule 2, \"x\": field 'expr' must be set in rule",
        ],
    );
    refused(
        "groups:\n- name: g\n  rules:\n  - alert: x\n    expr: up\n    labels:\n      a: '{{ $value'\n    annotations:\n      b: '{{ humanise $value }}'\n",
        &[
            "r.yml: 7:10: group \"g\", rule 1, \"x\": label \"a\": template: __alert_x:1: unclosed action",
            "r.yml: 9:10: group \"g\", rule 1, \"x\": annotation \"b\": template: __alert_x:1: function \"humanise\" not defined",
        ],
    );
}

/// Endless files, wide and deep ones end quickly, with an error.
#[test]
fn hostile_files_are_refused() {
    let rules = "  - {record: a, expr: 1}\n".repeat(20_001);
    let many = read(&format!("groups:\n- name: a\n  rules:\n{rules}")).unwrap_err();
    assert!(many[0].contains("more than 20000 rules"), "{}", many[0]);
    let deep = read(&format!("groups: {}", "[".repeat(10_000))).unwrap_err();
    assert!(deep[0].contains("recursion limit exceeded"), "{}", deep[0]);
    let nested = format!(
        "groups:\n- name: a\n  rules:\n  - {{alert: a, expr: 1, annotations: {{b: '{}'}}}}",
        "{{if 1}}".repeat(5000)
    );
    assert!(read(&nested).unwrap_err()[0].contains("more than"), "{:?}", read(&nested).unwrap_err());
}

/// Pieces of rule files and templates, in any order.
fn ruleish() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "groups:\n",
            "- name: a\n",
            "  rules:\n",
            "  - record: r\n",
            "  - alert: r\n",
            "    expr: up\n",
            "    for: 5m\n",
            "    labels: {a: '",
            "{{ ",
            " }}",
            "'}\n",
            "$labels",
            ".Labels.a",
            "| first",
            "(",
            ")",
            "if ",
            "range ",
            "end",
            "else ",
            "with ",
            "query \"up\"",
            "printf \"%v\" ",
            "$x := ",
            "define \"d\"",
            "template \"d\" ",
            "-",
            "/* c */",
            "\"",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in ruleish()) {
        _ = read(&text);
        _ = read(&format!("groups:\n- name: a\n  rules:\n  - {{alert: a, expr: 1, annotations: {{x: '{text}'}}}}\n"));
        _ = crate::rules::template::Template::new("t", &text);
    }
}
