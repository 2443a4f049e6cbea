//! Random queries: what parses has to print, and to parse to the same tree again.

use proptest::prelude::*;

use super::{ParseOptions, fuzz_query, parse_expr};
use crate::promql::ast::Expr;

/// Words that queries consist of, and some that they do not.
const WORDS: &[&str] = &[
    "m",
    "a:b",
    "sum",
    "topk",
    "count_values",
    "rate",
    "time",
    "label_replace",
    "info",
    "step",
    "range",
    "max_of",
    "start",
    "end",
    "offset",
    "anchored",
    "smoothed",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "fill",
    "fill_left",
    "bool",
    "and",
    "or",
    "unless",
    "atan2",
    "inf",
    "NaN",
    "1",
    "0x1F",
    "017",
    "1_0",
    "1e3",
    ".5",
    "5m",
    "1h30m",
    "0",
    "-",
    "+",
    "*",
    "/",
    "%",
    "^",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "</",
    ">/",
    "=",
    "=~",
    "!~",
    "@",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"s\"",
    "'q'",
    "`r`",
    "\"\\x41\"",
    "#c\n",
    "é",
    "\\",
    "$",
];

/// An expression that is often well typed.
fn expression() -> impl Strategy<Value = String> {
    let selector = prop_oneof![
        Just("m".to_owned()),
        "[a-z]{1,3}(\\{a=\"[a-z\\\\\\\\]{0,2}\"(,b!~\"x\\.\\*\")?\\})?",
        "\\{\"[a-z. ]{1,4}\", \"l 1\"='x'\\}",
    ];
    let modified = (selector, 0..6u8, 1..100_000i64).prop_map(|(selector, kind, number)| match kind {
        0 => format!("{selector} offset {number}ms"),
        1 => format!("{selector} offset -{number}"),
        2 => format!("{selector} @ {number}.{number}"),
        3 => format!("{selector} @ end()"),
        _ => selector,
    });
    let length = prop_oneof![
        (1..1_000_000u32).prop_map(|millis| format!("{millis}ms")),
        (1..1000u32).prop_map(|secs| format!("({secs} + step()) * 2")),
        Just("max_of(range(), -(-5m))".to_owned()),
    ];
    let leaf = prop_oneof![
        modified,
        any::<f64>().prop_map(|number| format!("{number:?}")),
        (0..1_000_000_000u64).prop_map(|secs| format!("{secs}s")),
        Just("time()".to_owned()),
    ];
    leaf.prop_recursive(6, 60, 3, move |inner| {
        let range = (inner.clone(), length.clone()).prop_map(|(inner, length)| format!("({inner})[{length}:]"));
        let operators = prop::sample::select(vec![
            "+",
            "-",
            "*",
            "/",
            "%",
            "^",
            "atan2",
            "== bool",
            "> on (a)",
            "and",
            "or",
            "unless ignoring (x)",
            "</",
            "+ on (\"a b\") group_left (c) fill (0)",
            "* fill_left (-1) fill_right (Inf)",
        ]);
        prop_oneof![
            (inner.clone(), operators, inner.clone()).prop_map(|(left, op, right)| format!("{left} {op} {right}")),
            inner.clone().prop_map(|inner| format!("-{inner}")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.clone().prop_map(|inner| format!("sum by (a, \"b c\") ({inner})")),
            inner.clone().prop_map(|inner| format!("topk(3, {inner}) without ()")),
            inner.clone().prop_map(|inner| format!("clamp_max({inner}, 5m)")),
            range.prop_map(|range| format!("rate({range})")),
            length.clone().prop_map(|length| format!("increase(m[{length}] smoothed)")),
        ]
    })
}

/// The tree as text, for NaN is not equal to itself, without the places; matchers sorted, as they are printed.
fn tree(mut expr: Expr) -> String {
    fn sort(expr: &mut Expr) {
        match expr {
            Expr::Vector(selector) => selector.matchers.sort_by_key(ToString::to_string),
            Expr::Matrix(matrix) => matrix.selector.matchers.sort_by_key(ToString::to_string),
            other => other.children_mut().into_iter().for_each(sort),
        }
    }
    sort(&mut expr);
    serde_json::to_string(&expr).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_printed_parses_to_the_same(query in expression()) {
        let options = ParseOptions::everything();
        fuzz_query(query.as_bytes());
        if let Ok(expr) = parse_expr(&query, &options) {
            let again = parse_expr(&expr.to_string(), &options).unwrap();
            prop_assert_eq!(tree(again), tree(expr.clone()));
            let pretty = parse_expr(&expr.pretty(), &options).unwrap();
            prop_assert_eq!(pretty.to_string(), expr.to_string());
        }
    }

    #[test]
    fn any_words_are_parsed_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..12)) {
        fuzz_query(words.join(" ").as_bytes());
        fuzz_query(words.concat().as_bytes());
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,60}") {
        fuzz_query(text.as_bytes());
    }
}
