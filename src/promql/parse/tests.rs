//! What queries parse to, how they print, and what is wrong with those that are none.

use super::*;
use crate::promql::ast::{
    At, BinaryOp, Cardinality, DurationError, DurationKind, Expr, Length, RangeMode, UnaryOp, ValueType,
};

fn parse(query: &str) -> Expr {
    parse_expr(query, &ParseOptions::everything()).unwrap_or_else(|error| panic!("{query}: {error}"))
}

fn error(query: &str) -> String {
    match parse_expr(query, &ParseOptions::everything()) {
        Ok(expr) => panic!("{query} is {expr}"),
        Err(error) => error.to_string(),
    }
}

fn plain_error(query: &str) -> String {
    parse_expr(query, &ParseOptions::plain()).unwrap_err().to_string()
}

/// Each query with the text it prints as.
#[track_caller]
fn prints(cases: &[(&str, &str)]) {
    for (query, printed) in cases {
        assert_eq!(parse(query).to_string(), *printed, "{query}");
        assert_eq!(parse(printed).to_string(), *printed, "again, from {query}");
    }
}

#[track_caller]
fn fails(cases: &[(&str, &str)]) {
    for (query, message) in cases {
        assert_eq!(error(query), *message, "{query}");
    }
}

/// The tree with parentheses around every operator.
fn shape(expr: &Expr) -> String {
    match expr {
        Expr::Binary(binary) => format!("({} {} {})", shape(&binary.lhs), binary.op, shape(&binary.rhs)),
        Expr::Unary(unary) => format!("({}{})", unary.op, shape(&unary.expr)),
        Expr::Paren(paren) => shape(&paren.expr),
        other => other.to_string(),
    }
}

#[test]
fn operators_bind_as_in_prometheus() {
    for (query, tree) in [
        ("a + b * c ^ d", "(a + (b * (c ^ d)))"),
        ("a ^ b ^ c", "(a ^ (b ^ c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a or b and c unless d", "(a or ((b and c) unless d))"),
        ("a and b == c + d atan2 e", "(a and (b == (c + (d atan2 e))))"),
        ("-a ^ b", "(-(a ^ b))"),
        ("-a * b", "((-a) * b)"),
        ("a ^ -b ^ c", "(a ^ (-(b ^ c)))"),
        ("a ^ -b * c", "((a ^ (-b)) * c)"),
        ("- - a", "(-(-a))"),
        ("a </ 5 == b", "((a </ 5) == b)"),
        ("(a + b) * c", "((a + b) * c)"),
        ("-2 ^ 2", "(-(2 ^ 2))"),
        ("2 ^ -2", "(2 ^ -2)"),
    ] {
        assert_eq!(shape(&parse(query)), tree, "{query}");
    }
}

#[test]
fn numbers_and_durations_are_numbers() {
    prints(&[
        ("1_000_000", "1000000"),
        ("0x1F", "31"),
        ("017", "15"),
        (".5e1", "5"),
        ("-1", "-1"),
        ("+1", "1"),
        ("inf", "+Inf"),
        ("-Inf", "-Inf"),
        ("nAn", "NaN"),
        ("1h30m", "1h30m"),
        ("-90s", "-1m30s"),
        ("14d", "2w"),
        ("15d", "15d"),
        ("1s1ms", "1s1ms"),
        ("365d", "1y"),
        ("1e30", "1000000000000000000000000000000"),
    ]);
}

#[test]
fn strings_print_in_double_quotes() {
    prints(&[
        (r#""a\tb""#, r#""a\tb""#),
        (r"'it\'s'", r#""it's""#),
        ("`raw\\n\"x\"`", r#""raw\\n\"x\"""#),
        ("`two\nlines`", r#""two\nlines""#),
        (r#""\u00e9\x41""#, r#""éA""#),
    ]);
}

#[test]
fn selectors_keep_their_matchers_sorted() {
    prints(&[
        (r#"m{b="1", a!="2", c=~"x.*", d!~'y',}"#, r#"m{a!="2",b="1",c=~"x.*",d!~"y"}"#),
        (r#"{"metric name", "label.name"="x"}"#, r#"{"label.name"="x",__name__="metric name"}"#),
        (r#"{__name__="m"}"#, r#"{__name__="m"}"#),
        (r#"a:b:c{x="y"}"#, r#"a:b:c{x="y"}"#),
        ("m{}", "m"),
        (r#"m{on="a",sum="b",offset="c"}"#, r#"m{offset="c",on="a",sum="b"}"#),
        ("m # a comment\n{a=\"b\" # another\n}", r#"m{a="b"}"#),
    ]);
}

#[test]
fn words_of_the_language_are_names_where_they_can_be() {
    for query in [
        "sum",
        "by",
        "offset",
        "and and or",
        "start",
        "end",
        "step",
        "range",
        "min_of",
        "anchored",
        "fill + fill_left",
        "without",
        "sum by (sum, by, on, and, bool, offset, start) (sum)",
        "count + on (group_left) count",
    ] {
        parse(query);
    }
    fails(&[
        ("bool", "1:1: parse error: unexpected <bool>"),
        ("on", "1:1: parse error: unexpected <on>"),
        ("a atan2", "1:8: parse error: unexpected end of input"),
    ]);
}

#[test]
fn modifiers_go_to_the_selector() {
    prints(&[
        ("m offset 5m", "m offset 5m"),
        ("m offset -5m", "m offset -5m"),
        ("m offset 90", "m offset 1m30s"),
        ("m offset 0s", "m"),
        ("m @ 1.5", "m @ 1.500"),
        ("m @ -1", "m @ -1.000"),
        ("m @ start() offset 1m", "m @ start() offset 1m"),
        ("m offset 1m @ end()", "m @ end() offset 1m"),
        ("m[5m] offset 1m @ 10", "m[5m] @ 10.000 offset 1m"),
        ("m[5m] anchored", "m[5m] anchored"),
        ("m smoothed offset 1m", "m smoothed offset 1m"),
        ("rate(m[5m])[1h:1m] @ 5 offset 1m", "rate(m[5m])[1h:1m] @ 5.000 offset 1m"),
        ("m[1h:]", "m[1h:]"),
        ("(m)[90:30s]", "(m)[1m30s:30s]"),
        ("-m offset 1m", "-m offset 1m"),
    ]);
    let Expr::Matrix(matrix) = parse("m[300] smoothed @ end() offset -1") else { panic!("no range") };
    assert_eq!((matrix.range, matrix.selector.offset), (Length::Millis(300_000), Some(Length::Millis(-1000))));
    assert_eq!((matrix.selector.at, matrix.selector.mode), (Some(At::End), RangeMode::Smoothed));
}

#[test]
fn lengths_may_be_worked_out() {
    prints(&[
        ("m[5m+3m]", "m[5m + 3m]"),
        ("m[2*(1m-30)]", "m[2 * (1m - 30)]"),
        ("m[(5)]", "m[(5)]"),
        ("m[step()]", "m[step()]"),
        ("m[max_of(step()*4,5m)]", "m[max_of(step() * 4, 5m)]"),
        ("m[-(-5m)]", "m[-(-5m)]"),
        ("m[1h:min_of(range(), 1m)]", "m[1h:min_of(range(), 1m)]"),
        ("m offset (5m+3m)", "m offset (5m + 3m)"),
        ("m offset -step()", "m offset -step()"),
        ("m offset -(5m)", "m offset -(5m)"),
        ("m[2^3^1%5]", "m[2 ^ 3 ^ 1 % 5]"),
    ]);
    // Without parentheses, an offset ends with its number.
    assert_eq!(shape(&parse("m offset 5m + n")), "(m offset 5m + n)");
    assert_eq!(shape(&parse("m offset -2^2")), "(m offset -2s ^ 2)");
    assert_eq!(parse("m offset step()*2").value_type(), ValueType::Vector);
    assert!(matches!(parse("m offset step()*2"), Expr::Binary(binary) if binary.op == BinaryOp::Mul));
}

#[test]
fn lengths_are_resolved_with_the_step_and_range_of_the_query() {
    let resolve = |query: &str| {
        let Expr::Matrix(matrix) = parse(query) else { panic!("no range: {query}") };
        matrix.range.resolve(30.0, 3600.0, false)
    };
    assert_eq!(resolve("m[1m + step() * 2]"), Ok(120_000));
    assert_eq!(resolve("m[range() / 7]"), Ok(514_285));
    assert_eq!(resolve("m[max_of(step(), 1m) - min_of(step(), 1m)]"), Ok(30_000));
    assert!(matches!(resolve("m[step() - 1m]"), Err(DurationError::NotPositive(_))));
    assert!(matches!(resolve("m[1m / (step() - 30)]"), Err(DurationError::DivisionByZero(_))));
    assert!(matches!(resolve("m[(0 - 2) ^ 0.5]"), Err(DurationError::NotFinite(_))));
    assert!(matches!(resolve("m[2 ^ 40]"), Err(DurationError::OutOfRange(_))));
    assert_eq!(resolve("m[2 ^ 40]").unwrap_err().to_string(), "2:8: duration is out of range");
}

#[test]
fn matching_is_kept_between_vectors() {
    prints(&[
        ("a + on() b", "a + on () b"),
        ("a + ignoring(x, y) b", "a + ignoring (x, y) b"),
        ("a + ignoring() b", "a + b"),
        ("a == bool on(x) group_left b", "a == bool on (x) group_left () b"),
        ("a * on(x) group_right(y, \"z z\") b", "a * on (x) group_right (y, \"z z\") b"),
        ("a + fill(0) b", "a + fill (0) b"),
        ("a + on(x) fill_right(-1) fill_left(1e30) b", "a + on (x) fill_left (1e+30) fill_right (-1) b"),
        ("a unless on(x) b", "a unless on (x) b"),
        ("1 + on() a", "1 + a"),
    ]);
    let Expr::Binary(and) = parse("a and b") else { panic!("no operator") };
    assert_eq!(and.matching.unwrap().cardinality, Cardinality::ManyToMany);
    let Expr::Binary(plus) = parse("a + 1") else { panic!("no operator") };
    assert_eq!(plus.matching, None);
}

#[test]
fn aggregations_take_their_clause_on_either_side() {
    prints(&[
        ("sum(m)", "sum(m)"),
        ("SUM(m) by (a,b,)", "sum by (a, b) (m)"),
        ("sum without () (m)", "sum without () (m)"),
        ("sum by () (m)", "sum(m)"),
        ("topk by (\"a b\") (3, m)", "topk by (\"a b\") (3, m)"),
        ("count_values('x', m)", "count_values(\"x\", m)"),
        ("limit_ratio(-0.5, m)", "limit_ratio(-0.5, m)"),
    ]);
}

#[test]
fn spans_cover_what_was_written() {
    let query = " sum(rate(m[5m] offset 1m)) by (a) - -x{y=\"z\"} @ 5 ";
    let expr = parse(query);
    let text = |expr: &Expr| query[expr.span().start as usize..expr.span().end as usize].to_owned();
    assert_eq!(text(&expr), query.trim());
    let Expr::Binary(minus) = &expr else { panic!("no operator") };
    assert_eq!(text(&minus.lhs), "sum(rate(m[5m] offset 1m)) by (a)");
    let Expr::Unary(unary) = &*minus.rhs else { panic!("no sign") };
    assert_eq!((unary.op, text(&unary.expr)), (UnaryOp::Minus, "x{y=\"z\"} @ 5".to_owned()));
    let mut seen = Vec::new();
    expr.walk(&mut |expr| seen.push(text(expr)));
    assert!(seen.contains(&"m[5m] offset 1m".to_owned()), "{seen:?}");
}

#[test]
fn errors_of_the_lexer() {
    fails(&[
        ("a)", "1:3: parse error: unexpected right parenthesis ')'"),
        ("(a", "1:3: parse error: unclosed left parenthesis"),
        ("a{", "1:3: parse error: unexpected end of input inside braces"),
        ("a{b=\"c}", "1:5: parse error: unterminated quoted string"),
        ("`a", "1:1: parse error: unterminated raw string"),
        ("\"\\q\"", "1:1: parse error: unknown escape sequence U+0071 'q'"),
        ("\"\\x4", "1:1: parse error: escape sequence not terminated"),
        ("\"\\ud800\"", "1:1: parse error: escape sequence is an invalid Unicode code point"),
        ("a ! b", "1:3: parse error: unexpected character after '!': ' '"),
        ("a =~ b", "1:3: parse error: unexpected character after '=': '~'"),
        ("5mx", "1:1: parse error: bad number or duration syntax: \"5mx\""),
        ("1..2", "1:1: parse error: bad number or duration syntax: \"1..\""),
        ("a\n + \n  §", "3:3: parse error: unexpected character: '§'"),
        ("m[5m", "1:5: parse error: unclosed left bracket"),
        ("m[", "1:3: parse error: unexpected end of input in duration expression"),
        ("m[x]", "1:3: parse error: unexpected character in duration expression: 'x'"),
        ("m[5m x]", "1:6: parse error: unexpected character: 'x', expected ':'"),
        ("m[:5m]", "1:4: parse error: unexpected colon before duration in duration expression"),
        ("\"\\xff\"", r#"1:1: parse error: error unquoting string "\"\\xff\"": invalid UTF-8"#),
    ]);
}

#[test]
fn errors_of_the_grammar() {
    fails(&[
        ("", "unknown position: parse error: no expression found in input"),
        (" # nothing", "1:1: parse error: no expression found in input"),
        ("a b", "1:3: parse error: unexpected identifier \"b\""),
        ("1 +", "1:4: parse error: unexpected end of input"),
        ("* a", "1:1: parse error: unexpected <op:*>"),
        ("sum(a b)", "1:7: parse error: unexpected identifier \"b\" in aggregation"),
        ("sum by a", "1:8: parse error: unexpected identifier \"a\" in grouping opts, expected \"(\""),
        ("sum by (1)", "1:9: parse error: unexpected number \"1\" in grouping opts, expected label"),
        ("sum by (a b)", "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""),
        ("sum by (\"\") (a)", "1:9: parse error: invalid label name for grouping: \"\""),
        ("a{1}", "1:3: parse error: unexpected character inside braces: '1'"),
        ("a{b}", "1:4: parse error: unexpected \"}\" in label matching, expected label matching operator"),
        ("a{b=c}", "1:5: parse error: unexpected identifier \"c\" in label matching, expected string"),
        ("a{b=\"c\" d}", "1:9: parse error: unexpected identifier \"d\" in label matching, expected \",\" or \"}\""),
        ("a{,}", "1:3: parse error: unexpected \",\" in label matching, expected identifier or \"}\""),
        (
            "a offset b",
            "1:10: parse error: unexpected identifier \"b\" in offset, expected number, duration, step(), \
                        or range()",
        ),
        ("a @ b", "1:5: parse error: unexpected identifier \"b\" in @, expected timestamp"),
        ("a[5m:", "1:6: parse error: unclosed left bracket"),
        ("a[5m 6m]", "1:6: parse error: unexpected duration \"6m\" in subquery or range, expected \":\" or \"]\""),
        ("rate(a,)", "1:7: parse error: trailing commas not allowed in function call args"),
        ("foo(a)", "1:1: parse error: unknown function with name \"foo\""),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        ("topk(a)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"),
        ("a + on(x) group_left / b", "1:22: parse error: unexpected <op:/> in grouping opts, expected \"(\""),
        ("m[0]", "1:3: parse error: duration must be greater than 0"),
        ("m[300y]", "1:3: parse error: duration out of range"),
        ("m[5m/0]", "1:5: parse error: division by zero"),
        ("m offset 1m offset 1m", "1:1: parse error: offset may not be set multiple times"),
        ("m @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"),
        ("m @ inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"),
        ("m offset 1m[5m]", "1:12: parse error: no offset modifiers allowed before range"),
        ("m @ 1[5m]", "1:6: parse error: no @ modifiers allowed before range"),
        ("(m)[5m]", "1:4: parse error: ranges only allowed for vector selectors"),
        ("m anchored smoothed", "1:1: parse error: anchored and smoothed modifiers cannot be used together"),
        ("a{b=~\"(\"}", "1:3: parse error: error parsing regexp: missing closing ): `(`"),
    ]);
}

#[test]
fn errors_of_types() {
    fails(&[
        ("rate(a)", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"),
        ("sum(a[5m])", "1:5: parse error: expected type instant vector in aggregation expression, got range vector"),
        ("topk(a, b)", "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"),
        ("clamp(a, 1)", "1:1: parse error: expected 3 argument(s) in call to \"clamp\", got 2"),
        ("round(a, 1, 2)", "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"),
        ("label_join()", "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 0"),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
        ("1 and a", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"),
        ("a and on(x) group_left b", "1:1: parse error: no grouping allowed for \"and\" operation"),
        ("a + on(x) group_left(x) b", "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once"),
        ("a + on(x) 1", "1:1: parse error: vector matching only allowed between instant vectors"),
        ("a + fill(1) 1", "1:1: parse error: filling in missing series only allowed between instant vectors"),
        ("a or fill(1) b", "1:1: parse error: filling in missing series not allowed for set operators"),
        ("a + b[5m]", "1:5: parse error: binary expression must contain only scalar and instant vector types"),
        (
            "-\"a\"",
            "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, \
                    got \"string\"",
        ),
        ("1[5m:]", "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("{a=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("a{__name__=\"b\"}", "1:1: parse error: metric name must not be set twice: \"a\" or \"b\""),
        ("info(a, b)", "1:9: parse error: expected label selectors only, got vector selector instead"),
        ("info(a, sum(b))", "1:9: parse error: expected label selectors only"),
    ]);
    parse("info(a, {})");
}

#[test]
fn what_is_experimental_has_to_be_switched_on() {
    for (query, message) in [
        (
            "limitk(1, a)",
            "1:1: parse error: limitk() is experimental and must be enabled with \
             --enable-feature=promql-experimental-functions",
        ),
        ("max_of(1, 2)", "1:1: parse error: function \"max_of\" is not enabled"),
        ("m[1m+1m]", "1:3: parse error: experimental duration expression is not enabled"),
        ("m offset (1m)", "1:11: parse error: experimental duration expression is not enabled"),
        ("m[5m] anchored", "1:1: parse error: anchored modifier is experimental and not enabled"),
        ("a + fill(1) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
    ] {
        assert_eq!(plain_error(query), message, "{query}");
        parse(query);
    }
}

#[test]
fn selectors_alone() {
    let options = ParseOptions::plain();
    let matchers = parse_selector("up{job=\"x\"}", &options).unwrap();
    assert_eq!(matchers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["job=\"x\"", "__name__=\"up\""]);
    assert_eq!(parse_selector("up[5m]", &options).unwrap_err().to_string(), "1:3: parse error: unexpected \"[\"");
    assert_eq!(parse_selector("1", &options).unwrap_err().to_string(), "1:1: parse error: unexpected number \"1\"");
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = "(".repeat(40_000) + "a" + &")".repeat(40_000);
    assert_eq!(error(&deep), "1:257: parse error: expression is nested too deeply, at most 256 levels are allowed");
    for deep in ["-".repeat(40_000) + "a", "a^".repeat(40_000) + "a", "a+".repeat(40_000) + "a"] {
        assert!(error(&deep).ends_with("expression is nested too deeply, at most 256 levels are allowed"));
    }
    for deep in ["m[".to_owned() + &"(".repeat(40_000), "m[".to_owned() + &"1+".repeat(40_000) + "1]"] {
        assert!(error(&deep).ends_with("expression is nested too deeply, at most 256 levels are allowed"));
    }
    let subqueries = "m".to_owned() + &"[1m:]".repeat(40_000);
    assert!(error(&subqueries).contains("subquery is only allowed") || error(&subqueries).contains("too deeply"));
    parse(&("(".repeat(200) + "a" + &")".repeat(200)));
    assert!(error(&"a".repeat(300_000)).ends_with("query of 300000 bytes, at most 262144 are allowed"));
    let patterns: Vec<String> = (0..65).map(|i| format!("a=~\"x{i}.*\"")).collect();
    assert!(error(&format!("{{{}}}", patterns.join(","))).contains("too many regular expressions, at most 64"));
    parse(&format!("{{{}}}", patterns[..64].join(",")));
}

#[test]
fn the_deepest_trees_fit_a_small_stack() {
    let run = || {
        for (before, inner, behind) in [
            ("(", "a", ")"),
            ("-", "a", ""),
            ("a^", "a", ""),
            ("abs(", "a", ")"),
            ("", "a", "+a"),
            ("sum by (a) (", "a", ")"),
        ] {
            let nested = |levels: usize| before.repeat(levels) + inner + &behind.repeat(levels);
            let deepest =
                (1..300).rev().find_map(|levels| parse_expr(&nested(levels), &ParseOptions::everything()).ok());
            let expr = deepest.unwrap();
            assert!(expr.to_string().len() > 200 && expr.pretty().len() > 200);
            assert!(serde_json::to_string(&expr.clone()).unwrap().len() > 200);
        }
    };
    // Of the 2 MiB that threads have; without optimisation, that is.
    const STACK_BYTES: usize = 3 << 19;
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap();
}

#[test]
fn long_texts_are_split_where_they_must_be() {
    let query = "sum by (cluster) (rate(a_rather_long_metric_name{cluster=\"fritz\",host=~\"f0.*\"}[5m])) \
                 / on (cluster) group_left () topk(3, another_rather_long_metric_name offset 1w)";
    let expected = "  sum by (cluster) (rate(a_rather_long_metric_name{cluster=\"fritz\",host=~\"f0.*\"}[5m]))\n\
                    / on (cluster) group_left ()\n  \
                    topk(3, another_rather_long_metric_name offset 1w)";
    assert_eq!(parse(query).pretty(), expected);
    assert_eq!(parse("a+b").pretty(), "a + b");
    let name = "n".repeat(101);
    let nested = format!("-clamp(({name})[5m:], 1, label_replace({name}))").replace("label_replace", "scalar");
    assert_eq!(
        error(&nested),
        "1:8: parse error: expected type instant vector in call to function \"clamp\", got \
                                range vector"
    );
    let nested = format!("-clamp(({name}), 1, 2)");
    assert_eq!(parse(&nested).pretty(), format!("-clamp(\n  (\n    {name}\n  ),\n  1,\n  2\n)"));
}

#[test]
fn trees_are_json() {
    let json = |query: &str| serde_json::to_string(&parse(query)).unwrap();
    assert_eq!(json("-1.5"), r#"{"type":"numberLiteral","val":"-1.5"}"#);
    assert_eq!(
        json("-(time())"),
        concat!(
            r#"{"expr":{"expr":{"args":[],"func":{"argTypes":[],"name":"time","returnType":"scalar","variadic":0},"#,
            r#""type":"call"},"type":"parenExpr"},"op":"-","type":"unaryExpr"}"#,
        )
    );
    assert_eq!(
        json("abs(sum by (a) (m{a=~\"x\"} offset 1m @ end()))[5m:(2 * step())]"),
        concat!(
            r#"{"expr":{"args":[{"expr":{"anchored":false,"matchers":[{"name":"a","type":"=~","value":"x"},"#,
            r#"{"name":"__name__","type":"=","value":"m"}],"name":"m","offset":60000,"offsetExpr":null,"smoothed":false,"#,
            r#""startOrEnd":"end","timestamp":null,"type":"vectorSelector"},"grouping":["a"],"op":"sum","param":null,"#,
            r#""type":"aggregation","without":false}],"func":{"argTypes":["vector"],"name":"abs","returnType":"vector","#,
            r#""variadic":0},"type":"call"},"offset":0,"offsetExpr":null,"range":300000,"rangeExpr":null,"#,
            r#""startOrEnd":null,"step":0,"stepExpr":{"lhs":{"duration":false,"type":"numberLiteral","val":"2"},"op":"*","#,
            r#""rhs":{"lhs":null,"op":"step","rhs":null,"type":"durationExpr","wrapped":false},"type":"durationExpr","#,
            r#""wrapped":true},"timestamp":null,"type":"subquery"}"#,
        )
    );
    assert_eq!(json("a == bool on (x) fill_left (1.5) fill_right (2) b").matches(
        r#""matching":{"card":"one-to-one","fillValues":{"lhs":1.5,"rhs":2},"include":[],"labels":["x"],"on":true}"#
    ).count(), 1);
}

#[test]
fn durations_of_trees_are_of_their_kind() {
    let Expr::Matrix(matrix) = parse("m[(5)]") else { panic!("no range") };
    let Length::Expr(expr) = matrix.range else { panic!("no expression") };
    assert!(expr.wrapped && matches!(expr.kind, DurationKind::Plus(_)));
}
