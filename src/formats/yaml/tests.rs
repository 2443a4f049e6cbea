//! Tests of YAML as JSON.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn value(text: &str) -> Value {
    parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).value
}

fn error(text: &str) -> String {
    match parse(text) {
        Ok(yaml) => panic!("{text:?} is {}", yaml.value),
        Err(error) => error.to_string(),
    }
}

#[test]
fn scalars_are_those_of_the_core_schema() {
    for (text, expected) in [
        ("", json!(null)),
        ("# nothing", json!(null)),
        ("~", json!(null)),
        ("Null", json!(null)),
        ("TRUE", json!(true)),
        ("false", json!(false)),
        ("7", json!(7)),
        ("+7", json!(7)),
        ("-7", json!(-7)),
        ("007", json!(7)),
        ("0x1F", json!(31)),
        ("0o17", json!(15)),
        ("18446744073709551615", json!(18_446_744_073_709_551_615u64)),
        ("1.5", json!(1.5)),
        (".5", json!(0.5)),
        ("1.", json!(1.0)),
        ("1e3", json!(1000.0)),
        ("-1.5E-1", json!(-0.15)),
        // Texts, whatever they look like elsewhere: YAML 1.1 would read the first five otherwise.
        ("yes", json!("yes")),
        ("on", json!("on")),
        ("Off", json!("Off")),
        ("1:30", json!("1:30")),
        ("1_000", json!("1_000")),
        ("48h", json!("48h")),
        ("1.2.3", json!("1.2.3")),
        ("-", json!([null])),
        (".", json!(".")),
        ("e5", json!("e5")),
        ("inf", json!("inf")),
        ("0.0.0.0:8082", json!("0.0.0.0:8082")),
        (":8082", json!(":8082")),
        ("'7'", json!("7")),
        ("\"\\u00e4\\n\"", json!("ä\n")),
        ("!!str 7", json!("7")),
        ("! 7", json!("7")),
        ("!!int \"7\"", json!(7)),
        ("|\n  a\n  b\n", json!("a\nb\n")),
        (">-\n  a\n  b\n", json!("a b")),
        ("\u{feff}a: 1", json!({ "a": 1 })),
        ("---\na: 1\n...\n", json!({ "a": 1 })),
    ] {
        assert_eq!(value(text), expected, "{text:?}");
    }
}

#[test]
fn lists_objects_and_aliases_are_jsons() {
    let text = "\
metrics:
  flops: &sum { frequency: 60, aggregation: sum }
  ipc: *sum
  \"quoted: key\": [a, 'b', {c: 1, d: }]
  7: ~
list:
- - x
- y: 1
  z: [ ]
";
    let sum = json!({ "frequency": 60, "aggregation": "sum" });
    let expected = json!({
        "metrics": { "flops": sum, "ipc": sum, "quoted: key": ["a", "b", { "c": 1, "d": null }], "7": null },
        "list": [["x"], { "y": 1, "z": [] }]
    });
    assert_eq!(value(text), expected);
}

#[test]
fn values_know_their_lines() {
    let yaml = parse("# a comment\nmain:\n  addr: x\n  list:\n  - a\n  - k/~: 1\n\nlast: {a: {b:\n 1}}\n").unwrap();
    for (pointer, line) in [
        ("", 2),
        ("/main", 2),
        ("/main/addr", 3),
        ("/main/list", 4),
        ("/main/list/0", 5),
        ("/main/list/1/k~1~0", 6),
        ("/last/a/b", 8),
        // What is missing is missed in the object around it.
        ("/main/missing/deeper", 2),
        ("/nowhere", 2),
    ] {
        assert_eq!(yaml.lines.line(pointer), line, "{pointer}");
    }
}

#[test]
fn values_know_where_they_begin() {
    let yaml = parse_texts("a:\n  - b: 1\n    c: |\n      text\n  - {d: e}\n").unwrap();
    let begin = |path: &[&str]| {
        let found = path.iter().try_fold(&yaml.lines, |lines, key| lines.inside(key));
        found.map(|lines| (lines.begin(), lines.own_line()))
    };
    assert_eq!(begin(&["a", "0"]), Some(((2, 5), 2)));
    assert_eq!(begin(&["a", "0", "b"]), Some(((2, 8), 2)));
    // A block of text begins with its text, for the parser tells no place of the bar.
    assert_eq!(begin(&["a", "0", "c"]), Some(((4, 7), 3)));
    assert_eq!(begin(&["a", "1", "d"]), Some(((5, 9), 5)));
    assert_eq!(begin(&["a", "2"]), None);
}

#[test]
fn texts_stay_as_they_are() {
    let yaml = parse_texts("[1.0, yes, 0x1F, 5m, ~, '~', .inf]\n--- second\n").unwrap();
    assert_eq!(yaml.value, serde_json::json!(["1.0", "yes", "0x1F", "5m", null, "~", ".inf"]));
}

#[test]
fn what_json_cannot_say_is_refused_with_its_place() {
    for (text, expected) in [
        ("a: 1\na: 2", "found the key \"a\" twice, first at line 1 at line 2 column 1"),
        ("x: .inf", "found .inf, expected a finite number at line 1 column 4"),
        ("x: -.INF", "found -.INF, expected a finite number at line 1 column 4"),
        ("x: .nan", "found .nan, expected a finite number at line 1 column 4"),
        ("x: 1e999", "found 1e999, expected a number within the range of 64-bit floats at line 1 column 4"),
        ("a: 1\n---\nb: 2", "found a second document, expected one at line 2 column 1"),
        ("? [a]\n: 1", "found a list or an object as a key, expected a text at line 1 column 3"),
        ("a: &x b\n*x : 1", "found an alias as a key, expected a text at line 2 column 1"),
        ("a: &x [*x]", "found an alias of what it is a part of at line 1 column 8"),
        ("a: !secret b", "found the tag \"!secret\", expected none at line 1 column 4"),
        ("a: !!set {b}", "found the tag \"tag:yaml.org,2002:set\", expected none at line 1 column 4"),
        ("a: !!int b", "found \"b\", expected what its tag says: \"int\" at line 1 column 4"),
    ] {
        assert_eq!(error(text), expected, "{text:?}");
    }
    assert!(error("b: &x {c: 1}\na:\n  <<: *x").starts_with("found a merge key (<<)"));
    // The parser's own complaints have a place too.
    for text in ["a: [1, 2", "a:\n\tb: 1", "a: b: c", "*nowhere", "a: 'x", "%FOO", "{a: 1]"] {
        assert!(error(text).contains(" at line "), "{text:?}: {}", error(text));
    }
}

/// Small files that mean a lot: nine levels of nine aliases each are 387 million values.
#[test]
fn bombs_are_refused_at_once() {
    let mut laughs = "a0: &a0 [lol]\n".to_owned();
    for level in 1..=9 {
        let below = format!("*a{}, ", level - 1).repeat(9);
        laughs += &format!("a{level}: &a{level} [{below}]\n");
    }
    let long_text = format!("a: &a {}\nb: [{}]", "x".repeat(1000), "*a, ".repeat(2000));
    let nested_anchors = (0..100).map(|level| format!("&a{level} [")).collect::<String>() + &"x,".repeat(20_000);
    let mut deep_alias = format!("a: &a {}{}\n", "[".repeat(100), "]".repeat(100));
    deep_alias += &format!("b: {}*a{}\n", "[".repeat(50), "]".repeat(50));
    for (text, expected) in [
        (laughs, "found anchors and aliases that copy more than 1 MiB"),
        (long_text, "found anchors and aliases that copy more than 1 MiB"),
        (nested_anchors + &"]".repeat(100), "found anchors and aliases that copy more than 1 MiB"),
        (deep_alias, "found more than 128 levels"),
        ("[".repeat(200), "found more than 128 levels"),
        ("[".repeat(1_000_000), ""),
        ("{a: ".repeat(500_000), ""),
        ("- ".repeat(1_000_000), "found more than 128 levels"),
        ("- a\n".repeat(500_000), "found more than 250000 values"),
        (format!("[{}", ",".repeat(2_000_000)), ""),
        (format!("[{}", "a,".repeat(1_000_000)), "found more than 250000 values"),
        (format!("{}a", " ".repeat(3_000_000)), "-"),
        ("# ".repeat(2_000_000), "-"),
        ("? ".repeat(1_000_000), ""),
        ("a: ".repeat(1_000_000), ""),
        ("&a ".repeat(1_000_000), ""),
        ("!a ".repeat(1_000_000), ""),
        (format!("'{}", "''".repeat(1_000_000)), ""),
        (format!("\"{}", "\\n".repeat(1_000_000)), ""),
        (format!("|\n{}", " \n".repeat(1_000_000)), "-"),
        ("x".repeat(TEXT_BYTES_MAX + 1), "found more than 4 MiB of YAML"),
    ] {
        let begun = Instant::now();
        let start: String = text.chars().take(20).collect();
        match parse(&text) {
            Ok(_) => assert_eq!(expected, "-", "{start:?}"),
            Err(error) => assert!(error.text.starts_with(expected), "{start:?}: {error}"),
        }
        let taken = begun.elapsed();
        assert!(taken < Duration::from_secs(20), "{start:?} took {taken:?}");
        println!("{start:?}: {taken:?}");
    }
}

/// Text that YAML's readers stumble over more often than over random letters.
fn yamlish() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        ": ",
        ":",
        "- ",
        "\n",
        "\n  ",
        "\n\t",
        "[",
        "]",
        "{",
        "}",
        ",",
        "? ",
        "&a ",
        "*a",
        "!",
        "!!int ",
        "|",
        ">",
        "'",
        "\"",
        "\\",
        "#",
        " #",
        "%",
        "---",
        "...",
        "<<",
        "1",
        ".",
        "e",
        "~",
        "@",
        "`",
        "\r",
        "\u{85}",
        "ä",
        "\u{feff}",
        "|2-",
        "\0",
        "%TAG ! x\n",
        "%YAML 1.2\n",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_panics(text in prop_oneof![yamlish(), "\\PC{0,60}"]) {
        match parse(&text) {
            Ok(yaml) => { yaml.lines.line("/a/0"); }
            Err(error) => prop_assert!(error.line > 0 && error.column > 0, "{}", error),
        }
    }

    /// JSON is YAML, if it has no tabs; printed pretty it has none.
    #[test]
    fn json_means_the_same(numbers in prop::collection::vec(any::<i64>(), 0..4), float in -1e15f64..1e15,
                           texts in prop::collection::btree_map("[a-zA-Z0-9 :#{}\\[\\],\"'~<*&!|>%@-]{0,8}", "\\PC{0,12}", 0..5)) {
        prop_assume!(!texts.contains_key("<<"));
        let json = json!({ "numbers": numbers, "float": float, "texts": texts, "none": null, "yes": [true, false, [], {}] });
        for text in [json.to_string(), format!("{json:#}")] {
            prop_assert_eq!(parse(&text).map(|yaml| yaml.value), Ok(json.clone()), "{}", text);
        }
    }
}
