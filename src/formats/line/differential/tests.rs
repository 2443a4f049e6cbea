//! Lines that are made up, good ones and spoilt ones, through both parsers.

use super::super::fuzz;
use super::*;
use proptest::prelude::*;

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
