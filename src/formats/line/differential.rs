//! The parser against the crate `influxdb-line-protocol`, and against any bytes.
//!
//! Where both accept a line they agree on every part of it. Known differences, all of them the reference's ways:
//!
//! | text | here | there |
//! | --- | --- | --- |
//! | `\\` in a name | two backslashes | one |
//! | `,` in a tag's name, `=` in its value, without a backslash | refused | accepted |
//! | control characters in a name | refused | accepted, but for tab, newline and a metric's NUL |
//! | a backslash at the end of a name | itself | refused |
//! | tabs before and between the parts | refused | accepted before the line |
//! | carriage return at the end | dropped | refused |
//! | `1.`, `.5`, `0x1p3`, `1_000` | accepted | refused |
//! | `1e400` | refused | infinite |

use influxdb_line_protocol::{FieldValue, parse_lines};
use proptest::prelude::*;

use super::{fuzz, parse_key, split};

/// What a line says: metric, the tags that mean something (sorted, without their empty values), value, time.
type Meaning = (String, Vec<(&'static str, String)>, u64, Option<i64>);

const TAGS: [&str; 7] = ["cluster", "host", "hostname", "stype", "stype-id", "type", "type-id"];

fn ours(line: &str) -> Option<Meaning> {
    let split = split(line.as_bytes()).ok()??;
    let key = parse_key(split.key).ok()?;
    let mut tags = vec![
        ("cluster", key.cluster.unwrap_or_default()),
        ("hostname", key.host),
        ("stype", key.sub_kind),
        ("stype-id", key.sub_id),
        ("type", key.kind),
        ("type-id", key.id),
    ];
    tags.retain(|(_, value)| !value.is_empty());
    let tags = tags.into_iter().map(|(name, value)| (name, value.into_owned())).collect();
    Some((key.metric.into_owned(), tags, split.value.to_bits(), split.time))
}

fn theirs(line: &str) -> Option<Meaning> {
    let mut parsed = parse_lines(line).collect::<Result<Vec<_>, _>>().ok()?;
    let line = parsed.pop().filter(|_| parsed.is_empty())?;
    let mut value = None;
    for (name, field) in &line.field_set {
        if *name != "value" {
            return None;
        }
        value = Some(match field {
            FieldValue::F64(value) if value.is_finite() => *value,
            FieldValue::I64(value) => *value as f64,
            FieldValue::U64(value) => *value as f64,
            _ => return None,
        });
    }
    let mut tags: Vec<(&str, String)> = Vec::new();
    for (name, value) in line.series.tag_set.iter().flatten() {
        let Some(&name) = TAGS.iter().find(|known| *name == **known) else { continue };
        let name = if name == "host" { "hostname" } else { name };
        tags.retain(|(known, _)| *known != name);
        tags.push((name, value.to_string()));
    }
    tags.sort();
    Some((line.series.measurement.to_string(), tags, value?.to_bits(), line.timestamp))
}

/// Lines that both must accept.
fn good_line() -> impl Strategy<Value = String> {
    const NAME: &str = r#"([a-z0-9_é"/.:-]|\\[,= a]){1,8}"#;
    let tag_name = prop_oneof![3 => proptest::sample::select(&TAGS[..]).prop_map(str::to_owned), 1 => NAME];
    let tags = proptest::collection::vec((tag_name, NAME), 0..8);
    let number = prop_oneof![
        r"-?[0-9]{1,20}(\.[0-9]{1,20})?",
        r"-?[0-9]{1,3}\.[0-9]{1,8}",
        r"[0-9]{1,3}\.[0-9]{1,17}e[-+]?[0-9]{1,2}",
        "-?[0-9]{1,18}i",
        "[0-9]{1,19}u",
    ];
    let values = proptest::collection::vec(number, 1..3);
    let time = proptest::option::of("-?[0-9]{1,18}");
    ("[a-z]{1,5}", NAME, tags, values, time, " {1,2}").prop_map(|(first, name, tags, values, time, blanks)| {
        let mut line = first + &name;
        for (name, value) in tags {
            line += &format!(",{name}={value}");
        }
        line += &blanks;
        line += &values.iter().map(|value| format!("value={value}")).collect::<Vec<_>>().join(",");
        if let Some(time) = time {
            line += &blanks;
            line += &time;
        }
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn good_lines_mean_the_same_to_both(line in good_line()) {
        let meaning = ours(&line);
        prop_assert!(meaning.is_some(), "{:?} is refused: {:?}", line, split(line.as_bytes()));
        prop_assert_eq!(meaning, theirs(&line));
    }

    #[test]
    fn spoilt_lines_mean_the_same_where_both_accept_them(
        line in good_line(),
        at: proptest::sample::Index,
        with in prop_oneof![Just(""), Just(","), Just("="), Just(" "), Just("\\"), Just("\""), Just("."), Just("e"),
            Just("i"), Just("-"), Just("#"), Just("\t"), Just("\r"), Just("\0"), Just("7"), Just("é")],
        replace: bool,
    ) {
        let mut chars: Vec<String> = line.chars().map(String::from).collect();
        let at = at.index(chars.len());
        if replace {
            chars[at] = with.to_owned();
        } else {
            chars.insert(at, with.to_owned());
        }
        let line = chars.concat();
        prop_assume!(!line.contains(r"\\"));
        if let (Some(ours), Some(theirs)) = (ours(&line), theirs(&line)) {
            prop_assert_eq!(ours, theirs, "{:?}", line);
        }
        fuzz(line.as_bytes());
    }

    #[test]
    fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&data);
    }

    #[test]
    fn any_soup_of_syntax_is_survived(text in r##"([a-c,= \\"#.+\r\n\t\x00é]|value=|[0-9]|[-0-9.]{1,20}[eiu]?|,host=| value=){0,40}"##) {
        fuzz(text.as_bytes());
    }
}

#[test]
fn the_known_differences_are_still_there() {
    for (line, accepted_here, accepted_there) in [
        ("m,a,host=x value=1", false, true),
        ("m,host=x=y value=1", false, true),
        ("m,host=x\u{1} value=1", false, true),
        ("\tm value=1", false, true),
        ("m value=1\r", true, false),
        ("m value=1.", true, false),
        ("m value=.5", true, false),
        ("m value=0x1p3", true, false),
        ("m value=1_000", true, false),
    ] {
        assert_eq!((ours(line).is_some(), theirs(line).is_some()), (accepted_here, accepted_there), "{line:?}");
    }
    assert!(ours("m value=1e400").is_none());
    assert!(parse_lines("m value=1e400").next().is_some_and(|line| line.is_ok()));
    let host =
        |meaning: Option<Meaning>| meaning.and_then(|meaning| meaning.1.into_iter().next()).map(|(_, host)| host);
    assert_eq!(host(ours(r"m,host=a\\b value=1")).as_deref(), Some(r"a\\b"));
    assert_eq!(host(theirs(r"m,host=a\\b value=1")).as_deref(), Some(r"a\b"));
}
