//! Templates as rule files have them.

use super::*;

/// Answers `metric` with two series, `empty` with none, and refuses the rest.
struct Answers;

impl Ask for Answers {
    fn ask(&self, query: &str) -> Result<Vec<(Labels, Point)>, String> {
        let series = |host: &str, value| {
            (Labels::from_pairs([("__name__", "metric"), ("instance", host), ("__value__", "v")]), Point::Float(value))
        };
        match query {
            "metric" => Ok(vec![series("b", 21.0), series("a", 11.5)]),
            "empty" => Ok(Vec::new()),
            _ => Err("no such query".to_owned()),
        }
    }
}

fn expand_for(text: &str, value: f64) -> Result<String, String> {
    let labels = Labels::from_pairs([("instance", "a:9100"), ("mount", "/scratch")]);
    let external = Labels::from_pairs([("site", "erlangen")]);
    let subject = Subject {
        labels: &labels,
        value: &Point::Float(value),
        external_labels: &external,
        external_url: "https://metrics.example/treering",
        time_ms: 1_435_781_451_781,
        ask: Arc::new(Answers),
    };
    Template::new("t", text)?.expand(&subject)
}

#[track_caller]
fn expands(text: &str, expected: &str) {
    assert_eq!(expand_for(text, 1.5e6).as_deref(), Ok(expected), "{text}");
}

#[test]
fn labels_and_values_are_there() {
    expands("plain } {", "plain } {");
    expands("{{ $labels.instance }} at {{ $value }}", "a:9100 at 1.5e+06");
    expands("{{ .Labels.instance }} at {{ .Value }}", "a:9100 at 1.5e+06");
    expands("[{{ $labels.nothing }}]", "[]");
    expands("{{ if eq $labels.nothing \"\" }}none{{ else }}some{{ end }}", "none");
    expands("{{ index $labels \"mount\" }}{{ index $labels \"gone\" }}", "/scratch");
    expands(
        "{{ $externalLabels.site }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
        "erlangen https://metrics.example/treering https://metrics.example/treering /treering",
    );
    expands(
        "{{ range $name, $value := $labels }}{{ $name }}={{ $value }};{{ end }}",
        "instance=a:9100;mount=/scratch;",
    );
    expands("{{- /* silent */ -}}  x  {{- \"y\" -}}  z", "xyz");
}

#[test]
fn go_is_go() {
    expands("{{ if gt $value 1e6 }}high{{ else if gt $value 1.0 }}mid{{ else }}low{{ end }}", "high");
    expands("{{ with $labels.mount }}on {{ . }}{{ end }}{{ with $labels.gone }}x{{ else }}-{{ end }}", "on /scratch-");
    expands("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2");
    expands(
        "{{ printf \"%.2f|%5s|%-4d|%q|%v|%e|%x\" $value \"a\" 7 \"q\" true 1.5 255 }}",
        "1500000.00|    a|7   |\"q\"|true|1.500000e+00|ff",
    );
    expands("{{ printf \"%d\" 1.5 }}", "%!d(float64=1.5)");
    expands(
        "{{ printf \"100%% %v %8v|\" $value 2.0 }}{{ print $value 1 \"a\" 2 }}{{ println 1.5 \"b\" }}",
        "100% 1.5e+06        2|1.5e+06 1a21.5 b\n",
    );
    expands("{{ (1.5 | printf \"%.1f\") | printf \"<%s>\" }}", "<1.5>");
    expands("{{ and true $labels.gone }}{{ or $labels.gone \"b\" }}{{ not false }}{{ len \"abc\" }}", "btrue3");
    expands("{{ define \"x\" }}{{ .arg0 }} {{ .arg1 }}{{ end }}{{ template \"x\" (args 1 \"2\") }}", "1 2");
}

#[test]
fn queries_are_answered() {
    expands("{{ query \"metric\" | first | value }}", "21");
    expands("{{ query \"metric\" | first | label \"instance\" }}", "b");
    expands("{{ query \"metric\" | first | label \"foo\" }}", "");
    expands("{{ query \"metric\" | first | strvalue }}", "v");
    expands("{{ $x := query \"metric\" | first }}{{ $x.Labels.foo }}{{ $x.Value }}", "21");
    expands(
        "{{ range query \"metric\" | sortByLabel \"instance\" }}{{ .Labels.instance }}:{{ .Value }} {{ end }}",
        "a:11.5 b:21 ",
    );
    expands(
        "{{ with query \"empty\" }}x{{ else }}none{{ end }}{{ (query \"metric\" | first).Value | humanize }}",
        "none21",
    );
}

#[test]
fn numbers_are_made_for_people() {
    let each = |function: &str, inputs: &[&str]| {
        let one = |input: &&str| expand_for(&format!("{{{{ {input} | {function} }}}}"), 0.0).unwrap();
        inputs.iter().map(one).collect::<Vec<_>>().join(":")
    };
    assert_eq!(
        each("humanize", &["0.0", "1.0", "1234567.0", ".12", "-1", "9223372036854775807"]),
        "0:1:1.235M:120m:-1:9.223E"
    );
    assert_eq!(each("humanize1024", &["0.0", "1.0", "1048576.0", ".12", "1234567"]), "0:1:1Mi:0.12:1.177Mi");
    assert_eq!(
        each("humanizeDuration", &["0", "1", "60", "3600", "86400", "90000", "-183845", "899.99", "1234567"]),
        "0s:1s:1m 0s:1h 0m 0s:1d 0h 0m 0s:1d 1h 0m 0s:-2d 3h 4m 5s:14m 59s:14d 6h 56m 7s"
    );
    assert_eq!(
        each("humanizeDuration", &[".1", ".0001", ".12345", "60.1", "1.2345", "12.345"]),
        "100ms:100us:123.5ms:1m 0s:1.234s:12.35s"
    );
    assert_eq!(
        each("humanizePercentage", &["-0.22222", "0.0", "0.1234567", "1.23456", "1234567"]),
        "-22.22%:0%:12.35%:123.5%:1.235e+08%"
    );
    assert_eq!(
        each("humanizeTimestamp", &["1435065584.128", "\"1435065584.128\""]),
        "2015-06-23 13:19:44.128 +0000 UTC:2015-06-23 13:19:44.128 +0000 UTC"
    );
    for function in ["humanize", "humanize1024", "humanizeDuration", "humanizeTimestamp"] {
        assert_eq!(each(function, &["\"+Inf\"", "\"-Inf\"", "\"NaN\""]), "+Inf:-Inf:NaN");
    }
    expands(
        "{{ now | toTime }} {{ toDuration 90 }} {{ parseDuration \"1h2m10ms\" }}",
        "2015-07-01 20:10:51.781 +0000 UTC 1m30s 3720.01",
    );
}

#[test]
fn texts_are_changed() {
    expands("{{ \"aa bB-cc d_e o'clock\" | title }}", "Aa BB-Cc D_e O'clock");
    expands("{{ \"aaBB\" | toUpper }}{{ \"aaBB\" | toLower }}", "AABBaabb");
    expands("{{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}{{ match \"a+\" \"aa\" }}", "xatrue");
    expands("{{ $labels.instance | stripPort }} {{ \"[2001:0DB8::1]:12345\" | stripPort }}", "a 2001:0DB8::1");
    expands("{{ \"h.example.com:80\" | stripDomain }} {{ \"192.0.2.1:80\" | stripDomain }}", "h:80 192.0.2.1:80");
    expands("{{ tableLink \"a b/{c}\" }}", "/graph?g0.expr=a+b%2F%7Bc%7D&g0.tab=1");
    expands("{{ urlQueryEscape \"é&\" }}{{ safeHtml \"<b>\" }}", "%C3%A9%26<b>");
}

#[test]
fn what_cannot_be_is_refused_at_once() {
    let refused = |text: &str| Template::new("t", text).unwrap_err();
    assert_eq!(refused("a\n{{ foo 1 }}"), "template: __alert_t:2: function \"foo\" not defined");
    assert_eq!(refused("{{ $gone }}"), "template: __alert_t:1: undefined variable \"$gone\"");
    assert_eq!(
        refused("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}"),
        "template: __alert_t:1: undefined variable \"$x\""
    );
    assert_eq!(refused("{{ template \"gone\" }}"), "template: __alert_t:1: no such template \"gone\"");
    assert!(refused("{{ (now | toTime).Format \"x\" }}").contains("there are no methods"));
    assert!(refused("{{ $labels.instance \"x\" }}").contains("there are no methods"));
    assert!(refused("{{ _field . }}").contains("not defined"));
    for text in ["{{", "{{ if }}x{{ end }}", "{{ end }}", "{{ if true }}", "{{ \"open }}", "{{ ) }}"] {
        assert!(refused(text).starts_with("template: __alert_t:"), "{text}: {}", refused(text));
    }
}

#[test]
fn errors_of_an_expansion_say_what_was_wrong() {
    let failed = |text: &str| expand_for(text, 1.0).unwrap_err();
    let begins = "error executing template __alert_t: ";
    assert_eq!(
        failed("{{ query \"empty\" | first }}"),
        format!("{begins}error calling first: first() called on vector with no elements")
    );
    assert_eq!(failed("{{ query \"other\" }}"), format!("{begins}error calling query: no such query"));
    assert_eq!(
        failed("{{ humanize \"one\" }}"),
        format!("{begins}error calling humanize: strconv.ParseFloat: parsing \"one\": invalid syntax")
    );
    assert_eq!(
        failed("{{ (query \"metric\").banana }}"),
        format!("{begins}can't evaluate field banana in type template.queryResult")
    );
    assert_eq!(failed("{{ humanize }}"), format!("{begins}wrong number of args for humanize: want 1 got 0"));
}

/// No template of some bytes takes all memory, or all time.
#[test]
fn expansions_are_bounded() {
    let failed = |text: &str| expand_for(text, 1.0).unwrap_err();
    assert!(failed("{{ printf \"%999999999d\" 1 }}").contains("at most 3 digits"));
    assert!(failed("{{ printf \"%*d\" 999999999 1 }}").contains("at most 3 digits"));
    let loops = "{{ range $a := query \"metric\" }}".repeat(20) + "x" + &"{{ end }}".repeat(20);
    assert!(failed(&loops).contains("more than 100 queries"), "{}", failed(&loops));
    let loops = format!("{{{{ $m := query \"metric\" }}}}{}{}", "{{ range $m }}".repeat(30), "{{ end }}".repeat(30));
    assert!(failed(&loops).contains("range iteration"), "{}", failed(&loops));
    let wide =
        "{{ define \"a\" }}xxxxxxxxxxxxxxxx{{ template \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}";
    assert!(expand_for(wide, 1.0).is_err());
    assert!(Template::new("t", &"{{ (1) }}".repeat(101)).unwrap_err().contains("more than 500 actions or 100"));
    assert!(Template::new("t", &"{{ 1 }}".repeat(501)).unwrap_err().contains("more than 500 actions or 100"));
    // The deepest that may be read do not take all of the stack.
    let deepest = format!("{{{{ {}1{} }}}}", "(".repeat(90), ")".repeat(90));
    expands(&deepest, "1");
    assert!(Template::new("t", &"{{ if 1 }}".repeat(500)).is_err());
    let nested = "{{ if 1 }}".repeat(90) + "x" + &"{{ end }}".repeat(90);
    expands(&nested, "x");
    assert!(Template::new("t", &format!("{{{{ 1 }}}}{}", "x".repeat(TEXT_BYTES_MAX))).is_err());
    expands("{{ printf \"%999.9f\" 1.0 | len }}", "999");
}
